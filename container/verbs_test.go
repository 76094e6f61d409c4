package container_test

import (
	"regexp"
	"strings"
	"testing"

	"nix2gpu/internal/engine"
	"nix2gpu/internal/testkit"
)

const workDay = `{ perSystem.nix2gpu."my-container" = {
  extraEnv.SHARED = "all";
  services = {
    redis."cache".enable = true;
    custom = {
      "console" = {
        enable = true;
        tty = true;
        restart = "no";
        command = "stty size; while read -r word; do [ \"$word\" != end ] || exit 7; [ \"$word\" != size ] || stty size; echo \"you typed $word\"; done";
      };
      "report" = {
        enable = true;
        restart = "no";
        profiles = [ "jobs" ];
        environment = { GREETING = "hello"; CODE = "0"; };
        depends_on.redis = "ready";
        command = "echo own command; exit $CODE";
      };
      "nightly" = { enable = true; command = "date"; schedule = { cron = "30 4 * * *"; timezone = "Europe/Berlin"; }; };
      "admin" = { enable = true; profiles = [ "debug" ]; command = "exec sleep 1000"; };
    };
  };
}; }`

func TestRunInContainer(t *testing.T) {
	e := engine.Docker(t)
	image(t, e, "my-container:latest", workDay)
	id := strings.TrimSpace(e.Type("docker run -d my-container:latest"))
	e.WaitLogs(id, "all services healthy")

	// The base has no time zones: the schedule has brought them.
	if out := e.Type("docker exec " + id + " nix2gpu ps nightly"); !regexp.MustCompile(`nightly +scheduled .* 04:30 CES?T, in `).MatchString(out) {
		t.Errorf("a schedule with a time zone: %q", out)
	}

	// A copy of a service, which does not run itself: its exit code, its environment, and
	// what it needs.
	out := e.Type("docker exec " + id + " nix2gpu run -e CODE=3 report; echo ended with $?")
	for _, want := range []string{"own command\n", `report-run-1: started; "nix2gpu logs report-run-1" shows its output` + "\n", "ended with 3\n"} {
		if !strings.Contains(out, want) {
			t.Errorf("run report lacks %q:\n%s", want, out)
		}
	}
	if out := e.Type("docker exec " + id + " nix2gpu run --rm report -- sh -c 'echo $GREETING, $SHARED; redis-cli ping'"); out != "hello, all\nPONG\n" {
		t.Errorf("a command in place of the service's: %q", out)
	}
	if out := e.Type("printf 'typed\\n' | docker exec -i " + id + " nix2gpu run --rm -- cat"); out != "typed\n" {
		t.Errorf("what it reads: %q", out)
	}
	if out := e.Type("docker exec " + id + " nix2gpu logs report-run-1"); out != "[report-run-1] own command\n" {
		t.Errorf("logs report-run-1: %q", out)
	}
	if out := e.Logs(id); strings.Contains(out, "own command") {
		t.Errorf("docker logs has the output of a copy:\n%s", out)
	}

	// In the background it is called by its name.
	name := strings.TrimSpace(e.Type("docker exec " + id + " nix2gpu run -d report -- sleep 1000 2>/dev/null"))
	if out := e.Type("docker exec " + id + " nix2gpu ps " + name); !strings.Contains(out, "a copy of report: sleep 1000") {
		t.Errorf("ps of a copy: %q", out)
	}
	if out := e.Type("docker exec " + id + " nix2gpu stop " + name); !strings.HasPrefix(out, name+": stopped") {
		t.Errorf("stop of a copy: %q", out)
	}

	// At a terminal it has one of its own.
	tm := e.Terminal("docker exec -it " + id + " nix2gpu run report bash")
	tm.WaitFor("root@container:/workspace# ")
	tm.Type("echo at a $(tput -V >/dev/null 2>&1; test -t 0 && echo terminal), $GREETING; exit 5")
	tm.WaitFor("at a terminal, hello")
	if code := tm.Wait(); code != 5 {
		t.Errorf("exit code of the shell: %d, want 5", code)
	}

	// It ends with its container.
	follow := e.StartCommand("bash", "-c", "exec docker exec "+id+" nix2gpu run report -- sh -c 'echo began; exec sleep 1000'")
	follow.WaitLine("began")
	e.Type("docker stop " + id)
	if code := e.ExitCode(id); code != 0 {
		t.Errorf("exit code after docker stop: %d, want 0", code)
	}
	follow.Wait()
}

