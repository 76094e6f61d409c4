package session

import (
	"log/slog"
	"os"
	"os/signal"
	"syscall"
	"time"
)

// onePress is how close two interrupts are when they are one Ctrl-C: a terminal
// sends it to the whole group, and a program around us, such as timeout or npm,
// passes it on at once. A person, and a script that means it, is slower.
const onePress = 50 * time.Millisecond

// A wish is what a signal asks of the session.
type wish int

const (
	nothing wish = iota
	stop
	stopNow // kills what is left
	reload
)

// wishes turns signals into wishes.
//
// TERM stops, however often it comes; so does QUIT, which images name as their
// stop signal. INT, which a person types, stops, and kills the second time.
// HUP stops what was started in a terminal, which has gone then and can no
// longer be asked for; else it is for a reload.
type wishes struct {
	now         func() time.Time
	terminal    bool      // we were started in one
	interrupted time.Time // when Ctrl-C was pressed first
}

func (w *wishes) of(s os.Signal) wish {
	switch s {
	case syscall.SIGTERM, syscall.SIGQUIT:
		return stop
	case syscall.SIGINT:
		switch {
		case w.interrupted.IsZero():
			w.interrupted = w.now()
			return stop
		case w.now().Sub(w.interrupted) > onePress:
			return stopNow
		}
	case syscall.SIGHUP:
		if w.terminal {
			return stop
		}
		return reload
	}
	return nothing // SIGPIPE: nobody reads our stdout, which its writer knows
}

// handle calls do for each wish, until end is called.
func (w *wishes) handle(log *slog.Logger, do func(wish)) (end func()) {
	signals, done := make(chan os.Signal, 16), make(chan struct{})
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP, syscall.SIGQUIT, syscall.SIGPIPE)
	gone := make(chan struct{}) // w is another's then
	go func() {
		defer close(gone)
		for {
			select {
			case s := <-signals:
				if s != syscall.SIGPIPE {
					log.Info("signal", "signal", s.String())
				}
				if wish := w.of(s); wish != nothing {
					do(wish)
				}
			case <-done:
				return
			}
		}
	}()
	return func() { signal.Stop(signals); close(done); <-gone }
}

// hasTerminal reports whether a terminal controls us.
func hasTerminal() bool {
	f, err := os.OpenFile("/dev/tty", os.O_RDWR, 0)
	if err != nil {
		return false
	}
	f.Close()
	return true
}
