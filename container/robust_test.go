package container_test

import (
	"fmt"
	"math/rand/v2"
	"regexp"
	"strings"
	"testing"

	"nix2gpu/internal/engine"
	"nix2gpu/internal/testkit"
)

const healthyJob = `[nix2gpu] container initialization starting...
[nix2gpu] starting process-compose with 1 service
[nix2gpu] job: starting
[nix2gpu] all services healthy
[nix2gpu] without a probe: job`

// A root that takes no files, and folders whose programs may not be executed.
func TestReadOnlyRoot(t *testing.T) {
	e := engine.Docker(t)
	image(t, e, "my-container:latest", withAPI, map[string]string{"/usr/local/bin/my-api": myAPI})
	l := newLogin(t, e)
	e.Type("docker volume create kept")
	t.Cleanup(func() { e.Exec("volume", "rm", "kept") })
	id := e.Container("--read-only", "--tmpfs", "/run", "--tmpfs", "/tmp", "-v", "kept:/workspace", "-p", "2225:22", "-p", "8082:8080",
		"-e", "PUBLIC_KEY="+l.public, "my-container:latest")
	logs := e.WaitLogs(id, "all services healthy")
	if strings.Contains(logs, "boot goes on") || strings.Contains(logs, "cannot") {
		t.Errorf("logs:\n%s", logs)
	}
	e.WantBody("http://127.0.0.1:8082/", "hello")
	if !testkit.Eventually(func() bool { _, _, code := l.ssh("2225", "-i", l.key, "root@127.0.0.1", "true"); return code == 0 }) {
		t.Errorf("no login:\n%s", e.Type("docker exec "+id+" process-compose logs sshd"))
	}
	key := e.Type("docker exec " + id + " cat /run/sshd/ssh_host_ed25519_key.pub")
	e.Type("docker exec " + id + " touch /workspace/data/postgresql/db/kept")
	e.Type("docker stop " + id)
	if code := e.ExitCode(id); code != 0 {
		t.Errorf("exit code %d, want 0", code)
	}
	// Another container over the same volume is the same host, with the same data.
	e.Type("docker rm " + id)
	id = e.Container("--read-only", "--tmpfs", "/run", "--tmpfs", "/tmp", "-v", "kept:/workspace", "-e", "PUBLIC_KEY="+l.public, "my-container:latest")
	e.WaitLogs(id, "all services healthy")
	e.Type("docker exec " + id + " ls /workspace/data/postgresql/db/kept") // the same data
	if again := e.Type("docker exec " + id + " cat /run/sshd/ssh_host_ed25519_key.pub"); again != key {
		t.Errorf("host key %q became %q", key, again)
	}
	e.Type("docker rm -f " + id)
}

func TestUserOfTheEngine(t *testing.T) {
	e := engine.Docker(t)
	image(t, e, "my-container:latest", `{ perSystem.nix2gpu."my-container".services = {
		redis."cache".enable = true;
		custom."job" = { enable = true; command = "id -u; exec sleep infinity"; };
	}; }`)
	e.Type("docker volume create users")
	t.Cleanup(func() { e.Exec("volume", "rm", "users") })
	e.Type("docker run --rm -v users:/workspace --entrypoint bash my-container:latest -c 'touch /workspace/kept; chown 1000 /workspace'") // docker makes an empty one like the image's folder
	id := e.Container("--user", "1000", "-v", "users:/workspace", "-e", "PUBLIC_KEY=ssh-ed25519 x", "my-container:latest")
	logs := e.WaitLogs(id, "all services healthy")
	if n := strings.Count(logs, "[nix2gpu] not run as root: left out accounts, host-keys, authorized-keys, environment\n"); n != 1 {
		t.Errorf("said %d times what was left out, want once:\n%s", n, logs)
	}
	e.WaitLogs(id, "[job] 1000\n")
	if status := e.Type("docker exec " + id + " process-compose status"); !regexp.MustCompile(`(?m)^redis +running +healthy`).MatchString(status) {
		t.Errorf("status:\n%s", status)
	}
	e.Type("docker stop " + id)
	if code := e.ExitCode(id); code != 0 {
		t.Errorf("exit code %d, want 0", code)
	}
	e.Type("docker rm " + id)
}

