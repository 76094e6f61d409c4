package session

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"nix2gpu/internal/testkit"
	"nix2gpu/project"
	"nix2gpu/servicelog"
)

// The log of a further run of a schedule, which an earlier session has made, is bounded
// before this session makes such a run.
func TestKeepLogsOfFurtherRuns(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "logs")
	hub, err := servicelog.Open(servicelog.Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	old := filepath.Join(dir, "job-2.log.1")
	if err := os.WriteFile(old, []byte("2026-01-02T03:04:05.000000006Z stdout F old\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	long := time.Now().Add(-time.Hour)
	if err := os.Chtimes(old, long, long); err != nil {
		t.Fatal(err)
	}
	s := &session{hub: hub}
	s.keepLogs(&project.Project{
		Services:  map[project.ID]*project.Service{"job": {ID: "job", Main: "job", Schedule: &project.Schedule{Concurrent: 2}}},
		Processes: map[project.ID]*project.Process{"job": {ID: "job", Service: "job", Log: project.Log{MaxAge: project.Duration(time.Minute)}}},
	})
	if !testkit.Eventually(func() bool { _, err := os.Stat(old); return os.IsNotExist(err) }) {
		t.Error("it is still there")
	}
	if err := hub.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
}
