package process_test

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"nix2gpu/process"
)

// A written spec is what of one can be handed to another program.
type written struct {
	Argv, Env  []string
	Dir        string
	User       *process.User
	NoNewPrivs bool
	Umask      *int
	Nice       *int
	OOMScore   *int
	Limits     process.Limits
	Sandbox    process.Sandbox
	Loopback   bool
	NetworkOf  int
}

// execMain becomes the program of the spec in its argument.
func execMain(args []string) int {
	var w written
	if err := json.Unmarshal([]byte(args[0]), &w); err != nil {
		return status(err)
	}
	err := process.Exec(process.Spec{Argv: w.Argv, Env: w.Env, Dir: w.Dir, User: w.User, NoNewPrivs: w.NoNewPrivs, Umask: w.Umask, Nice: w.Nice, OOMScore: w.OOMScore, Limits: w.Limits, Sandbox: w.Sandbox, Loopback: w.Loopback, NetworkOf: w.NetworkOf})
	var failed *process.StartError
	if errors.As(err, &failed) {
		fmt.Fprintln(os.Stderr, failed.Reason)
	}
	return status(err)
}

// becoming is a program that becomes spec.
func becoming(t *testing.T, spec process.Spec) *exec.Cmd {
	t.Helper()
	text, err := json.Marshal(written{spec.Argv, spec.Env, spec.Dir, spec.User, spec.NoNewPrivs, spec.Umask, spec.Nice, spec.OOMScore, spec.Limits, spec.Sandbox, spec.Loopback, spec.NetworkOf})
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(os.Args[0], string(text))
	cmd.Env = append(os.Environ(), "HELPER=exec")
	return cmd
}

// Without a Host, which would reap what os/exec waits for.
func TestExecPrivileges(t *testing.T) {
	for name, c := range privileges() {
		t.Run(name, func(t *testing.T) {
			needRoot(t)
			spec := shell(c.script)
			c.change(&spec)
			out, err := becoming(t, spec).CombinedOutput()
			if err != nil {
				t.Fatalf("%v: %s", err, out)
			}
			c.check(t, string(out))
		})
	}
}

// A program joins the network of a process, as root, or is not run at all.
func TestExecJoinsNetwork(t *testing.T) {
	needRoot(t)
	h := newHost(t, process.Options{Launch: launchCommand})
	server := process.Spec{Argv: []string{"/bin/sleep", "1000"}, Env: os.Environ(), Loopback: true}
	p, err := h.Start(server)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Kill()
	network := func(pid any) string {
		link, err := os.Readlink(fmt.Sprintf("/proc/%v/ns/net", pid))
		if err != nil {
			t.Fatal(err)
		}
		return link + "\n"
	}
	spec := shell("readlink /proc/self/ns/net")
	spec.Loopback, spec.NetworkOf = true, p.PID()
	out, err := becoming(t, spec).CombinedOutput()
	if string(out) != network(p.PID()) || string(out) == network("self") {
		t.Errorf("%v: it ran in %s", err, out)
	}
	if _, started := output(t, h, spec); started != network(p.PID()) {
		t.Errorf("a started one ran in %s", started)
	}
	for _, self := range []bool{false, true} { // the network of root, and one of its own
		cmd := becoming(t, spec)
		if self {
			spec.NetworkOf = 0
			cmd = becoming(t, spec)
		}
		cmd.Args[0], cmd.Path = "test", "/proc/self/exe" // whose path others may not reach
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 1000, Gid: 1000}}
		out, err := cmd.CombinedOutput()
		if err == nil || strings.Contains(string(out), "net:[") {
			t.Errorf("as another user, it ran: %s", out)
		}
	}
}

// What becomes another program is still the same process, with its streams.
func TestExecIsTheSameProcess(t *testing.T) {
	spec := shell("echo $$; pwd; echo $COLOUR; cat; exit 42")
	spec.Dir, spec.Env = t.TempDir(), append(spec.Env, "COLOUR=red")
	cmd := becoming(t, spec)
	var out strings.Builder
	cmd.Stdin, cmd.Stdout = strings.NewReader("from stdin\n"), &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	cmd.Wait()
	want := fmt.Sprintf("%d\n%s\nred\nfrom stdin\n", cmd.Process.Pid, spec.Dir)
	if out.String() != want || cmd.ProcessState.ExitCode() != 42 {
		t.Errorf("exit code %d, printed %q, want 42 and %q", cmd.ProcessState.ExitCode(), out.String(), want)
	}
}

