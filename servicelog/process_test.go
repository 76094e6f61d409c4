package servicelog

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// openRun begins a run of a process.
func openRun(t *testing.T, s *Source, p Process) *Run {
	t.Helper()
	r, err := s.Open(nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Begin(p)
	return r
}

// printTo writes a text to a run and returns when it is in the log.
func printTo(t *testing.T, r *Run, text string) {
	t.Helper()
	if _, err := r.Stdout.WriteString(text); err != nil {
		t.Fatal(err)
	}
	if err := r.Drain(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// processes returns "message pid restart" of what a query yields.
func processes(t *testing.T, dir string, q Query) string {
	t.Helper()
	q.Processes = true
	var all []string
	for rec, err := range NewReader(dir).Records(t.Context(), q) {
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, fmt.Sprintf("%s %d %d", rec.Message, rec.Process.PID, rec.Process.Restart))
	}
	return strings.Join(all, "\n")
}

// The lines of each process tell it, live and later: those of one that ended but left a
// descendant behind, those of a helper, and those of a process that is not known.
func TestLinesTellTheirProcess(t *testing.T) {
	var out bytes.Buffer
	dir := t.TempDir()
	h, err := Open(Options{Dir: dir, Stdout: &out, Format: JSON})
	if err != nil {
		t.Fatal(err)
	}
	s := h.Source("web", "web", SourceOptions{})
	first := openRun(t, s, Process{100, 0})
	printTo(t, first, "one\n")
	second := openRun(t, s, Process{200, 1})
	printTo(t, second, "two\n")
	printTo(t, first, "left behind\n")
	printTo(t, second, "three\n")
	aside, err := s.Open(nil)
	if err != nil {
		t.Fatal(err)
	}
	aside.BeginAside(Process{200, 1})
	printTo(t, aside, "stopping\n")
	third, err := s.Start(nil)
	if err != nil {
		t.Fatal(err)
	}
	printTo(t, third, "nobody\n")
	for _, r := range []*Run{first, second, aside, third} {
		r.Started()
	}
	if err := h.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	want := "one 100 0\ntwo 200 1\nleft behind 100 0\nthree 200 1\nstopping 200 1\nnobody 0 0"
	if got := processes(t, dir, Query{}); got != want {
		t.Errorf("all: got\n%s\nwant\n%s", got, want)
	}
	for n, want := range map[int]string{1: "nobody 0 0", 2: "stopping 200 1\nnobody 0 0", 4: "left behind 100 0\nthree 200 1\nstopping 200 1\nnobody 0 0"} {
		if got := processes(t, dir, Query{Tail: n}); got != want {
			t.Errorf("the last %d: got\n%s\nwant\n%s", n, got, want)
		}
	}
	if got, want := processes(t, dir, Query{Previous: true}), "two 200 1\nleft behind 100 0\nthree 200 1\nstopping 200 1"; got != want {
		t.Errorf("previous: got\n%s\nwant\n%s", got, want)
	}
	if got, want := processes(t, dir, Query{Previous: true, Tail: 9}), processes(t, dir, Query{Previous: true}); got != want {
		t.Errorf("the last lines of the previous run: got\n%s\nwant\n%s", got, want)
	}
	want = "start pid=100 restart=0 100 0\none 100 0\nstart pid=200 restart=1 200 1\ntwo 200 1\nleft behind 100 0\n" +
		"three 200 1\nstopping 200 1\nstart 0 0\nnobody 0 0"
	if got := processes(t, dir, Query{Marks: true}); got != want {
		t.Errorf("with marks: got\n%s\nwant\n%s", got, want)
	}
	var shown []string
	for l := range strings.Lines(out.String()) {
		_, rest, _ := strings.Cut(l, `"message":`)
		shown = append(shown, strings.TrimSpace(rest))
	}
	wantShown := `"one","pid":100,"restart":0}|"two","pid":200,"restart":1}|"left behind","pid":100,"restart":0}|` +
		`"three","pid":200,"restart":1}|"stopping","pid":200,"restart":1}|"nobody"}`
	if got := strings.Join(shown, "|"); got != wantShown {
		t.Errorf("stdout: got\n%s\nwant\n%s", got, wantShown)
	}
}

// However far the start is, and in whichever segment, one who reads only the end of a log
// knows the process.
func TestProcessIsToldAgain(t *testing.T) {
	dir := t.TempDir()
	h, err := Open(Options{Dir: dir, MaxSize: 2 << 20, Keep: 2})
	if err != nil {
		t.Fatal(err)
	}
	r := openRun(t, h.Source("web", "web", SourceOptions{}), Process{100, 7})
	text := strings.Repeat(strings.Repeat("x", 99)+"\n", 600)
	for range 120 { // 7 MB, so that the start is in no file any more
		printTo(t, r, text)
	}
	printTo(t, r, "end\n")
	r.Started()
	if err := h.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got, want := processes(t, dir, Query{Tail: 1}), "end 100 7"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	for _, l := range strings.Split(processes(t, dir, Query{}), "\n") {
		if !strings.HasSuffix(l, " 100 7") {
			t.Fatalf("%.200q does not tell its process", l)
		}
	}
	for _, name := range []string{"web.log", "web.log.1", "web.log.2"} {
		b, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		head, _, _ := bytes.Cut(b, []byte("\n"))
		if p, ok := parseRecord(head).tells(); !ok || p != (Process{100, 7}) {
			t.Errorf("%s begins with %q", name, head)
		}
	}
}

// What stdout missed is shown with the process that it came from.
func TestBacklogTellsTheProcess(t *testing.T) {
	var out bytes.Buffer
	free := make(chan struct{})
	h, err := Open(Options{Dir: t.TempDir(), Stdout: blocked{&out, free}, Format: JSON, Stall: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	s := h.Source("web", "web", SourceOptions{})
	h.Say(strings.Repeat("x", outputLimit)) // being written
	h.Say(strings.Repeat("x", outputLimit)) // the queue
	first := openRun(t, s, Process{100, 0})
	printTo(t, first, "one\n")
	second := openRun(t, s, Process{200, 1})
	printTo(t, second, "two\n")
	printTo(t, first, "left behind\n")
	printTo(t, second, "three\n")
	first.Started()
	second.Started()
	close(free)
	if err := h.Close(context.Background()); err != nil {
		t.Fatal(err)
	}
	var shown []string
	for l := range strings.Lines(out.String()) {
		if _, rest, ok := strings.Cut(l, `"service":"web","stream":"stdout","message":`); ok {
			shown = append(shown, strings.TrimSpace(rest))
		}
	}
	want := `"one","pid":100,"restart":0}|"two","pid":200,"restart":1}|"left behind","pid":100,"restart":0}|"three","pid":200,"restart":1}`
	if got := strings.Join(shown, "|"); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

// A run that has not begun keeps nobody waiting: neither a drain nor the end.
func TestRunThatHasNotBegun(t *testing.T) {
	dir := t.TempDir()
	h, err := Open(Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	r, err := h.Source("web", "web", SourceOptions{}).Open(nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Drain(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := h.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	r.Started()
	<-r.Done()
}

// A run whose process prints nothing any more ends without a reader, whoever sees it first;
// a line without an end is delivered before.
func TestOver(t *testing.T) {
	dir := t.TempDir()
	h, err := Open(Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	s := h.Source("web", "web", SourceOptions{})
	r := openRun(t, s, Process{1, 0})
	if r.Over() {
		t.Error("a run is over that may print")
	}
	if _, err := r.Stdout.WriteString("no end"); err != nil {
		t.Fatal(err)
	}
	r.Started()
	<-r.Done()
	if !r.Over() {
		t.Error("a run that is done is not over")
	}
	for range 100 { // the poller is at it, too
		r := openRun(t, s, Process{2, 1})
		r.Started()
		if !r.Over() {
			t.Fatal("a run is not over that has printed nothing")
		}
	}
	h.mu.Lock()
	left := len(h.runs)
	h.mu.Unlock()
	if left != 0 {
		t.Errorf("%d runs are kept", left)
	}
	if err := h.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := processes(t, dir, Query{}); got != "no end 1 0" {
		t.Errorf("the log has %q", got)
	}
}