const replicated = `{ perSystem.nix2gpu."my-container" = {
  services = {
    custom = {
      "worker" = {
        enable = true;
        replicas = 2;
        port = 8001;
        command = "mkdir -p /tmp/$PORT; cd /tmp/$PORT; echo replica $NIX2GPU_REPLICA >index.html; exec ${pkgs.python3}/bin/python3 -m http.server $PORT";
        readiness_probe.http_get = { path = "/"; port = 8001; };
      };
      "plain" = { enable = true; command = "exec sleep 1000"; };
      "fixed" = { enable = true; ports = [ 9000 ]; command = "exec ${pkgs.python3}/bin/python3 -m http.server 9000"; };
    };
    nginx."front" = {
      enable = true;
      upstreams.workers.service = "worker";
      virtualHosts."all" = { listen = [ { addr = "127.0.0.1"; port = 8080; } ]; locations."/".proxyPass = "http://workers"; };
    };
  };
}; }`

// An image has no definition, and other numbers of replicas all the same.
func TestScaleInContainer(t *testing.T) {
	e := engine.Docker(t)
	image(t, e, "my-container:latest", replicated)
	id := strings.TrimSpace(e.Type("docker run -d my-container:latest"))
	e.WaitLogs(id, "all services healthy")
	type answer struct {
		out, errs string
		code      int
	}
	nix2gpu := func(args ...string) answer {
		out, errs, code := e.Exec(append([]string{"exec", id, "nix2gpu"}, args...)...)
		return answer{out, errs, code}
	}
	answers := func(want string) {
		t.Helper()
		const ask = `import urllib.request as u; print(*sorted({u.urlopen("http://127.0.0.1:8080/").read().decode().split()[1] for _ in range(40)}))`
		if out, errs, _ := e.Exec("exec", id, "nix2gpu", "exec", "worker-0", "--", "python3", "-c", ask); strings.TrimSpace(out) != want {
			t.Errorf("the replicas that answer: %q, want %q: %s", out, want, errs)
		}
	}
	answers("0 1")

	if got := nix2gpu("scale", "worker=4", "--dry-run"); !strings.Contains(got.out, "worker-3: starts: it is new\n") || !strings.Contains(got.out, "nginx: restarts: file ") {
		t.Errorf("what scale would do: %+v", got)
	}
	if got := nix2gpu("scale", "worker=4"); got.code != 0 || !strings.Contains(got.out, "worker-3: starts: it is new\n") {
		t.Errorf("more replicas: %+v", got)
	}
	answers("0 1 2 3")
	if got := nix2gpu("scale", "plain=2"); got.code != 0 || !strings.Contains(got.out, "plain-1: starts: it is new\n") || strings.Contains(got.out, "worker") {
		t.Errorf("replicas of what had none, beside the others: %+v", got)
	}
	if got := nix2gpu("scale", "worker=1"); got.code != 0 || !strings.Contains(got.out, "worker-3: stops: it is not defined any more\n") || strings.Contains(got.out, "plain") {
		t.Errorf("fewer replicas: %+v", got)
	}
	answers("0")
	if out := e.Type("docker exec " + id + " nix2gpu ps -o name"); out != "fixed\nnginx\nplain-0\nplain-1\nsshd\nworker-0\n" {
		t.Errorf("what runs: %q", out)
	}

	// What can't be, in the words and codes that it has elsewhere.
	for _, c := range []struct {
		of, errs string
		code     int
	}{
		{"fixed=2", "ports of 2 replicas would be the same", 2},
		{"worker=0", "no replica of \"worker\" would be left, and nginx sends to it", 2},
		{"worker=60000", "must be SERVICE=NUMBER, at most 1000", 2},
		{"nginx=2", "nginx cannot be scaled: only custom services can", 2},
		{"wroker=2", "no service \"wroker\"", 4},
	} {
		if got := nix2gpu("scale", c.of); got.code != c.code || !strings.Contains(got.errs, c.errs) {
			t.Errorf("scale %s: %+v, want %d, %s", c.of, got, c.code, c.errs)
		}
	}
	if out := e.Type("docker exec " + id + " nix2gpu reload"); !strings.Contains(out, "worker-1: starts: it is new\n") || !strings.Contains(out, "plain: starts: it is new\n") {
		t.Errorf("back to what the image says: %q", out)
	}
	answers("0 1")
	e.Type("docker stop " + id)
}

