package faults

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"nix2gpu/internal/testkit"
)

// TestUnkillable stops a project of which one service waits in the kernel: it is named
// once, and the stop goes on without it. Neither the end of the supervisor nor its guard
// waits for it again, or names it again.
func TestUnkillable(t *testing.T) {
	for command, says := range map[string]string{
		"cat deaf/x":       `stuck: process \d+ is unkillable: still alive after SIGKILL: cat`,
		"cat deaf/x; true": `stuck: processes that it started cannot be ended: cat`,
	} {
		var number string
		t.Run(command, func(t *testing.T) { number = stopStuck(t, command, says) })
		t.Attr("R13", number)
	}
}

// stopStuck is TestUnkillable with one command. It returns what was measured.
func stopStuck(t *testing.T, command, says string) string {
	s := testkit.NewStackFrom(t, "")
	s.Write("nix2gpu.nix", `{ services.custom = {
  "stuck" = { enable = true; command = "`+command+`"; shutdown.timeout_seconds = 1; };
  "fine" = { enable = true; command = "exec sleep 1000"; };
}; }
`)
	asked, free := testkit.DeafDisk(t, filepath.Join(s.Dir, "deaf"))
	up := s.Start("up")
	select {
	case <-asked:
	case <-time.After(testkit.Patience):
		t.Fatal("nobody reads from the disk")
	}
	began := time.Now()
	up.Signal(syscall.SIGTERM)
	code := up.Wait()
	took := time.Since(began)
	said := up.Output()
	names := regexp.MustCompile(says+` \(pid (\d+), state D( in \w+)?\)\n`).FindAllStringSubmatch(said, -1)
	if len(names) != 1 || names[0][2] != waitsIn(names[0][1]) {
		t.Errorf("it is not named once with its state and what it waits for:\n%s", said)
	}
	if code != 1 || strings.Count(said, "state D") != 1 || !strings.Contains(said, "all services stopped") {
		t.Errorf("exit code %d after %v, and it said\n%s", code, took, said)
	}
	free()
	s.WantNothingLeft()
	return fmt.Sprintf("%q in state D, with a grace of 1 s: named once, and the stop over after %v with exit code %d", command, took.Round(time.Millisecond), code)
}

// waitsIn returns " in " and where a process waits in the kernel; "" if that is not known.
func waitsIn(pid string) string {
	wchan, _ := os.ReadFile("/proc/" + pid + "/wchan")
	if f := strings.Trim(string(wchan), "0\n"); f != "" {
		return " in " + f
	}
	return ""
}

// TestTraced stops a service that somebody traces and has forgotten: it gets no signal but
// SIGKILL, and is no child of ours to reap until the tracer lets it go. But it is dead: its
// files and ports are free. So nothing is named as what can't be ended, and the stop is well.
func TestTraced(t *testing.T) {
	s := stack(t, `command = "exec sleep 1000"; shutdown.timeout_seconds = 1;`)
	up := s.Start("up")
	up.WaitLine("svc: starting")
	var pid int
	if !testkit.Eventually(func() bool {
		for _, p := range s.Net.Processes() {
			if n, _ := fmt.Sscanf(p, "%d sleep 1000", &pid); n == 1 && strings.HasSuffix(p, "sleep 1000") {
				return true
			}
		}
		return false
	}) {
		t.Fatal("it does not run")
	}
	runtime.LockOSThread() // the tracer is a thread
	defer runtime.UnlockOSThread()
	if err := syscall.PtraceAttach(pid); err != nil {
		t.Skipf("nothing may be traced here: %v", err)
	}
	if _, err := syscall.Wait4(pid, nil, syscall.WALL, nil); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	up.Signal(syscall.SIGTERM)
	code := up.Wait()
	t.Attr("R13", fmt.Sprintf("traced, with a grace of 1 s: the stop over after %v with exit code %d", time.Since(began).Round(time.Millisecond), code))
	if said := up.Output(); code != 0 || !strings.Contains(said, "all services stopped") || strings.Contains(said, "still alive") || strings.Contains(said, "cannot be ended") {
		t.Errorf("exit code %d:\n%s", code, said)
	}
	if state := stateOf(pid); state != "Z" {
		t.Errorf("it is in state %q, want a zombie", state)
	}
	_, _ = syscall.Wait4(pid, nil, syscall.WALL, nil) // it is let go
	s.WantNothingLeft()
}

// stateOf is the state of a process; "" if there is none.
func stateOf(pid int) string {
	stat, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	_, rest, _ := strings.Cut(string(stat), ") ")
	state, _, _ := strings.Cut(rest, " ")
	return state
}

// TestStormOfSignals sends signals that ask for nothing, and many that ask to reload, then
// many that ask to stop: the service goes on, then there is one stop.
func TestStormOfSignals(t *testing.T) {
	s := stack(t, `command = "bash -c 'trap \"echo bye; exit 0\" TERM; echo armed $$; while :; do sleep 0.05; done'";`)
	up := s.Start("up")
	up.WaitLine("[svc] armed")
	one, err := connect(s).Service(t.Context(), "svc")
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for range rounds(20, 200) {
		for _, sig := range []syscall.Signal{syscall.SIGHUP, syscall.SIGCHLD, syscall.SIGWINCH, syscall.SIGPIPE, syscall.SIGURG, syscall.SIGCONT} {
			up.Signal(sig)
			n++
		}
	}
	up.WaitLine("reload")
	again, err := connect(s).Service(t.Context(), "svc")
	if err != nil || again.PID != one.PID || again.Starts != 1 {
		t.Errorf("after the storm: %+v, %v; want process %d", again, err, one.PID)
	}
	for range 200 {
		up.Signal(syscall.SIGTERM)
		n++
	}
	if code := up.Wait(); code != 0 {
		t.Errorf("exit code %d, want 0", code)
	}
	if out := up.Stdout(); strings.Count(out, "stopping 1 service") != 1 || strings.Count(out, "[svc] bye") > 1 {
		t.Errorf("it said\n%s", out)
	}
	t.Attr("R12", fmt.Sprintf("%d signals: one stop, exit code 0", n))
	s.WantNothingLeft()
}