// What is wrong with a volume is said with what to set.
func TestVolumes(t *testing.T) {
	e := engine.Docker(t)
	image(t, e, "my-container:latest", `{ perSystem.nix2gpu."my-container".services.redis."cache".enable = true; }`)
	for name, c := range map[string]struct {
		prepare string // in the volume, as root
		args    []string
		healthy bool
		say     []string
	}{
		"root's":         {"true", nil, true, nil},
		"another's":      {"chown 1234 /workspace", nil, true, nil},
		"another's own":  {"chown 1234 /workspace; chmod 700 /workspace", nil, false, []string{"closed to the users that services run as (mode 0700, uid 1234)", "chmod o+x"}},
		"root's, not us": {"true", []string{"--user", "1000"}, false, []string{"/workspace belongs to uid 0, and this container runs as uid 1000", "chown 1000 the folder"}},
		"read-only":      {"true", []string{"--ro"}, false, []string{"/workspace is read-only", "mount it without :ro, or set dataDir"}},
	} {
		t.Run(name, func(t *testing.T) {
			e := engine.Docker(t)
			volume := "v-" + strings.Trim(regexp.MustCompile(`[^a-z]+`).ReplaceAllString(name, "-"), "-")
			e.MustExec("volume", "create", volume)
			t.Cleanup(func() { e.Exec("volume", "rm", "-f", volume) })
			e.MustExec("run", "--rm", "-v", volume+":/workspace", "--entrypoint", "bash", "my-container:latest", "-c", "touch /workspace/kept; "+c.prepare)
			mount, args := volume+":/workspace", c.args
			if len(args) > 0 && args[0] == "--ro" {
				mount, args = mount+":ro", nil
			}
			id := e.Container(append(append([]string{"-v", mount}, args...), "my-container:latest")...)
			var logs string
			if c.healthy {
				logs = e.WaitLogs(id, "all services healthy")
			} else {
				for _, want := range c.say {
					logs = e.WaitLogs(id, want)
				}
			}
			if c.healthy && (strings.Contains(logs, "belongs to") || strings.Contains(logs, "closed")) {
				t.Errorf("logs:\n%s", logs)
			}
			e.MustExec("rm", "-f", id)
		})
	}
}

// Below an init of the engine's, or of a platform's, boot is not PID 1.
func TestBelowAnInit(t *testing.T) {
	e := engine.Docker(t)
	image(t, e, "my-container:latest", oneService)
	id := e.Container("--init", "my-container:latest")
	wantOwn(t, e.WaitLogs(id, "without a probe: job"), healthyJob)
	if out := e.MustExec("exec", id, "bash", "-c", "ps -o comm= -p 1"); strings.Contains(out, "nix2gpu") {
		t.Errorf("PID 1 is %s", out)
	}
	e.MustExec("stop", id)
	if code := e.ExitCode(id); code != 0 {
		t.Errorf("exit code %d, want 0", code)
	}
	wantOwn(t, e.Logs(id), healthyJob+"\n[nix2gpu] stopping 1 service\n[nix2gpu] all services stopped")

	if out, _, code := e.Exec("run", "--rm", "--init", "my-container:latest", "bash", "-c", "echo hi; exit 7"); code != 7 || !strings.HasSuffix(out, "hi\n") {
		t.Errorf("a command: %d, %q", code, out)
	}
}

// Services have what the steps of boot have set, and nothing of what these have taken away,
// also where boot is not PID 1.
func TestEnvironmentBelowAnInit(t *testing.T) {
	e := engine.Docker(t)
	image(t, e, "my-container:latest", `{ perSystem.nix2gpu."my-container".services.custom."job" = {
		enable = true; restart = "no"; command = "echo \"$XDG_RUNTIME_DIR, password: $ROOT_PASSWORD.\"";
	}; }`)
	id := e.Container("--init", "-e", "ROOT_PASSWORD=hunter2", "my-container:latest")
	if logs, want := e.WaitLogs(id, ", password: "), "/run/user/0, password: .\n"; !strings.Contains(logs, want) {
		t.Errorf("%q is missing in\n%s", want, logs)
	}
	e.MustExec("rm", "-f", id)
}

