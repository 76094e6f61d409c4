package testkit

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"nix2gpu/rundir"
)

// A Stack is a copy of an example in a folder of its own, run by the real binary in a
// network namespace of its own.
type Stack struct {
	T      testing.TB
	Net    *Net
	Dir    string // the copy
	Bin    string
	Env    []string // added to every command's environment
	Client *http.Client

	runs   []*Run
	before []string // sockets and locks that existed before
}

// NewStack copies examples/<name>. At the end of the test, whatever still runs is
// stopped, and a process, socket or lock that is left fails the test.
func NewStack(t testing.TB, name string) *Stack {
	t.Helper()
	return NewStackFrom(t, filepath.Join(Root(), "examples", name))
}

// NewStackFrom returns a stack like NewStack, from any folder; an empty name makes an
// empty stack.
func NewStackFrom(t testing.TB, from string) *Stack {
	t.Helper()
	s := &Stack{T: t, Net: NewNet(t), Bin: Binary(t)}
	s.Client = s.Net.Client()
	s.before = runFiles()
	// Not t.TempDir: services that run as other users have to pass through.
	dir, err := os.MkdirTemp("", "nix2gpu-test-")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	s.Dir = filepath.Join(dir, filepath.Base(from))
	if from == "" {
		s.Dir = filepath.Join(dir, "project")
		err = os.Mkdir(s.Dir, 0o755)
	} else {
		err = os.CopyFS(s.Dir, os.DirFS(from))
	}
	if err != nil {
		t.Fatal(err)
	}
	// A run on the checkout leaves its data there; a test starts from nothing.
	for _, left := range []string{"data", ".nix2gpu"} {
		os.RemoveAll(filepath.Join(s.Dir, left))
	}
	// Keep the test's state and sockets apart from the user's own.
	s.Env = append(s.Env,
		"PATH="+filepath.Dir(s.Bin)+":"+os.Getenv("PATH"),
		"NO_COLOR=1",
	)
	t.Cleanup(func() {
		s.end()
		if t.Failed() {
			for _, r := range s.runs {
				t.Logf("--- output of nix2gpu %s:\n%s", strings.Join(r.args, " "), tail(r.Output(), 8000))
			}
		}
		os.RemoveAll(dir)
	})
	return s
}

// Write puts a file into the copy.
func (s *Stack) Write(name, content string) {
	s.T.Helper()
	path := filepath.Join(s.Dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		s.T.Fatal(err)
	}
	mode := os.FileMode(0o644)
	if strings.HasPrefix(content, "#!") {
		mode = 0o755
	}
	if err := os.WriteFile(path, []byte(content), mode); err != nil {
		s.T.Fatal(err)
	}
}

// A Run is a command that was started.
type Run struct {
	s    *Stack
	args []string
	cmd  *exec.Cmd
	done chan struct{}

	mu  sync.Mutex
	out bytes.Buffer
	err bytes.Buffer
	cut int // how much of out the last WaitLine has passed
	new chan struct{}
}

// Start runs "nix2gpu ARGS", or the stack's other program, in the background.
func (s *Stack) Start(args ...string) *Run {
	s.T.Helper()
	return s.StartCommand(s.Bin, args...)
}

// StartCommand runs any program in the stack's folder and namespace.
func (s *Stack) StartCommand(name string, args ...string) *Run {
	s.T.Helper()
	r := &Run{s: s, args: args, done: make(chan struct{}), new: make(chan struct{}, 1)}
	r.cmd = exec.Command(name, args...)
	r.cmd.Dir = s.Dir
	r.cmd.Env = append(os.Environ(), s.Env...)
	r.cmd.Stdout = writerFunc(func(p []byte) { r.add(&r.out, p) })
	r.cmd.Stderr = writerFunc(func(p []byte) { r.add(&r.err, p) })
	// Its own group, so that a test's signals reach it alone.
	r.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	// A descendant that keeps the pipe must not hang the test.
	r.cmd.WaitDelay = 5 * time.Second
	if err := s.Net.Do(r.cmd.Start); err != nil {
		s.T.Fatalf("start %s: %v", name, err)
	}
	go func() {
		_ = r.cmd.Wait() // the exit code is read from ProcessState
		close(r.done)
	}()
	s.runs = append(s.runs, r)
	return r
}

