package server_test

import (
	"context"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"nix2gpu/control/server"
	"nix2gpu/project"
	"nix2gpu/supervisor"
)

// keeping is an engine that keeps what it is told to run.
type keeping struct {
	*fake
	mu  sync.Mutex
	now *project.Project
}

func (k *keeping) Project(context.Context) (*project.Project, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.now, nil
}

func (k *keeping) Reload(_ context.Context, p project.Valid) (supervisor.Reloaded, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.now = p.Project()
	return supervisor.Reloaded{}, nil
}

// lengthening reads a longer name for the project, whatever is sent.
type lengthening struct{ pcFakeWire }

func (lengthening) Process(*project.Project, project.ID) map[string]any { return nil }

func (lengthening) DecodeProcess(now *project.Project, _ []byte) (*project.Project, project.ID, error) {
	time.Sleep(time.Millisecond) // so that others come meanwhile
	next := *now
	next.Name += "x"
	return &next, "", nil
}

// Of processes that are updated at once, each one's update stays.
func TestUpdatesAtOnce(t *testing.T) {
	engine := &keeping{fake: newFake(), now: &project.Project{Version: project.Version, Name: "p", Compose: true}}
	dir, err := os.MkdirTemp("", "n2g") // t.TempDir can be too long for a socket
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	socket := filepath.Join(dir, "s")
	l, err := server.Listen(socket)
	if err != nil {
		t.Fatal(err)
	}
	srv := server.New(server.Options{Engine: engine, Resolve: (*project.Project).ResolveAll, Wire: lengthening{},
		Reload: func(_ context.Context, p *project.Project) (project.Valid, error) { return project.Validated(p) }})
	served := make(chan struct{})
	go func() { defer close(served); srv.Serve(l) }()
	defer func() { srv.Close(); <-served }()
	const n = 50
	hc := overSocket(t, socket)
	var all sync.WaitGroup
	for range n {
		all.Go(func() {
			resp, err := hc.Post("http://localhost/process", "application/json", nil)
			if err != nil {
				t.Error(err)
				return
			}
			if resp.Body.Close(); resp.StatusCode != 200 {
				t.Error(resp.Status)
			}
		})
	}
	all.Wait()
	if got := len(engine.now.Name) - 1; got != n {
		t.Errorf("%d of %d updates are left", got, n)
	}
}