func TestAThousandOrphans(t *testing.T) {
	e := engine.Docker(t)
	image(t, e, "my-container:latest", `{ perSystem.nix2gpu."my-container".services = {
		custom."job" = { enable = true; command = "sleep infinity"; };
		custom."forks" = { enable = true; restart = "no"; command = ''
			for i in $(seq 1000); do (setsid sleep 0.1 &); done; echo forked
		''; };
	}; }`)
	id := e.Container("my-container:latest")
	e.WaitLogs(id, "forks: completed")
	var left string
	if !testkit.Eventually(func() bool {
		left = e.MustExec("exec", id, "bash", "-c", "ps -eo stat,args --no-headers | while read s a; do case $s:$a in Z*|*'sleep 0.1') echo $s $a;; esac; done")
		return left == ""
	}) {
		t.Errorf("left:\n%s", left)
	}
	if status := e.MustExec("exec", id, "process-compose", "status"); !regexp.MustCompile(`(?m)^job +running`).MatchString(status) {
		t.Errorf("status:\n%s", status)
	}
	e.MustExec("stop", id)
	if code := e.ExitCode(id); code != 0 {
		t.Errorf("exit code %d, want 0", code)
	}
}

// The definition's script runs once before the services, and what it leaves in
// the background goes on; one that fails is the end.
func TestStartupScript(t *testing.T) {
	e := engine.Docker(t)
	image(t, e, "my-container:latest", `{ perSystem.nix2gpu."my-container" = {
		extraStartupScript = ''
			echo "in $PWD as $(id -un)"
			sleep 12345 &
		'';
		services.custom."job" = { enable = true; command = "sleep infinity"; };
	}; }`)
	id := e.Container("my-container:latest")
	logs := e.WaitLogs(id, "all services healthy")
	if want := "[nix2gpu] container initialization starting...\nin /workspace as root\n[nix2gpu] starting process-compose"; !strings.HasPrefix(logs, want) {
		t.Errorf("logs:\n%s\nwant first\n%s", logs, want)
	}
	e.MustExec("exec", id, "nix2gpu", "boot", "true")
	if n := strings.Count(e.MustExec("exec", id, "bash", "-c", "ps -eo args"), "sleep 12345"); n != 1 {
		t.Errorf("what the script has started runs %d times, want once", n)
	}

	image(t, e, "fails:latest", `{ perSystem.nix2gpu."my-container" = {
		extraStartupScript = "echo no disk >&2; exit 3";
		services.custom."job" = { enable = true; command = "sleep infinity"; };
	}; }`)
	id = e.Container("fails:latest")
	if code := e.ExitCode(id); code != 1 {
		t.Errorf("exit code %d, want 1", code)
	}
	if logs := e.Logs(id); !strings.Contains(logs, "no disk\n") || !strings.Contains(logs, "startup-script: exit code 3; boot does not go on") {
		t.Errorf("logs:\n%s", logs)
	}
}

// A stop during the initialisation is an orderly end, however deaf its script.
func TestStopDuringBoot(t *testing.T) {
	e := engine.Docker(t)
	for i, script := range []string{"echo here; sleep 10000", "trap '' TERM INT; echo here; sleep 10000; sleep 10000"} {
		name := fmt.Sprintf("slow-%d:latest", i)
		image(t, e, name, `{ perSystem.nix2gpu."my-container" = { extraStartupScript = "`+script+`";
			services.custom."job" = { enable = true; command = "sleep infinity"; }; }; }`)
		id := e.Container(name)
		e.WaitLogs(id, "here")
		e.MustExec("stop", "-t", "600", id) // only our own end makes this short
		if code := e.ExitCode(id); code != 0 {
			t.Errorf("%q: exit code %d, want 0", script, code)
		}
		wantOwn(t, e.Logs(id), "[nix2gpu] container initialization starting...\n[nix2gpu] stopped during initialization")
	}
	// Where boot is not PID 1, nothing of the script outlives it either.
	for _, name := range []string{"slow-0:latest", "slow-1:latest"} {
		id := e.Container("--entrypoint", "sleep", name, "infinity")
		boot := e.Start("exec", id, "nix2gpu", "boot")
		boot.WaitLine("here")
		e.MustExec("exec", id, "bash", "-c", "ps -eo pid,args --no-headers | while read p a; do [[ $a == *'nix2gpu boot' ]] && kill $p; done; true")
		if code := boot.Wait(); code != 0 {
			t.Errorf("exit code %d, want 0:\n%s", code, boot.Output())
		}
		wantOwn(t, boot.Stdout(), "[nix2gpu] container initialization starting...\n[nix2gpu] stopped during initialization")
		var left string
		if !testkit.Eventually(func() bool { // what was killed may still be ending
			left = e.MustExec("exec", id, "ps", "-eo", "pid,args")
			return !strings.Contains(left, "sleep 10000")
		}) {
			t.Errorf("left by boot:\n%s", left)
		}
		e.MustExec("rm", "-f", id)
	}
	// And at any other moment after the first line.
	image(t, e, "my-container:latest", oneService)
	for range 5 {
		id := e.Container("my-container:latest")
		e.WaitLogs(id, "container initialization starting...")
		e.MustExec("stop", "-t", "600", id)
		if code := e.ExitCode(id); code != 0 {
			t.Errorf("exit code %d, want 0:\n%s", code, e.Logs(id))
		}
	}
}