func TestExecSaysWhy(t *testing.T) {
	plain := filepath.Join(t.TempDir(), "plain")
	if err := os.WriteFile(plain, []byte("no program\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		spec   process.Spec
		reason process.Reason
		want   string
	}{
		"no command":     {process.Spec{}, process.NotFound, "the command is empty"},
		"not in PATH":    {process.Spec{Argv: []string{"no-such"}, Env: []string{"PATH=/bin"}}, process.NotFound, "not found in PATH (/bin)"},
		"not executable": {process.Spec{Argv: []string{plain}}, process.NotExecutable, "is not executable"},
		"no folder":      {process.Spec{Argv: []string{"/bin/true"}, Dir: "/no/such"}, process.BadDir, "the working directory /no/such does not exist"},
		"no capability": {process.Spec{Argv: []string{"/bin/true"}, Sandbox: process.Sandbox{DropCaps: true, Caps: []string{"fly"}}},
			process.Failed, `cannot drop capabilities: unknown capability "fly"`},
	} {
		t.Run(name, func(t *testing.T) {
			out, err := becoming(t, c.spec).CombinedOutput()
			reason, text, _ := strings.Cut(string(out), "\n")
			if err == nil || reason != string(c.reason) || !strings.Contains(text, c.want) {
				t.Errorf("%v, reason %q, said %q; want %q: %s", err, reason, text, c.reason, c.want)
			}
		})
	}
}

// A mark that another Host has lent is that of the process and of all that it starts,
// and the Host that runs it finds those by it.
func TestLentCookie(t *testing.T) {
	h := newHost(t, process.Options{})
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	in, goOn, err := os.Pipe() // it must not end before its child has said who it is
	if err != nil {
		t.Fatal(err)
	}
	spec := shell("echo $" + process.CookieVar + `; (setsid sh -c 'echo $$; exec sleep 1000' &); read end`)
	spec.Stdin, spec.Stdout, spec.Cookie = in, w, "lender/api-run-1-exec#7"
	p := start(t, h, spec)
	w.Close()
	in.Close()
	lines := bufio.NewScanner(r)
	if lines.Scan(); lines.Text() != spec.Cookie || p.Cookie() != spec.Cookie {
		t.Errorf("it is marked with %q, and said to be with %q; want %q", lines.Text(), p.Cookie(), spec.Cookie)
	}
	pids := readPIDs(t, lines, 1)
	goOn.Close()
	await(t, "its end, with what it has left behind", p.Done())
	if alive(pids[0]) {
		t.Errorf("%d lives on", pids[0])
	}
}

// lendMain is a supervisor: it says the cookie for the process in its argument, and
// ends when its stdin does.
func lendMain(args []string) int {
	h, err := process.New(process.Options{Run: "lend-test"})
	if err != nil {
		return status(err)
	}
	pid, _ := strconv.Atoi(args[0])
	cookie, _, err := h.Lend("db", pid)
	if err != nil {
		return status(err)
	}
	fmt.Println(cookie)
	io.Copy(io.Discard, os.Stdin)
	return status(h.Close())
}

// A command that was lent ends with the Host, and so does what it has started, also
// when its parent is gone; before, nothing of it is touched.
func TestLentEndsWithTheHost(t *testing.T) {
	// It ignores TERM, as a shell at a terminal does, and begins when it is told to. It does not
	// ignore HUP, as what "nohup make test" starts would.
	command := exec.Command("/usr/bin/env", "--default-signal=HUP", "/bin/sh", "-c", `trap "" TERM; read cookie; export "$cookie"
		setsid sleep 1000 & echo $!; (setsid sleep 1000 & echo $!); echo ready; exec sleep 1000`)
	stdin, err := command.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	defer command.Process.Kill()

	lender := exec.Command(os.Args[0], strconv.Itoa(command.Process.Pid))
	lender.Env, lender.Stderr = append(os.Environ(), "HELPER=lend"), os.Stderr
	end, err := lender.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	says, err := lender.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := lender.Start(); err != nil {
		t.Fatal(err)
	}
	cookie, err := bufio.NewReader(says).ReadString('\n')
	if err != nil || !strings.HasPrefix(cookie, process.CookieVar+"=lend-test/db-exec#") {
		t.Fatalf("the cookie is %q, %v", cookie, err)
	}
	io.WriteString(stdin, cookie)
	lines := bufio.NewScanner(stdout)
	pids := readPIDs(t, lines, 2)
	if lines.Scan(); lines.Text() != "ready" {
		t.Fatalf("it says %q", lines.Text())
	}
	for _, pid := range append(pids, command.Process.Pid) {
		if !alive(pid) {
			t.Errorf("%d has ended before the Host", pid)
		}
	}
	end.Close()
	if err := lender.Wait(); err != nil {
		t.Errorf("the Host ends with %v", err)
	}
	for _, pid := range pids {
		if alive(pid) {
			t.Errorf("%d lives on", pid)
			unix.Kill(pid, unix.SIGKILL)
		}
	}
	if err := command.Wait(); err == nil || command.ProcessState.Sys().(syscall.WaitStatus).Signal() != syscall.SIGHUP {
		t.Errorf("the command ended with %v, want SIGHUP", err)
	}
}

// A command may ask for its surroundings at the very end. The race detector sees whether
// the two know of each other.
func TestLendWhileClosing(t *testing.T) {
	h, err := process.New(process.Options{Run: "lend-late"})
	if err != nil {
		t.Fatal(err)
	}
	command := exec.Command("sleep", "1000")
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	h.Lend("db-exec", command.Process.Pid)
	closed, lent := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(lent)
		for {
			h.Lend("db-exec", command.Process.Pid)
			select {
			case <-closed:
				return
			default:
			}
		}
	}()
	if err := h.Close(); err != nil {
		t.Error(err)
	}
	close(closed)
	<-lent
	if cookie, _, err := h.Lend("db-exec", os.Getpid()); !errors.Is(err, process.ErrClosed) || cookie != "" {
		t.Errorf("after the end it lends %q, %v", cookie, err)
	}
	_ = command.Wait() // the Host may have reaped it
	if alive(command.Process.Pid) {
		t.Error("the command lives on")
	}
}
