package process

import (
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"
	"sync"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"nix2gpu/internal/testkit"
)

// tableOf lists the descriptors of the thread that forks for h.
func tableOf(t *testing.T, f *forker) (names []string) {
	t.Helper()
	done := make(chan error)
	f.jobs <- func() {
		entries, err := os.ReadDir(fmt.Sprintf("/proc/self/task/%d/fd", unix.Gettid()))
		for _, e := range entries {
			is, _ := os.Readlink(fmt.Sprintf("/proc/self/task/%d/fd/%s", unix.Gettid(), e.Name()))
			names = append(names, is)
		}
		go func() { done <- err }()
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	return names
}

// However much we have open, the thread that forks has next to nothing, after any number
// of starts, and a child has what it was given.
func TestOwnTable(t *testing.T) {
	h, err := New(Options{Journal: filepath.Join(t.TempDir(), "journal")})
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	if h.plain.table == nil {
		t.Fatal("the thread that forks shares our descriptors")
	}
	for range 200 {
		f, err := os.Open(os.DevNull)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
	}
	before := tableOf(t, h.plain)
	if len(before) > 20 {
		t.Errorf("the thread that forks has %d descriptors: %q", len(before), before)
	}
	for range 20 {
		out, in, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		// The listing's own descriptor is the last one.
		p, err := h.Start(Spec{Argv: []string{"ls", "/proc/self/fd"}, Stdout: in, ExtraFiles: []*os.File{in}, Env: []string{"PATH=" + os.Getenv("PATH")}})
		in.Close()
		if err != nil {
			t.Fatal(err)
		}
		text, _ := io.ReadAll(out)
		out.Close()
		<-p.Done()
		if got := strings.Join(strings.Fields(string(text)), " "); got != "0 1 2 3 4" {
			t.Fatalf("a child with one more file has descriptors %s, want 0 1 2 3 4", got)
		}
	}
	if after := tableOf(t, h.plain); len(after) != len(before) {
		t.Errorf("after 20 starts the thread that forks has %q, before %q", after, before)
	}
}

// The runtime does its own work on that thread, too: collections, and waking the poller.
func TestOwnTableAndRuntime(t *testing.T) {
	defer debug.SetGCPercent(debug.SetGCPercent(1))
	h, err := New(Options{Journal: filepath.Join(t.TempDir(), "journal")})
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() { // something for the poller to wait for
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				_, _ = io.Copy(c, c)
				c.Close()
			}()
		}
	}()
	c, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			for range 25 {
				p, err := h.Start(Spec{Argv: []string{"/bin/true"}})
				if err != nil {
					t.Error(err)
					return
				}
				<-p.Done()
			}
		})
	}
	buf := make([]byte, 4)
	for range 200 {
		if _, err := c.Write([]byte("ping")); err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(c, buf); err != nil {
			t.Fatal(err)
		}
	}
	all.Wait()
}

// A kernel or a sandbox may refuse it: starts go on as they did.
func TestSharedTable(t *testing.T) {
	h, err := New(Options{Journal: filepath.Join(t.TempDir(), "journal")})
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	h.plain.stop()
	h.plain = newForker(new(sync.Mutex))
	go onOwnThread(h.plain.serve)
	out, in, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	p, err := h.Start(Spec{Argv: []string{"/bin/echo", "here"}, Stdout: in})
	in.Close()
	if err != nil {
		t.Fatal(err)
	}
	text, _ := io.ReadAll(out)
	<-p.Done()
	if string(text) != "here\n" {
		t.Errorf("got %q", text)
	}
}

// Whoever asks for a start while the Host closes is refused, at whatever moment.
func TestForkAfterStop(t *testing.T) {
	f := startForker(false, new(sync.Mutex))
	f.stop()
	_, err := f.fork(&forkRequest{path: "/bin/true", argv: []string{"true"}, attr: syscall.ProcAttr{Files: []uintptr{0, 1, 2}}})
	if err != ErrClosed {
		t.Errorf("got %v, want %v", err, ErrClosed)
	}
}

