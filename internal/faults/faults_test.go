package faults

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"nix2gpu/internal/testkit"
)

func TestMain(m *testing.M) {
	if os.Getenv("OLD_KERNEL") != "" { // we are to become another program
		os.Unsetenv("OLD_KERNEL")
		fmt.Fprintln(os.Stderr, oldKernel(os.Args[1:]))
		os.Exit(1)
	}
	code := m.Run()
	testkit.RemoveBinary()
	os.Exit(code)
}

// stack returns a stack with one custom service, "svc".
func stack(t *testing.T, options string) *testkit.Stack {
	t.Helper()
	s := testkit.NewStackFrom(t, "")
	s.Write("nix2gpu.nix", "{ services.custom.\"svc\" = {\n  enable = true;\n"+options+"\n}; }\n")
	return s
}

// TestOrphansAsInit makes thousands of orphans below PID 1, and wants no zombie left and the
// service's own exit status.
func TestOrphansAsInit(t *testing.T) {
	n := rounds(1000, 10_000)
	s := stack(t, `command = "bash ./orphans"; restart = "no";`)
	s.Write("orphans", fmt.Sprintf(`for i in $(seq %d); do (sleep 0.0$((RANDOM %% 9)) &); done
touch made
while [ ! -e enough ]; do sleep 0.02; done
exit 7
`, n))
	start := time.Now()
	up := s.StartCommand("unshare", "-pf", "--mount-proc", "--kill-child", s.Bin, "up")
	var init int
	if !testkit.Eventually(func() bool { init = childOf(up.PID()); return init != 0 }) {
		t.Fatal("no PID 1 below unshare")
	}
	// All orphans have been made once the script waits; all are gone when
	// nothing but the service is left below PID 1.
	var zombies, children int
	if !testkit.Eventually(func() bool {
		_, err := os.Stat(filepath.Join(s.Dir, "made"))
		zombies, children = countChildren(init)
		return err == nil && children == 1
	}) {
		t.Errorf("%d children below PID 1, %d of them zombies; want the service alone", children, zombies)
	}
	t.Logf("%d orphans gone after %v", n, time.Since(start))
	s.Write("enough", "")
	if code := up.Wait(); code != 7 {
		t.Errorf("exit code %d, want 7: the service's own", code)
	}
	s.WantNothingLeft()
	t.Attr("R10", fmt.Sprintf("0 zombies of %d orphans; the service's own exit code", n))
}

func childOf(parent int) int {
	entries, _ := os.ReadDir("/proc")
	for _, e := range entries {
		if pid, err := strconv.Atoi(e.Name()); err == nil {
			if ppid, _ := stat(pid); ppid == parent {
				return pid
			}
		}
	}
	return 0
}

func countChildren(parent int) (zombies, all int) {
	entries, _ := os.ReadDir("/proc")
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		if ppid, state := stat(pid); ppid == parent {
			all++
			if state == "Z" {
				zombies++
			}
		}
	}
	return zombies, all
}

func stat(pid int) (ppid int, state string) {
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, ""
	}
	fields := strings.Fields(string(raw[bytes.LastIndexByte(raw, ')')+1:])) // the name may hold spaces
	ppid, _ = strconv.Atoi(fields[1])
	return ppid, fields[0]
}

func TestServiceIgnoresTerm(t *testing.T) {
	s := stack(t, `command = "bash -c 'trap \"\" TERM; echo armed; while :; do sleep 1; done'"; shutdown.timeout_seconds = 1;`)
	up := s.Start("up")
	up.WaitLine("[svc] armed")
	start := time.Now()
	up.Stop()
	t.Logf("stopped after %v, with a grace of 1 s", time.Since(start))
}

func TestSecondCtrlCKillsAtOnce(t *testing.T) {
	s := stack(t, `command = "bash -c 'trap \"\" TERM; echo armed; while :; do sleep 1; done'"; shutdown.timeout_seconds = 600;`)
	up := s.Start("up")
	up.WaitLine("[svc] armed")
	up.Signal(syscall.SIGINT)
	up.WaitLine("stopping")
	// Two that come together count as one key press, passed on twice: so it is
	// sent again and again, until one counts as the second.
	if !testkit.Eventually(func() bool { // far below the grace
		up.Signal(syscall.SIGINT)
		return !up.Running()
	}) {
		t.Error("a second Ctrl-C did not kill")
	}
	up.Wait()
	s.WantNothingLeft()
}

