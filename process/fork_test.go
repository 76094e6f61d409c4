package process

import (
	"fmt"
	"os"
	"runtime"
	"testing"

	"golang.org/x/sys/unix"
)

// TestChildrenBeginWithoutOurFiles: a child must not begin with a copy of all that we have
// opened for others, and yet get what it is given, by whichever number.
func TestChildrenBeginWithoutOurFiles(t *testing.T) {
	h, err := New(Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	if h.plain.inbox < 0 {
		if !hasCloseRange() {
			return // the thread shares our table then
		}
		t.Fatal("the forking thread has no table of its own")
	}
	before := h.plain.open(t)
	for range 100 {
		f, err := os.Open(os.DevNull)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
	}
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer read.Close()
	p, err := h.Start(Spec{
		Argv: []string{"/bin/sh", "-c", "echo out; echo err >&2; echo five >&5; ls /proc/self/fd | wc -l"},
		Env:  []string{"PATH=/bin:/usr/bin"}, Stdout: write, Stderr: write, ExtraFiles: []*os.File{nil, nil, write},
	})
	write.Close()
	if err != nil {
		t.Fatal(err)
	}
	<-p.Done()
	got := make([]byte, 100)
	n, _ := read.Read(got)
	// 0, 1, 2, 5, and the folder that ls reads.
	if want := "out\nerr\nfive\n5\n"; string(got[:n]) != want {
		t.Errorf("the child has printed %q, want %q", got[:n], want)
	}
	if after := h.plain.open(t); after != before {
		t.Errorf("the forking thread has %d files open after it has forked, before it had %d", after, before)
	}
}

// TestForkersCollectGarbage: with files of its own, the thread must still be able to do
// what the runtime may ask of any thread.
func TestForkersCollectGarbage(t *testing.T) {
	h, err := New(Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	for range 20 {
		h.plain.run(runtime.GC)
		p, err := h.Start(Spec{Argv: []string{"/bin/true"}})
		if err != nil {
			t.Fatal(err)
		}
		<-p.Done()
	}
}

func hasCloseRange() bool {
	return unix.CloseRange(1<<30, 1<<30, 0) == nil
}

// run runs job on the thread.
func (f *forker) run(job func()) {
	done := make(chan struct{})
	f.jobs <- func() { job(); close(done) }
	<-done
}

// open returns how many descriptors the thread has.
func (f *forker) open(t *testing.T) (n int) {
	t.Helper()
	f.run(func() {
		names, err := os.ReadDir(fmt.Sprintf("/proc/self/task/%d/fd", unix.Gettid()))
		if err != nil {
			t.Error(err)
		}
		n = len(names)
	})
	return n
}
