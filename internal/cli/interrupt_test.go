package cli

import (
	"context"
	"errors"
	"syscall"
	"testing"
)

func TestInterruptible(t *testing.T) {
	for s, want := range map[syscall.Signal]int{syscall.SIGINT: 130, syscall.SIGQUIT: 131, syscall.SIGTERM: 143} {
		ctx, stop := Interruptible(t.Context())
		if err := syscall.Kill(syscall.Getpid(), s); err != nil {
			t.Fatal(err)
		}
		<-ctx.Done()
		stop()
		var by *interruption
		cause := context.Cause(ctx)
		if !errors.As(cause, &by) || by.code() != want || !errors.Is(cause, context.Canceled) {
			t.Errorf("%v ends it with %v, want code %d", s, cause, want)
		}
	}
	ctx, stop := Interruptible(t.Context())
	stop()
	var by *interruption
	if errors.As(context.Cause(ctx), &by) {
		t.Errorf("an end without a signal has the cause %v", by)
	}
}
