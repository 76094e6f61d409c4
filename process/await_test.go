package process_test

import (
	"bufio"
	"context"
	"os/exec"
	"testing"

	"golang.org/x/sys/unix"

	"nix2gpu/process"
)

func TestFirstChild(t *testing.T) {
	cmd := exec.Command("sh", "-c", "sleep 1000 & echo $!; sleep 1000 & echo $!; wait")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer cmd.Wait()
	defer cmd.Process.Kill()
	pids := readPIDs(t, bufio.NewScanner(out), 2)
	for _, pid := range pids {
		defer unix.Kill(pid, unix.SIGKILL)
	}
	for except, want := range map[int]int{0: pids[0], pids[0]: pids[1], pids[1]: pids[0]} {
		if got := process.FirstChild(cmd.Process.Pid, except); got != want {
			t.Errorf("of %v, except for %d: got %d, want %d", pids, except, got, want)
		}
	}
	if got := process.FirstChild(pids[0], 0); got != 0 {
		t.Errorf("a process without children has %d", got)
	}
}

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