// Exec runs "nix2gpu ARGS" to its end, and returns stdout, stderr and the exit code.
func (s *Stack) Exec(args ...string) (stdout, stderr string, code int) {
	s.T.Helper()
	return s.ExecCommand(s.Bin, args...)
}

// ExecCommand runs any program like Exec.
func (s *Stack) ExecCommand(name string, args ...string) (stdout, stderr string, code int) {
	s.T.Helper()
	r := s.StartCommand(name, args...)
	code = r.Wait()
	return r.Stdout(), r.Stderr(), code
}

// MustExec runs like Exec, and fails the test if the exit code is not 0.
func (s *Stack) MustExec(args ...string) string {
	s.T.Helper()
	stdout, stderr, code := s.Exec(args...)
	if code != 0 {
		s.T.Fatalf("%s %s: exit code %d\n%s%s", filepath.Base(s.Bin), strings.Join(args, " "), code, stdout, stderr)
	}
	return stdout
}

func (r *Run) add(b *bytes.Buffer, p []byte) {
	r.mu.Lock()
	b.Write(p)
	r.mu.Unlock()
	select {
	case r.new <- struct{}{}:
	default:
	}
}

// Stdout returns what was printed to stdout so far.
func (r *Run) Stdout() string { r.mu.Lock(); defer r.mu.Unlock(); return r.out.String() }

// Stderr returns what was printed to stderr so far.
func (r *Run) Stderr() string { r.mu.Lock(); defer r.mu.Unlock(); return r.err.String() }

// Output returns both, for messages.
func (r *Run) Output() string { return r.Stdout() + r.Stderr() }

// CPU returns the processor time of the command and its descendants, once it has ended.
func (r *Run) CPU() time.Duration {
	return r.cmd.ProcessState.UserTime() + r.cmd.ProcessState.SystemTime()
}

// PID returns the pid of the command. For a running "up" that is the guard's.
func (r *Run) PID() int { return r.cmd.Process.Pid }

// Supervisor returns the pid of the supervisor below the guard of a running "up".
func (r *Run) Supervisor() int {
	r.s.T.Helper()
	var pid int
	lists, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", r.PID()))
	for _, list := range lists {
		children, _ := os.ReadFile(list) // of a thread that has just ended
		if n, _ := fmt.Sscan(string(children), &pid); n == 1 {
			return pid
		}
	}
	r.s.T.Fatalf("%d guards nothing", r.PID())
	return 0
}

// WaitLine waits until stdout holds the text, after what earlier calls found.
func (r *Run) WaitLine(text string) {
	r.s.T.Helper()
	deadline := time.After(Patience)
	seen := 0 // of the output, what need not be searched again
	find := func() bool {
		r.mu.Lock()
		defer r.mu.Unlock()
		// Not String: a copy of all output for each piece that comes would
		// keep the program's stdout waiting.
		out := r.out.Bytes()
		from := max(r.cut, seen-len(text))
		i := bytes.Index(out[from:], []byte(text))
		if i < 0 {
			seen = len(out)
			return false
		}
		r.cut = from + i + len(text)
		return true
	}
	for {
		if find() {
			return
		}
		select {
		case <-r.new:
		case <-r.done:
			if !find() {
				r.s.T.Fatalf("ended (%v) without printing %q:\n%s", r.cmd.ProcessState, text, tail(r.Output(), 4000))
			}
			return
		case <-deadline:
			r.s.T.Fatalf("did not print %q within %v:\n%s", text, Patience, tail(r.Output(), 4000))
		}
	}
}

// Signal sends a signal to the command, but not to its descendants.
func (r *Run) Signal(sig os.Signal) {
	r.s.T.Helper()
	if err := r.cmd.Process.Signal(sig); err != nil && !errors.Is(err, os.ErrProcessDone) {
		r.s.T.Fatal(err)
	}
}

// Wait waits for the end and returns the exit code, 128+n after signal n.
func (r *Run) Wait() int {
	r.s.T.Helper()
	select {
	case <-r.done:
	case <-time.After(Patience):
		r.s.T.Fatalf("%s did not end within %v:\n%s", strings.Join(r.args, " "), Patience, tail(r.Output(), 4000))
	}
	if ws, ok := r.cmd.ProcessState.Sys().(syscall.WaitStatus); ok && ws.Signaled() {
		return 128 + int(ws.Signal())
	}
	return r.cmd.ProcessState.ExitCode()
}

