package process_test

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"nix2gpu/process"
)

// guardMain guards supervise, with the same arguments.
func guardMain(args []string) int {
	started, err := process.TakeGuarded(strings.Fields(os.Getenv("STARTED")))
	if err != nil {
		return status(err)
	}
	os.Unsetenv("STARTED")
	os.Setenv("HELPER", "supervise")
	return guards(args, started, true)
}

func guards(args []string, started *process.Guarded, light bool) int {
	code, err := process.GuardMain(os.Args[0], append([]string{os.Args[0]}, args...), started, light, func() error { return nil })
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
	return code
}

// stay starts supervise, and is its guard.
func stay(args []string) int {
	started, err := ahead(args)
	if err != nil {
		return status(err)
	}
	return guards(args, started, false)
}

// become starts supervise, and takes the place of its guard by exec.
func become(args []string) int {
	started, err := ahead(args)
	if err != nil {
		return status(err)
	}
	given, err := started.Args()
	if err != nil {
		return status(err)
	}
	os.Setenv("HELPER", "guard")
	os.Setenv("STARTED", strings.Join(given, " "))
	return status(syscall.Exec(os.Args[0], append([]string{os.Args[0]}, args...), os.Environ()))
}

func ahead(args []string) (*process.Guarded, error) {
	os.Setenv("HELPER", "supervise")
	return process.StartGuarded(os.Args[0], append([]string{os.Args[0]}, args...), append(os.Environ(), "GIVEN=yes"))
}

// abandon starts supervise and never becomes its guard.
func abandon(args []string) int {
	_, err := ahead(args)
	return status(err)
}

// leave starts supervise, and ends it. Then it has no child.
func leave(args []string) int {
	started, err := ahead(args)
	if err != nil {
		return status(err)
	}
	started.Leave()
	if _, err := unix.Wait4(-1, nil, unix.WNOHANG, nil); err != unix.ECHILD {
		return 97
	}
	return 0
}

// supervise is a supervisor: it starts a service with the script of its first
// argument, and stays until it is told to end by TERM or by its guard's death.
// The second is its journal, the third its run, the last the guard's.
func supervise(args []string) int {
	opts := process.Options{Journal: args[1], Run: args[2], Launch: launchCommand}
	if len(args) > 3 {
		if opts.Guard, _ = strconv.Atoi(args[3]); !process.AwaitGuard(opts.Guard) {
			return 98
		}
	}
	asked := make(chan os.Signal, 1)
	signal.Notify(asked, unix.SIGTERM, unix.SIGUSR1)
	h, err := process.New(opts)
	if err != nil {
		return status(err)
	}
	fmt.Println(os.Getpid())
	spec := shell(strings.TrimPrefix(args[0], "daemon:"))
	if strings.HasPrefix(args[0], "daemon:") {
		spec.Mode = process.Daemon
	}
	spec.Stdout, spec.Stderr = os.Stdout, os.Stderr
	if _, err := h.Start(spec); err != nil {
		return status(err)
	}
	code := 0
	select {
	case s := <-asked:
		code = int(s.(unix.Signal))
	case <-h.Abandoned():
		code = 99
	}
	if err := h.Close(); err != nil {
		return status(err)
	}
	return code
}

// supervisor runs supervise below a guard, or alone, and returns its pid and
// those that its service prints.
func supervisor(t *testing.T, guarded bool, n int, args ...string) (cmd *exec.Cmd, pid int, pids []int) {
	t.Helper()
	helper := "supervise"
	if guarded {
		helper = "become"
	}
	return supervisorOf(t, helper, n, args...)
}

// supervisorOf is supervisor with the helper that starts it.
func supervisorOf(t *testing.T, helper string, n int, args ...string) (cmd *exec.Cmd, pid int, pids []int) {
	t.Helper()
	cmd = exec.Command(os.Args[0], args...)
	cmd.Env = append(os.Environ(), "HELPER="+helper)
	said, err := os.Create(filepath.Join(t.TempDir(), "stderr"))
	if err != nil {
		t.Fatal(err)
	}
	defer said.Close()
	cmd.Stderr = said
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
	pids = readPIDs(t, bufio.NewScanner(out), n+1)
	return cmd, pids[0], pids[1:]
}

