package process_test

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"nix2gpu/process"
)

// supervise is a supervisor: it starts a service with the script of its first
// argument and stays. The second is its journal, the third its run.
func supervise(args []string) int {
	opts := process.Options{Journal: args[1], Run: args[2]}
	if len(args) < 4 {
		opts.Guard = guardCommand
	}
	h, err := process.New(opts)
	if err != nil {
		return status(err)
	}
	spec := shell(args[0])
	spec.Stdout, spec.Stderr = os.Stdout, os.Stderr
	if _, err := h.Start(spec); err != nil {
		return status(err)
	}
	select {}
}

// supervisor runs supervise in a process of its own.
func supervisor(t *testing.T, n int, args ...string) (cmd *exec.Cmd, pids []int) {
	t.Helper()
	cmd = exec.Command(os.Args[0], args...)
	cmd.Env = append(os.Environ(), "HELPER=supervise", "GUARD_OF="+args[2])
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Process.Wait()
	})
	return cmd, readPIDs(t, bufio.NewScanner(out), n)
}

const ignoring = `trap "" TERM HUP INT; echo $$; while :; do sleep 1000; done`

func TestGuardEndsServicesOfADeadSupervisor(t *testing.T) {
	cmd, pids := supervisor(t, 5, daemon+noEnv+stubborn+inGroup+ignoring, filepath.Join(t.TempDir(), "journal"), "guarded")
	killed := time.Now()
	cmd.Process.Kill()
	for _, pid := range pids {
		eventually(t, fmt.Sprintf("%d is gone", pid), func() bool { return !alive(pid) })
	}
	t.Logf("all gone after %v", time.Since(killed).Round(time.Millisecond))
	eventually(t, "the guard is gone", func() bool { return findGuard(t, "guarded") == 0 })
}

// findGuard is the guard of a run, whose supervisor is its only mark.
func findGuard(t *testing.T, run string) int {
	t.Helper()
	entries, err := os.ReadDir("/proc")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		comm, _ := os.ReadFile("/proc/" + e.Name() + "/comm")
		env, _ := os.ReadFile("/proc/" + e.Name() + "/environ")
		if strings.HasPrefix(string(comm), "nix2gpu-guard") && strings.Contains(string(env), "GUARD_OF="+run+"\x00") {
			var pid int
			fmt.Sscan(e.Name(), &pid)
			return pid
		}
	}
	return 0
}

func TestGuardSendsTheServicesOwnSignal(t *testing.T) {
	marker := filepath.Join(t.TempDir(), "signal")
	script := `trap 'echo term >> ` + marker + `; exit' TERM; echo $$; while :; do sleep 1000 & wait; done`
	cmd, pids := supervisor(t, 1, script, filepath.Join(t.TempDir(), "journal"), "signals")
	cmd.Process.Kill()
	eventually(t, "it is gone", func() bool { return !alive(pids[0]) })
	got, _ := os.ReadFile(marker)
	if !strings.HasPrefix(string(got), "term\n") {
		t.Errorf("the service saw %q, want TERM first", got)
	}
}

func TestSignalsOfTheTerminalDoNotEndTheGuard(t *testing.T) {
	t.Setenv("GUARD_OF", "terminal")
	h := newHost(t, process.Options{Guard: guardCommand})
	var pid int
	eventually(t, "the guard is up", func() bool { pid = findGuard(t, "terminal"); return pid != 0 })
	info, err := process.Inspect(pid)
	if err != nil || info.SID != pid {
		t.Errorf("the guard has session %d (%v), want its own", info.SID, err)
	}
	for _, sig := range []syscall.Signal{unix.SIGINT, unix.SIGTERM, unix.SIGHUP, unix.SIGQUIT} {
		unix.Kill(pid, sig)
	}
	p := start(t, h, shell("exit 0"))
	await(t, "done", p.Done())
	if !alive(pid) {
		t.Error("a signal ended the guard")
	}
}

