package process_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"nix2gpu/process"
	"nix2gpu/project"
)

// launching starts a script as a daemon's command, and reads the n pids that it prints.
func launching(t *testing.T, h *process.Host, script string, n int) (p *process.Process, pids []int, launched chan int) {
	t.Helper()
	launched = make(chan int, 16)
	spec := shell(script)
	spec.Mode, spec.Launched = process.Daemon, func(pid int) { launched <- pid }
	p, pids = printing(t, h, spec, n)
	return p, pids, launched
}

func TestDaemonIsWhatItsCommandLeaves(t *testing.T) {
	h := newHost(t, process.Options{Launch: launchCommand})
	for name, script := range map[string]string{
		"in the group": inGroup, "own group": ownGroup, "own session": inSession, "forks twice": daemon,
		"without environment": noEnv, "with a name of its own": nameOnly, "stopped": stopped, "ignores TERM": stubborn,
	} {
		t.Run(name, func(t *testing.T) {
			p, pids, launched := launching(t, h, script+"exit 0", 1)
			for <-launched != pids[0] { // its parent may have been the oldest for a moment
			}
			await(t, "the end of the command", p.Exited())
			if p.Main() != pids[0] || !alive(pids[0]) {
				t.Errorf("main is %d, alive %t; want %d", p.Main(), alive(pids[0]), pids[0])
			}
			select {
			case <-p.Done():
				t.Error("it is done while its daemon lives")
			default:
			}
			if usage := h.Usage(); len(usage) != 1 || usage[0].PIDs[0] != pids[0] {
				t.Errorf("usage = %+v, want that of %d", usage, pids[0])
			}
			if err := p.Terminate(0, false); err != nil {
				t.Error(err)
			}
			if name == "ignores TERM" {
				p.Kill()
			}
			await(t, "done", p.Done())
			want := "killed by SIGTERM"
			if name == "ignores TERM" {
				want = "killed by SIGKILL"
			}
			if exit, known := p.End(); !known || exit.String() != want || alive(pids[0]) {
				t.Errorf("end = %v, known %t, alive %t; want %s", exit, known, alive(pids[0]), want)
			}
			if p.Killed() != (name == "ignores TERM") {
				t.Errorf("killed = %t", p.Killed())
			}
		})
	}
}

