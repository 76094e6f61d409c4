package cli

import (
	"context"
	"errors"
	"runtime"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"nix2gpu/project"
	"nix2gpu/session"
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

// A signal that came before others take over is not lost between them.
func TestSignalsAreHandedOver(t *testing.T) {
	runtime.LockOSThread() // what a thread sends to itself has come when the call returns
	defer runtime.UnlockOSThread()
	for range 100 {
		ctx, stop := Interruptible(t.Context())
		if err := unix.Tgkill(unix.Getpid(), unix.Gettid(), unix.SIGTERM); err != nil {
			t.Fatal(err)
		}
		err := handOver(ctx)
		stop()
		var by *interruption
		if !errors.As(err, &by) || by.code() != 143 {
			t.Fatalf("handed over with %v, want the signal", err)
		}
	}
	ctx, stop := Interruptible(t.Context())
	defer stop()
	if err := handOver(ctx); err != nil {
		t.Errorf("without a signal: %v", err)
	}
	if err := handOver(t.Context()); err != nil {
		t.Errorf("of what nobody can interrupt: %v", err)
	}
}

// What an early signal finds has not begun to run anything, and does not.
func TestEarlySignals(t *testing.T) {
	ctx, stop := Interruptible(t.Context())
	defer stop()
	if err := syscall.Kill(syscall.Getpid(), syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	<-ctx.Done()
	env := &Env{Args: []string{"nix2gpu"}, Self: "/no/such/program"}
	valid, err := project.Validated(&project.Project{Version: project.Version, Name: "test"})
	if err != nil {
		t.Fatal(err)
	}
	for name, err := range map[string]error{
		"guard":  runGuard(ctx, env, []string{"supervise", "3", attached}),
		"become": become(ctx, env, &session.Job{Project: valid}, nil),
	} {
		var by *interruption
		if !errors.As(err, &by) || exitCode(err) != 143 {
			t.Errorf("%s: %v (code %d), want the signal", name, err, exitCode(err))
		}
	}
}
