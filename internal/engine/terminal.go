package engine

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/creack/pty"

	"nix2gpu/internal/testkit"
)

// A Terminal is a program at a terminal of its own.
type Terminal struct {
	t    testing.TB
	cmd  *exec.Cmd
	pty  *os.File
	done chan struct{}

	mu  sync.Mutex
	out bytes.Buffer
	cut int
}

// Terminal runs a line, such as "docker run -it …", in a shell at a terminal.
func (e *Engine) Terminal(line string) *Terminal {
	e.T.Helper()
	return OpenTerminal(e.Stack, line)
}

// OpenTerminal runs a line in a shell at a terminal, in the namespace of a stack.
func OpenTerminal(s *testkit.Stack, line string) *Terminal {
	s.T.Helper()
	tm := &Terminal{t: s.T, cmd: exec.Command("bash", "-c", "exec "+line), done: make(chan struct{})}
	tm.cmd.Dir = s.Dir
	tm.cmd.Env = append(append(os.Environ(), "TERM=xterm"), s.Env...)
	err := s.Net.Do(func() (err error) {
		tm.pty, err = pty.StartWithSize(tm.cmd, &pty.Winsize{Rows: 50, Cols: 200})
		return err
	})
	if err != nil {
		s.T.Fatalf("%s: %v", line, err)
	}
	read := make(chan struct{})
	go func() {
		defer close(read)
		buf := make([]byte, 4096)
		for {
			n, err := tm.pty.Read(buf)
			tm.mu.Lock()
			tm.out.Write(buf[:n])
			tm.mu.Unlock()
			if err != nil {
				return
			}
		}
	}()
	go func() {
		_ = tm.cmd.Wait() // Wait returns the code
		<-read
		close(tm.done)
	}()
	s.T.Cleanup(func() {
		_ = tm.cmd.Process.Signal(syscall.SIGKILL) // it may have ended
		<-tm.done
		tm.pty.Close()
	})
	return tm
}

// escape is a sequence that only moves the cursor or sets a colour.
var escape = regexp.MustCompile(`\x1b\[[0-9;?]*[a-zA-Z]`)

// Output returns all that has appeared, as a person sees it: without colours, and with
// lines that a shell has drawn again in their place.
func (tm *Terminal) Output() string {
	tm.mu.Lock()
	text := tm.out.String()
	tm.mu.Unlock()
	text = escape.ReplaceAllString(strings.ReplaceAll(text, "\r\n", "\n"), "")
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		if !strings.Contains(line, "\r") {
			continue
		}
		seen := ""
		for piece := range strings.SplitSeq(line, "\r") {
			seen = piece + seen[min(len(piece), len(seen)):]
		}
		lines[i] = seen
	}
	return strings.Join(lines, "\n")
}

// WaitFor waits until text appears after what earlier calls have found, and returns all
// that is between.
func (tm *Terminal) WaitFor(text string) string {
	tm.t.Helper()
	var before string
	find := func() error {
		ended := tm.Ended()
		out := tm.Output()
		rest := out[min(tm.cut, len(out)):]
		if i := strings.Index(rest, text); i >= 0 {
			before = rest[:i]
			tm.cut += i + len(text)
			return nil
		}
		if ended {
			return errEnded
		}
		return fmt.Errorf("not within %v", testkit.Patience)
	}
	var err error
	testkit.Eventually(func() bool { err = find(); return err == nil || err == errEnded })
	if err != nil {
		tm.t.Fatalf("%q did not appear (%v) after\n%s", text, err, tm.Output())
	}
	return before
}

// Type types a line.
func (tm *Terminal) Type(line string) {
	tm.t.Helper()
	if _, err := tm.pty.WriteString(line + "\n"); err != nil {
		tm.t.Fatal(err)
	}
}

// Press types keys without a line end, such as "\x03" for Ctrl-C.
func (tm *Terminal) Press(keys string) {
	tm.t.Helper()
	if _, err := tm.pty.WriteString(keys); err != nil {
		tm.t.Fatal(err)
	}
}

// Resize changes the size of the terminal; its program gets SIGWINCH.
func (tm *Terminal) Resize(columns, rows uint16) {
	tm.t.Helper()
	if err := pty.Setsize(tm.pty, &pty.Winsize{Rows: rows, Cols: columns}); err != nil {
		tm.t.Fatal(err)
	}
}

// Raw returns all that the program has written, with escape sequences.
func (tm *Terminal) Raw() string {
	tm.mu.Lock()
	defer tm.mu.Unlock()
	return tm.out.String()
}

// Ended reports whether the program has ended and all of its output was read.
func (tm *Terminal) Ended() bool {
	select {
	case <-tm.done:
		return true
	default:
		return false
	}
}

// Wait waits for the end of the program, and returns its exit code.
func (tm *Terminal) Wait() int {
	tm.t.Helper()
	select {
	case <-tm.done:
		return tm.cmd.ProcessState.ExitCode()
	case <-time.After(testkit.Patience):
		tm.t.Fatalf("the program does not end:\n%s", tm.Output())
		return 0
	}
}
