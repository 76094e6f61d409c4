package session

import (
	"os"
	"path/filepath"
	"testing"

	"nix2gpu/project"
	"nix2gpu/rundir"
)

// A reload without the process that says how a log_location is rotated ends that for those
// who write to it on.
func TestRotateCopies(t *testing.T) {
	path := filepath.Join(t.TempDir(), "all.log")
	open := func() (*os.File, error) {
		return os.OpenFile(path, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o600)
	}
	f, err := open()
	if err != nil {
		t.Fatal(err)
	}
	s := &session{Machine: Machine{Root: filepath.Dir(path), Layout: rundir.Layout{State: t.TempDir()}}}
	talker := &project.Process{ID: "talker", Log: project.Log{File: project.Lit("all.log")}}
	p := &project.Project{Processes: map[project.ID]*project.Process{
		"talker": talker,
		"says":   {ID: "says", Log: project.Log{File: project.Lit("./all.log"), Format: &project.LogFormat{Rotation: &project.LogRotation{SizeMB: 1}}}},
	}}
	log := s.logCopies.Use(f, p.RotationOf(talker), open)
	defer s.logCopies.Close(t.Context())
	defer log.Close()
	aside := func(when string, want int) {
		t.Helper()
		for range 2 {
			log.Write(append(make([]byte, 900<<10), '\n'))
		}
		found, err := filepath.Glob(filepath.Join(filepath.Dir(path), "all-*.log"))
		if err != nil || len(found) != want {
			t.Errorf("%s: %d files were put aside, want %d (%v)", when, len(found), want, err)
		}
	}
	aside("rotated", 1)
	s.rotateCopies(p)
	aside("unchanged", 3)
	delete(p.Processes, "says")
	s.rotateCopies(p)
	aside("not any more", 3)
}
