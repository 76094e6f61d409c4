package examples

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"nix2gpu/internal/engine"
	"nix2gpu/internal/testkit"
)

// built runs "nix2gpu build" for a copy of a folder. All tests share what they
// download and pack.
func built(t testing.TB, dir string, args ...string) (stdout, stderr string, err error) {
	t.Helper()
	build := exec.CommandContext(t.Context(), testkit.Binary(t), append([]string{"build", dir}, args...)...)
	build.Env = append(os.Environ(), "CI=", "XDG_CACHE_HOME="+filepath.Join(filepath.Dir(testkit.Binary(t)), "cache"))
	var out, errs strings.Builder
	build.Stdout, build.Stderr = &out, &errs
	err = build.Run()
	return out.String(), errs.String(), err
}

func copied(t testing.TB, from string) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), filepath.Base(from))
	if err := os.CopyFS(dir, os.DirFS(from)); err != nil {
		t.Fatal(err)
	}
	return dir
}

// The main example as an image: built from Debian's packages, loaded into docker,
// healthy by the same definition, and each server answers.
func TestMicroservicesImage(t *testing.T) {
	e := engine.Docker(t)
	dir := copied(t, "microservices")
	archive := filepath.Join(dir, "image.tar")
	stdout, stderr, err := built(t, dir, "-o", archive)
	if err != nil || !strings.HasPrefix(stdout, "sha256:") {
		t.Fatalf("build: %v, %q\n%s", err, stdout, stderr)
	}
	for line := range strings.Lines(stderr) {
		if strings.Contains(line, "warning:") && !strings.Contains(line, "-service") { // those are in ./bin
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
		{"psql -U postgres -h 127.0.0.1 -Atc 'set jit = on; set jit_above_cost = 0; select pg_jit_available(), sum(n) from generate_series(1, 9) n' users", "SET\nSET\nf|45"},
		{"dpkg-query -W -f '${Package}\n' | grep -cE 'libllvm|libz3|perl-modules'; ! ls /usr/lib/postgresql/15/lib | grep -cE 'llvmjit|bitcode'", "0\n0"},
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

// Every example builds as an image. Those of the page's blocks boot in TestPageImages.
func TestEverythingBuilds(t *testing.T) {
	entries, err := os.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	examples := 0
	for _, e := range entries {
		if !e.IsDir() || e.Name() == "testdata" {
			continue
		}
		examples++
		t.Run(e.Name(), func(t *testing.T) {
			dir, args := copied(t, e.Name()), []string{"-o", filepath.Join(t.TempDir(), "out")}
			if asksCUDA(t, dir) {
				args = append(args, "--module", nvidia(t))
			}
			stdout, stderr, err := built(t, dir, args...)
			if err != nil || !strings.HasPrefix(stdout, "sha256:") {
				t.Errorf("build: %v\n%s", err, stderr)
			}
		})
	}
	if examples < 10 {
		t.Errorf("only %d examples were found", examples)
	}
}

// Another user, in another folder and with another cache, builds the same image from
// the same lock.
func TestBuildAsAnotherUser(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("another user needs root")
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "nix2gpu.nix"), []byte("{ perSystem.nix2gpu.\"web\" = { systemPackages = [ pkgs.jq ]; services = {}; }; }\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	want, stderr, err := built(t, dir, "-o", filepath.Join(dir, "out"))
	if err != nil {
		t.Fatalf("build: %v\n%s", err, stderr)
	}
	home, err := os.MkdirTemp("", "nix2gpu-test-") // that the other user can get to
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(home) })
	for _, name := range []string{"nix2gpu.nix", "nix2gpu.lock"} {
		data, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(home, name), data, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chown(filepath.Join(home, name), 1000, 1000); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chown(home, 1000, 1000); err != nil {
		t.Fatal(err)
	}
	build := exec.CommandContext(t.Context(), testkit.Binary(t), "build", "--locked", "-o", filepath.Join(home, "out"), home)
	build.Dir = home
	build.Env = append(os.Environ(), "HOME="+home, "XDG_CACHE_HOME=", "GOMAXPROCS=8")
	build.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 1000, Gid: 1000}}
	got, err := build.CombinedOutput()
	if err != nil || !strings.Contains(string(got), strings.TrimSpace(want)) {
		t.Errorf("as another user: %v\n%s\nwant %s", err, got, want)
	}
}