// TestDaemonEndsByItself, with the exit code of its last process, even if that lives for a
// moment only.
func TestDaemonEndsByItself(t *testing.T) {
	h := newHost(t, process.Options{Launch: launchCommand})
	end := filepath.Join(t.TempDir(), "end")
	for name, c := range map[string]struct {
		script string
		want   string
	}{
		"at once":           {`setsid sh -c 'exit 7' & exit 0`, "exit code 7"},
		"after a while":     {`setsid sh -c 'while [ ! -e ` + end + ` ]; do sleep 0.01; done; exit 3' & exit 0`, "exit code 3"},
		"child after child": {`setsid sh -c '(sleep 0.05; exit 5) & exit 4' & exit 0`, "exit code 5"},
		"launches nothing":  {`exit 0`, "exit code 0"},
		"fails":             {`setsid sleep 1000 & exit 9`, "exit code 9"},
	} {
		t.Run(name, func(t *testing.T) {
			p, _, launched := launching(t, h, c.script, 0)
			if name == "after a while" {
				<-launched
				if err := os.WriteFile(end, nil, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			await(t, "done", p.Done())
			exit, known := p.End()
			if exit.String() != c.want || !known {
				t.Errorf("end = %v, known %t; want %s", exit, known, c.want)
			}
			if (name == "launches nothing" || name == "fails") && len(launched) > 0 {
				t.Error("it was said to have launched something")
			}
		})
	}
}

// TestDaemonLosesItsMain: the service is all of it, and a child that has nothing by which
// it can be found but its session and its parent is not lost with that.
func TestDaemonLosesItsMain(t *testing.T) {
	h := newHost(t, process.Options{Launch: launchCommand})
	p, pids, launched := launching(t, h, `setsid env -i sh -c 'sleep 1000 & echo $!; echo $$; exec sleep 1000' & exit 0`, 2)
	child, main := pids[0], pids[1]
	for <-launched != main {
	}
	if err := p.Signal(project.SIGKILL); err != nil {
		t.Fatal(err)
	}
	for <-launched == main {
	}
	if !alive(child) {
		t.Errorf("%d has ended with its parent", child)
	}
	p.Kill()
	await(t, "done", p.Done())
	if alive(child) || len(p.Left()) > 0 {
		t.Errorf("%d is alive: %t; left: %v", child, alive(child), p.Left())
	}
}

// TestDaemonsAreNotMixedUp: what one has left is not another's, although only the name of
// the programs shows whose it is.
func TestDaemonsAreNotMixedUp(t *testing.T) {
	h := newHost(t, process.Options{Launch: launchCommand})
	_, first, launched := launching(t, h, nameOnly+"exit 0", 1)
	for <-launched != first[0] {
	}
	other := start(t, h, shell("exit 0"))
	await(t, "done", other.Done())
	second, pids, again := launching(t, h, nameOnly+"exit 0", 1)
	for <-again != pids[0] {
	}
	second.Kill()
	await(t, "done", second.Done())
	if !alive(first[0]) || alive(pids[0]) {
		t.Errorf("first alive %t, second alive %t", alive(first[0]), alive(pids[0]))
	}
}

// TestRealServersDaemonize: redis and nginx close what they have from us, and nginx
// overwrites its environment.
func TestRealServersDaemonize(t *testing.T) {
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	conf := filepath.Join(dir, "nginx.conf")
	text := "pid " + dir + "/nginx.pid; error_log " + dir + "/error.log; worker_processes 2; events {}\n" +
		"http { access_log off; server { listen unix:" + dir + "/nginx.sock; return 200; } }\n"
	if err := os.WriteFile(conf, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ program, command, file string }{
		{"redis-server", "redis-server --daemonize yes --port 0 --dir " + dir + " --save '' --pidfile " + dir + "/redis.pid --unixsocket " + dir + "/redis.sock", "redis.pid"},
		{"nginx", "nginx -c " + conf + " -p " + dir, "nginx.pid"},
	} {
		t.Run(c.program, func(t *testing.T) {
			if _, err := exec.LookPath(c.program); err != nil {
				t.Fatalf("%v; make deps installs it", err)
			}
			h := newHost(t, process.Options{Launch: launchCommand})
			p, _, _ := launching(t, h, c.command, 0)
			await(t, "the end of the command", p.Exited())
			var main int
			eventually(t, c.program+" has written its pid", func() bool {
				data, err := os.ReadFile(filepath.Join(dir, c.file))
				main, _ = strconv.Atoi(strings.TrimSpace(string(data)))
				return err == nil && main != 0 && p.Main() == main
			})
			if err := p.Terminate(0, false); err != nil {
				t.Error(err)
			}
			await(t, "done", p.Done())
			if exit, known := p.End(); !known || exit.Code != 0 || alive(main) {
				t.Errorf("end = %v, known %t, alive %t", exit, known, alive(main))
			}
		})
	}
}

// TestSupervisorOfADaemonDies: what has kept neither cookie nor pipe is ended, too.
func TestSupervisorOfADaemonDies(t *testing.T) {
	script := `setsid env -i sh -c 'echo $$; exec sleep 1000 >/dev/null 2>&1' & exit 0`
	for _, guarded := range []bool{true, false} {
		t.Run("guarded "+strconv.FormatBool(guarded), func(t *testing.T) {
			journal := filepath.Join(t.TempDir(), "journal")
			_, pid, pids := supervisor(t, guarded, 1, "daemon:"+script, journal, "run-"+strconv.FormatBool(guarded))
			eventually(t, "the journal has it", func() bool {
				data, err := os.ReadFile(journal)
				return err == nil && strings.Contains(string(data), "+ "+strconv.Itoa(pids[0])+" ")
			})
			if err := unix.Kill(pid, unix.SIGKILL); err != nil {
				t.Fatal(err)
			}
			if !guarded {
				eventually(t, "the supervisor is dead", func() bool { return !alive(pid) })
				if _, err := process.Recover(journal); err != nil {
					t.Fatal(err)
				}
			}
			eventually(t, "the daemon is ended", func() bool { return !alive(pids[0]) })
		})
	}
}
