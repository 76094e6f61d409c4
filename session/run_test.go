package session_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"nix2gpu/project"
	"nix2gpu/rundir"
	"nix2gpu/session"
)

// Whoever asks for the end before the session listens to signals is heard all
// the same: what it begins, it ends.
func TestRunOfWhatIsOverAlready(t *testing.T) {
	dir := t.TempDir()
	valid, err := project.Validated(one(func(s *project.Service, q *project.Process) {
		q.Command = project.Command{Shell: project.Lit("exec sleep 1000")}
	}))
	if err != nil {
		t.Fatal(err)
	}
	out, err := os.Create(filepath.Join(dir, "out"))
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	code, err := session.Run(ctx, session.Options{
		RunDir: rundir.Env{UID: os.Geteuid(), State: filepath.Join(dir, "state"), RuntimeDir: dir}, Self: "/proc/self/exe", Environ: os.Environ(), Stdout: out,
	}, &session.Job{Project: valid, Services: []project.ID{"api"}, Root: dir, Definition: "nix2gpu.nix"})
	said, readErr := os.ReadFile(out.Name())
	if code != 0 || err != nil || readErr != nil || !strings.HasSuffix(string(said), "all services stopped\n") {
		t.Errorf("code %d, %v, %v; it said\n%s", code, err, readErr, said)
	}
}
