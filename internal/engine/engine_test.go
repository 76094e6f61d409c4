package engine_test

import (
	"os"
	"strings"
	"testing"

	"nix2gpu/internal/engine"
	"nix2gpu/internal/testkit"
)

func TestMain(m *testing.M) {
	code := m.Run()
	engine.Stop()
	testkit.RemoveBinary()
	os.Exit(code)
}

// TestPlainImage checks what other tests rely on: servers without maintainer scripts, a
// published port, a terminal, a second image over the same layers.
func TestPlainImage(t *testing.T) {
	e := engine.Docker(t)
	image := e.Plain(engine.Plain{Name: "first:latest", Files: map[string]string{"/etc/greeting": "hello\n"}, Ports: []string{"8080/tcp"},
		Entrypoint: []string{"bash", "-c"}})

	for program, want := range map[string]string{
		"cat /etc/greeting": "hello",
		"/opt/nix2gpu/pkgs/postgresql/bin/postgres --version":             "postgres (PostgreSQL)",
		"redis-server --version":                                          "Redis server",
		"/opt/nix2gpu/pkgs/nginx/bin/nginx -v 2>&1":                       "nginx version",
		"/opt/nix2gpu/pkgs/python3/bin/python -c 'import json; print(7)'": "7",
		"process-compose version":                                         "nix2gpu",
		"sshd -V 2>&1 || sshd -? 2>&1 | head -2":                          "OpenSSH",
		"stat -c %a /tmp":                                                 "1777",
	} {
		if out := e.MustExec("run", "--rm", image, program); !strings.Contains(out, want) {
			t.Errorf("%s prints %q, want %q in it", program, out, want)
		}
	}

	web := e.Container("-p", "8080:8000", image, "echo up; exec python3 -u -m http.server 8000 -d /etc 2>&1")
	e.WaitLogs(web, "up")
	e.WantBody("http://127.0.0.1:8080/greeting", "hello")
	e.MustExec("kill", web)
	if code := e.ExitCode(web); code != 137 {
		t.Errorf("exit code of what was killed: %d, want 137", code)
	}

	tm := e.Terminal("docker run --rm -it --entrypoint bash " + image + " --norc")
	tm.Type("echo $((6*7)) on $(tty)")
	tm.WaitFor("42 on /dev/pts/0")
	tm.Type("exit 3")
	if code := tm.Wait(); code != 3 {
		t.Errorf("exit code at the terminal: %d, want 3", code)
	}

	second := e.Plain(engine.Plain{Name: "second:latest", Entrypoint: []string{"ls", "/etc"}})
	if out := e.MustExec("run", "--rm", second); strings.Contains(out, "greeting") || !strings.Contains(out, "passwd") {
		t.Errorf("the second image has in /etc:\n%s", out)
	}
}