// A supervisor whose starter does not become its guard runs nothing and says nothing.
func TestAbandonedSupervisor(t *testing.T) {
	for _, helper := range []string{"abandon", "leave"} {
		journal := filepath.Join(t.TempDir(), "journal")
		cmd := exec.Command(os.Args[0], "echo started", journal, "abandoned")
		cmd.Env = append(os.Environ(), "HELPER="+helper)
		said, err := cmd.CombinedOutput() // to the end of both
		if err != nil || len(said) > 0 {
			t.Errorf("%s: %v; it said %q", helper, err, said)
		}
		if _, err := os.Stat(journal); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: a journal: %v", helper, err)
		}
	}
}

// A guard may also start its supervisor itself.
func TestGuardThatStarts(t *testing.T) {
	cmd := exec.Command(os.Args[0], "echo started", filepath.Join(t.TempDir(), "journal"), "starts")
	cmd.Env = append(os.Environ(), "HELPER=guard")
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	for lines := bufio.NewScanner(out); lines.Scan() && lines.Text() != "started"; {
	}
	cmd.Process.Signal(unix.SIGTERM)
	cmd.Wait()
	if code := cmd.ProcessState.ExitCode(); code != int(unix.SIGTERM) {
		t.Errorf("it ended with %d, want the supervisor's code", code)
	}
}

// The supervisor has the environment that it was given, which need not be ours.
func TestEnvironmentOfAGuardedSupervisor(t *testing.T) {
	file := filepath.Join(t.TempDir(), "given")
	cmd, _, _ := supervisor(t, true, 1, "echo given $GIVEN >"+file+"; "+ignoring, filepath.Join(t.TempDir(), "journal"), "given")
	if got, err := os.ReadFile(file); err != nil || string(got) != "given yes\n" {
		t.Errorf("its service has %q, %v", got, err)
	}
	cmd.Process.Signal(unix.SIGTERM)
	cmd.Wait()
}

const ignoring = `trap "" TERM HUP INT; echo $$; while :; do sleep 1000; done`

// hidden are descendants that have shed what they could: parent, session,
// group, environment and output.
const hidden = noEnv + `(env -i setsid sh -c 'echo $$ >&3; exec sleep 1000 3>&-' 3>&1 >/dev/null 2>&1 &) ; ` + stubborn + inGroup

func TestGuardEndsServicesOfADeadSupervisor(t *testing.T) {
	for _, guard := range []string{"become", "stay"} {
		t.Run(guard, func(t *testing.T) { testDeadSupervisor(t, guard) })
	}
}

func testDeadSupervisor(t *testing.T, guard string) {
	cmd, pid, pids := supervisorOf(t, guard, 6, daemon+hidden+ignoring, filepath.Join(t.TempDir(), "journal"), "guarded-"+guard)
	unix.Kill(pid, unix.SIGKILL)
	err := cmd.Wait()
	for _, pid := range pids { // the guard has seen to it before it ended
		if alive(pid) {
			t.Errorf("%d is alive", pid)
		}
	}
	if code := cmd.ProcessState.ExitCode(); code != 128+9 {
		t.Errorf("the guard ended with %v, want the code of the supervisor's end", err)
	}
	said, _ := os.ReadFile(cmd.Stderr.(*os.File).Name())
	// A shell may have had the time to say that its child was killed.
	if want := "the supervisor was killed by SIGKILL; what it ran has been ended\n"; !strings.HasSuffix(string(said), want) {
		t.Errorf("it said %q, want %q at the end", said, want)
	}
}

func TestGuardSendsTheServicesOwnSignal(t *testing.T) {
	marker := filepath.Join(t.TempDir(), "signal")
	script := `trap 'echo term >> ` + marker + `; exit' TERM; echo $$; while :; do sleep 1000 & wait; done`
	cmd, pid, _ := supervisor(t, true, 1, script, filepath.Join(t.TempDir(), "journal"), "signals")
	unix.Kill(pid, unix.SIGKILL)
	cmd.Wait()
	got, _ := os.ReadFile(marker)
	if !strings.HasPrefix(string(got), "term\n") {
		t.Errorf("the service saw %q, want TERM first", got)
	}
}

