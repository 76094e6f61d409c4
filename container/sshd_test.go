package container_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"nix2gpu/internal/engine"
	"nix2gpu/internal/testkit"
)

const oneService = `{ perSystem.nix2gpu."my-container" = {
  env.MODE = "fast and \"loose\"";
  env.HF_TOKEN = "hush-hush";
  services.custom."job" = { enable = true; command = "sleep infinity"; };
}; }`

// A login is a key pair, and a way to use it beside the engine.
type login struct {
	e           *engine.Engine
	key, public string
}

func newLogin(t *testing.T, e *engine.Engine) login {
	t.Helper()
	key := filepath.Join(t.TempDir(), "key")
	if out, errs, code := e.ExecCommand("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key); code != 0 {
		t.Fatal(out, errs)
	}
	public, err := os.ReadFile(key + ".pub")
	if err != nil {
		t.Fatal(err)
	}
	return login{e, key, strings.TrimSpace(string(public))}
}

// ssh runs a command by ssh on a published port.
func (l login) ssh(port string, args ...string) (out, errs string, code int) {
	return l.e.ExecCommand("ssh", append([]string{"-F", "none", "-p", port, "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null",
		"-o", "LogLevel=ERROR", "-o", "IdentityAgent=none", "-o", "IdentitiesOnly=yes", "-o", "NumberOfPasswordPrompts=1"}, args...)...)
}

// listens reports whether something in the container listens on the port.
func listens(e *engine.Engine, container, hexPort string) bool {
	return strings.Contains(e.MustExec("exec", container, "bash", "-c", "cat /proc/net/tcp /proc/net/tcp6 2>/dev/null"), ":"+hexPort+" 0")
}

const port22 = "0016"

