package examples

import (
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"

	"nix2gpu/internal/testkit"
)

// The process that has evaluated is the guard. After an evaluation that has taken much
// memory a new program is, in its place.
func TestWhoIsTheGuard(t *testing.T) {
	const costly = `builtins.deepSeq (builtins.genList (x: [ x ]) 400000) `
	for name, c := range map[string]struct{ before, verb string }{
		"light":  {"", "up"},
		"costly": {costly, "guard"},
	} {
		t.Run(name, func(t *testing.T) {
			s := testkit.NewStackFrom(t, "")
			s.Write("nix2gpu.nix", c.before+sleepers(2, false))
			up := s.Start("up")
			up.WaitLine(healthy)
			if got := words(t, up.PID()); len(got) < 2 || got[1] != c.verb {
				t.Errorf("the guard is %q, want the verb %q", got, c.verb)
			}
			up.Signal(syscall.SIGHUP) // and it passes signals on
			up.WaitLine("reloaded")
			syscall.Kill(up.Supervisor(), syscall.SIGKILL)
			if code := up.Wait(); code != 128+9 || !strings.Contains(up.Stderr(), "the supervisor was killed by SIGKILL; what it ran has been ended") {
				t.Errorf("after the supervisor's death: exit code %d, %s", code, up.Stderr())
			}
			if left := s.Net.Processes(); len(left) > 0 {
				t.Errorf("left: %v", left)
			}
		})
	}
}

// A supervisor that was started before it was known whether it is needed does not stay.
func TestNeedlessSupervisor(t *testing.T) {
	s := testkit.NewStackFrom(t, "")
	s.Write("nix2gpu.nix", sleepers(1, false))
	up := s.Start("up")
	up.WaitLine(healthy)
	second := s.Start("up")
	if !testkit.Eventually(func() bool { return strings.Contains(second.Output(), "attached") }) {
		t.Fatalf("a second up: %s", second.Output())
	}
	for _, pid := range children(t, second.PID()) {
		t.Errorf("up beside another one still has the child %s", pid)
	}
	up.Stop()
	second.Wait()

	s.Write("nix2gpu.nix", "{ services.custom.s0.enabled = true; }")
	if _, stderr, code := s.Exec("up"); code == 0 || !strings.Contains(stderr, "nix2gpu.nix:1:") {
		t.Errorf("a wrong definition: exit code %d, %s", code, stderr)
	}
	s.WantNothingLeft()
}

// words returns the arguments of a process.
func words(t *testing.T, pid int) []string {
	line, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	if err != nil {
		t.Fatal(err)
	}
	return strings.Split(string(line), "\x00")
}

// children returns the pids of a process's children.
func children(t *testing.T, pid int) (pids []string) {
	tasks, err := os.ReadDir(fmt.Sprintf("/proc/%d/task", pid))
	if err != nil {
		t.Fatal(err)
	}
	for _, task := range tasks {
		list, _ := os.ReadFile(fmt.Sprintf("/proc/%d/task/%s/children", pid, task.Name()))
		pids = append(pids, strings.Fields(string(list))...)
	}
	return pids
}
