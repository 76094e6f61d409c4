package cli

import (
	"context"
	"os"
	"os/signal"
	"sync"
	"syscall"
)

// Interruptible is ctx until the first signal by which people and machines end
// a program: Ctrl-C, TERM, or QUIT, which images name as their stop signal.
// What a session does with them, once it runs, is its own affair.
func Interruptible(ctx context.Context) (until context.Context, stop func()) {
	i := &interrupts{signals: make(chan os.Signal, 1), quit: make(chan struct{}), heard: make(chan struct{})}
	i.stop = sync.OnceFunc(func() {
		signal.Stop(i.signals)
		close(i.quit)
		<-i.heard
	})
	until, cancel := context.WithCancelCause(context.WithValue(ctx, interruptsKey{}, i))
	signal.Notify(i.signals, syscall.SIGINT, syscall.SIGTERM, syscall.SIGQUIT)
	go func() {
		defer close(i.heard)
		select {
		case s := <-i.signals:
			cancel(&interruption{s.(syscall.Signal)})
			return
		case <-i.quit:
		case <-until.Done():
		}
		select {
		case s := <-i.signals: // it came before the end
			cancel(&interruption{s.(syscall.Signal)})
		default:
		}
	}()
	return until, func() { i.stop(); cancel(nil) }
}

// interrupts are the signals that an interruptible context listens to.
type interrupts struct {
	signals chan os.Signal
	quit    chan struct{} // closed to end listening
	heard   chan struct{} // closed when what came before has had its effect
	stop    func()
}

type interruptsKey struct{}

// handOver stops listening, for whoever takes signals from now on: until that
// one does, they end us at once, as the system has it. The error is the
// signal that has come already, which nobody else will hear of.
func handOver(ctx context.Context) error {
	if i, ok := ctx.Value(interruptsKey{}).(*interrupts); ok {
		i.stop()
	}
	return context.Cause(ctx)
}

// An interruption is the cause of a context that a signal ended.
type interruption struct{ signal syscall.Signal }

func (i *interruption) Error() string { return i.signal.String() }
func (i *interruption) Unwrap() error { return context.Canceled }

// code is what a shell gives for a program that the signal killed.
func (i *interruption) code() int { return 128 + int(i.signal) }