// Running reports whether the command has not ended.
func (r *Run) Running() bool {
	select {
	case <-r.done:
		return false
	default:
		return true
	}
}

// Stop ends the command like Ctrl-C. The test fails unless it ends with 0 and leaves
// nothing behind.
func (r *Run) Stop() {
	r.s.T.Helper()
	r.Signal(syscall.SIGINT)
	if code := r.Wait(); code != 0 {
		r.s.T.Errorf("after Ctrl-C: exit code %d, want 0\n%s", code, tail(r.Output(), 4000))
	}
	r.s.WantNothingLeft()
}

// WantNothingLeft fails the test for each process, socket or lock that is left.
func (s *Stack) WantNothingLeft() {
	s.T.Helper()
	// A killed process is in /proc until its parent has reaped it.
	var left []string
	if !Eventually(func() bool { left = s.Net.Processes(); return len(left) == 0 }) {
		s.T.Errorf("processes left:\n%s", strings.Join(left, "\n"))
	}
	for _, file := range runFiles() {
		if s.owns(file) && !slices.Contains(s.before, file) {
			s.T.Errorf("left: %s", file)
		}
	}
}

// owns reports whether a file of runFiles is of this stack: another run of the
// same example, in a folder of its own, may come and go meanwhile.
func (s *Stack) owns(file string) bool {
	key := strings.TrimSuffix(filepath.Base(file), filepath.Ext(file))
	i := strings.LastIndex(key, "-")
	return i > 0 && rundir.Key(key[:i], s.Dir) == key
}

// runFiles lists what runs of root keep while they run: sockets, locks, the
// folders of services and those of secrets.
func runFiles() []string {
	var all []string
	for _, pattern := range []string{"/run/nix2gpu/*", "/run/nix2gpu-services/*", "/run/nix2gpu-secrets/*", "/dev/shm/nix2gpu-secrets-0/*"} {
		files, _ := filepath.Glob(pattern) // the patterns are well-formed
		all = append(all, files...)
	}
	return all
}

// Get requests a page from inside the namespace.
func (s *Stack) Get(url string) (status int, body string, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), Patience)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return 0, "", err
	}
	resp, err := s.Client.Do(req)
	if err != nil {
		return 0, "", err
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	return resp.StatusCode, string(raw), err
}

// WantBody requests a page until the answer has status 200 and contains text.
func (s *Stack) WantBody(url, text string) {
	s.T.Helper()
	var last string
	if !Eventually(func() bool {
		status, body, err := s.Get(url)
		last = fmt.Sprintf("%d %v\n%s", status, err, body)
		return err == nil && status == http.StatusOK && strings.Contains(body, text)
	}) {
		s.T.Errorf("GET %s: want 200 with %q, got %s", url, text, last)
	}
}

// Patience is how long a test waits for a fact before it fails. It is far more than the
// slowest machine needs under the heaviest load: no test is about time, and one that
// passes never waits that long.
const Patience = 15 * time.Minute

// Eventually calls yes until it returns true or [Patience] is over, and returns its last
// answer.
func Eventually(yes func() bool) bool {
	for deadline := time.Now().Add(Patience); ; time.Sleep(20 * time.Millisecond) {
		if yes() {
			return true
		}
		if time.Now().After(deadline) {
			return false
		}
	}
}

// end stops what a failed test left running, gently first.
func (s *Stack) end() {
	for _, r := range s.runs {
		if r.Running() {
			_ = r.cmd.Process.Signal(syscall.SIGTERM)
			select {
			case <-r.done:
			case <-time.After(time.Minute):
				_ = r.cmd.Process.Kill()
			}
		}
	}
	// Whatever is in the namespace by now is the test's own.
	for _, p := range s.Net.Processes() {
		var pid int
		if _, err := fmt.Sscanf(p, "%d", &pid); err == nil {
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
	}
}

type writerFunc func(p []byte)

func (f writerFunc) Write(p []byte) (int, error) { f(p); return len(p), nil }

func tail(s string, n int) string {
	if len(s) > n {
		return "…" + s[len(s)-n:]
	}
	return s
}
