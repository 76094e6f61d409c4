package session

import (
	"context"
	"fmt"
	"path/filepath"
	"sync"
	"testing"

	"nix2gpu/project"
	"nix2gpu/servicelog"
	"nix2gpu/supervisor"
)

// Of reloads at once, the one that the engine has taken last is the one by which files are
// watched and logs are kept.
func TestReloadsAtOnce(t *testing.T) {
	hub, err := servicelog.Open(servicelog.Options{Dir: filepath.Join(t.TempDir(), "logs")})
	if err != nil {
		t.Fatal(err)
	}
	watched := t.TempDir()
	version := func(n int) project.Valid {
		return project.TakenAsValid(&project.Project{
			Version: project.Version, Name: "t",
			Services: map[project.ID]*project.Service{"a": {ID: "a", Main: "a", Disabled: true,
				Watch: &project.Watch{Paths: []project.WatchPath{{Path: project.RootPath(watched), Exclude: []string{fmt.Sprint("x", n)}}}}}},
			Processes: map[project.ID]*project.Process{"a": {ID: "a", Service: "a", Role: project.Main, Command: project.Command{Shell: project.Lit("x")}}},
		})
	}
	s := &session{hub: hub, job: &Job{Project: version(0)}}
	ctx, stop := context.WithCancel(t.Context())
	s.engine = supervisor.New(version(0), supervisor.Options{Stay: true, World: supervisor.Machine{Hub: hub}.World})
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		s.engine.Run(ctx)
	}()
	for round := range 50 {
		var all sync.WaitGroup
		for i := range 8 {
			all.Go(func() {
				if _, err := (asked{s.engine, s}).Reload(ctx, version(round*8+i)); err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
		p, err := s.engine.Project(ctx)
		if err != nil {
			t.Fatal(err)
		}
		_, want := s.filesOf(p, p.Services["a"])
		if w := s.files.running["a"]; w == nil || w.spec != want {
			t.Fatalf("round %d: what is watched is not of the project that runs", round)
		}
	}
	stop()
	<-ended
	s.files.close()
	if err := hub.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// A path that this machine does not have is named by what is said of it.
func TestWatchOfWhatIsNotHere(t *testing.T) {
	svc := &project.Service{ID: "a", Main: "a", Watch: &project.Watch{Paths: []project.WatchPath{{Path: project.PackagePath("no-such-package", "/x")}}}}
	opts, _ := new(session).filesOf(&project.Project{}, svc)
	if got := opts.Paths[0].Path; got != "<no-such-package>/x" {
		t.Errorf("it watches %q", got)
	}
}