func TestGuardPassesSignalsOn(t *testing.T) {
	for guard, s := range map[string]unix.Signal{"become": unix.SIGTERM, "stay": unix.SIGUSR1} {
		cmd, pid, pids := supervisorOf(t, guard, 1, ignoring, filepath.Join(t.TempDir(), "journal"), "passed-"+guard)
		info, err := process.Inspect(pid)
		if err != nil || info.PGID != pid || info.PPID != cmd.Process.Pid {
			t.Errorf("the supervisor is %+v (%v), want a group of its own below the guard", info, err)
		}
		cmd.Process.Signal(s)
		cmd.Wait()
		if code := cmd.ProcessState.ExitCode(); code != int(s) {
			t.Errorf("after %v: code %d, want the supervisor's, %d", s, code, int(s))
		}
		if alive(pids[0]) {
			t.Errorf("%d is alive", pids[0])
		}
	}
}

// TestGuardStopsAndGoesOnWithTheSupervisor is Ctrl-Z, and fg.
func TestGuardStopsAndGoesOnWithTheSupervisor(t *testing.T) {
	cmd, pid, _ := supervisor(t, true, 1, ignoring, filepath.Join(t.TempDir(), "journal"), "stopped")
	state := func(pid int) string {
		info, _ := process.Inspect(pid)
		return string(info.State)
	}
	cmd.Process.Signal(unix.SIGTSTP)
	eventually(t, "both are stopped", func() bool { return state(pid) == "T" && state(cmd.Process.Pid) == "T" })
	cmd.Process.Signal(unix.SIGCONT)
	eventually(t, "both go on", func() bool { return state(pid) == "S" && state(cmd.Process.Pid) == "S" })
}

// TestTheSupervisorNoticesTheDeathOfItsGuard: whoever kills the process that
// they have started means all of it.
func TestTheSupervisorNoticesTheDeathOfItsGuard(t *testing.T) {
	cmd, pid, pids := supervisorOf(t, "stay", 6, daemon+hidden+ignoring, filepath.Join(t.TempDir(), "journal"), "abandoned")
	cmd.Process.Kill()
	cmd.Wait()
	for _, pid := range append(pids, pid) {
		eventually(t, fmt.Sprintf("%d is gone", pid), func() bool { return !alive(pid) })
	}
}

func TestGuardWithoutASupervisor(t *testing.T) {
	code, err := process.GuardMain("/no/such/program", []string{"x"}, nil, true, func() error { return nil })
	if code != 1 || err == nil || !strings.Contains(err.Error(), "/no/such/program: no such file") {
		t.Errorf("GuardMain = %d, %v", code, err)
	}
}