// A stop at any moment, from the first instruction of boot to its services, is an
// orderly end that leaves nothing, and the next boot does it all. Only its code may be
// that of the signal: one that comes before main, in the guard's first milliseconds, is
// handled by Go's runtime, in a thread that a busy machine may keep waiting while another
// lets the supervisor begin. Then the guard's death is what stops the services.
func TestStopAtAnyMoment(t *testing.T) {
	e := engine.Docker(t)
	image(t, e, "my-container:latest", oneService)
	l := newLogin(t, e)
	seed := uint64(7)
	random := rand.New(rand.NewPCG(seed, 0))
	script := ""
	for range 25 {
		script += fmt.Sprintf("try 0.%03d\n", random.IntN(120))
	}
	id := e.Container("-e", "PUBLIC_KEY="+l.public, "--init", "--entrypoint", "bash", "my-container:latest", "-c", `
try() {
  rm -rf /run/nix2gpu-boot /run/sshd /etc/ssh/ssh_host_* # every step is to be done
  nix2gpu boot >/tmp/out 2>&1 & boot=$!
  sleep $1; kill -TERM $boot; wait $boot; code=$?
  case $code:$(cat /tmp/out) in
    0:*'[nix2gpu] stopped during initialization' | 0:*'[nix2gpu] all services stopped') ;;
    143:*'[nix2gpu] starting process-compose'*) # the guard has died late
      for _ in {1..600}; do grep -q 'all services stopped$' /tmp/out && break; sleep 0.1; done
      grep -q 'all services stopped$' /tmp/out || { echo "WRONG after $1 s: services, and code $code"; cat /tmp/out; } ;;
    143:*) ;; # a program that has just begun, boot's or the supervisor's, is ended by the signal itself, and has nothing to end
    *) echo "WRONG after $1 s: code $code"; cat /tmp/out ;;
  esac
  pgrep -x 'sleep|sshd' && echo "WRONG after $1 s: it has left something"
}
`+script+`echo all were tried
exec nix2gpu boot`)
	e.WaitLogs(id, "all were tried\n")
	logs := e.WaitLogs(id, "[nix2gpu] all services healthy")
	if strings.Contains(logs, "WRONG") {
		t.Errorf("seed %d:\n%s", seed, logs)
	}
	e.MustExec("stop", id)
	if code := e.ExitCode(id); code != 0 {
		t.Errorf("exit code %d, want 0", code)
	}
	t.Attr("R25", "25 moments of boot: 25 orderly ends")
}

