package servicelog

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// fileOf makes a file with so many records, each a batch of its own, and a
// backlog of all of them.
func fileOf(t *testing.T, dir, name string, c *clock, max int64, records int) (*file, *backlog) {
	t.Helper()
	d, err := openFolder(dir, os.Geteuid())
	if err != nil {
		t.Fatal(err)
	}
	f := newFile(d, name, max, 100)
	t.Cleanup(func() { f.close(); d.close() })
	b := newBacklog(style{})
	addTo(t, b, f, c, 0, records)
	return f, b
}

func addTo(t *testing.T, b *backlog, f *file, c *clock, from, to int) {
	t.Helper()
	for i := from; i < to; i++ {
		at := c.next()
		lines := []line{{text: fmt.Appendf(nil, "%s %d", f.name, i)}}
		first, end, err := f.append(batch{records: appendLines(nil, lines, at.at, Stdout), n: 1}, at.at)
		if err != nil {
			t.Fatal(err)
		}
		b.extend(item{stamp: at, view: newViewer(f.name, Stdout, style{}), lines: 1, file: f, from: first, to: end})
	}
}

// all reads a backlog to its end.
func all(t *testing.T, b *backlog) string {
	t.Helper()
	var out strings.Builder
	for {
		text, _, err := b.next(nil)
		if err != nil {
			t.Fatal(err)
		}
		if len(text) == 0 {
			return out.String()
		}
		out.Write(text)
	}
}

func wanted(name string, n int) string {
	var want strings.Builder
	for i := range n {
		fmt.Fprintf(&want, "[%s] %s %d\n", name, name, i)
	}
	return want.String()
}

// TestShortOfDescriptors wants a backlog to be read after descriptors were
// short for a while, with nothing lost.
func TestShortOfDescriptors(t *testing.T) {
	_, b := fileOf(t, t.TempDir(), "a", &clock{}, 1000, 200)
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	set := func(soft uint64) {
		if err := syscall.Setrlimit(unix.RLIMIT_NOFILE, &syscall.Rlimit{Cur: soft, Max: limit.Max}); err != nil {
			t.Fatal(err)
		}
	}
	defer set(limit.Cur)
	set(3)
	text, _, err := b.next(nil)
	set(limit.Cur)
	if err == nil || len(text) != 0 {
		t.Fatalf("without descriptors: %q, %v", text, err)
	}
	if got := all(t, b); got != wanted("a", 200) {
		t.Errorf("got %s", got)
	}
}

// TestBacklogEndsWhereItEnded wants records that came later to be left to the
// next backlog, also when they are in the same file.
func TestBacklogEndsWhereItEnded(t *testing.T) {
	var c clock
	f, first := fileOf(t, t.TempDir(), "a", &c, 1000, 10)
	second := newBacklog(style{})
	addTo(t, second, f, &c, 10, 50)
	if n := first.left(); n != 10 {
		t.Errorf("%d lines are left, want 10", n)
	}
	if got := all(t, first) + all(t, second); got != wanted("a", 50) {
		t.Errorf("got %s", got)
	}
	if n := first.left() + second.left(); n != 0 {
		t.Errorf("%d lines are left at the end", n)
	}
}

// TestManyFiles merges more files than a block of the usual size fits of.
func TestManyFiles(t *testing.T) {
	dir, c, b := t.TempDir(), &clock{}, newBacklog(style{})
	var files []*file
	var want strings.Builder
	for i := range 100 {
		f, _ := fileOf(t, dir, fmt.Sprint(i), c, 10<<20, 0)
		files = append(files, f)
	}
	for turn := range 50 {
		for _, f := range files {
			addTo(t, b, f, c, turn, turn+1)
			fmt.Fprintf(&want, "[%s] %s %d\n", f.name, f.name, turn)
		}
		if turn == 20 {
			at := c.next()
			b.keep(held{stamp: at, text: []byte("[x] memory\n")})
			b.keep(held{stamp: at, lost: 3})
			b.keep(held{stamp: at, lost: 4})
			want.WriteString("[x] memory\n[nix2gpu] stdout is not read: 7 lines not shown\n")
		}
	}
	if n := b.left(); n != 5000+8 {
		t.Errorf("%d lines are left, want 5008", n)
	}
	if got := all(t, b); got != want.String() {
		t.Errorf("got %d bytes, want %d", len(got), want.Len())
	}
}