// TestQuitTellsTheServices sends SIGQUIT, the stop signal of many images of databases
// and web servers, to PID 1 and to a supervisor that is not.
func TestQuitTellsTheServices(t *testing.T) {
	for name, wrap := range map[string][]string{
		"as init":    {"unshare", "-pf", "--mount-proc", "--kill-child"},
		"as another": {"env"},
	} {
		t.Run(name, func(t *testing.T) {
			s := stack(t, `command = "bash -c 'trap \"echo told; exit 0\" TERM; echo armed; while :; do sleep 0.1; done'"; shutdown.timeout_seconds = 600;`)
			up := s.StartCommand(wrap[0], append(wrap[1:], s.Bin, "up")...)
			up.WaitLine("[svc] armed")
			pid := up.PID()
			if wrap[0] == "unshare" {
				pid = childOf(pid)
			}
			if err := syscall.Kill(pid, syscall.SIGQUIT); err != nil {
				t.Fatal(err)
			}
			if code := up.Wait(); code != 0 || !strings.Contains(up.Stdout(), "[svc] told\n") {
				t.Errorf("exit code %d, want 0, and the service told:\n%s", code, up.Output())
			}
			s.WantNothingLeft()
		})
	}
}

// inTerminal runs up in a terminal of its own, whose other end it returns.
func inTerminal(t *testing.T, s *testkit.Stack, flags uint32) (terminal *os.File, lines *bufio.Scanner, cmd *exec.Cmd) {
	t.Helper()
	terminal, err := os.OpenFile("/dev/ptmx", os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Skip(err)
	}
	t.Cleanup(func() { terminal.Close() })
	fd := int(terminal.Fd())
	n, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	if err == nil {
		err = unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0)
	}
	if err != nil {
		t.Fatal(err)
	}
	end, err := os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer end.Close()
	settings, err := unix.IoctlGetTermios(int(end.Fd()), unix.TCGETS)
	if err == nil {
		settings.Lflag |= flags
		err = unix.IoctlSetTermios(int(end.Fd()), unix.TCSETS, settings)
	}
	if err != nil {
		t.Fatal(err)
	}
	cmd = exec.Command(s.Bin, "up")
	cmd.Dir, cmd.Env = s.Dir, append(os.Environ(), s.Env...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = end, end, end
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	if err := s.Net.Do(cmd.Start); err != nil {
		t.Fatal(err)
	}
	lines = bufio.NewScanner(terminal)
	for lines.Scan() {
		if strings.Contains(lines.Text(), "armed") {
			return terminal, lines, cmd
		}
	}
	t.Fatalf("it ended: %v", lines.Err())
	return nil, nil, nil
}

// TestTerminal presses Ctrl-C at a terminal, and closes its window.
func TestTerminal(t *testing.T) {
	const service = `command = "bash -c 'trap \"echo told; touch told; exit 0\" TERM; echo armed; while :; do sleep 0.1; done'"; shutdown.timeout_seconds = 600;`
	told := func(t *testing.T, s *testkit.Stack, cmd *exec.Cmd) {
		if err := cmd.Wait(); err != nil {
			t.Errorf("up: %v, want exit code 0", err)
		}
		if _, err := os.Stat(filepath.Join(s.Dir, "told")); err != nil {
			t.Errorf("the service was not told: %v", err)
		}
		s.WantNothingLeft()
	}
	for name, flags := range map[string]uint32{"Ctrl-C": 0, "Ctrl-C, with stty tostop": unix.TOSTOP} {
		t.Run(name, func(t *testing.T) {
			s := stack(t, service)
			terminal, lines, cmd := inTerminal(t, s, flags)
			terminal.WriteString("\x03")
			for lines.Scan() { // to its end, or the program would wait for a reader
			}
			told(t, s, cmd)
		})
	}
	t.Run("it is closed", func(t *testing.T) {
		s := stack(t, service)
		terminal, _, cmd := inTerminal(t, s, 0)
		terminal.Close()
		told(t, s, cmd)
	})
}

