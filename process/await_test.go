package process_test

import (
	"context"
	"os/exec"
	"testing"

	"nix2gpu/process"
)

// TestAwaitEnd waits for a process whose end nobody has reaped, and for one that goes on.
func TestAwaitEnd(t *testing.T) {
	cmd := exec.Command("cat")
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer cmd.Wait()
	info, err := process.Inspect(cmd.Process.Pid)
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		process.AwaitEnd(t.Context(), info.PID, info.Start)
		close(ended)
	}()
	ctx, cancel := context.WithCancel(t.Context())
	cut := make(chan struct{})
	go func() {
		process.AwaitEnd(ctx, info.PID, info.Start)
		close(cut)
	}()
	process.AwaitEnd(t.Context(), info.PID, info.Start+1) // another process of that number
	cancel()
	<-cut
	select {
	case <-ended:
		t.Error("it lives, and counts as ended")
	default:
	}
	stdin.Close()
	<-ended
}