func TestADeadGuardIsReplaced(t *testing.T) {
	t.Setenv("GUARD_OF", "replaced")
	newHost(t, process.Options{Guard: guardCommand})
	var first int
	eventually(t, "the guard is up", func() bool { first = findGuard(t, "replaced"); return first != 0 })
	unix.Kill(first, unix.SIGKILL)
	eventually(t, "another guard is up", func() bool {
		pid := findGuard(t, "replaced")
		return pid != 0 && pid != first
	})
}

func TestANewSupervisorEndsWhatTheOldOneLeft(t *testing.T) {
	journal := filepath.Join(t.TempDir(), "journal")
	run := fmt.Sprintf("left-%d", os.Getpid())
	cmd, pids := supervisor(t, 4, daemon+noEnv+inGroup+ignoring, journal, run, "no guard")

	var running *process.RunningError
	if _, err := process.New(process.Options{Journal: journal, Run: run}); !errors.As(err, &running) || running.PID != cmd.Process.Pid {
		t.Errorf("New beside a living supervisor = %v, want a RunningError with its pid", err)
	}
	cmd.Process.Kill()
	cmd.Process.Wait()
	h := newHost(t, process.Options{Journal: journal, Run: run})
	for _, pid := range pids {
		if alive(pid) {
			t.Errorf("%d of the old supervisor is alive", pid)
		}
	}
	p := start(t, h, shell("exit 0"))
	await(t, "done", p.Done())
	if err := h.Close(); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(journal); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the journal is left: %v", err)
	}
}

// TestAStrangerWithAKnownNumberIsSpared is about a journal whose process has
// long ended, and whose number another process has now.
func TestAStrangerWithAKnownNumberIsSpared(t *testing.T) {
	boot, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		t.Skip(err)
	}
	for name, text := range map[string]string{
		"other start time": "nix2gpu-journal 1 old " + string(boot[:36]) + " 999999 1\n+ %d 12345 15 old/web#1\n",
		"other boot":       "nix2gpu-journal 1 old 00000000-0000 999999 1\n+ %d 12345 15 old/web#1\n",
		"torn":             "nix2gpu-journal 1 old " + string(boot[:36]) + " 999999 1\n+ %d 12",
		"rubbish":          "\x00\x00%d",
		"everything":       "nix2gpu-journal 1 old " + string(boot[:36]) + " 999999 1\n+ -1 0 9 x\n+ 1 0 9 x\n+ 0 0 9 x\n%d\n",
	} {
		t.Run(name, func(t *testing.T) {
			stranger := exec.Command("/bin/sleep", "1000")
			if err := stranger.Start(); err != nil {
				t.Fatal(err)
			}
			journal := filepath.Join(t.TempDir(), "journal")
			os.WriteFile(journal, fmt.Appendf(nil, text, stranger.Process.Pid), 0o600)
			newHost(t, process.Options{Journal: journal}) // waits for the stranger, too
			if !alive(stranger.Process.Pid) {
				t.Error("the stranger was ended")
			}
		})
	}
}

func TestSweepSparesOthers(t *testing.T) {
	h := newHost(t, process.Options{Run: "mine"})
	other := newOther(t)
	p, pids := printing(t, h, shell(daemon+inGroup+"wait"), 2)
	found, err := process.Sweep("mine/", 0)
	if err != nil || found < 3 {
		t.Errorf("Sweep = %d, %v; want at least 3", found, err)
	}
	await(t, "done", p.Done())
	for _, pid := range pids {
		if alive(pid) {
			t.Errorf("%d is alive", pid)
		}
	}
	if !alive(other) {
		t.Error("a process of another run was ended")
	}
}

// newOther starts a process with another run's cookie.
func newOther(t *testing.T) int {
	cmd, pids := supervisor(t, 1, "echo $$; exec sleep 1000", filepath.Join(t.TempDir(), "journal"), "minewell")
	t.Cleanup(func() { cmd.Process.Kill() })
	return pids[0]
}
