package container_test

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"nix2gpu/internal/engine"
	"nix2gpu/internal/testkit"
)

// The tests of this file type each docker line of the documentation of
// services, as it is printed there. Names are bound to images of the test.

const noServices = `{ perSystem.nix2gpu."my-container".services = { }; }`

const threeServices = `{ perSystem.nix2gpu."my-container".services = {
  postgresql."db".enable = true;
  redis."cache".enable = true;
  nginx."web" = {
    enable = true;
    virtualHosts."default".listen = [ { addr = "0.0.0.0"; port = 8080; } ];
    depends_on.postgresql = "ready";
  };
}; }`

const withAPI = `{ perSystem.nix2gpu."my-container" = {
  exposedPorts."8080/tcp" = { };
  services = {
    postgresql."db".enable = true;
    redis."cache".enable = true;
    nginx."web" = {
      enable = true;
      virtualHosts."default" = {
        listen = [ { addr = "0.0.0.0"; port = 8080; } ];
        locations."/".proxyPass = "http://127.0.0.1:3000";
      };
      depends_on.postgresql = "ready";
    };
    custom."my-api" = {
      enable = true;
      command = "/usr/local/bin/my-api";
      environment.API_TOKEN = "hush-hush";
      readiness_probe.tcp.port = 3000;
    };
  };
}; }`

const myAPI = `#!/usr/bin/python3
import http.server, os, sys
print("Starting server on port 3000", flush=True)
class Hello(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        print("GET", self.path, flush=True)
        self.send_response(200); self.end_headers(); self.wfile.write(b"hello\n")
    def log_message(self, *args): pass
http.server.HTTPServer(("127.0.0.1", 3000), Hello).serve_forever()
`

// tee is a program in the place of a server's: it keeps what the server writes
// as it comes through the pipe.
// It leaves alone what boot asks a server about its configuration (-C, -t, and of Redis
// a directive that there is not).
func tee(program, raw string) string {
	return "#!/bin/bash\ncase \" $* \" in *' -C '* | *' -t '* | *' --nix2gpu-end-of-test '*) exec " + program + ` "$@" ;; esac` +
		"\nexec " + program + ` "$@" > >(exec tee -a ` + raw + ") 2>&1\n"
}

// own are the lines of nix2gpu itself, blanks at their ends apart.
func own(output string) string {
	var lines []string
	for line := range strings.Lines(output) {
		if strings.HasPrefix(line, "[nix2gpu]") {
			lines = append(lines, strings.TrimRight(line, " \r\n"))
		}
	}
	return strings.Join(lines, "\n")
}

func wantOwn(t *testing.T, output, want string) {
	t.Helper()
	if got := own(output); got != want {
		t.Errorf("lines of nix2gpu:\n%s\nwant\n%s\nin\n%s", got, want, output)
	}
}

func TestPageNoServices(t *testing.T) {
	e := engine.Docker(t)
	image(t, e, "my-container:latest", noServices)
	tm := e.Terminal("docker run -it my-container:latest")
	before := tm.WaitFor("root@container:/workspace# ")
	if want := "[nix2gpu] container initialization starting...\n[nix2gpu] no services defined, starting interactive shell\n"; before != want {
		t.Errorf("before the prompt:\n%s\nwant\n%s", before, want)
	}
	tm.Type("cd /tmp && exit 5")
	if code := tm.Wait(); code != 5 {
		t.Errorf("exit code of the shell: %d, want 5", code)
	}

	// Who sets a prompt has it.
	tm = e.Terminal(`docker run -it -e 'PS1=mine> ' my-container:latest`)
	tm.WaitFor("\nmine> ")
	tm.Press("\x04")
	if code := tm.Wait(); code != 0 {
		t.Errorf("exit code after Ctrl-D: %d, want 0", code)
	}
}

const transcript = `[nix2gpu] container initialization starting...
[nix2gpu] starting process-compose with 3 services
[nix2gpu] postgresql: starting
[nix2gpu] redis: starting
[nix2gpu] nginx: waiting for dependencies
[nix2gpu] postgresql: ready
[nix2gpu] nginx: starting
[nix2gpu] all services healthy`