// TestFewOpenFiles runs more services than descriptors allow: it says so before
// the start, runs what it can, and stays open to requests.
func TestFewOpenFiles(t *testing.T) {
	s := testkit.NewStackFrom(t, "")
	var text strings.Builder
	text.WriteString("processes:\n")
	for i := range 100 {
		fmt.Fprintf(&text, "  s%d: { command: \"echo up; exec sleep 1000\" }\n", i)
	}
	s.Write("process-compose.yaml", text.String())
	up := s.StartCommand("bash", "-c", "ulimit -n 200; exec "+s.Bin+" up -d")
	if code := up.Wait(); code != 1 {
		t.Errorf("exit code %d, want 1", code)
	}
	if want := "warning: 100 services need about 382 open files"; !strings.Contains(up.Stderr(), want) || !strings.Contains(up.Stderr(), "ulimit -n 1024") {
		t.Errorf("no %q with its cure in\n%s", want, up.Stderr())
	}
	count := func() (running int, failed []string) {
		for line := range strings.Lines(s.MustExec("ps")) {
			switch f := strings.Fields(line); {
			case f[1] == "running":
				running++
			case f[1] == "failed":
				failed = append(failed, f[0])
			}
		}
		return running, failed
	}
	running, failed := count()
	if running < 20 || len(failed) != 100-running {
		t.Fatalf("%d run and %d have failed; want 20 at least that run, and the others failed", running, len(failed))
	}
	if out, _, _ := s.Exec("status", failed[0]); !strings.Contains(out, "too many open files") {
		t.Errorf("status does not say why:\n%s", out)
	}
	var stop []string
	for line := range strings.Lines(s.MustExec("ps")) {
		if f := strings.Fields(line); f[1] == "running" && len(stop) < 5 {
			stop = append(stop, f[0])
		}
	}
	s.MustExec(append([]string{"stop"}, stop...)...)
	s.MustExec("start", failed[0]) // there are descriptors again
	s.MustExec("down")
	s.WantNothingLeft()
	t.Attr("R8", fmt.Sprintf("100 services with 200 descriptors: %d ran, %d said why not", running, len(failed)))
}

// TestServicesHaveTheirOwnLimitOfFiles checks that the supervisor raises its own soft
// limit to the hard one, and leaves that of services: select(2) cannot take more than
// 1024.
func TestServicesHaveTheirOwnLimitOfFiles(t *testing.T) {
	s := stack(t, `command = "bash -c 'echo soft $(ulimit -Sn) hard $(ulimit -Hn); grep open.files /proc/$PPID/limits; exit 0'"; restart = "no";`)
	up := s.StartCommand("bash", "-c", "ulimit -Sn 200; ulimit -Hn 1000; exec "+s.Bin+" up")
	if code := up.Wait(); code != 0 {
		t.Errorf("exit code %d, want 0", code)
	}
	for _, want := range []string{`soft 200 hard 1000`, `Max open files +999 +1000 `} { // Go's runtime lowers the hard limit by one, as a mark
		if !regexp.MustCompile(`\[svc\] ` + want).MatchString(up.Stdout()) {
			t.Errorf("no %q in\n%s", want, up.Stdout())
		}
	}
}

func TestGrandchildInItsOwnSession(t *testing.T) {
	s := stack(t, `command = "bash -c 'setsid sleep 1000 & setsid setsid sleep 1001 & (sleep 1002 &); echo spawned; exec sleep 1003'";`)
	up := s.Start("up")
	up.WaitLine("[svc] spawned")
	if !testkit.Eventually(func() bool { return countMatching(s, "sleep 100") == 4 }) {
		t.Fatalf("not all four run: %v", s.Net.Processes())
	}
	up.Stop() // wants nothing left in the namespace
}

