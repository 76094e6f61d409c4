package cli

import (
	"context"
	"os"
	"os/signal"
	"sync"
	"syscall"
)

// Interruptible returns a context that the first SIGINT, SIGTERM or SIGQUIT cancels
// (the last is the stop signal of some images), with an *interruption as its cause.
// stop stops listening and must be called. A session, once it runs, handles these
// signals itself.
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
		case s := <-i.signals: // it arrived before we stopped listening
			cancel(&interruption{s.(syscall.Signal)})
		default:
		}
	}()
	return until, func() { i.stop(); cancel(nil) }
}

// interrupts is the listener of an interruptible context.
type interrupts struct {
	signals chan os.Signal
	quit    chan struct{} // closed to stop listening
	heard   chan struct{} // closed once a signal that came before that has cancelled the context
	stop    func()
}

type interruptsKey struct{}

// handOver stops listening, so that somebody else can handle signals. Until that
// one listens, signals have their default effect and end us at once. The error is
// the signal that has come already, since nobody else will see it.
func handOver(ctx context.Context) error {
	if i, ok := ctx.Value(interruptsKey{}).(*interrupts); ok {
		i.stop()
	}
	return context.Cause(ctx)
}

// An interruption is the cause of a context that a signal has cancelled.
type interruption struct{ signal syscall.Signal }

func (i *interruption) Error() string { return i.signal.String() }
func (i *interruption) Unwrap() error { return context.Canceled }

// code is the exit code that shells give a program that the signal killed.
func (i *interruption) code() int { return 128 + int(i.signal) }