func TestPageServices(t *testing.T) {
	e := engine.Docker(t)
	image(t, e, "my-container:latest", threeServices)
	id := strings.TrimSpace(e.Type("docker run -d my-container:latest"))
	wantOwn(t, e.WaitLogs(id, "all services healthy"), transcript)

	e.Type("docker exec " + id + " touch /workspace/data/postgresql/db/kept")
	e.Type("docker stop " + id)
	if code := e.ExitCode(id); code != 0 {
		t.Errorf("exit code after docker stop: %d, want 0", code)
	}
	logs := e.Logs(id)
	wantOwn(t, logs, transcript+"\n[nix2gpu] stopping 3 services\n[nix2gpu] all services stopped")
	if !strings.Contains(logs, "[postgresql] ") || !strings.Contains(logs, "database system is shut down") {
		t.Errorf("the database was not shut down:\n%s", logs)
	}

	// It starts again, over what it has kept, and finds it clean.
	e.Type("docker start " + id)
	if !testkit.Eventually(func() bool { return strings.Count(e.Logs(id), "all services healthy") == 2 }) {
		t.Fatalf("not healthy again:\n%s", e.Logs(id))
	}
	again := strings.TrimPrefix(e.Logs(id), logs)
	wantOwn(t, again, transcript)
	if strings.Contains(again, "not properly shut down") {
		t.Errorf("the database was not found as it was left:\n%s", again)
	}
	e.Type("docker exec " + id + " ls /workspace/data/postgresql/db/kept")
}

func TestPageLogsAndDebugging(t *testing.T) {
	e := engine.Docker(t)
	image(t, e, "my-container:latest", withAPI, map[string]string{
		"/usr/local/bin/my-api":                     tee("/usr/local/bin/my-api.py", "/tmp/my-api.raw"),
		"/usr/local/bin/my-api.py":                  myAPI,
		"/opt/nix2gpu/pkgs/redis/bin/redis-server":  tee("/usr/bin/redis-server", "/tmp/redis.raw"),
		"/opt/nix2gpu/pkgs/postgresql/bin/postgres": tee("/usr/lib/postgresql/15/bin/postgres", "/tmp/postgresql.raw"),
		"/opt/nix2gpu/pkgs/nginx/bin/nginx":         tee("/usr/sbin/nginx", "/tmp/nginx.raw"),
	})
	e.Type("docker run -d -p 8080:8080 --name my-container my-container:latest")
	e.WaitLogs("my-container", "all services healthy")
	e.WantBody("http://127.0.0.1:8080/page", "hello")
	e.WaitLogs("my-container", "[my-api] GET /page")

	// All that the servers wrote, and nothing else, under their labels.
	var logs string
	for _, label := range []string{"postgresql", "redis", "nginx", "my-api"} {
		var raw, shown string
		if !testkit.Eventually(func() bool { // the copy and the log are two readers
			raw = e.MustExec("exec", "my-container", "bash", "-c", "[ ! -e /tmp/"+label+".raw ] || cat /tmp/"+label+".raw")
			logs = e.Type("docker logs my-container")
			shown = ""
			for line := range strings.Lines(logs) {
				if text, ok := strings.CutPrefix(line, "["+label+"] "); ok {
					shown += text
				}
			}
			return shown == raw
		}) {
			t.Errorf("%s wrote\n%s\nand docker logs shows\n%s", label, raw, shown)
		}
	}
	labels := regexp.MustCompile(`(?m)^\[[^]\n]+\] `)
	for line := range strings.Lines(logs) {
		if !labels.MatchString(line) {
			t.Errorf("a line without a label: %q", line)
		}
	}

	if out := e.Type("docker exec my-container process-compose logs postgresql"); !strings.Contains(out, "database system is ready to accept connections") {
		t.Errorf("logs postgresql:\n%s", out)
	}

	follow := e.StartCommand("bash", "-c", "exec docker exec my-container process-compose logs --follow my-api")
	follow.WaitLine("Starting server on port 3000")
	follow.WaitLine("GET /page")

	status := e.Type("docker exec my-container process-compose status")
	for _, want := range []string{`my-api +running +healthy`, `postgresql +running +healthy`, `redis +running +healthy`, `nginx +running +healthy`} {
		if !regexp.MustCompile(`(?m)^` + want).MatchString(status) {
			t.Errorf("status lacks %q:\n%s", want, status)
		}
	}

	e.Type("docker exec my-container process-compose restart my-api")
	follow.WaitLine("Starting server on port 3000")
	e.WantBody("http://127.0.0.1:8080/again", "hello")
	follow.WaitLine("GET /again")

	yaml := e.Type("docker exec my-container cat /tmp/process-compose.yaml")
	for _, want := range []string{"  postgresql:\n", "  redis:\n", "  nginx:\n", "my-api:", "process_healthy"} {
		if !strings.Contains(yaml, want) {
			t.Errorf("/tmp/process-compose.yaml lacks %q:\n%s", want, yaml)
		}
	}
	if strings.Contains(yaml, "hush-hush") {
		t.Errorf("/tmp/process-compose.yaml has a secret:\n%s", yaml)
	}
	if mode := e.Type("docker exec my-container stat -c %a:%U /tmp/process-compose.yaml"); mode != "644:root\n" {
		t.Errorf("/tmp/process-compose.yaml is %q", mode)
	}
}