// TestSupervisorKilled kills the supervisor, or its guard, or both. What it ran
// has shed all that it can: session, environment, output.
func TestSupervisorKilled(t *testing.T) {
	const hide = `setsid sleep 1000 & (env -i setsid sleep 1001 >/dev/null 2>&1 &); (env -i setsid sleep 1002 &);`
	for name, kill := range map[string]func(up *testkit.Run, supervisor int){
		"supervisor": func(_ *testkit.Run, supervisor int) { syscall.Kill(supervisor, syscall.SIGKILL) },
		"guard":      func(up *testkit.Run, _ int) { up.Signal(syscall.SIGKILL) },
	} {
		t.Run(name, func(t *testing.T) {
			s := stack(t, `command = "bash -c '`+hide+` echo spawned; exec sleep 1003'";`)
			up := s.Start("up")
			up.WaitLine("[svc] spawned")
			if !testkit.Eventually(func() bool { return countMatching(s, "sleep 100") == 4 }) {
				t.Fatalf("not all run: %v", s.Net.Processes())
			}
			start := time.Now()
			kill(up, up.Supervisor())
			if !testkit.Eventually(func() bool { return len(s.Net.Processes()) == 0 }) {
				t.Errorf("left after the %s was killed: %v", name, s.Net.Processes())
			}
			t.Logf("nothing left %v after SIGKILL of the %s", time.Since(start), name)
			code, says := up.Wait(), "nix2gpu: the supervisor was killed by SIGKILL; what it ran has been ended\n"
			if name == "guard" {
				says = ""
			}
			if code != 137 || up.Stderr() != says {
				t.Errorf("exit code %d, want 137, and %q, want %q", code, up.Stderr(), says)
			}

			up = s.Start("up") // the dead one's socket and lock are no obstacle
			up.WaitLine("[svc] spawned")
			up.Stop()
		})
	}
	t.Run("both", func(t *testing.T) {
		s := stack(t, `command = "bash -c 'setsid sleep 1000 & (env -i setsid sleep 1002 &); echo spawned; exec sleep 1003'";`)
		up := s.Start("up")
		up.WaitLine("[svc] spawned")
		supervisor := up.Supervisor()
		syscall.Kill(supervisor, syscall.SIGSTOP) // it cannot see that its guard dies
		up.Signal(syscall.SIGKILL)
		up.Wait()
		syscall.Kill(supervisor, syscall.SIGKILL)
		up = s.Start("up")
		up.WaitLine("[svc] spawned")
		if !testkit.Eventually(func() bool { return countMatching(s, "sleep 100") == 3 }) {
			t.Errorf("want each once: %v", s.Net.Processes())
		}
		up.Stop()
	})
}

// wantRunning wants n processes whose command line begins with text. They may still be
// the shell that is about to execute it.
func wantRunning(t *testing.T, s *testkit.Stack, text string, n int) {
	t.Helper()
	if !testkit.Eventually(func() bool { return countMatching(s, text) == n }) {
		t.Errorf("%q runs %d times, want %d", text, countMatching(s, text), n)
	}
}

func countMatching(s *testkit.Stack, text string) int {
	n := 0
	for _, p := range s.Net.Processes() {
		if _, command, _ := strings.Cut(p, " "); strings.HasPrefix(command, text) {
			n++
		}
	}
	return n
}

// TestBurstAtExit prints 10 MB at once and ends: every line must be on stdout and in
// the file, even the last one, which has no newline.
func TestBurstAtExit(t *testing.T) {
	const lines = 100_000 // of 105 bytes each
	s := stack(t, `command = "bash ./burst"; restart = "no";`)
	s.Write("burst", fmt.Sprintf("seq -f 'line %%06g %s' %d\nprintf 'the end'\n", strings.Repeat("x", 92), lines))
	start := time.Now()
	up := s.Start("up")
	if code := up.Wait(); code != 0 {
		t.Errorf("exit code %d, want 0", code)
	}
	t.Logf("10 MB and the end after %v", time.Since(start))
	wantBurst(t, "stdout", up.Stdout(), "[svc] ", lines)
	wantBurst(t, "logs", s.MustExec("logs", "--no-log-prefix", "svc"), "", lines)
	s.WantNothingLeft()
}

func wantBurst(t *testing.T, where, got, prefix string, lines int) {
	t.Helper()
	n := 0
	for line := range strings.Lines(got) {
		if rest, ok := strings.CutPrefix(line, prefix+"line "); ok {
			n++
			if rest[:6] != fmt.Sprintf("%06d", n) || len(rest) != 6+1+92+1 {
				t.Fatalf("%s: line %d is %q", where, n, line)
			}
		}
	}
	if n != lines {
		t.Errorf("%s: %d of %d lines", where, n, lines)
	}
	if !strings.Contains(got, prefix+"the end") {
		t.Errorf("%s: the last line, without a newline, is missing", where)
	}
}

// TestLongLine prints 64 MB without a newline: the supervisor's memory must not grow
// with it.
func TestLongLine(t *testing.T) {
	s := testkit.NewStackFrom(t, "")
	s.Write("nix2gpu.nix", `{ services.custom."svc" = { enable = true; restart = "no"; command = "bash ./long"; }; }`)
	s.Write("long", `head -c 67108864 /dev/zero | tr '\0' 'x'
echo
echo done
while [ ! -e enough ]; do sleep 0.02; done
`)
	up := s.Start("up")
	up.WaitLine("[svc] done")
	peak := peakMemory(t, up.Supervisor())
	t.Logf("peak memory %d KiB", peak)
	if peak == 0 || peak > 64<<10 { // far below the line and one copy of it
		t.Errorf("peak memory %d KiB: the line was held in memory", peak)
	}
	if got := strings.Count(up.Stdout(), "x"); got < 67108864 {
		t.Errorf("%d of 67108864 characters on stdout", got)
	}
	s.Write("enough", "")
	up.Wait()
}