// Whoever asks while a container still boots is told so, or waits as asked.
func TestAskedWhileBooting(t *testing.T) {
	e := engine.Docker(t)
	image(t, e, "my-container:latest", `{ perSystem.nix2gpu."my-container" = {
		extraStartupScript = "until [ -e /tmp/go ]; do sleep 0.1; done";
		services.custom."job" = { enable = true; command = "sleep infinity"; }; }; }`)
	for name, args := range map[string][]string{"PID 1": nil, "below an init": {"--init"}} {
		id := e.Container(append(args, "my-container:latest")...)
		for _, verb := range []string{"status", "ready", "ps", "restart"} {
			out, errs, code := e.Exec("exec", id, "nix2gpu", verb, "job")
			if code != 3 || !strings.Contains(errs, "still booting: the services have not been started yet") || out != "" {
				t.Errorf("%s: %s: exit code %d\n%s%s", name, verb, code, out, errs)
			}
		}
		if out, errs, code := e.Exec("exec", id, "nix2gpu", "wait", "--timeout", "100ms"); code != 124 || !strings.Contains(errs, "still booting") {
			t.Errorf("%s: wait with a timeout: exit code %d\n%s%s", name, code, out, errs)
		}
		wait := e.Start("exec", id, "nix2gpu", "wait", "job", "--for", "running")
		e.MustExec("exec", id, "touch", "/tmp/go")
		if code := wait.Wait(); code != 0 {
			t.Errorf("%s: wait: exit code %d\n%s", name, code, wait.Output())
		}
		e.MustExec("rm", "-f", id)
	}
	// At once after "docker run -d", whatever has happened by then.
	image(t, e, "quick:latest", oneService)
	for range 3 {
		id := e.Container("quick:latest")
		if out, errs, code := e.Exec("exec", id, "nix2gpu", "wait"); code != 0 {
			t.Errorf("wait: exit code %d\n%s%s", code, out, errs)
		}
		e.MustExec("rm", "-f", id)
	}
	// A command without services is no boot any more.
	id := e.Container("quick:latest", "bash", "-c", "echo here; sleep infinity")
	e.WaitLogs(id, "here")
	if out, errs, code := e.Exec("exec", id, "nix2gpu", "wait"); code != 3 || !strings.Contains(errs, "nothing is running here") {
		t.Errorf("wait beside a command: exit code %d\n%s%s", code, out, errs)
	}
	e.MustExec("rm", "-f", id)
}

// With a command: the steps, then it, and no service; RunPod's start command.
func TestCommand(t *testing.T) {
	e := engine.Docker(t)
	image(t, e, "my-container:latest", oneService)
	l := newLogin(t, e)
	out, errs, code := e.Exec("run", "--rm", "my-container:latest", "bash", "-c", "echo $MODE; ls /tmp/process-compose.yaml; ps -eo args; exit 9", "--", "-x")
	if want := "[nix2gpu] container initialization starting...\nfast and \"loose\"\n/tmp/process-compose.yaml\n"; code != 9 || !strings.HasPrefix(out, want) || strings.Contains(out, "sleep infinity") {
		t.Errorf("exit code %d\n%s%s", code, out, errs)
	}
	if _, errs, code := e.Exec("run", "--rm", "my-container:latest", "no-such-program"); code != 127 || !strings.Contains(errs, `"no-such-program"`) {
		t.Errorf("a missing command: %d\n%s", code, errs)
	}

	id := e.Container("-p", "2226:22", "-e", "PUBLIC_KEY="+l.public, "my-container:latest",
		"bash", "-c", "trap 'echo bye; exit 4' TERM; echo ready; while :; do sleep 0.1; done")
	e.WaitLogs(id, "ready")
	if !testkit.Eventually(func() bool { _, _, code := l.ssh("2226", "-i", l.key, "root@127.0.0.1", "true"); return code == 0 }) {
		t.Errorf("no login beside the command:\n%s", e.Logs(id))
	}
	e.MustExec("stop", "-t", "600", id)
	if code := e.ExitCode(id); code != 4 {
		t.Errorf("exit code %d, want the command's 4", code)
	}
	wantOwn(t, e.Logs(id), "[nix2gpu] container initialization starting...")

	id = e.Container("my-container:latest", "--with-services", "bash", "-c", "until process-compose status | while read n s r; do [ $n:$s = job:running ] && exit 7; done; [ $? = 7 ]; do sleep 0.1; done; echo both; exit 6")
	e.WaitLogs(id, "both")
	if code := e.ExitCode(id); code != 6 {
		t.Errorf("exit code %d, want the command's 6", code)
	}
	if logs := e.Logs(id); !strings.Contains(logs, "[nix2gpu] all services stopped") {
		t.Errorf("the services did not stop with the command:\n%s", logs)
	}
}