func TestPageMixedMode(t *testing.T) {
	e := engine.Docker(t)
	image(t, e, "my-container:latest", threeServices)
	tm := e.Terminal("docker run -it --entrypoint bash my-container:latest")
	if before := tm.WaitFor("root@container:/workspace# "); before != "" {
		t.Errorf("before the prompt: %q", before)
	}
	tm.Type("process-compose up &")
	tm.Type("# services running in background")
	out := tm.WaitFor("all services healthy")
	wantUp := strings.Split(transcript, "\n")[1:]
	for _, line := range wantUp[:len(wantUp)-1] {
		i := strings.Index(out, line)
		if i < 0 {
			t.Fatalf("%q is not printed, in this order:\n%s", line, tm.Output())
		}
		out = out[i:]
	}
	// The boot steps have run: what they make is there.
	tm.Type("ls -l /run/sshd/ssh_host_ed25519_key /tmp/process-compose.yaml && echo d''one")
	tm.WaitFor("done")
	tm.Type("kill %1; wait; echo ended with $?")
	tm.WaitFor("ended with 0")
	tm.Type("exit")
	tm.Wait()
}

func TestPageInteractiveDebugging(t *testing.T) {
	e := engine.Docker(t)
	image(t, e, "my-container:latest", threeServices)
	tm := e.Terminal("docker run -it --entrypoint bash my-container:latest")
	tm.WaitFor("root@container:/workspace# ")

	tm.Type("process-compose up --dry-run  # show config")
	config := tm.WaitFor("root@container:/workspace# ")
	for _, want := range []string{"processes:", "  postgresql:\n", "  redis:\n", "  nginx:\n"} {
		if !strings.Contains(config, want) {
			t.Errorf("--dry-run lacks %q:\n%s", want, config)
		}
	}
	if strings.Contains(config, "[nix2gpu]") || strings.Contains(config, "sshd") {
		t.Errorf("--dry-run shows more than the definition:\n%s", config)
	}
	tm.Type("ls /run/sshd /tmp/process-compose.yaml")
	if out := tm.WaitFor("root@container:/workspace# "); strings.Count(out, "No such file") != 2 {
		t.Errorf("--dry-run did more than to look:\n%s", out)
	}

	tm.Type("process-compose up postgresql  # start only postgres")
	out := tm.WaitFor("all services healthy")
	wantOwn(t, out[:strings.LastIndex(out, "\n")+1], "[nix2gpu] starting process-compose with 1 service\n[nix2gpu] postgresql: starting")
	tm.Press("\x03")
	tm.WaitFor("root@container:/workspace# ")

	tm.Type("process-compose up  # start all services")
	out = tm.WaitFor("all services healthy")
	lines := strings.Split(transcript, "\n")
	wantOwn(t, out[:strings.LastIndex(out, "\n")+1], strings.Join(slices.Clone(lines[1:len(lines)-1]), "\n"))
	tm.Press("\x03")
	tm.WaitFor("all services stopped")
	tm.WaitFor("root@container:/workspace# ")
	tm.Type("exit 0")
	tm.Wait()
}