// TestANewSupervisorEndsWhatBothHaveLeft: the guard was killed as well, and
// what has shed its environment still writes where its service wrote, or has its mark.
func TestANewSupervisorEndsWhatTheOldOneLeft(t *testing.T) {
	journal := filepath.Join(t.TempDir(), "journal")
	run := fmt.Sprintf("left-%d", os.Getpid())
	const writes = `(env -i setsid sh -c 'echo $$; exec sleep 1000 2>/dev/null' &) ; `
	cmd, pid, pids := supervisor(t, true, 8, daemon+writes+hidden+inGroup+ignoring, journal, run)

	var running *process.RunningError
	if _, err := process.New(process.Options{Journal: journal, Run: run}); !errors.As(err, &running) || running.PID != pid {
		t.Errorf("New beside a living supervisor = %v, want a RunningError with its pid", err)
	}
	// The service can be faster than the record of it.
	eventually(t, "the journal names the service", func() bool {
		text, _ := os.ReadFile(journal)
		return bytes.Contains(text, []byte("\n+ "))
	})
	unix.Kill(pid, unix.SIGSTOP) // it cannot see that its guard dies
	cmd.Process.Kill()
	cmd.Process.Wait()
	unix.Kill(pid, unix.SIGKILL)
	eventually(t, "both are dead", func() bool { return !alive(pid) })
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
		"other start time": "nix2gpu-journal 3 old " + string(boot[:36]) + " 999999 1\n+ %d 12345 15 old/web#1 0 0 0\n",
		"other boot":       "nix2gpu-journal 3 old 00000000-0000 999999 1\n+ %d 12345 15 old/web#1 0 0 0\n",
		"torn":             "nix2gpu-journal 3 old " + string(boot[:36]) + " 999999 1\n+ %d 12",
		"rubbish":          "\x00\x00%d",
		"everything":       "nix2gpu-journal 3 old " + string(boot[:36]) + " 999999 1\n+ -1 0 9 x 0 0 0\n+ 1 0 9 x 0 0 0\n+ 0 0 9 x 0 0 0\n%d\n",
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

func TestRecoverSparesOtherRuns(t *testing.T) {
	boot, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		t.Skip(err)
	}
	h := newHost(t, process.Options{Run: "mine"})
	other := newOther(t)
	p, pids := printing(t, h, shell(daemon+inGroup+"wait"), 2)
	journal := filepath.Join(t.TempDir(), "journal")
	os.WriteFile(journal, []byte("nix2gpu-journal 3 mine "+string(boot[:36])+" 999999 1\n"), 0o600) // no line: by cookie
	if found, err := process.Recover(journal); err != nil || found < 3 {
		t.Errorf("Recover = %d, %v; want at least 3", found, err)
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
	_, _, pids := supervisor(t, false, 1, "echo $$; exec sleep 1000", filepath.Join(t.TempDir(), "journal"), "minewell")
	return pids[0]
}

// TestGuardKeepsNoDescriptors: what it was given is the supervisor's, and who
// waits for its end would wait for the guard's as well.
func TestGuardKeepsNoDescriptors(t *testing.T) {
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer read.Close()
	cmd := exec.Command(os.Args[0], "echo $$; exec sleep 1000", filepath.Join(t.TempDir(), "journal"), "handed")
	cmd.Env = append(os.Environ(), "HELPER=guard")
	cmd.ExtraFiles = []*os.File{write}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	link, err := os.Readlink(fmt.Sprintf("/proc/self/fd/%d", write.Fd()))
	if err != nil {
		t.Fatal(err)
	}
	write.Close()
	pid := readPIDs(t, bufio.NewScanner(out), 2)[0]
	holds := func(pid int) bool {
		fds, _ := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", pid))
		for _, fd := range fds {
			if to, _ := os.Readlink(fd); to == link {
				return true
			}
		}
		return false
	}
	if !holds(pid) {
		t.Error("the supervisor did not get it")
	}
	eventually(t, "the guard has let go of it", func() bool { return !holds(cmd.Process.Pid) })
	cmd.Process.Signal(unix.SIGTERM)
	cmd.Wait()
}

// TestRecoverEndsWhatTheJournalNames, and what is below it and in its session,
// without a cookie.
func TestRecoverEndsWhatTheJournalNames(t *testing.T) {
	boot, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		t.Skip(err)
	}
	cmd := exec.Command("/bin/sh", "-c", "sleep 1000 & echo $!; (sleep 1000 & echo $!); echo $$; wait")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	pids := readPIDs(t, bufio.NewScanner(out), 3)
	info, err := process.Inspect(cmd.Process.Pid)
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		cmd.Wait()
		close(ended)
	}()
	journal := filepath.Join(t.TempDir(), "journal")
	os.WriteFile(journal, fmt.Appendf(nil, "nix2gpu-journal 3 none %s 999999 1\n+ %d %d 15 none/web#1 0 0 0\n", boot[:36], info.PID, info.Start), 0o600)
	if found, err := process.Recover(journal); err != nil || found != 3 {
		t.Errorf("Recover = %d, %v, want 3", found, err)
	}
	await(t, "the leader's end", ended)
	for _, pid := range pids {
		if alive(pid) {
			t.Errorf("%d is alive", pid)
		}
	}
}
