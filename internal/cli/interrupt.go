package cli

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

// Interruptible is ctx until the first signal by which people and machines end
// a program: Ctrl-C, TERM, or QUIT, which images name as their stop signal.
// What a session does with them, once it runs, is its own affair.
func Interruptible(ctx context.Context) (until context.Context, stop func()) {
	until, cancel := context.WithCancelCause(ctx)
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM, syscall.SIGQUIT)
	go func() {
		select {
		case s := <-signals:
			cancel(&interruption{s.(syscall.Signal)})
		case <-until.Done():
		}
	}()
	return until, func() { signal.Stop(signals); cancel(nil) }
}

// An interruption is the cause of a context that a signal ended.
type interruption struct{ signal syscall.Signal }

func (i *interruption) Error() string { return i.signal.String() }
func (i *interruption) Unwrap() error { return context.Canceled }

// code is what a shell gives for a program that the signal killed.
func (i *interruption) code() int { return 128 + int(i.signal) }
