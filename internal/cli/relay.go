package cli

import (
	"context"
	"os"
	"sync"
	"syscall"
	"time"

	"github.com/creack/pty"
	"golang.org/x/term"

	"nix2gpu/process"
	"nix2gpu/servicelog"
)

// A relay stands between a command and our own streams, so that what it prints reaches
// both them and its log: keep, open, start the command, begin, wait for it, await, close.
type relay struct {
	terminal bool     // the command is to have one of its own, in place of ours
	stderr   *os.File // where that of the command goes

	hub    *servicelog.Hub
	log    *servicelog.Run // nil: nothing is kept
	master *os.File        // of the command's terminal; nil: it has none
	ours   *term.State     // how our terminal was, once it is only passed through
	ends   []*os.File      // of the command: ours to close once it has them
	ways   []way
	busy   sync.WaitGroup
}

// A way is where what a command prints comes from and goes to.
type way struct{ from, to, log *os.File }

// keep opens the log.
func (r *relay) keep(dir, name string) error {
	hub, err := servicelog.Open(servicelog.Options{Dir: dir, Eager: true})
	if err != nil {
		return err
	}
	log, err := hub.Source(name, name, servicelog.SourceOptions{}).Open(nil)
	if err != nil {
		_ = hub.Close(context.Background()) // it has got nothing
		return err
	}
	r.hub, r.log = hub, log
	return nil
}

// open gives a command its streams.
func (r *relay) open(spec *process.Spec) error {
	spec.Stdin = os.Stdin
	if r.terminal {
		return r.openTerminal(spec)
	}
	if r.log == nil {
		spec.Stdout, spec.Stderr = os.Stdout, r.stderr
		return nil
	}
	for _, w := range []struct {
		of      **os.File
		to, log *os.File
	}{{&spec.Stdout, os.Stdout, r.log.Stdout}, {&spec.Stderr, r.stderr, r.log.Stderr}} {
		from, end, err := os.Pipe()
		if err != nil {
			return err
		}
		*w.of = end
		r.ends = append(r.ends, end)
		r.ways = append(r.ways, way{from, w.to, w.log})
	}
	return nil
}

func (r *relay) openTerminal(spec *process.Spec) error {
	master, end, err := pty.Open()
	if err != nil {
		return errNoTerminal(err)
	}
	r.master = master
	r.resize()
	if spec.User != nil {
		_ = end.Chown(spec.User.UID, -1) // it matters to few programs, and only root may
	}
	spec.Stdin, spec.Stdout, spec.Stderr, spec.Terminal = end, end, end, process.OwnTerminal
	r.ends = []*os.File{end}
	w := way{from: master, to: os.Stdout}
	if r.log != nil {
		w.log = r.log.Stdout
	}
	r.ways = []way{w}
	return nil
}

// resize gives the command's terminal the size of ours.
func (r *relay) resize() {
	if r.master != nil {
		_ = pty.InheritSize(os.Stdin, r.master) // as good as no size
	}
}

// begin carries, once the command has its streams.
func (r *relay) begin(pid int) (err error) {
	if r.log != nil {
		r.log.Begin(servicelog.Process{PID: pid})
	}
	for _, end := range r.ends {
		end.Close()
	}
	r.ends = nil
	if r.master != nil {
		if r.ours, err = term.MakeRaw(int(os.Stdin.Fd())); err != nil {
			return errNoTerminal(err)
		}
		go func() {
			buf := make([]byte, 4096)
			for {
				n, err := os.Stdin.Read(buf)
				if n > 0 {
					if _, err := r.master.Write(buf[:n]); err != nil {
						return // the command has ended
					}
				}
				if err != nil {
					return
				}
			}
		}()
	}
	for _, w := range r.ways {
		r.busy.Go(w.carry)
	}
	return nil
}

// carry lasts until nobody can print any more, or nobody reads: then whoever prints
// learns that from the pipe.
func (w way) carry() {
	defer w.from.Close()
	buf := make([]byte, 32<<10)
	for {
		n, err := w.from.Read(buf)
		if n > 0 {
			if w.log != nil {
				_, _ = w.log.Write(buf[:n]) // it says itself when it can't keep something
			}
			if _, err := w.to.Write(buf[:n]); err != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}

// await returns when all that was printed is where it belongs, or somebody has enough:
// whoever reads from us may take his time.
func (r *relay) await(enough <-chan os.Signal) {
	carried := make(chan struct{})
	go func() {
		r.busy.Wait()
		close(carried)
	}()
	for {
		select {
		case <-carried:
			return
		case s := <-enough:
			if s != syscall.SIGWINCH && s != syscall.SIGPIPE {
				return
			}
		}
	}
}

// logPatience is how long the log may take for what it has already got.
const logPatience = 2 * time.Second

// close ends the log, and makes our terminal what it was.
func (r *relay) close() {
	for _, end := range r.ends { // nothing was begun
		end.Close()
	}
	if r.ours != nil {
		_ = term.Restore(int(os.Stdin.Fd()), r.ours) // it may be gone
	}
	if r.log == nil {
		return
	}
	r.log.Started()
	ctx, cancel := context.WithTimeout(context.Background(), logPatience)
	defer cancel()
	_ = r.hub.Close(ctx) // what could not be kept is marked there
}
