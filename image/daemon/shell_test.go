package daemon_test

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"nix2gpu/internal/engine"
	"nix2gpu/internal/testkit"
)

// bench is a definition with all that a shell brings along.
const bench = `{
  perSystem.nix2gpu."bench" = { config, ... }: {
    exposedPorts = { "22/tcp" = { }; "8080/tcp" = { }; };
    secrets.token.env = "BENCH_TOKEN";
    secrets.note.file = "NOTE";
    services.custom."site" = {
      enable = true;
      command = "exec ${pkgs.python3}/bin/python -u -m http.server 8080 --directory /workspace/site";
      readiness_probe.http_get = { path = "/"; port = 8080; };
    };
  };
}
`

// aBench is a stack beside an engine, with an archive of the image, a folder to work
// in and two secrets.
func aBench(t *testing.T, docker *engine.Engine, s *testkit.Stack) (command string) {
	t.Helper()
	note := filepath.Join(t.TempDir(), "note")
	if err := os.WriteFile(note, []byte("a note\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s.Write("nix2gpu.nix", strings.Replace(bench, "NOTE", note, 1))
	s.Write("site/index.html", "it works\n")
	s.Env = append(s.Env, "BENCH_TOKEN=s3s'ame", "XDG_RUNTIME_DIR="+t.TempDir())
	docker.PlainOf("bench:latest", filepath.Join(s.Dir, "nix2gpu.nix"), nil)
	docker.MustExec("save", "bench:latest", "-o", filepath.Join(s.Dir, "bench.tar"))
	s.Write("note-is-at", note)
	return testkit.Binary(t) + " shell --from bench.tar"
}

// inTheShell does what people do in a shell.
func inTheShell(t *testing.T, tm *engine.Terminal, s *testkit.Stack) {
	t.Helper()
	const prompt = "root@container:/workspace# "
	tm.WaitFor("[nix2gpu] container initialization starting...")
	tm.WaitFor(prompt)
	tm.Type("echo $((6*7)) $BENCH_TOKEN $(cat $(cat note-is-at))")
	tm.WaitFor("42 s3s'ame a note\n")
	wantSize := func(size string) { // engines tell it a little later
		t.Helper()
		if !testkit.Eventually(func() bool {
			tm.Type("echo size: $(stty size)")
			tm.WaitFor("\nsize: ")
			return strings.HasPrefix(tm.WaitFor("\n"), size)
		}) {
			t.Errorf("the terminal in there is not of size %s:\n%s", size, tm.Output())
		}
	}
	wantSize("50 200")
	tm.Type("echo kept >made-in-there; sh -c 'echo begin; exec sleep 1000'") // between its own jobs bash may lose a signal
	tm.WaitFor("begin\n")
	tm.Press("\x03")
	tm.Type("echo interrupted: $?")
	tm.WaitFor("interrupted: 130")
	tm.Resize(100, 40)
	wantSize("40 100")
	if data, err := os.ReadFile(filepath.Join(s.Dir, "made-in-there")); string(data) != "kept\n" {
		t.Errorf("the folder has %q (%v), want what was written in there", data, err)
	}
}

// TestShell opens a shell as a person does, at a terminal.
func TestShell(t *testing.T) {
	docker := engine.Docker(t)
	command := aBench(t, docker, docker.Stack)
	before := docker.MustExec("ps", "-aq")
	tm := docker.Terminal(command)
	inTheShell(t, tm, docker.Stack)
	tm.Type("process-compose up &")
	tm.WaitFor("[nix2gpu] all services healthy")
	docker.WantBody("http://127.0.0.1:8080/", "it works")
	id := strings.TrimSpace(docker.MustExec("ps", "-q"))
	if records := docker.MustExec("inspect", id); strings.Contains(records, "ame") && strings.Contains(records, "s3s") {
		t.Errorf("the engine's records have the secret:\n%s", records)
	}
	tm.Type("kill $!; wait $!; echo over")
	tm.WaitFor("over\n")
	tm.Type("exit 7")
	if code := tm.Wait(); code != 7 {
		t.Errorf("exit code %d, want 7:\n%s", code, tm.Output())
	}
	if after := docker.MustExec("ps", "-aq"); after != before {
		t.Errorf("containers left: %s", after)
	}
	if left, _ := filepath.Glob(filepath.Join(strings.TrimPrefix(last(docker.Env), "XDG_RUNTIME_DIR="), "*")); len(left) > 0 {
		t.Errorf("left: %s", left)
	}
}

func last(list []string) string { return list[len(list)-1] }

// TestShellInAPipe has no terminal: two streams, an end of the input, an exit code,
// a signal.
func TestShellInAPipe(t *testing.T) {
	docker := engine.Docker(t)
	command := aBench(t, docker, docker.Stack)
	out, errs, code := docker.ExecCommand("bash", "-c", "echo 'echo out $BENCH_TOKEN; echo err >&2; exit 3' | "+command+" --no-ports -- bash -s")
	if code != 3 || !strings.HasSuffix(out, "out s3s'ame\n") || !strings.Contains(errs, "err\n") || strings.Contains(errs, "out") {
		t.Errorf("exit code %d, stdout %q, stderr %q", code, out, errs)
	}
	if _, errs, code := docker.ExecCommand("bash", "-c", command+" --no-ports -- nothing-of-that-name </dev/null"); code != 127 || !strings.Contains(errs, "nothing-of-that-name") {
		t.Errorf("no such program: exit code %d, %q", code, errs)
	}
	before := docker.MustExec("ps", "-aq")
	run := docker.StartCommand("bash", "-c", "exec "+command+" --no-ports -- bash -c 'echo begun; exec sleep 1000' </dev/null")
	run.WaitLine("begun")
	run.Signal(syscall.SIGINT)
	if code := run.Wait(); code != 130 {
		t.Errorf("interrupted: exit code %d, want 130\n%s", code, run.Output())
	}
	if !testkit.Eventually(func() bool { return docker.MustExec("ps", "-aq") == before }) {
		t.Errorf("containers left: %s", docker.MustExec("ps", "-a"))
	}
	// A port that is taken.
	docker.Container("-p", "8080:1", "bench:latest", "sleep", "1000")
	if _, errs, code := docker.ExecCommand("bash", "-c", command+" -- true </dev/null"); code != 1 || !strings.Contains(errs, "hint: stop what has the port, or leave ports out: --no-ports") {
		t.Errorf("a port that is taken: exit code %d, %s", code, errs)
	}
}

// TestShellInPodman is the same in podman, by its own program and by its socket.
func TestShellInPodman(t *testing.T) {
	docker := engine.Docker(t)
	podman := engine.Podman(t)
	podman.Env = append(podman.Env, "PATH="+filepath.Dir(testkit.Binary(t))+":"+os.Getenv("PATH"))
	command := aBench(t, docker, podman) + " --into podman --no-ports"
	shell := func(t *testing.T) {
		tm := engine.OpenTerminal(podman, command)
		inTheShell(t, tm, podman)
		tm.Type("exit 7")
		if code := tm.Wait(); code != 7 {
			t.Errorf("exit code %d, want 7:\n%s", code, tm.Output())
		}
		out, errs, code := podman.ExecCommand("bash", "-c", "echo 'echo out; echo err >&2; exit 3' | "+command+" -- bash -s")
		if code != 3 || !strings.HasSuffix(out, "out\n") || !strings.Contains(errs, "err\n") {
			t.Errorf("in a pipe: exit code %d, stdout %q, stderr %q", code, out, errs)
		}
		if left := podman.MustExec("ps", "-aq"); left != "" {
			t.Errorf("containers left: %s", left)
		}
	}
	t.Run("program", shell)
	socket := filepath.Join(t.TempDir(), "podman.sock")
	service := podman.Start("system", "service", "--time", "0", "unix://"+socket)
	defer func() {
		service.Signal(syscall.SIGTERM)
		service.Wait() // whatever it makes of the signal
	}()
	if !testkit.Eventually(func() bool { _, err := os.Stat(socket); return err == nil }) {
		t.Fatalf("no socket:\n%s", service.Output())
	}
	env := podman.Env
	podman.Env = append(env, "CONTAINER_HOST=unix://"+socket)
	t.Run("socket", shell)
	podman.Env = env
}