func TestSSHDAnswersKeysAlone(t *testing.T) {
	e := engine.Docker(t)
	image(t, e, "my-container:latest", oneService)
	l := newLogin(t, e)
	id := e.Container("-p", "2222:22", "-e", "SSH_PUBLIC_KEYS="+l.public, "my-container:latest")
	wantOwn(t, e.WaitLogs(id, "without a probe: job"), healthyJob)

	var out, errs string
	if !testkit.Eventually(func() bool {
		var code int
		out, errs, code = l.ssh("2222", "-i", l.key, "root@127.0.0.1", `id -un; echo "$MODE"; echo "token:$HF_TOKEN"`)
		return code == 0
	}) {
		t.Fatalf("no login with the key: %s%s", out, errs)
	}
	if want := "root\nfast and \"loose\"\ntoken:\n"; out != want {
		t.Errorf("in the session:\n%s\nwant\n%s", out, want)
	}
	// A login shell and the status from inside one.
	if out, errs, code := l.ssh("2222", "-i", l.key, "root@127.0.0.1", `bash -lc 'echo "$MODE"; process-compose status'`); code != 0 ||
		!strings.HasPrefix(out, "fast and \"loose\"\n") || !strings.Contains(out, "job") || !strings.Contains(out, "sshd") {
		t.Errorf("login shell: %d\n%s%s", code, out, errs)
	}

	// At a terminal: the prompt of the page, whatever the host's name is.
	for _, c := range []struct{ set, want string }{
		{"true", "root@container:~# "},
		{`echo "PS1='mine> '" >/root/.profile`, "\nmine> "},
	} {
		e.MustExec("exec", id, "bash", "-c", c.set)
		tm := e.Terminal("ssh -tt -F none -p 2222 -i " + l.key + " -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR root@127.0.0.1")
		tm.WaitFor(c.want)
		tm.Type("exit 6")
		if code := tm.Wait(); code != 6 {
			t.Errorf("exit code of the session: %d, want 6", code)
		}
	}

	// No password, not an empty one either, and no other key.
	other := newLogin(t, e)
	askpass := filepath.Join(t.TempDir(), "askpass")
	if err := os.WriteFile(askpass, []byte("#!/bin/sh\necho \"$ANSWER\"\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	for name, try := range map[string][]string{
		"another key":    {"-i", other.key, "root@127.0.0.1", "true"},
		"a password":     {"-o", "PubkeyAuthentication=no", "-o", "PreferredAuthentications=password,keyboard-interactive", "root@127.0.0.1", "true"},
		"none at all":    {"-o", "PubkeyAuthentication=no", "-o", "PreferredAuthentications=none", "root@127.0.0.1", "true"},
		"another user's": {"-i", other.key, "postgres@127.0.0.1", "true"},
	} {
		for _, answer := range []string{"", "secret"} {
			e.Env = append(e.Env, "SSH_ASKPASS="+askpass, "SSH_ASKPASS_REQUIRE=force", "ANSWER="+answer)
			if out, errs, code := l.ssh("2222", try...); code != 255 || !strings.Contains(errs, "Permission denied (publickey)") {
				t.Errorf("%s (%q): exit code %d\n%s%s", name, answer, code, out, errs)
			}
			e.Env = e.Env[:len(e.Env)-3]
		}
	}

	// It is a service like the others to those who ask, and to nobody else.
	if status := e.Type("docker exec " + id + " process-compose status"); !strings.Contains(status, "sshd") || !strings.Contains(status, "running") {
		t.Errorf("status:\n%s", status)
	}
	if logs := e.Logs(id); strings.Contains(logs, "sshd") {
		t.Errorf("the transcript speaks of sshd:\n%s", logs)
	}
	if logs := e.Type("docker exec " + id + " process-compose logs sshd"); !strings.Contains(logs, "Server listening on") {
		t.Errorf("logs sshd:\n%s", logs)
	}

	// A session outlives a restart of the server; the host stays the same.
	key := e.Type("docker exec " + id + " cat /run/sshd/ssh_host_ed25519_key.pub")
	session := e.StartCommand("ssh", "-F", "none", "-p", "2222", "-i", l.key, "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null",
		"-o", "LogLevel=ERROR", "root@127.0.0.1", "echo in; exec sleep 10000")
	session.WaitLine("in")
	e.Type("docker exec " + id + " process-compose restart sshd")
	if !testkit.Eventually(func() bool { _, _, code := l.ssh("2222", "-i", l.key, "root@127.0.0.1", "true"); return code == 0 }) {
		t.Error("no login after the restart")
	}
	if !session.Running() {
		t.Errorf("the session went with the server: %s", session.Output())
	}
	e.Type("docker restart " + id)
	if again := e.Type("docker exec " + id + " cat /run/sshd/ssh_host_ed25519_key.pub"); again != key {
		t.Errorf("host key %q became %q", key, again)
	}
	e.Type("docker stop " + id)
	if code := e.ExitCode(id); code != 0 {
		t.Errorf("exit code %d, want 0", code)
	}
}

func TestNothingListensWithoutAKey(t *testing.T) {
	e := engine.Docker(t)
	image(t, e, "my-container:latest", oneService)
	id := e.Container("-e", "ROOT_PASSWORD=hunter2", "my-container:latest")
	logs := e.WaitLogs(id, "all services healthy")
	if listens(e, id, port22) {
		t.Error("something listens on port 22")
	}
	if status := e.Type("docker exec " + id + " process-compose status"); !strings.Contains(status, "sshd") || !strings.Contains(status, "stopped") {
		t.Errorf("status:\n%s", status)
	}
	if !strings.Contains(logs, "ROOT_PASSWORD is not used") || strings.Contains(logs, "hunter2") {
		t.Errorf("logs:\n%s", logs)
	}
	// Nobody can log in as root, nor does a service know the word.
	if shadow := e.Type("docker exec " + id + " cat /etc/shadow"); !strings.Contains(shadow, "root:*:") {
		t.Errorf("shadow:\n%s", shadow)
	}
	environ := e.Type("docker exec " + id + " bash -c 'for p in /proc/[0-9]*; do [ $p = /proc/1 -o $p = /proc/$$ ] || tr \"\\0\" \"\\n\" <$p/environ; done'")
	if strings.Contains(environ, "hunter2") {
		t.Errorf("a service has the password:\n%s", environ)
	}
}

// Services = {} with a key: nothing is said, and one may log in.
func TestSSHDWithoutServices(t *testing.T) {
	e := engine.Docker(t)
	image(t, e, "my-container:latest", noServices)
	l := newLogin(t, e)
	id := e.Container("-p", "2223:22", "-e", "PUBLIC_KEY="+l.public, "my-container:latest")
	if !testkit.Eventually(func() bool { _, _, code := l.ssh("2223", "-i", l.key, "root@127.0.0.1", "true"); return code == 0 }) {
		t.Fatalf("no login:\n%s", e.Logs(id))
	}
	e.Type("docker stop " + id)
	wantOwn(t, e.Logs(id), "[nix2gpu] container initialization starting...\n[nix2gpu] no services defined, staying until stopped")
	if code := e.ExitCode(id); code != 0 {
		t.Errorf("exit code %d, want 0", code)
	}
}

// The definition's own configuration holds, and a wrong one is told with its line.
func TestSSHDConfig(t *testing.T) {
	e := engine.Docker(t)
	l := newLogin(t, e)
	image(t, e, "other-port:latest", `{ perSystem.nix2gpu."my-container" = {
		sshdConfig = "Port 2200\nPermitRootLogin forced-commands-only\nMaxSessions 1\n";
		services.custom."job" = { enable = true; command = "sleep infinity"; };
	}; }`)
	id := e.Container("-p", "2224:2200", "-e", "PUBLIC_KEY=command=\"echo forced\" "+l.public, "other-port:latest")
	var out string
	if !testkit.Eventually(func() bool {
		var code int
		out, _, code = l.ssh("2224", "-i", l.key, "root@127.0.0.1", "true")
		return code == 0
	}) || out != "forced\n" {
		t.Errorf("login printed %q:\n%s", out, e.Logs(id))
	}
	if listens(e, id, port22) {
		t.Error("something listens on port 22")
	}

	image(t, e, "wrong:latest", `{ perSystem.nix2gpu."my-container" = {
		sshdConfig = "Port 22\nNoSuchWord yes\n";
		services.custom."job" = { enable = true; command = "sleep infinity"; };
	}; }`)
	id = e.Container("-e", "PUBLIC_KEY="+l.public, "wrong:latest")
	logs := e.WaitLogs(id, "all services healthy")
	if !strings.Contains(logs, "[nix2gpu] sshd is not started: sshd_config: line 3: Bad configuration option: NoSuchWord") {
		t.Errorf("logs:\n%s", logs)
	}
	// The trial has left nothing where a run's files are: another boot, which has the
	// lock, may be removing those.
	out = e.MustExec("run", "--rm", "-e", "PUBLIC_KEY="+l.public, "wrong:latest", "bash", "-c", "ls -R /run/nix2gpu-services 2>/dev/null; echo that is all")
	if strings.Contains(out, "sshd_config") || !strings.HasSuffix(out, "that is all\n") {
		t.Errorf("the container prints\n%s", out)
	}
}

// vast.ai's ssh mode: another entrypoint, an sshd of theirs on 22, and boot by
// its start script, twice. RunPod may do the same.
func TestAnotherSSHD(t *testing.T) {
	e := engine.Docker(t)
	image(t, e, "my-container:latest", oneService)
	l := newLogin(t, e)
	id := e.Container("-e", "PUBLIC_KEY="+l.public, "--entrypoint", "bash", "my-container:latest", "-c",
		"mkdir -p /run/sshd && ssh-keygen -q -t ed25519 -N '' -f /etc/ssh/ssh_host_ed25519_key && touch /etc/ssh/sshd_config && exec /usr/sbin/sshd -D")
	if !testkit.Eventually(func() bool { return listens(e, id, port22) }) {
		t.Fatalf("their sshd does not listen:\n%s", e.Logs(id))
	}
	first := e.Start("exec", id, "nix2gpu", "boot")
	first.WaitLine("without a probe: job")
	wantPortTold(t, "sshd", healthyJob, first.Stdout)
	out := e.MustExec("exec", id, "nix2gpu", "boot")
	wantOwn(t, out, "[nix2gpu] container initialization starting...\n[nix2gpu] already running as pid "+holder(e, id))
	if n := strings.Count(e.MustExec("exec", id, "bash", "-c", "ps -eo args"), "sleep infinity"); n != 1 {
		t.Errorf("the service runs %d times, want once", n)
	}
	// An end of boot ends what it ran, and not the container.
	e.Type("docker exec " + id + " process-compose down")
	if code := first.Wait(); code != 0 {
		t.Errorf("exit code of boot: %d, want 0", code)
	}
	if !e.Running(id) || strings.Contains(e.MustExec("exec", id, "bash", "-c", "ps -eo args"), "sleep infinity") {
		t.Errorf("after down:\n%s", e.MustExec("exec", id, "bash", "-c", "ps -eo pid,args"))
	}
}

// wantPortTold wants one line about who has the port of sshd, whenever that is
// tried, beside the others.
func wantPortTold(t *testing.T, by, others string, output func() string) {
	t.Helper()
	var told, rest []string
	testkit.Eventually(func() bool {
		told, rest = nil, nil
		for line := range strings.SplitSeq(own(output()), "\n") {
			if strings.HasPrefix(line, "[nix2gpu] sshd: ") {
				told = append(told, line)
			} else {
				rest = append(rest, line)
			}
		}
		return len(told) > 0
	})
	if len(told) != 1 || !strings.HasPrefix(told[0], "[nix2gpu] sshd: port 22 is used by "+by+" (pid ") || !strings.HasSuffix(told[0], "); tried again until it stays up") {
		t.Errorf("of sshd is said %q", told)
	}
	if got := strings.Join(rest, "\n"); got != others {
		t.Errorf("lines of nix2gpu beside sshd's:\n%s\nwant\n%s", got, others)
	}
}

// holder is the pid of the supervisor, as its lock says it.
func holder(e *engine.Engine, id string) string {
	return strings.TrimSpace(e.MustExec("exec", id, "bash", "-c", "head -n1 /var/lib/nix2gpu/supervisor.lock"))
}

// A port that somebody else has, be it for one family of addresses, is told once;
// when it is free, sshd has it, for all.
func TestSSHDTakesAFreedPort(t *testing.T) {
	e := engine.Docker(t)
	image(t, e, "my-container:latest", oneService)
	l := newLogin(t, e)
	for _, address := range []string{"::", "0.0.0.0", "127.0.0.1"} {
		id := e.Container("-p", "2227:22", "-e", "PUBLIC_KEY="+l.public, "--init", "--entrypoint", "bash", "my-container:latest", "-c",
			"python3 -m http.server --bind "+address+" 22 >/dev/null 2>&1 & taker=$!; "+
				"until bash -c 'exec 3<>/dev/tcp/127.0.0.1/22' 2>/dev/null; do sleep 0.1; done; "+
				"nix2gpu boot & while [ ! -e /tmp/free ]; do sleep 0.1; done; kill $taker; wait")
		e.WaitLogs(id, "without a probe: job")
		wantPortTold(t, "python3", healthyJob, func() string { return e.Logs(id) })
		e.MustExec("exec", id, "touch", "/tmp/free")
		if !testkit.Eventually(func() bool { _, _, code := l.ssh("2227", "-i", l.key, "root@127.0.0.1", "true"); return code == 0 }) {
			t.Fatalf("%s: no login:\n%s", address, e.Type("docker exec "+id+" process-compose status sshd"))
		}
		if n := strings.Count(e.Logs(id), "sshd"); n != 1 {
			t.Errorf("%s: the transcript speaks %d times of sshd, want once:\n%s", address, n, e.Logs(id))
		}
		e.MustExec("rm", "-f", id)
	}
}
