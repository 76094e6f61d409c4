package supervisor

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/creack/pty"
	"golang.org/x/sys/unix"

	"nix2gpu/console"
	"nix2gpu/process"
	"nix2gpu/project"
	"nix2gpu/servicelog"
)

// filesTerminal is what a run holds more for a terminal: its other side, and an end of
// the log's pipe that its program does not have.
const filesTerminal = 2

// A terminal is what a program has in place of pipes. We carry what it shows to the log
// and to those who are attached.
type terminal struct {
	master, log *os.File
	console     *console.Console
	carried     chan struct{} // closed when nothing more comes; nil: nothing was begun
	over        sync.Once
}

// openTerminal gives a program a terminal of its own. What is left is to begin.
func (x *execution) openTerminal(spec *process.Spec, log *servicelog.Run) (end *os.File, err error) {
	master, end, err := pty.Open()
	if err != nil {
		return nil, fmt.Errorf("cannot open a terminal: %w", err)
	}
	t := &terminal{master: master, console: x.m.Consoles.Get(string(x.Service.ID))}
	x.terminal = t
	x.onClose(t.finish)
	fd, err := unix.FcntlInt(log.Stdout.Fd(), unix.F_DUPFD_CLOEXEC, 3)
	if err != nil {
		end.Close()
		return nil, err
	}
	t.log = os.NewFile(uintptr(fd), "log")
	if spec.User != nil {
		_ = end.Chown(spec.User.UID, -1) // it matters to few programs, and only root may
	}
	if !slices.ContainsFunc(spec.Env, func(v string) bool { return strings.HasPrefix(v, "TERM=") }) {
		spec.Env = append(spec.Env, "TERM=xterm") // as docker has it
	}
	t.Resize(t.console.Open(t))
	spec.Stdin, spec.Stdout, spec.Stderr, spec.Terminal = end, end, end, process.OwnTerminal
	return end, nil
}

// begin carries what the program shows from now on.
func (t *terminal) begin() {
	t.carried = make(chan struct{})
	go func() {
		defer close(t.carried)
		buf := make([]byte, 32<<10)
		for {
			n, err := t.master.Read(buf)
			if n > 0 {
				_, _ = t.console.Write(buf[:n]) // which never fails
				_, _ = t.log.Write(buf[:n])     // it says itself when it can't keep something
			}
			if err != nil {
				return // nobody has the terminal any more
			}
		}
	}()
}

// finish returns when all that was shown is in the log. A descendant of the program
// that keeps the terminal loses it.
func (t *terminal) finish() {
	t.over.Do(func() {
		if t.carried != nil {
			select {
			case <-t.carried:
			case <-time.After(drainTime):
			}
		}
		t.console.Close(t)
		t.master.Close()
		if t.log != nil {
			t.log.Close()
		}
	})
}

// Write types.
func (t *terminal) Write(text []byte) (int, error) { return t.master.Write(text) }

// Resize tells the program how large its terminal is.
func (t *terminal) Resize(s console.Size) {
	_ = pty.Setsize(t.master, &pty.Winsize{Rows: s.Rows, Cols: s.Cols}) // it may have just ended
}

// typeKeys types what is to make the program end. It has failed if the program does not take
// all of it.
func (x *execution) typeKeys(text string) {
	f := Fact{Kind: ShutdownDone, Run: x.ID}
	keys, err := project.ParseTyped(text) // validation has made sure that it can be
	typed := false
	if err == nil && x.terminal != nil {
		typed, err = x.terminal.console.Type(x.over, keys)
	}
	if err != nil || !typed {
		f.Exit.Code = 1
	}
	x.m.report(f)
}
