package daemon_test

import (
	"fmt"
	"runtime"
	"strings"
	"testing"

	"nix2gpu/image/source"
	"nix2gpu/internal/engine"
	"nix2gpu/internal/testkit"
)

// TestProgressAtATerminal pushes an image at a terminal, where it shows how far it
// is and leaves nothing of that, and into a pipe, where it shows nothing.
func TestProgressAtATerminal(t *testing.T) {
	docker := engine.Docker(t)
	load(t, find(t, "docker", environ(docker.Env)), source.FromImage("x", program(t, runtime.GOARCH)))
	docker.MustExec("save", "answer:v1", "-o", docker.Dir+"/answer.tar")
	serveRegistry(t, docker)
	// Each to a repository of its own: what that has is not sent again.
	push := func(n int) string {
		return fmt.Sprintf("%s push --from answer.tar --to 127.0.0.1:5000/me/answer%d:v1", testkit.Binary(t), n)
	}
	tm := docker.Terminal("env CI= " + push(0))
	if code := tm.Wait(); code != 0 {
		t.Fatalf("exit code %d:\n%s", code, tm.Output())
	}
	if raw := tm.Raw(); !strings.Contains(raw, "\rpushing  [") || !strings.Contains(raw, "%") {
		t.Errorf("nothing says how far it is:\n%q", raw)
	}
	if out := tm.Output(); strings.Contains(out, "pushing  [") || !strings.Contains(out, "pushed 127.0.0.1:5000/me/answer0:v1") {
		t.Errorf("left on the terminal:\n%s", out)
	}
	run := docker.StartCommand("bash", "-c", "CI= TERM=xterm "+push(1))
	if code := run.Wait(); code != 0 || strings.ContainsAny(run.Stderr(), "\r\x1b%") || !strings.Contains(run.Stderr(), "blobs sent") {
		t.Errorf("in a pipe: exit code %d, %q", code, run.Stderr())
	}
	for n, env := range []string{"TERM=dumb ", "CI=1 "} {
		tm := docker.Terminal("env " + env + push(2+n))
		if code := tm.Wait(); code != 0 || strings.ContainsAny(tm.Raw(), "\x1b%") || !strings.Contains(tm.Raw(), "blobs sent") {
			t.Errorf("at a terminal, with %q: exit code %d, %q", env, code, tm.Raw())
		}
	}
}
