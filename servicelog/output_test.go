package servicelog_test

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
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

func (g *gate) text() string {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.b.String()
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

// TestReaderThatStoodStill writes much more than all buffers hold while nobody
// reads, and then reads: every line is there, whatever the kind of stdout.
func TestReaderThatStoodStill(t *testing.T) {
	for name, open := range stdouts(t) {
		t.Run(name, func(t *testing.T) {
			r, w := open()
			h := openHub(t, servicelog.Options{Dir: t.TempDir(), Stdout: w, Stall: time.Hour})
			const lines = 50_000 // 3 MB
			flood(t, h.Source("a", "a", servicelog.SourceOptions{}), lines)
			if n := len(read(t, h.Reader(), servicelog.Query{})); n != lines {
				t.Errorf("the file has %d lines, want %d", n, lines)
			}
			scan := bufio.NewScanner(r)
			for i := range lines {
				if want := "[a] " + numbered(i); !scan.Scan() || scan.Text() != want {
					t.Fatalf("got %q, want %q", scan.Text(), want)
				}
			}
			// It keeps up again: what comes now is shown at once.
			emit(t, h.Source("b", "b", servicelog.SourceOptions{}), "again\n")
			if !scan.Scan() || scan.Text() != "[b] again" {
				t.Errorf("after all: got %q", scan.Text())
			}
		})
	}
}

// fallBehind fills what waits in memory for a stdout that takes nothing: what
// comes next is read back.
func fallBehind(t *testing.T, h *servicelog.Hub) {
	t.Helper()
	h.Say("a")
	for !h.Idle() {
		if t.Context().Err() != nil {
			t.Fatal("nobody writes to stdout")
		}
		runtime.Gosched()
	}
	h.Say(strings.Repeat("b", 1<<20))
}

// numbered is a line of 60 bytes.
func numbered(i int) string { return fmt.Sprintf("%9d %s", i, strings.Repeat("x", 50)) }

// flood runs a source that writes so many numbered lines.
func flood(t *testing.T, s *servicelog.Source, lines int) {
	t.Helper()
	run, err := s.Start(nil)
	if err != nil {
		t.Fatal(err)
	}
	out := bufio.NewWriter(run.Stdout)
	for i := range lines {
		fmt.Fprintln(out, numbered(i))
	}
	out.Flush()
	run.Started()
	if err := run.Drain(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// TestOrderOfAllServices has services and the supervisor speak in turn while
// nobody reads: stdout shows their lines in just that order, in each format,
// long lines and progress bars as well.
func TestOrderOfAllServices(t *testing.T) {
	for name, format := range map[string]servicelog.Format{"text": servicelog.Text, "json": servicelog.JSON} {
		t.Run(name, func(t *testing.T) {
			play := func(g *gate, dir string) {
				h := openHub(t, servicelog.Options{Dir: dir, Stdout: g, Format: format, Stall: time.Hour, MaxSize: 300 << 10, Keep: 100})
				var runs []*servicelog.Run
				for _, id := range []string{"a", "b", "c"} {
					run, err := h.Source(id, "label-"+id, servicelog.SourceOptions{}).Start(nil)
					if err != nil {
						t.Fatal(err)
					}
					runs = append(runs, run)
				}
				say := func(i int, text string) {
					run := runs[i%3]
					to := run.Stdout
					if i%2 == 1 {
						to = run.Stderr
					}
					if _, err := to.WriteString(text); err != nil {
						t.Fatal(err)
					}
					if err := run.Drain(t.Context()); err != nil {
						t.Fatal(err)
					}
				}
				for i := range 1200 {
					say(i, fmt.Sprintf("turn %d\n10%%\r20%%\rdos\r\n%s\n", i, strings.Repeat("ü", i%700)))
					if i%100 == 0 {
						h.Sayf("own %d", i)
					}
					if i%500 == 0 { // a piece, whose rest comes later
						say(i, strings.Repeat("long", 5000))
						say(i+1, "between\n")
						say(i, "end\n")
					}
				}
				for _, run := range runs {
					run.Started()
				}
				g.set(false)
				if err := h.Close(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
			blocked, free := newGate(true), newGate(false)
			play(blocked, t.TempDir())
			play(free, t.TempDir())
			got, want := strings.Split(timeless(blocked), "\n"), strings.Split(timeless(free), "\n")
			for i := range want {
				if i >= len(got) || got[i] != want[i] {
					t.Fatalf("line %d of %d: got %.200q, want %.200q", i, len(want), got[i:], want[i])
				}
			}
			if len(got) != len(want) {
				t.Errorf("%d lines, want %d", len(got), len(want))
			}
		})
	}
}

// timeless is what a gate got, without the times.
func timeless(g *gate) string {
	return regexp.MustCompile(`"time":"[^"]*"`).ReplaceAllString(g.b.String(), "")
}

// TestReaderThatKeepsUp keeps no older files at all: its lines must come from
// memory.
func TestReaderThatKeepsUp(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	dir := t.TempDir()
	h := openHub(t, servicelog.Options{Dir: dir, Stdout: w, MaxSize: 1000, Keep: -1})
	s := h.Source("a", "a", servicelog.SourceOptions{})
	scan := bufio.NewScanner(r)
	for i := range 200 {
		emit(t, s, fmt.Sprintf("%d\n%s\n", 2*i, strings.Repeat("x", 990)))
		for _, want := range []string{fmt.Sprint("[a] ", 2*i), "[a] " + strings.Repeat("x", 990)} {
			if !scan.Scan() || scan.Text() != want {
				t.Fatalf("got %.50q, want %.50q", scan.Text(), want)
			}
		}
	}
	if files, err := os.ReadDir(dir); err != nil || len(files) != 1 {
		t.Errorf("files %v, %v; want the current one alone", files, err)
	}
}

// TestRotationOvertakesReader wants lines that no file has any more to be
// counted, and all the others shown.
func TestRotationOvertakesReader(t *testing.T) {
	for _, keep := range []int{-1, 2} {
		t.Run(fmt.Sprint("keep=", keep), func(t *testing.T) {
			r, w, err := os.Pipe()
			if err != nil {
				t.Fatal(err)
			}
			dir := t.TempDir()
			h := openHub(t, servicelog.Options{Dir: dir, Stdout: w, Stall: time.Hour, MaxSize: 100 << 10, Keep: keep})
			const lines = 50_000
			flood(t, h.Source("a", "app", servicelog.SourceOptions{}), lines)
			kept := len(read(t, servicelog.NewReader(dir), servicelog.Query{}))
			go func() {
				h.Close(t.Context())
				w.Close()
			}()
			tally := newTally(t, "app")
			for scan := bufio.NewScanner(r); scan.Scan(); {
				tally.line(scan.Text())
			}
			if tally.shown+tally.missing != lines || tally.marks != 1 || tally.shown < kept {
				t.Errorf("%d lines shown and %d missing at %d places, want %d together, at least %d shown, and one gap",
					tally.shown, tally.missing, tally.marks, lines, kept)
			}
		})
	}
}

// TestRestIsCounted ends a hub whose stdout nobody reads. Who reads it later
// finds what the pipe held, and how many lines are missing behind that.
func TestRestIsCounted(t *testing.T) {
	for _, dir := range []string{"", t.TempDir()} {
		t.Run(fmt.Sprint("files=", dir != ""), func(t *testing.T) {
			r, w, err := os.Pipe()
			if err != nil {
				t.Fatal(err)
			}
			defer r.Close()
			h := openHub(t, servicelog.Options{Dir: dir, Stdout: w, Stall: 10 * time.Millisecond})
			const lines = 30_000
			flood(t, h.Source("a", "a", servicelog.SourceOptions{}), lines)
			err = h.Close(t.Context())
			w.Close()
			if err == nil {
				t.Fatal("Close of a stdout that is not read gave no error")
			}
			b, _ := io.ReadAll(r)
			got := strings.Split(strings.TrimSuffix(string(b), "\n"), "\n")
			tally := newTally(t, "a")
			for i, l := range got {
				if i == len(got)-2 && len(l) < len("[a] "+numbered(0)) {
					continue // it was cut off
				}
				tally.line(l)
			}
			if tally.shown+tally.missing != lines || tally.marks != 1 || got[len(got)-1] != "[nix2gpu] "+err.Error() {
				t.Errorf("%d lines shown and %d missing, want %d together; the last line is %q and the error %q",
					tally.shown, tally.missing, lines, got[len(got)-1], err)
			}
		})
	}
}

// A tally counts numbered lines, which must come in order.
type tally struct {
	t                     *testing.T
	label                 string
	shown, missing, marks int
	last                  int
}

func newTally(t *testing.T, label string) *tally { return &tally{t: t, label: label, last: -1} }

func (c *tally) line(l string) {
	var n int
	if _, err := fmt.Sscanf(l, "[nix2gpu] stdout is not read: %d lines", &n); err == nil {
		c.missing += n
		c.last += n
		c.marks++
		return
	}
	if c.last++; l != fmt.Sprintf("[%s] %s", c.label, numbered(c.last)) {
		c.t.Fatalf("line %d is %q", c.last, l)
	}
	c.shown++
}

// TestUnreadWithoutFiles wants memory to be bounded where nothing is kept, and
// the gap to be counted.
func TestUnreadWithoutFiles(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	h := openHub(t, servicelog.Options{Stdout: w, Stall: time.Hour})
	const lines = 200_000 // 12 MB
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	flood(t, h.Source("a", "a", servicelog.SourceOptions{}), lines)
	runtime.GC()
	runtime.ReadMemStats(&after)
	if grown := int64(after.HeapAlloc) - int64(before.HeapAlloc); grown > 8<<20 {
		t.Errorf("the heap grew by %d KiB", grown>>10)
	}
	go func() {
		h.Close(t.Context())
		w.Close()
	}()
	tally := newTally(t, "a")
	for scan := bufio.NewScanner(r); scan.Scan(); {
		tally.line(scan.Text())
	}
	if tally.shown+tally.missing != lines || tally.missing == 0 || tally.shown < 10_000 {
		t.Errorf("%d lines shown and %d missing at %d places, want %d together", tally.shown, tally.missing, tally.marks, lines)
	}
}

// TestUnreadOnFullDisk fills the disk while nobody reads: what no file has is
// in memory, up to its bound, in its place in the order.
func TestUnreadOnFullDisk(t *testing.T) {
	dir := smallDisk(t)
	ballast := filepath.Join(dir, "ballast")
	g := newGate(true)
	h := openHub(t, servicelog.Options{Dir: filepath.Join(dir, "logs"), Stdout: g, Stall: time.Hour})
	fallBehind(t, h)
	s := h.Source("a", "a", servicelog.SourceOptions{})
	emit(t, s, "one\n")
	if err := os.WriteFile(ballast, make([]byte, 1<<20), 0o600); err == nil {
		t.Fatal("the file system is larger than it should be")
	}
	// What the last block of the file has room for is followed by what has none.
	emit(t, s, strings.Repeat("two\n", 2000)+"three\n")
	emit(t, s, "four\n")
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	emit(t, s, "five\n")
	g.set(false)
	if err := h.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	_, got, _ := strings.Cut(g.b.String(), "bb\n")
	if want := "[a] one\n" + strings.Repeat("[a] two\n", 2000) + "[a] three\n[a] four\n[a] five\n"; got != want {
		t.Errorf("got %d bytes, %.100q…%q, want %d", len(got), got, got[max(0, len(got)-100):], len(want))
	}
}

// TestLogsTakenAway removes and cuts off the files while nobody reads: what
// they had is counted, and the rest goes on.
func TestLogsTakenAway(t *testing.T) {
	cut := func(path string) error { return os.Truncate(path, 0) }
	for _, c := range []struct {
		name  string
		take  func(path string) error
		files []string
		last  bool // the last line must be lost as well
	}{
		{"removed", os.Remove, []string{"a.log", "a.log.1"}, false}, // the current one is open
		{"cut off", cut, []string{"a.log", "a.log.1"}, true},
		{"one cut off", cut, []string{"a.log.2"}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir, g := t.TempDir(), newGate(true)
			h := openHub(t, servicelog.Options{Dir: dir, Stdout: g, Stall: time.Hour, MaxSize: 50 << 10})
			fallBehind(t, h)
			s := h.Source("a", "a", servicelog.SourceOptions{})
			const lines = 1500 // some 150 KB: four files
			run, err := s.Start(nil)
			if err != nil {
				t.Fatal(err)
			}
			for i := range lines {
				fmt.Fprintln(run.Stdout, numbered(i))
				if i%100 == 99 { // no more than that in one file for certain
					if err := run.Drain(t.Context()); err != nil {
						t.Fatal(err)
					}
				}
			}
			run.Started()
			for _, name := range c.files {
				if err := c.take(filepath.Join(dir, name)); err != nil {
					t.Fatal(err)
				}
			}
			g.set(false)
			deadline := t.Context()
			for !strings.Contains(g.text(), "lines") || !h.Idle() {
				if deadline.Err() != nil {
					t.Fatal("stdout does not go on")
				}
				runtime.Gosched()
			}
			emit(t, s, "after\n")
			if err := h.Close(t.Context()); err != nil {
				t.Fatal(err)
			}
			tally := newTally(t, "a")
			_, got, _ := strings.Cut(g.b.String(), "bb\n")
			got, found := strings.CutSuffix(got, "[a] after\n")
			for l := range strings.Lines(got) {
				tally.line(strings.TrimSuffix(l, "\n"))
			}
			if tally.shown+tally.missing != lines || tally.missing == 0 || tally.shown == 0 || !found {
				t.Errorf("%d lines shown and %d missing, want %d together; the line after them: %t", tally.shown, tally.missing, lines, found)
			}
			if lost := !strings.Contains(got, numbered(lines-1)); lost != c.last {
				t.Errorf("the last line is lost: %t, want %t", lost, c.last)
			}
		})
	}
}

func TestSlowReaderGetsEverything(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	h := openHub(t, servicelog.Options{Stdout: w, Dir: t.TempDir()})
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
		if d := time.Since(began); d > 3*time.Second+100*time.Millisecond { // it looks every 100 ms
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
	h := openHub(t, servicelog.Options{Stdout: w, Dir: t.TempDir()})
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

// TestReaderThatStandsStillAtTheEnd reads again after 50 seconds: it gets
// every line, unless somebody has asked for the end.
func TestReaderThatStandsStillAtTheEnd(t *testing.T) {
	for _, hasten := range []bool{false, true} {
		t.Run(fmt.Sprint("hasten=", hasten), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				g := newGate(true)
				h, err := servicelog.Open(servicelog.Options{Stdout: g})
				if err != nil {
					t.Fatal(err)
				}
				h.Say("this is read late")
				closed := make(chan error, 1)
				go func() { closed <- h.Close(t.Context()) }()
				time.Sleep(10 * time.Second)
				if hasten {
					h.Hasten(2 * time.Second)
				}
				time.Sleep(40 * time.Second)
				g.set(false)
				if err := <-closed; (err != nil) != hasten {
					t.Errorf("Close = %v, want an error: %t", err, hasten)
				}
			})
		})
	}
}
