package container_test

import (
	"strings"
	"testing"

	"nix2gpu/internal/engine"
	"nix2gpu/internal/testkit"
)

// RunPod: a start command in the place of CMD, its variables, a key in
// PUBLIC_KEY, and about five seconds from the notice to the end.
func TestRunPod(t *testing.T) {
	e := engine.Docker(t)
	image(t, e, "my-container:latest", `{ perSystem.nix2gpu."my-container" = {
		stopTimeout = "4s";
		services.postgresql."db" = { enable = true; };
		services.custom."deaf" = { enable = true; command = "trap '' TERM; echo up; while :; do sleep 1; done"; };
	}; }`)
	l := newLogin(t, e)
	pod := func(port string, command ...string) string {
		return e.Container(append([]string{"-p", port + ":22", "-e", "PUBLIC_KEY=" + l.public + `\n`, "-e", "RUNPOD_POD_ID=abc123", "-e", "RUNPOD_API_KEY=hush-hush",
			"my-container:latest"}, command...)...)
	}

	// The services alone: they end in order although one of them never does.
	id := pod("2230")
	e.WaitLogs(id, "all services healthy")
	e.WaitLogs(id, "[deaf] up")
	if !testkit.Eventually(func() bool { _, _, code := l.ssh("2230", "-i", l.key, "root@127.0.0.1", "true"); return code == 0 }) {
		t.Fatalf("no login:\n%s", e.Logs(id))
	}
	// A session has the platform's variables, without its secrets.
	out, errs, code := l.ssh("2230", "-i", l.key, "root@127.0.0.1", `echo "$RUNPOD_POD_ID:$RUNPOD_API_KEY"`)
	if code != 0 || out != "abc123:\n" {
		t.Errorf("the session prints %q (%d) %s", out, code, errs)
	}
	e.MustExec("stop", "-t", "600", id) // what ends it is our own time
	if code := e.ExitCode(id); code != 0 {
		t.Errorf("exit code %d, want 0", code)
	}
	logs := e.Logs(id)
	if !strings.Contains(logs, "database system is shut down") || !strings.Contains(logs, "[nix2gpu] all services stopped") ||
		!strings.Contains(logs, "[nix2gpu] deaf: killed, still running") {
		t.Errorf("the stop:\n%s", logs)
	}

	// A start command, with the services beside it; it ends, and so do they.
	id = pod("2231", "--with-services", "bash", "-c", "nix2gpu wait && echo the job runs on $RUNPOD_POD_ID && nix2gpu logs deaf && exit 3")
	e.WaitLogs(id, "the job runs on abc123\n")
	if code := e.ExitCode(id); code != 3 {
		t.Errorf("exit code %d, want the command's", code)
	}
	if logs := e.Logs(id); !strings.Contains(logs, "database system is shut down") {
		t.Errorf("logs:\n%s", logs)
	}
}

// vast.ai calls its own entrypoint, whose sshd has the port, and then our start
// script by its shell, on every start of the container: the services come back,
// with their data, and are there once.
func TestVastAfterARestart(t *testing.T) {
	e := engine.Docker(t)
	image(t, e, "my-container:latest", threeServices, map[string]string{
		"/root/onstart.sh": "#!/bin/bash\nnix2gpu boot >>/var/log/onstart.log 2>&1 &\nnix2gpu boot >>/var/log/again.log 2>&1 &\n",
		"/entry.sh": "#!/bin/bash\nmkdir -p /run/sshd; touch /etc/ssh/sshd_config; [ -e /etc/ssh/ssh_host_rsa_key ] || ssh-keygen -q -t rsa -b 2048 -N '' -f /etc/ssh/ssh_host_rsa_key\n" +
			"/usr/sbin/sshd; /root/onstart.sh; exec sleep infinity\n",
	})
	l := newLogin(t, e)
	id := e.Container("--init", "-p", "2232:22", "-e", "PUBLIC_KEY="+l.public, "--entrypoint", "/entry.sh", "my-container:latest")
	for range 2 {
		// Two boots at the very same time are one as well.
		if out, errs, code := e.Exec("exec", id, "bash", "-c", "until nix2gpu wait 2>/dev/null; do sleep 0.1; done; nix2gpu ready && nix2gpu status"); code != 0 {
			t.Fatalf("exit code %d\n%s%s", code, out, errs)
		}
		for _, program := range []string{"bin/postgres -D", "bin/redis-server ", "nginx: master"} {
			var running string
			if !testkit.Eventually(func() bool { // a child has its parent's name until it gives itself one
				running = e.MustExec("exec", id, "ps", "-eo", "args", "--no-headers")
				return strings.Count(running, program) == 1
			}) {
				t.Errorf("%s does not run once:\n%s", program, running)
			}
		}
		var both string
		if !testkit.Eventually(func() bool {
			both = e.MustExec("exec", id, "bash", "-c", "cat /var/log/onstart.log /var/log/again.log")
			return strings.Count(both, "already running as pid") == 1
		}) {
			t.Errorf("not said once that it runs already:\n%s", both)
		}
		// Whoever logs in by their sshd finds the supervisor.
		if !testkit.Eventually(func() bool {
			out, _, code := l.ssh("2232", "-i", l.key, "root@127.0.0.1", "nix2gpu status postgresql")
			return code == 0 && strings.Contains(out, "running")
		}) {
			t.Errorf("no status by ssh:\n%s", both)
		}
		e.MustExec("exec", id, "bash", "-c", "rm /var/log/onstart.log /var/log/again.log; touch /workspace/data/postgresql/db/kept")
		e.MustExec("restart", "-t", "600", id)
	}
	if !testkit.Eventually(func() bool {
		_, _, code := e.Exec("exec", id, "ls", "/workspace/data/postgresql/db/kept")
		return code == 0
	}) {
		t.Error("the data has gone")
	}
}