// Starts that are asked for while the thread is busy wait for it with all that they need, so
// that it does one after the other; each child gets its own descriptors. What waits when the
// Host closes is refused.
func TestForksQueue(t *testing.T) {
	f := startForker(false, new(sync.Mutex))
	busy, free := make(chan struct{}), make(chan struct{})
	f.jobs <- func() {
		close(busy)
		<-free
	}
	<-busy
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	start := func(word string, out *os.File) (int, error) {
		return f.fork(&forkRequest{path: "/bin/echo", argv: []string{"echo", word}, attr: syscall.ProcAttr{Files: []uintptr{null.Fd(), out.Fd(), null.Fd()}}})
	}
	queued := func(n int) {
		t.Helper()
		if !testkit.Eventually(func() bool { return len(f.jobs) == n }) {
			t.Fatalf("%d starts wait for the thread, want %d", len(f.jobs), n)
		}
	}
	var all sync.WaitGroup
	for i := range forkQueue / 2 {
		all.Go(func() {
			word := fmt.Sprint(i)
			out, in, err := os.Pipe()
			if err != nil {
				t.Error(err)
				return
			}
			defer out.Close()
			pid, err := start(word, in)
			in.Close()
			if err != nil {
				t.Error(err)
				return
			}
			text, _ := io.ReadAll(out)
			if _, err := unix.Wait4(pid, nil, 0, nil); err != nil {
				t.Error(err)
			}
			if string(text) != word+"\n" {
				t.Errorf("the child that was to print %s has printed %q", word, text)
			}
		})
	}
	queued(forkQueue / 2)
	close(free)
	all.Wait()

	busy, free = make(chan struct{}), make(chan struct{})
	f.jobs <- func() {
		close(busy)
		<-free
	}
	<-busy
	for range 2 {
		all.Go(func() {
			pid, err := start("late", null)
			if err == nil { // the thread may see the queue before the stop
				_, err = unix.Wait4(pid, nil, 0, nil)
			}
			if err != nil && err != ErrClosed {
				t.Error(err)
			}
		})
	}
	queued(2)
	f.stop()
	close(free)
	all.Wait()
}

// The folder of a group of cgroup v2 is a descriptor as well, which the kernel looks for in
// the table of the thread that forks.
func TestOwnTableAndCgroup(t *testing.T) {
	var dir string
	for _, top := range []string{"/sys/fs/cgroup", "/sys/fs/cgroup/unified"} {
		var st unix.Statfs_t
		if unix.Statfs(top, &st) != nil || st.Type != unix.CGROUP2_SUPER_MAGIC {
			continue
		}
		if made, err := os.MkdirTemp(top, "nix2gpu-table-"); err == nil {
			dir = made
			t.Cleanup(func() { os.Remove(made) })
			break
		}
	}
	if dir == "" {
		t.Skip("needs a group of cgroup v2 that is ours to change")
	}
	group, err := os.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer group.Close()
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	out, in, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	f := startForker(false, new(sync.Mutex))
	defer f.stop()
	pid, err := f.fork(&forkRequest{path: "/bin/cat", argv: []string{"cat", "/proc/self/cgroup"}, attr: syscall.ProcAttr{
		Files: []uintptr{null.Fd(), in.Fd(), null.Fd()},
		Sys:   &syscall.SysProcAttr{UseCgroupFD: true, CgroupFD: int(group.Fd())},
	}})
	in.Close()
	if err != nil {
		t.Fatal(err)
	}
	text, _ := io.ReadAll(out)
	if _, err := unix.Wait4(pid, nil, 0, nil); err != nil {
		t.Error(err)
	}
	if !strings.Contains(string(text), "/"+filepath.Base(dir)+"\n") {
		t.Errorf("the child is in %q, want %s", text, dir)
	}
}