// The container's user is that of custom services, of commands and shells.
func TestUserOfTheDefinition(t *testing.T) {
	e := engine.Docker(t)
	image(t, e, "my-container:latest", `{ perSystem.nix2gpu."my-container" = { user = "www-data"; services = { }; }; }`)
	if out := e.MustExec("run", "--rm", "my-container:latest", "bash", "-c", "id -un; echo $HOME; pwd"); !strings.HasSuffix(out, "\nwww-data\n/var/www\n/workspace\n") {
		t.Errorf("a command prints\n%s", out)
	}
	if out := e.MustExec("run", "--rm", "--init", "--workdir", "/tmp", "my-container:latest", "bash", "-c", "id -un; pwd"); !strings.HasSuffix(out, "\nwww-data\n/tmp\n") {
		t.Errorf("below an init a command prints\n%s", out)
	}
	tm := e.Terminal("docker run -it my-container:latest")
	tm.WaitFor("www-data@container:/workspace$ ")
	tm.Type("exit")
	tm.Wait()
}

// up where boot supervises finds all as it should be; so does a reload.
func TestUpBesideBoot(t *testing.T) {
	e := engine.Docker(t)
	image(t, e, "my-container:latest", oneService)
	l := newLogin(t, e)
	id := e.Container("-e", "PUBLIC_KEY="+l.public, "my-container:latest")
	e.WaitLogs(id, "all services healthy")
	pids := func() string {
		return e.MustExec("exec", id, "bash", "-c", "ps -eo pid,args --no-headers | while read p a; do case $a in sleep*|sshd:*) echo $p $a;; esac; done")
	}
	var before string
	if !testkit.Eventually(func() bool { // they name themselves once they have begun
		before = pids()
		return strings.Count(before, "\n") == 2
	}) {
		t.Fatalf("not the service and sshd:\n%s", before)
	}
	out, errs, code := e.Exec("exec", id, "process-compose", "up", "-D")
	if code != 0 || !strings.Contains(errs, "already running as pid 1") || strings.Contains(errs, "changed") || strings.Contains(errs, "removed") {
		t.Errorf("up: exit code %d\n%s%s", code, out, errs)
	}
	e.MustExec("kill", "-s", "HUP", id)
	e.WaitLogs(id, "[nix2gpu] reloaded: nothing has changed")
	if after := pids(); after != before {
		t.Errorf("running before:\n%s\nafter\n%s", before, after)
	}
}

// A container whose PID 1 is killed ends with it, whatever ran. Started again, it finds no
// obstacle in what was left, and all runs once.
func TestKilledContainer(t *testing.T) {
	e := engine.Docker(t)
	image(t, e, "my-container:latest", `{ perSystem.nix2gpu."my-container".services = {
		redis."cache".enable = true;
		custom."job" = { enable = true; command = "echo begins; sleep 7777 & exec sleep 8888"; depends_on.redis = "ready"; };
	}; }`)
	id := e.Container("my-container:latest")
	const kills = 3
	for n := range kills + 1 {
		if !testkit.Eventually(func() bool { return strings.Count(e.Logs(id), "all services healthy") == n+1 }) {
			t.Fatalf("start %d:\n%s", n+1, e.Logs(id))
		}
		var running string
		if !testkit.Eventually(func() bool {
			running = e.MustExec("exec", id, "ps", "-eo", "args", "--no-headers")
			return strings.Count(running, "\nsleep ") == 2 && strings.Count(running, "redis-server ") == 1
		}) {
			t.Errorf("start %d: not each once:\n%s", n+1, running)
		}
		if out := e.MustExec("exec", id, "nix2gpu", "logs", "--all", "job"); strings.Count(out, "[job] begins\n") != n+1 {
			t.Errorf("start %d: the log of all runs has\n%s", n+1, out)
		}
		if n < kills {
			e.MustExec("kill", "-s", "KILL", id)
			if code := e.ExitCode(id); code != 137 {
				t.Errorf("exit code %d, want that of SIGKILL", code)
			}
			e.MustExec("start", id)
		}
	}
	t.Attr("R2", fmt.Sprintf("PID 1 of a container killed %d times: nothing lived on, and each start found all in order", kills))
}

