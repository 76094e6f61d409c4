package cli

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

// A pipe without its other end is waited for until the command is interrupted.
func TestPipeWithoutItsOtherEnd(t *testing.T) {
	pipe := filepath.Join(t.TempDir(), "pipe")
	if err := unix.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	interrupted := errors.New("interrupted")
	for name, flags := range map[string]int{"dump": os.O_WRONLY, "restore": os.O_RDONLY} {
		ctx, cancel := context.WithCancelCause(t.Context())
		cancel(interrupted)
		if _, err := opened(ctx, pipe, flags); err != interrupted {
			t.Errorf("%s: got %v", name, err)
		}
	}
	// Ends what waits: a pipe that is open both ways is its own other end.
	f, err := os.OpenFile(pipe, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	w, err := opened(t.Context(), pipe, os.O_WRONLY)
	if err != nil {
		t.Fatal(err)
	}
	w.Close()
}
