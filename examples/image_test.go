package examples

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"nix2gpu/internal/engine"
	"nix2gpu/internal/testkit"
)

// The main example as an image: built from Debian's packages, loaded into docker,
// healthy by the same definition, and each server answers.
func TestMicroservicesImage(t *testing.T) {
	e := engine.Docker(t)
	dir := filepath.Join(t.TempDir(), "microservices")
	if err := os.CopyFS(dir, os.DirFS("microservices")); err != nil {
		t.Fatal(err)
	}
	archive := filepath.Join(dir, "image.tar")
	build := exec.CommandContext(t.Context(), testkit.Binary(t), "build", "-o", archive, dir)
	build.Env = append(os.Environ(), "CI=", "XDG_CACHE_HOME="+t.TempDir())
	var stdout, stderr strings.Builder
	build.Stdout, build.Stderr = &stdout, &stderr
	if err := build.Run(); err != nil {
		t.Fatalf("build: %v\n%s", err, stderr.String())
	}
	if !strings.HasPrefix(stdout.String(), "sha256:") {
		t.Errorf("build printed %q", stdout.String())
	}
	for line := range strings.Lines(stderr.String()) {
		if strings.Contains(line, "warning:") && !strings.Contains(line, "-service") { // those lie in ./bin
			t.Errorf("build warns: %s", line)
		}
	}
	if name := e.Load(archive); !strings.Contains(name, "microservices:latest") {
		t.Errorf("docker calls the image %q", name)
	}
	c := e.Container("-v", dir+":/workspace", "microservices:latest")
	e.WaitLogs(c, "[nix2gpu] all services healthy")
	for _, check := range []struct{ command, want string }{
		{"redis-cli ping", "PONG"},
		{"psql -U postgres -h 127.0.0.1 -Atc 'select 40+2' users", "42"},
		{"python -c 'import urllib.request as r; print(r.urlopen(\"http://127.0.0.1:8080/users/\").status)'", "200"},
		{"nix2gpu ready && echo ready", "ready"},
		{"dpkg-query -W -f '${Status}' postgresql-15", "install ok installed"},
		{"stat -c '%U' /workspace/data/postgresql/userdb", "postgres"},
		{"ldconfig -p | grep -c libssl.so.3", "1"},
	} {
		out, errs, code := e.Exec("exec", c, "sh", "-c", check.command)
		if code != 0 || strings.TrimSpace(out) != check.want {
			t.Errorf("%s: exit code %d, %q, want %q\n%s", check.command, code, out, check.want, errs)
		}
	}
	if out := e.MustExec("history", "--no-trunc", "--format", "{{.CreatedBy}} {{.Comment}}", "microservices:latest"); strings.Count(out, "nix2gpu build") < 10 || !strings.Contains(out, "base of Debian") {
		t.Errorf("history is\n%s", out)
	}
	e.MustExec("stop", c)
	if code := e.ExitCode(c); code != 0 {
		t.Errorf("it ended with %d", code)
	}
}
