package session

import (
	"log/slog"
	"os"
	"os/signal"
	"syscall"
	"time"
)

// onePress is the time within which two SIGINT count as one press of Ctrl-C. A terminal
// sends it to the whole group, and a program around us, such as timeout or npm,
// passes it on at once. A person, or a script that means to, is slower.
const onePress = 50 * time.Millisecond

// An action is what a signal asks the session to do.
type action int

const (
	nothing action = iota
	stop
	stopNow // kill what is left
	reload
)

// A signalHandler translates signals to actions.
//
// SIGTERM stops, however often it comes, and so does SIGQUIT, the stop signal of some
// images. SIGINT, which a person types, stops, and the second time kills. SIGHUP means
// that our terminal is gone, which stops; without a terminal it means a reload.
type signalHandler struct {
	now         func() time.Time
	terminal    bool      // we were started in a terminal
	interrupted time.Time // when Ctrl-C was first pressed
}

func (h *signalHandler) of(s os.Signal) action {
	switch s {
	case syscall.SIGTERM, syscall.SIGQUIT:
		return stop
	case syscall.SIGINT:
		switch {
		case h.interrupted.IsZero():
			h.interrupted = h.now()
			return stop
		case h.now().Sub(h.interrupted) > onePress:
			return stopNow
		}
	case syscall.SIGHUP:
		if h.terminal {
			return stop
		}
		return reload
	}
	return nothing // SIGPIPE: the writer of stdout gets an error as well
}

// handle calls do for each action, one at a time, until end is called.
func (h *signalHandler) handle(log *slog.Logger, do func(action)) (end func()) {
	signals, done := make(chan os.Signal, 16), make(chan struct{})
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP, syscall.SIGQUIT, syscall.SIGPIPE)
	gone := make(chan struct{}) // closed when this handler no longer uses h
	go func() {
		defer close(gone)
		for {
			select {
			case s := <-signals:
				if s != syscall.SIGPIPE {
					log.Info("signal", "signal", s.String())
				}
				if action := h.of(s); action != nothing {
					do(action)
				}
			case <-done:
				return
			}
		}
	}()
	return func() { signal.Stop(signals); close(done); <-gone }
}

// hasTerminal reports whether we have a controlling terminal.
func hasTerminal() bool {
	f, err := os.OpenFile("/dev/tty", os.O_RDWR, 0)
	if err != nil {
		return false
	}
	f.Close()
	return true
}
