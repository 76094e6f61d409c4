package servicelog

import (
	"bytes"
	"io"
	"os"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestBlockingPipe is for a stdout that can't be opened anew, because there is
// no /proc or it belongs to another user: no write may block.
func TestBlockingPipe(t *testing.T) {
	var fds [2]int
	if err := unix.Pipe2(fds[:], unix.O_CLOEXEC); err != nil {
		t.Fatal(err)
	}
	r, w := os.NewFile(uintptr(fds[0]), "reader"), os.NewFile(uintptr(fds[1]), "stdout")
	defer r.Close()
	out := &fdWriter{file: w, fd: fds[1], most: 4096}
	input := bytes.Repeat([]byte("0123456789abcde\n"), 20_000) // more than a pipe holds
	n, err := out.write(input, 10*time.Millisecond)
	if err != errBusy || n == 0 || n == len(input) {
		t.Fatalf("wrote %d bytes with %v, want some and errBusy", n, err)
	}
	got := make(chan []byte)
	go func() {
		b, _ := io.ReadAll(r)
		got <- b
	}()
	for n < len(input) {
		m, err := out.write(input[n:], time.Second)
		if n += m; err != nil && err != errBusy {
			t.Fatal(err)
		}
	}
	w.Close()
	if b := <-got; !bytes.Equal(b, input) {
		t.Errorf("the reader got %d bytes, want %d", len(b), len(input))
	}
}