// talker returns a stack whose service prints 100,000 lines, then waits.
func talker(t *testing.T) *testkit.Stack {
	t.Helper()
	s := stack(t, `restart = "no"; command = "bash ./talk";`)
	s.Write("talk", `seq -f 'line %06g ....................................................................' 100000
touch said
exec sleep 1000
`)
	return s
}

// unread starts "up" with a stdout that nobody reads.
func unread(t *testing.T, s *testkit.Stack) (cmd *exec.Cmd, stdout *os.File) {
	t.Helper()
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { read.Close() })
	defer write.Close()
	cmd = exec.Command(s.Bin, "up")
	cmd.Dir, cmd.Stdout = s.Dir, write
	cmd.Env = append(os.Environ(), s.Env...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := s.Net.Do(cmd.Start); err != nil {
		t.Fatal(err)
	}
	if !testkit.Eventually(func() bool { _, err := os.Stat(filepath.Join(s.Dir, "said")); return err == nil }) {
		t.Error("the service waits for a stdout that nobody reads")
	}
	return cmd, read
}

// TestStdoutNobodyReads blocks stdout: the service must go on, its file must be
// complete, and status and stop must answer. The lines that nobody got are counted for
// a reader that comes after the end.
func TestStdoutNobodyReads(t *testing.T) {
	s := talker(t)
	cmd, stdout := unread(t, s)
	s.MustExec("ps")
	if !testkit.Eventually(func() bool {
		return strings.Count(s.MustExec("logs", "--no-log-prefix", "svc"), "\n") >= 100000
	}) {
		t.Error("the file is not complete")
	}
	s.MustExec("down")
	if err := cmd.Wait(); err != nil { // though nobody reads its stdout
		t.Errorf("up ended with %v", err)
	}
	rest, err := io.ReadAll(stdout)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSuffix(string(rest), "\n"), "\n")
	var missing int
	fmt.Sscanf(lines[len(lines)-1], "[nix2gpu] stdout is not read: %d lines not shown", &missing)
	t.Attr("R5", fmt.Sprintf("100000 lines in the log, %d counted as not shown", missing))
	if shown := strings.Count(string(rest), "[svc] line "); shown+missing < 100000 || missing == 0 {
		t.Errorf("%d lines are in the pipe, and the last one is %q", shown, lines[len(lines)-1])
	}
	s.WantNothingLeft()
}

// TestStdoutIsReadLater blocks stdout while a service prints more than the supervisor's
// buffers hold, then reads half of it, and the rest while the project ends: no line is
// lost.
func TestStdoutIsReadLater(t *testing.T) {
	s := talker(t)
	cmd, stdout := unread(t, s)
	s.MustExec("ps")
	scan := bufio.NewScanner(stdout)
	next := 1
	for scan.Scan() && next <= 100000 {
		rest, ok := strings.CutPrefix(scan.Text(), "[svc] line ")
		if !ok {
			continue
		}
		if want := fmt.Sprintf("%06d ...", next); !strings.HasPrefix(rest, want) {
			t.Fatalf("line %d is %q", next, scan.Text())
		}
		if next++; next == 50000 {
			go s.Exec("down") // while the other half is read
		}
	}
	if next != 100001 {
		t.Errorf("stdout ended after line %d: %v", next-1, scan.Err())
	}
	_, _ = io.Copy(io.Discard, stdout)
	if err := cmd.Wait(); err != nil {
		t.Errorf("up ended with %v", err)
	}
	s.WantNothingLeft()
}

// TestManyTerms sends SIGTERM over and over: one orderly stop, exit code 0.
func TestManyTerms(t *testing.T) {
	s := stack(t, `command = "bash -c 'trap \"sleep 0.3; echo bye; exit 0\" TERM; echo armed; while :; do sleep 0.05; done'";`)
	up := s.Start("up")
	up.WaitLine("[svc] armed")
	for range 50 {
		up.Signal(syscall.SIGTERM)
		time.Sleep(2 * time.Millisecond) // spread them over the stop
	}
	if code := up.Wait(); code != 0 {
		t.Errorf("exit code %d, want 0", code)
	}
	if got := strings.Count(up.Stdout(), "[svc] bye"); got != 1 {
		t.Errorf("the service said bye %d times, want once", got)
	}
	s.WantNothingLeft()
}
