package servicelog

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"
)

// The oldest file goes first, of the logs that take more than their equal part.
func TestBeyond(t *testing.T) {
	log := func(current int64, older ...aged) *holding { return &holding{current: current, older: older} }
	file := func(hour int, size int64) aged {
		return aged{size: size, written: time.Date(2026, 1, 2, hour, 0, 0, 0, time.UTC)}
	}
	for _, c := range []struct {
		name string
		logs []*holding
		want []int
	}{
		{"all fits", []*holding{log(10, file(1, 40)), log(10, file(2, 40))}, []int{0, 0}},
		{"one takes all, and the other has the oldest file", []*holding{log(10, file(2, 40), file(3, 40), file(4, 40)), log(10, file(1, 20))}, []int{2, 0}},
		{"both take too much", []*holding{log(10, file(1, 30), file(4, 30)), log(10, file(2, 30), file(3, 30))}, []int{1, 1}},
		{"the current file alone takes more", []*holding{log(90), log(5, file(1, 10), file(2, 3))}, []int{0, 1}},
		{"nothing can go", []*holding{log(90), log(90)}, []int{0, 0}},
		{"none", nil, []int{}},
	} {
		if got := beyond(c.logs, 100); !slices.Equal(got, c.want) {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
}

func TestLogOf(t *testing.T) {
	for file, want := range map[string]string{
		"a.log": "a.log 0 true", "a.log.12": "a.log 12 true", "a.log.3.zst": "a.log 3 true", "a.log.packing": "a.log -1 true",
		"a.log.1.log": "a.log.1.log 0 true", "a.log.x": "a.log 0 false", "a.log.20261126": "a.log 20261126 false", "state.json": " 0 false", ".log": " 0 false",
	} {
		name, number, ok := logOf(file)
		if got := fmt.Sprint(name, " ", number, " ", ok); got != want {
			t.Errorf("%s: %s, want %s", file, got, want)
		}
	}
}

// One service prints much more than all logs may take, and another little. What the other
// has printed stays, and what services have left that are gone goes before it.
func TestBoundOfAllLogs(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "logs")
	old := time.Now().Add(-time.Hour)
	for name, size := range map[string]int{"gone.log": 1 << 20, "gone.log.1": 1 << 20, "gone.log.2.zst": 1 << 20} {
		path := filepath.Join(dir, name)
		for _, err := range []error{os.MkdirAll(dir, 0o700), os.WriteFile(path, make([]byte, size), 0o600), os.Chtimes(path, old, old)} {
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	h, err := Open(Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	h.bounder.stop(t.Context()) // each look is ours
	now := time.Now()
	write := func(s *Source, lines int) {
		s.file.mu.Lock()
		defer s.file.mu.Unlock()
		for range lines {
			now = now.Add(time.Microsecond)
			if _, _, err := s.file.append(batchOf([]line{{text: make([]byte, 16<<10)}}, now), now); err != nil {
				t.Fatal(err)
			}
		}
	}
	total := func() (n int64) {
		entries, err := os.ReadDir(dir)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			info, err := e.Info()
			if err != nil {
				t.Fatal(err)
			}
			n += info.Size()
		}
		return n
	}
	const bound = 4 << 20
	noisy, quiet := h.Source("noisy", "noisy", SourceOptions{}), h.Source("quiet", "quiet", SourceOptions{})
	write(quiet, 20)
	h.Bound(bound)
	if next := h.hold(t.Context(), now); !next.After(now) {
		t.Errorf("the next look is at %v, want it later", next)
	}
	if n := total(); n > bound {
		t.Errorf("%d bytes before anything more is written, want %d at most", n, bound)
	}
	for range 20 {
		write(noisy, 10)
		h.hold(t.Context(), now)
		if n := total(); n > bound {
			t.Fatalf("%d bytes, want %d at most", n, bound)
		}
	}
	for id, want := range map[string]int{"quiet": 20, "gone": 0} {
		n := 0
		for rec, err := range h.Reader().Records(t.Context(), Query{Sources: []string{id}}) {
			if err != nil {
				t.Fatal(err)
			}
			if rec.Stream == Stdout {
				n++
			}
		}
		if n != want {
			t.Errorf("%d lines of %s are left, want %d", n, id, want)
		}
	}
	if c := h.Counts()["noisy"]; c.RemovedFiles == 0 || c.RemovedBytes == 0 {
		t.Errorf("what went was not counted: %+v", c)
	}
	if n := total(); n < bound/2 {
		t.Errorf("%d bytes are left, want most of %d", n, bound)
	}
	h.Bound(0)
	h.hold(t.Context(), now)
	if noisy.file.max != noisy.file.own {
		t.Error("the files are still small, without a bound")
	}
	if err := h.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// What was to go has gone already: nothing goes in its place.
func TestDropRemovesNoOthers(t *testing.T) {
	h, err := Open(Options{Dir: filepath.Join(t.TempDir(), "logs")})
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close(t.Context())
	f := h.Source("a", "a", SourceOptions{Limits: Limits{MaxSize: 1 << 10, Keep: 10}}).file
	f.mu.Lock()
	for range 8 {
		if _, _, err := f.append(batchOf([]line{{text: make([]byte, 1<<10)}}, time.Now()), time.Now()); err != nil {
			t.Fatal(err)
		}
	}
	for _, o := range f.olders() { // a clock of files may be slow
		at := time.Now().Add(-time.Duration(o.number) * time.Minute)
		if err := os.Chtimes(filepath.Join(h.opts.Dir, o.name), at, at); err != nil {
			t.Fatal(err)
		}
	}
	f.mu.Unlock()
	logs := h.holdings(map[string]*file{f.name: f})
	if len(logs) != 1 || len(logs[0].older) != 7 {
		t.Fatalf("%+v", logs)
	}
	f.keep = 5
	f.prune(time.Now()) // 6 and 7 are gone
	for _, c := range []struct{ n, want int }{{2, 5}, {3, 4}} {
		h.drop(logs[0], c.n)
		f.mu.Lock()
		if got := len(f.olders()); got != c.want {
			t.Errorf("%d files are left when the oldest %d were to go, want %d", got, c.n, c.want)
		}
		f.mu.Unlock()
	}
}

// A log that nobody wrote when the files were listed may have been begun since.
func TestBoundLeavesWhatWasBegunMeanwhile(t *testing.T) {
	dir := t.TempDir()
	old := time.Now().Add(-time.Hour)
	for _, name := range []string{"gone.log", "back.log"} {
		path := filepath.Join(dir, name)
		if err := errors.Join(os.WriteFile(path, []byte("x\n"), 0o600), os.Chtimes(path, old, old)); err != nil {
			t.Fatal(err)
		}
	}
	h, err := Open(Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close(t.Context())
	logs := h.holdings(nil)
	h.Source("back", "back", SourceOptions{})
	for _, l := range logs {
		h.drop(l, len(l.older))
	}
	left, err := os.ReadDir(dir)
	if err != nil || len(left) != 1 || left[0].Name() != "back.log" {
		t.Errorf("%v; %v are left, want back.log", err, left)
	}
}

// Who closes waits no longer than it wants to for what is done in the background.
func TestKeeperIsNotWaitedForEver(t *testing.T) {
	var k keeper
	begun, release := make(chan struct{}), make(chan struct{})
	k.init(func(context.Context, time.Time) time.Time {
		close(begun)
		<-release
		return time.Time{}
	})
	k.by(time.Now())
	<-begun
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if k.stop(ctx) {
		t.Error("it says that nothing is being done")
	}
	close(release)
	if !k.stop(t.Context()) {
		t.Error("it says that something is still being done")
	}
}
