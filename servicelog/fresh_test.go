package servicelog

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// marksAndLines returns the records of a log, marks without what they tell.
func marksAndLines(t *testing.T, dir string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(dir, "web.log"))
	if err != nil {
		return "none"
	}
	var all []string
	for l := range strings.Lines(string(text)) {
		rec := parseRecord([]byte(strings.TrimSuffix(l, "\n")))
		all = append(all, string(rec.Message))
	}
	return strings.Join(all, "; ")
}

// A log that has nothing yet is made by its first line, which follows the mark of its run; a
// run that prints nothing is no earlier one, unless something came before it.
func TestFreshLogBeginsWithItsFirstLine(t *testing.T) {
	dir := t.TempDir()
	open := func(opts Options) (*Hub, *Source) {
		opts.Dir = dir
		h, err := Open(opts)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { h.Close(t.Context()) })
		return h, h.Source("web", "web", SourceOptions{})
	}
	want := func(want string) {
		t.Helper()
		if got := marksAndLines(t, dir); got != want {
			t.Errorf("the log has %q, want %q", got, want)
		}
	}
	run := func(s *Source, pid int, text string) {
		t.Helper()
		r := openRun(t, s, Process{pid, 0})
		if text != "" {
			printTo(t, r, text)
		}
		r.Started()
		<-r.Done()
	}

	h, s := open(Options{})
	run(s, 100, "")
	h.Close(t.Context())
	want("none")

	h, s = open(Options{})
	run(s, 200, "one\ntwo\n")
	want("start pid=200 restart=0; one; two")
	if got, want := processes(t, dir, Query{}), "one 200 0\ntwo 200 0"; got != want {
		t.Errorf("the lines are of\n%s\nwant\n%s", got, want)
	}
	run(s, 201, "")
	want("start pid=200 restart=0; one; two; start pid=201 restart=0")
	h.Close(t.Context())

	h, s = open(Options{}) // it is there already
	run(s, 300, "")
	want("start pid=200 restart=0; one; two; start pid=201 restart=0; start pid=300 restart=0")
	h.Close(t.Context())

	if err := os.Remove(filepath.Join(dir, "web.log")); err != nil {
		t.Fatal(err)
	}
	h, s = open(Options{})
	run(s, 400, "")
	run(s, 401, "") // two runs, one of which is the earlier one
	want("start pid=400 restart=0; start pid=401 restart=0")
	run(s, 402, "three\n")
	want("start pid=400 restart=0; start pid=401 restart=0; start pid=402 restart=0; three")
	h.Close(t.Context())

	if err := os.Remove(filepath.Join(dir, "web.log")); err != nil {
		t.Fatal(err)
	}
	h, s = open(Options{Eager: true})
	run(s, 500, "")
	want("start pid=500 restart=0")
	h.Close(t.Context())
}

// What comes first may be of another process than the last run, or a gap.
func TestFreshLogBeginsWithAnother(t *testing.T) {
	dir := t.TempDir()
	h, err := Open(Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close(t.Context())
	s := h.Source("web", "web", SourceOptions{})
	r := openRun(t, s, Process{100, 0})
	defer r.Started()
	aside, err := s.Open(nil)
	if err != nil {
		t.Fatal(err)
	}
	defer aside.Started()
	aside.BeginAside(Process{200, 1})
	printTo(t, aside, "stopping\n")
	printTo(t, r, "one\n")
	if got, want := processes(t, dir, Query{}), "stopping 200 1\none 100 0"; got != want {
		t.Errorf("the lines are of\n%s\nwant\n%s", got, want)
	}

	f := newFile(h.dir, "other.log", 1<<20, 1)
	f.fresh, f.ahead = false, mark{appendLines(nil, []line{{text: []byte("start pid=7 restart=0")}}, f.span.from, Marks), Process{7, 0}, f.span.from}
	f.failure, f.lost = os.ErrPermission, 3
	f.mu.Lock()
	_, _, err = f.append(batch{}, f.span.from)
	f.mu.Unlock()
	text, _ := os.ReadFile(filepath.Join(dir, "other.log"))
	if lines := strings.Split(string(text), "\n"); err != nil || len(lines) != 3 || !strings.Contains(lines[0], "start pid=7") || !strings.Contains(lines[1], "gap 3") {
		t.Errorf("%v; the log has\n%s", err, text)
	}
	if f.told != (Process{7, 0}) || f.ahead.text != nil {
		t.Errorf("it has told %v, and keeps %q", f.told, f.ahead.text)
	}
}

// The first look at logs that have no older files reads nothing of them: with a thousand
// logs, a folder that is listed for each would be a million entries.
func TestFirstLookIsOneListing(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"a.log", "a.log.1", "a.log.2.zst", "a.log.3", "b.log", "b.log.packing", "c.log.20261126", "notes"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("x\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	h, err := Open(Options{Dir: dir, Keep: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close(t.Context())
	h.mu.Lock()
	a, b, c := h.file("a"), h.file("b"), h.file("c")
	h.mu.Unlock()
	h.find([]*file{a, b, c})
	got := fmt.Sprint(a.highest, a.packing, a.fresh, " ", b.highest, b.packing, b.fresh, " ", c.highest, c.packing, c.fresh)
	if want := "3 false false 0 true false 0 false true"; got != want {
		t.Errorf("found %s, want %s", got, want)
	}
	for _, f := range []*file{a, b, c} {
		f.prune(f.span.from)
	}
	left, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range left {
		names = append(names, e.Name())
	}
	if got, want := strings.Join(names, " "), "a.log a.log.1 b.log c.log.20261126 notes"; got != want {
		t.Errorf("%s are left, want %s", got, want)
	}
	// The first rotation makes an older file, which the next look finds.
	c.mu.Lock()
	_, _, err = c.append(batch{records: []byte("x\n"), n: 1}, c.span.from)
	c.rotate()
	c.mu.Unlock()
	if err != nil || c.highest != 1 {
		t.Errorf("%v; the highest is %d, want 1", err, c.highest)
	}
}
