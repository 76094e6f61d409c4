package servicelog_test

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sys/unix"

	"nix2gpu/servicelog"
)

// gate is a stdout that takes nothing while it is shut.
type gate struct {
	mu   sync.Mutex
	cond sync.Cond
	shut bool
	b    bytes.Buffer
}

func newGate(shut bool) *gate {
	g := &gate{shut: shut}
	g.cond.L = &g.mu
	return g
}

func (g *gate) Write(b []byte) (int, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for g.shut {
		g.cond.Wait()
	}
	return g.b.Write(b)
}

func (g *gate) set(shut bool) {
	g.mu.Lock()
	g.shut = shut
	g.mu.Unlock()
	g.cond.Broadcast()
}

// stdouts are the kinds of stdout that there are: all but one block.
func stdouts(t *testing.T) map[string]func() (r, w *os.File) {
	pair := func(fds [2]int, err error) (r, w *os.File) {
		if err != nil {
			t.Fatal(err)
		}
		unix.CloseOnExec(fds[0])
		unix.CloseOnExec(fds[1])
		r, w = os.NewFile(uintptr(fds[0]), "reader"), os.NewFile(uintptr(fds[1]), "stdout")
		t.Cleanup(func() { r.Close(); w.Close() })
		return r, w
	}
	return map[string]func() (r, w *os.File){
		"pipe": func() (r, w *os.File) {
			var fds [2]int
			err := unix.Pipe(fds[:])
			return pair(fds, err)
		},
		"pipe that does not block": func() (r, w *os.File) {
			r, w, err := os.Pipe()
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { r.Close(); w.Close() })
			return r, w
		},
		"socket": func() (r, w *os.File) {
			fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM, 0)
			return pair(fds, err)
		},
	}
}

// TestUnreadStdout fills a stdout that nobody reads, and then reads it: the
// file is complete, nothing waited, and what is missing is counted.
func TestUnreadStdout(t *testing.T) {
	for name, open := range stdouts(t) {
		t.Run(name, func(t *testing.T) { testUnreadStdout(t, open) })
	}
}

func testUnreadStdout(t *testing.T, open func() (r, w *os.File)) {
	dir := t.TempDir()
	r, w := open()
	h := openHub(t, servicelog.Options{Dir: dir, Stdout: w, Stall: 50 * time.Millisecond, MaxSize: 1 << 30})
	run, err := h.Source("a", "a", servicelog.SourceOptions{}).Start(nil)
	if err != nil {
		t.Fatal(err)
	}
	const lines = 200_000 // 12 MB: more than all buffers hold
	filler := strings.Repeat("x", 50)
	out := bufio.NewWriter(run.Stdout)
	for i := range lines {
		fmt.Fprintf(out, "%6d %s\n", i, filler)
	}
	out.Flush()
	run.Started()
	if err := run.Drain(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n := len(read(t, h.Reader(), servicelog.Query{})); n != lines {
		t.Errorf("the file has %d lines, want %d", n, lines)
	}

	shown, missing, last := 0, 0, -1
	scan := bufio.NewScanner(r)
	count := func(l string) {
		var n int
		if _, err := fmt.Sscanf(l, "[nix2gpu] stdout is not read: %d lines not shown", &n); err == nil {
			missing += n
			return
		}
		if _, err := fmt.Sscanf(l, "[a] %d ", &n); err != nil || n <= last || !strings.HasSuffix(l, filler) {
			t.Fatalf("after line %d: %q", last, l)
		}
		last = n
		shown++
	}
	for shown+missing < lines && scan.Scan() {
		count(scan.Text())
	}
	if shown+missing != lines || missing == 0 {
		t.Errorf("%d lines shown and %d counted as missing, want %d together", shown, missing, lines)
	}
	// It moves again: what comes now is shown.
	emit(t, h.Source("b", "b", servicelog.SourceOptions{}), "again\n")
	if !scan.Scan() || scan.Text() != "[b] again" {
		t.Errorf("after the gap: got %q", scan.Text())
	}
}

func TestSlowReaderGetsEverything(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	h := openHub(t, servicelog.Options{Stdout: w})
	const lines = 30_000
	got := make(chan int)
	go func() {
		defer r.Close()
		n := 0
		for scan := bufio.NewScanner(r); scan.Scan(); n++ {
			if n%10_000 == 0 {
				time.Sleep(100 * time.Millisecond) // slow, though it moves
			}
		}
		got <- n
	}()
	run, err := h.Source("a", "a", servicelog.SourceOptions{}).Start(nil)
	if err != nil {
		t.Fatal(err)
	}
	out := bufio.NewWriter(run.Stdout)
	for i := range lines {
		fmt.Fprintf(out, "line %d %s\n", i, strings.Repeat("y", 80))
	}
	out.Flush()
	run.Started()
	if err := h.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.Close()
	if n := <-got; n != lines {
		t.Errorf("the reader got %d lines, want %d", n, lines)
	}
}

func TestSayNeverWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGate(true)
		h, err := servicelog.Open(servicelog.Options{Stdout: g})
		if err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		for i := range 100_000 {
			h.Sayf("line %d", i)
		}
		if d := time.Since(began); d != 0 {
			t.Errorf("saying took %v, want no waiting", d)
		}
		g.set(false)
		synctest.Wait()
		h.Say("back")
		if err := h.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		text := g.b.String()
		if !strings.HasPrefix(text, "[nix2gpu] line 0\n") || !strings.HasSuffix(text, " lines not shown\n[nix2gpu] back\n") {
			t.Errorf("got %.100q … %q", text, text[max(0, len(text)-100):])
		}
	})
}

func TestCloseIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGate(true)
		h, err := servicelog.Open(servicelog.Options{Stdout: g})
		if err != nil {
			t.Fatal(err)
		}
		h.Say("nobody reads this")
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		began := time.Now()
		if err := h.Close(ctx); err == nil {
			t.Error("Close of a stdout that is not read gave no error")
		}
		if d := time.Since(began); d > 3*time.Second {
			t.Errorf("Close took %v", d)
		}
		g.set(false) // let the goroutine end
	})
}

func TestBrokenPipe(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	r.Close()
	dir := t.TempDir()
	h := openHub(t, servicelog.Options{Dir: dir, Stdout: w})
	s := h.Source("a", "a", servicelog.SourceOptions{})
	for range 3 {
		emit(t, s, "line\n")
	}
	if n := len(read(t, h.Reader(), servicelog.Query{})); n != 3 {
		t.Errorf("the file has %d lines, want 3", n)
	}
	if err := h.Close(t.Context()); err == nil || !strings.Contains(err.Error(), "broken pipe") {
		t.Errorf("Close = %v, want a broken pipe", err)
	}
}

// TestNoLineIsTorn has many writers share one stdout.
func TestNoLineIsTorn(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	h := openHub(t, servicelog.Options{Stdout: w})
	const writers, lines = 8, 5000
	counts := make(chan map[string]int)
	go func() {
		defer r.Close()
		seen := map[string]int{}
		for scan := bufio.NewScanner(r); scan.Scan(); {
			var who, n, mark int
			if _, err := fmt.Sscanf(scan.Text(), "[w%d] line %d of %d end", &who, &n, &mark); err != nil || who != mark {
				t.Errorf("torn: %q", scan.Text())
				break
			}
			key := fmt.Sprint(who)
			if n != seen[key] {
				t.Errorf("writer %d: line %d comes after %d", who, n, seen[key])
			}
			seen[key] = n + 1
		}
		_, _ = io.Copy(io.Discard, r)
		counts <- seen
	}()
	var all sync.WaitGroup
	for i := range writers {
		run, err := h.Source(fmt.Sprint(i), fmt.Sprintf("w%d", i), servicelog.SourceOptions{}).Start(nil)
		if err != nil {
			t.Fatal(err)
		}
		all.Go(func() {
			for n := range lines {
				fmt.Fprintf(run.Stdout, "line %d of %d end\n", n, i)
			}
			run.Started()
		})
	}
	all.Wait()
	if err := h.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.Close()
	for who, n := range <-counts {
		if n != lines {
			t.Errorf("writer %s: %d lines arrived, want %d", who, n, lines)
		}
	}
}