// TestHeldIsInOrder keeps what two pipes hand on in the wrong order.
func TestHeldIsInOrder(t *testing.T) {
	var c clock
	b, first, second := newBacklog(style{}), c.next(), c.next()
	cost := b.keep(held{stamp: second, text: []byte("two\n")}) + b.keep(held{stamp: first, text: []byte("one\n")})
	text, freed, err := b.next(nil)
	if string(text) != "one\ntwo\n" || freed != cost || cost <= 8 || err != nil {
		t.Errorf("got %q, %d of %d bytes freed, %v", text, freed, cost, err)
	}
}

// TestAnotherFileInPlace replaces the current file by another one while it is
// closed: what was in it counts as gone, and the rest is read.
func TestAnotherFileInPlace(t *testing.T) {
	var c clock
	dir := t.TempDir()
	f, b := fileOf(t, dir, "a", &c, 1<<20, 10)
	f.shut()
	stranger := time.Now().UTC().Format(timeLayout) + " stdout F not ours\n"
	if err := os.Rename(dir+"/a", dir+"/moved"); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(dir+"/a", []byte(stranger), 0o600); err != nil {
		t.Fatal(err)
	}
	addTo(t, b, f, &c, 10, 20)
	want := "[nix2gpu] stdout is not read: 10 lines of a not shown, the log has rotated meanwhile\n" +
		strings.TrimPrefix(wanted("a", 20), wanted("a", 10))
	if got := all(t, b); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

// TestLineOverTheEdge cuts a line where stdout falls behind, and another one
// where it has caught up: the pieces show that they belong together.
func TestLineOverTheEdge(t *testing.T) {
	var out bytes.Buffer
	free := make(chan struct{})
	h, err := Open(Options{Dir: t.TempDir(), Stdout: blocked{&out, free}, Stall: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	run, err := h.Source("a", "a", SourceOptions{}).Start(nil)
	if err != nil {
		t.Fatal(err)
	}
	run.Started()
	carry := func(text string, end End) {
		run.source.carry(run.pipes[0], []line{{[]byte(text), end}}, 0, h.buffers())
	}
	idle := func() {
		for !h.Idle() {
			time.Sleep(time.Millisecond)
		}
	}
	h.Say("x")
	idle()
	carry("one", EndCut)
	h.Say(strings.Repeat("b", outputLimit))
	carry("two", EndCut)
	carry("three", EndNewline)
	carry("four", EndCut)
	close(free)
	idle()
	carry("five", EndNewline)
	if err := h.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	got := strings.ReplaceAll(out.String(), "b", "")
	if want := "[nix2gpu] x\n[a] one…\n[nix2gpu] \n[a] …two…\n[a] …three\n[a] four…\n[a] …five\n"; got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

// TestClosedFile wants nothing to be opened in a folder that is closed.
func TestClosedFile(t *testing.T) {
	f, b := fileOf(t, t.TempDir(), "a", &clock{}, 1<<20, 10)
	f.close()
	if _, _, err := f.append(batch{records: []byte("x\n"), n: 1}, time.Now()); !errors.Is(err, os.ErrClosed) {
		t.Errorf("append = %v, want that it is closed", err)
	}
	if got := all(t, b); !strings.Contains(got, "10 lines of a not shown") {
		t.Errorf("got %q", got)
	}
}

// TestAfterHalfRecord goes on behind what a crash has left of a record.
func TestAfterHalfRecord(t *testing.T) {
	for _, old := range []string{"2026-11-22T12:00", "2026-11-22T12:00:00Z stdout F whole\n", strings.Repeat("x", 2000)} {
		dir := t.TempDir()
		if err := os.WriteFile(dir+"/a", []byte(old), 0o600); err != nil {
			t.Fatal(err)
		}
		f, b := fileOf(t, dir, "a", &clock{}, 1000, 20)
		if got := all(t, b); got != wanted("a", 20) {
			t.Errorf("after %.20q: got %s", old, got)
		}
		if fi, err := os.Stat(dir + "/a"); err != nil || fi.Size() != f.size {
			t.Errorf("after %.20q: the file has %d bytes, %d are known", old, fi.Size(), f.size)
		}
	}
}

// TestCutOffIsCountedOnce cuts a file off of which two backlogs want lines:
// each counts its own.
func TestCutOffIsCountedOnce(t *testing.T) {
	var c clock
	dir := t.TempDir()
	f, first := fileOf(t, dir, "a", &c, 1<<20, 10)
	second := newBacklog(style{})
	addTo(t, second, f, &c, 10, 15)
	if err := os.Truncate(dir+"/a", 0); err != nil {
		t.Fatal(err)
	}
	for b, n := range map[*backlog]int{first: 10, second: 5} {
		want := fmt.Sprintf("[nix2gpu] stdout is not read: %d lines of a not shown, the log has rotated meanwhile\n", n)
		if got := all(t, b); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}