func TestProfilesInContainer(t *testing.T) {
	e := engine.Docker(t)
	image(t, e, "my-container:latest", workDay)
	for _, c := range []struct{ flags, running string }{
		{"", "console redis"},
		{"-e NIX2GPU_PROFILES=debug", "admin console redis"},
		{"-e NIX2GPU_PROFILES='*'", "admin console redis"},
		{"-e NIX2GPU_PROFILES=debug,nobody", "admin console redis"},
	} {
		id := strings.TrimSpace(e.Type("docker run -d " + c.flags + " my-container:latest"))
		logs := e.WaitLogs(id, "\n[nix2gpu] all services healthy")
		status := e.Type("docker exec " + id + " nix2gpu ps")
		var running []string
		for _, m := range regexp.MustCompile(`(?m)^(\S+) +running`).FindAllStringSubmatch(status, -1) {
			running = append(running, m[1])
		}
		if got := strings.Join(running, " "); got != c.running {
			t.Errorf("docker run %s: %q run, want %q, of\n%s\n%s", c.flags, got, c.running, status, logs)
		}
		e.Type("docker stop " + id)
	}
}

func TestAttachInContainer(t *testing.T) {
	e := engine.Docker(t)
	image(t, e, "my-container:latest", workDay)
	id := strings.TrimSpace(e.Type("docker run -d my-container:latest"))
	e.WaitLogs(id, "[console] 24 80")

	tm := e.Terminal("docker exec -it " + id + " nix2gpu attach console")
	tm.WaitFor("attached to console; ctrl-] detaches") // docker takes ctrl-p,ctrl-q for itself
	tm.Type("one")
	tm.WaitFor("you typed one")
	tm.Press("\x1d")
	tm.WaitFor("detached from console, which goes on")
	if code := tm.Wait(); code != 0 {
		t.Errorf("exit code after detaching: %d, want 0", code)
	}
	e.WaitLogs(id, "[console] you typed one")

	// It ends with the service, and its exit code.
	tm = e.Terminal("docker exec -it " + id + " nix2gpu attach console")
	tm.WaitFor("attached to console")
	tm.Type("two")
	tm.WaitFor("you typed two")
	tm.Type("end")
	tm.WaitFor("console: failed: exit code 7")
	if code := tm.Wait(); code != 7 {
		t.Errorf("exit code when the service ended: %d, want 7", code)
	}

	// Over a restart, with the size of the terminal, until the container stops.
	e.Type("docker exec " + id + " nix2gpu start console")
	tm = e.Terminal("docker exec -it " + id + " nix2gpu attach console")
	tm.WaitFor("attached to console")
	if !testkit.Eventually(func() bool {
		tm.Resize(90, 39) // again, since docker may not have listened yet
		tm.Resize(90, 40)
		tm.Type("size")
		return strings.Contains(tm.Output(), "40 90")
	}) {
		t.Errorf("the size did not come to the service:\n%s", tm.Output())
	}
	e.Type("docker exec " + id + " nix2gpu restart console")
	tm.WaitFor("console: running")
	tm.Type("size")
	tm.WaitFor("40 90")
	e.Type("docker stop " + id)
	tm.Wait()
}