// What can't run is refused with its reason, as by up; the others run.
func TestRefusedService(t *testing.T) {
	e := engine.Docker(t)
	image(t, e, "my-container:latest", `{ perSystem.nix2gpu."my-container".services = {
		custom."job" = { enable = true; command = "sleep infinity"; };
		custom."gone" = { enable = true; command = "no-such-server --port 1"; };
	}; }`)
	id := e.Container("my-container:latest", "--log-level", "debug")
	for _, want := range []string{"1 of 2 services healthy; skipped: gone", `no-such-server`, `level=DEBUG msg=begins step=folders`} {
		e.WaitLogs(id, want) // stdout and stderr have no order
	}
}

// A container that is out of memory: a service's own program says so by its end,
// and of any other it is told that it was killed, and counted.
func TestOutOfMemory(t *testing.T) {
	e := engine.Docker(t)
	image(t, e, "my-container:latest", `{ perSystem.nix2gpu."my-container".services.custom = {
		"worker" = { enable = true; command = "python3 -c 'x = bytearray(900 << 20)'; echo it was killed; sleep infinity"; };
		"big" = { enable = true; restart = "no"; command = [ "python3" "-c" "x = bytearray(900 << 20)" ]; depends_on.worker = "log_ready"; };
		"worker".ready_log_line = "it was killed";
	}; }`)
	id := e.Container("-m", "300m", "--memory-swap", "300m", "my-container:latest")
	e.WaitLogs(id, "[nix2gpu] out of memory: the kernel has killed a process of this container, and services go on; nix2gpu top shows who uses how much\n")
	logs := e.WaitLogs(id, "[nix2gpu] big: failed: out of memory (killed)\n")
	if n := strings.Count(logs, "[nix2gpu] out of memory"); n != 1 {
		t.Errorf("told %d times:\n%s", n, logs)
	}
	if out, _, _ := e.Exec("exec", id, "nix2gpu", "status"); !strings.Contains(out, "note: out of memory: the kernel has killed 1 process of this container, the last ") {
		t.Errorf("status:\n%s", out)
	}
}

// What cannot become well is told by a container too, and whoever waits for it in
// there gets exit code 1, and the cause in the first three lines.
func TestWhatCannotPassInAContainer(t *testing.T) {
	e := engine.Docker(t)
	image(t, e, "my-container:latest", `{ perSystem.nix2gpu."my-container".services = {
		custom."loop" = { enable = true; command = "echo error: no key; exit 1"; };
		custom."user" = { enable = true; command = "sleep infinity"; user = "no-such-user"; };
		custom."fine" = { enable = true; command = "sleep infinity"; };
		nginx."web" = { enable = true; httpConfig = "lissten 7;"; };
		nginx."key" = { enable = true; virtualHosts.x = { onlySSL = true; sslCertificate = "/no/cert.pem"; sslCertificateKey = "/no/key.pem"; }; };
		postgresql."db" = { enable = true; initialScript.after = "CREAT TABLE t (n int);"; };
	}; }`)
	id := e.Container("my-container:latest")
	for _, c := range []struct{ service, cause string }{
		{"loop", "error: no key"},
		{"user", `there is no user "no-such-user" on this machine`},
		{"nginx.web", `nix2gpu.nix:5:48: nginx rejects its configuration: unknown directive "lissten"`},
		{"nginx.key", `cannot read file "/no/cert.pem": no such file or directory`},
		{"postgresql", `nix2gpu.nix:7: ERROR: syntax error at or near "CREAT"`},
	} {
		for _, verb := range []string{"wait", "restart"} {
			out, errs, code := e.Exec("exec", id, "nix2gpu", verb, c.service)
			first := strings.Join(strings.SplitN(errs, "\n", 4)[:min(3, strings.Count(errs, "\n")+1)], "\n")
			if code != 1 || !strings.Contains(strings.Join(strings.Fields(first), " "), c.cause) {
				t.Errorf("%s %s: exit code %d\n%s%s", verb, c.service, code, out, errs)
			}
		}
	}
	if out := e.MustExec("exec", id, "nix2gpu", "wait", "fine"); out != "" {
		t.Errorf("wait for what is well says %q", out)
	}
	if logs := e.Logs(id); strings.Contains(logs, "all services healthy") || !strings.Contains(logs, "skipped: ") {
		t.Errorf("the logs do not say how it is:\n%s", logs)
	}
}
