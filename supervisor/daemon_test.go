package supervisor

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"nix2gpu/control"
	"nix2gpu/internal/testkit"
	"nix2gpu/project"
)

// TestDaemonIsStartedOnceLaunched: neither its dependants nor its probe begin before that.
func TestDaemonIsStartedOnceLaunched(t *testing.T) {
	p := services("a: daemon +probe", "b: a=started", "c: a=ready")
	play(t, p, map[project.ID]any{"a": act{launch: time.Second, ready: time.Second}}, Options{}, func(s *scene) {
		s.pass(500 * time.Millisecond)
		s.wantState("a", control.Starting, "its command launches the daemon")
		if st := s.status("a"); st.PID != 101 {
			t.Errorf("pid %d, want that of the command", st.PID)
		}
		s.wantState("b", control.Waiting, "waits for a (starting, 0 s)")
		s.pass(time.Second)
		if st := s.status("a"); st.State != control.Starting || st.PID != 1101 {
			t.Errorf("%s, pid %d; want the daemon's", st.State, st.PID)
		}
		s.wantState("b", control.Running, "")
		s.wantState("c", control.Waiting, "waits for a (starting, 1 s)")
		s.pass(time.Second)
		s.wantState("a", control.Running, "")
		s.wantState("c", control.Running, "")
	})
}

func TestDaemonIsLaunchedTooLate(t *testing.T) {
	p := services("a: daemon=2s restart=on_failure max=1 delay=1s")
	play(t, p, map[project.ID]any{"a": []act{{launch: -1}, {launch: time.Second}}}, Options{}, func(s *scene) {
		s.pass(2500 * time.Millisecond)
		s.wantState("a", control.Backoff, "its command has not ended after 2s, as that of a daemon has to; restarts in 500ms")
		s.pass(2 * time.Second)
		s.wantState("a", control.Running, "")
		s.pass(time.Hour)
		s.wantState("a", control.Running, "")
	})
}

// TestDaemonIsStoppedWhileItIsLaunched by its signal: its shutdown command is for what runs.
func TestDaemonIsStoppedWhileItIsLaunched(t *testing.T) {
	p := services("a: daemon")
	p.Processes["a"].Shutdown.Command = &project.Command{Shell: project.Lit("bye")}
	play(t, p, map[project.ID]any{"a": act{launch: -1}}, Options{}, func(s *scene) {
		s.pass(time.Second)
		s.must(s.Stop(ctx, []project.ID{"a"}))
		s.pass(time.Second)
		s.wantState("a", control.Stopped, "")
		if got := fmt.Sprint(s.signals()); got != "[a SIGTERM]" {
			t.Errorf("signals %s", got)
		}
	})
}

// TestMachineRunsADaemon of each kind that there is.
func TestMachineRunsADaemon(t *testing.T) {
	dir := t.TempDir()
	end, log := filepath.Join(dir, "end"), filepath.Join(dir, "log")
	p := services("a: daemon restart=always delay=10ms", "elsewhere: daemon", "nothing: daemon", "fails: daemon", "user: a=ready")
	p.Processes["a"].Command = sh("setsid sh -c 'echo serving; while [ ! -e " + end + " ]; do sleep 0.01; done; rm " + end + "; exit 3' & exit 0")
	p.Processes["a"].Readiness = &project.Probe{Log: &project.LogCheck{Contains: "serving"}}
	p.Processes["elsewhere"].Command = sh("exit 0")
	stop := sh("echo stopped pid $MAINPID >> " + log)
	p.Processes["elsewhere"].Shutdown.Command = &stop
	p.Processes["nothing"].Command = sh("exit 0")
	p.Processes["fails"].Command = sh("sleep 1000 & exit 9")
	p.Processes["user"].Command = sh("exec sleep 1000")
	r := onMachine(t, p, Options{Settle: time.Millisecond})
	for _, id := range []project.ID{"a", "elsewhere", "user"} {
		if err := r.Wait(within(t), id, project.Ready); err != nil {
			t.Fatal(err)
		}
	}
	for id, want := range map[project.ID]string{
		"nothing": "its command has ended and has left nothing running, although it is to launch a daemon", "fails": "exit code 9",
	} {
		if err := r.Wait(within(t), id, project.Exited); err != nil {
			t.Fatal(err)
		}
		for _, s := range r.Snapshot().Services {
			if s.ID == id && (s.State != control.Failed || s.Exit.String() != want) {
				t.Errorf("%s is %s: %s; want %s", id, s.State, s.Exit, want)
			}
		}
	}
	status := func(id project.ID) control.Service {
		for _, s := range r.Snapshot().Services {
			if s.ID == id {
				return s
			}
		}
		return control.Service{}
	}
	if err := r.Kill(within(t), []project.ID{"elsewhere"}, project.SIGHUP); err == nil || !strings.Contains(err.Error(), "elsewhere has no process here") {
		t.Errorf("kill: %v", err)
	}
	first := status("a").PID
	if err := os.WriteFile(end, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if !testkit.Eventually(func() bool { s := status("a"); return s.Starts == 2 && s.State == control.Running }) {
		t.Fatalf("it is not restarted: %+v", status("a"))
	}
	if s := status("a"); s.Exit == nil || s.Exit.Code != 3 || s.PID == first {
		t.Errorf("after a restart: exit %v, pid %d, was %d", s.Exit, s.PID, first)
	}
	if err := r.Stop(within(t), []project.ID{"elsewhere"}); err != nil {
		t.Fatal(err)
	}
	if err := r.Stopped(within(t), []project.ID{"elsewhere"}); err != nil {
		t.Fatal(err)
	}
	if data, _ := os.ReadFile(log); string(data) != "stopped pid 0\n" {
		t.Errorf("the shutdown command has said %q", data)
	}
	r.close()
}

// TestDaemonIsLaunchedAtOnce: its command may have ended before anybody has heard that it was
// executed.
func TestDaemonIsLaunchedAtOnce(t *testing.T) {
	p := services("a: daemon restart=always delay=1ms +probe")
	p.Processes["a"].Command = sh("setsid sh -c 'echo serving; exec sleep 1000' & exit 0")
	p.Processes["a"].Readiness = &project.Probe{Log: &project.LogCheck{Contains: "serving"}}
	r := onMachine(t, p, Options{Settle: time.Millisecond})
	for range 20 {
		if err := r.Wait(within(t), "a", project.Ready); err != nil {
			t.Fatal(err)
		}
		if err := r.Stop(within(t), []project.ID{"a"}); err != nil {
			t.Fatal(err)
		}
		if err := r.Stopped(within(t), []project.ID{"a"}); err != nil {
			t.Fatal(err)
		}
		if _, err := r.Start(within(t), []project.ID{"a"}, StartOptions{}); err != nil {
			t.Fatal(err)
		}
	}
}
