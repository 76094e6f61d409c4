package servicelog

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"
)

// What fits into an interval is kept from its beginning; the next one tells what did not.
func TestRate(t *testing.T) {
	begin := time.Now()
	batch := func(n, size int) (lines []line) {
		for range n {
			lines = append(lines, line{bytes.Repeat([]byte("x"), size-1), EndNewline})
		}
		return lines
	}
	type step struct {
		at     time.Duration
		lines  []line
		keep   int
		before uint64
	}
	for name, tt := range map[string]struct {
		rate  Rate
		steps []step
	}{
		"lines": {Rate{Lines: 10, Interval: 2 * time.Second}, []step{
			{0, batch(15, 5), 15, 0},
			{time.Second, batch(6, 5), 5, 0},
			{1900 * time.Millisecond, batch(3, 5), 0, 0},
			{2 * time.Second, batch(30, 5), 20, 4},
			{9 * time.Second, batch(1, 5), 1, 10},
			{20 * time.Second, batch(1, 5), 1, 0},
		}},
		"bytes": {Rate{Bytes: 100, Interval: time.Second}, []step{
			{0, batch(3, 40), 2, 0},
			{1, batch(1, 20), 0, 0}, // it would fit, but the interval is over for this log
			{time.Second, batch(1, 100), 1, 2},
			{2 * time.Second, batch(1, 101), 0, 0},
			{3 * time.Second, batch(1, 1), 1, 1},
		}},
		"both":              {Rate{Lines: 3, Bytes: 100, Interval: time.Second}, []step{{0, batch(4, 5), 3, 0}, {time.Second, batch(3, 50), 2, 1}}},
		"less than a line":  {Rate{Lines: 1, Interval: time.Millisecond}, []step{{0, batch(2, 5), 1, 0}}},
		"the usual 10 secs": {Rate{Lines: 1}, []step{{0, batch(12, 5), 10, 0}, {9 * time.Second, batch(1, 5), 0, 0}, {10 * time.Second, batch(1, 5), 1, 3}}},
	} {
		t.Run(name, func(t *testing.T) {
			s := &Source{hub: &Hub{limiters: map[string]*limiter{}}, quiet: true}
			l := s.limiter(tt.rate)
			for i, st := range tt.steps {
				keep, before, _ := l.admit(st.lines, begin.Add(st.at))
				if keep != st.keep || before != st.before {
					t.Errorf("step %d: %d kept, %d told, want %d and %d", i, keep, before, st.keep, st.before)
				}
			}
			l.due.Stop()
		})
	}
}

// A service that prints too much is never held up. Its log and stdout say how much they
// lack, the watch sees all, and the count is right to the line.
func TestDroppedLinesAreCounted(t *testing.T) {
	var out bytes.Buffer
	dir := t.TempDir()
	h, err := Open(Options{Dir: dir, Stdout: &out})
	if err != nil {
		t.Fatal(err)
	}
	s := h.Source("web.main", "web", SourceOptions{Rate: Rate{Lines: 2, Interval: 2 * time.Hour}})
	const most = 2 * 2 * 3600
	seen := 0
	r, err := s.Open(func(Stream, []byte) { seen++ })
	if err != nil {
		t.Fatal(err)
	}
	r.Begin(Process{100, 0})
	var text strings.Builder
	for i := range most + 500 {
		fmt.Fprintln(&text, i)
	}
	printTo(t, r, text.String())
	r.Started()
	if err := h.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if seen != most+500 {
		t.Errorf("the watch saw %d lines", seen)
	}
	if n := h.Counts()["web.main"]; n.Lines != most+500 || n.Bytes != uint64(text.Len()) || n.Dropped != 500 || n.Lost != 0 {
		t.Errorf("counted %+v", n)
	}
	var last []string
	kept := 0
	for rec, err := range NewReader(dir).Records(t.Context(), Query{}) {
		if err != nil {
			t.Fatal(err)
		}
		if n, why, ok := rec.Gap(); ok {
			last = append(last, fmt.Sprint(n, " ", why, "; ", explain(rec)))
		} else {
			kept++
		}
	}
	const said = "500 lines were dropped: more than 2 lines a second"
	if want := "500 more than 2 lines a second; web.main: " + said; kept != most || len(last) != 1 || last[0] != want {
		t.Errorf("%d lines in the file, %q", kept, last)
	}
	if got := out.String(); strings.Count(got, "\n") != most+1 || !strings.HasSuffix(got, fmt.Sprintf("[web] %d\n[nix2gpu] web: %s\n", most-1, said)) {
		t.Errorf("stdout ends with %q", got[max(0, len(got)-200):])
	}
}

// A long line whose rest is dropped ends there: what comes next is no part of it.
func TestDroppedRestOfALine(t *testing.T) {
	var out bytes.Buffer
	dir := t.TempDir()
	h, err := Open(Options{Dir: dir, Stdout: &out})
	if err != nil {
		t.Fatal(err)
	}
	s := h.Source("web", "web", SourceOptions{Rate: Rate{Bytes: 10, Interval: 3 * time.Hour}}) // 108,000 bytes
	r := openRun(t, s, Process{100, 0})
	printTo(t, r, strings.Repeat("x", 120<<10)+"\n")
	printTo(t, r, "no\n")
	s.limit.mu.Lock()
	s.limit.ends = time.Time{} // the next interval
	s.limit.mu.Unlock()
	printTo(t, r, "next\n")
	r.Started()
	if err := h.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	var ends []string
	for rec, err := range NewReader(dir).Records(t.Context(), Query{}) {
		if err != nil {
			t.Fatal(err)
		}
		ends = append(ends, fmt.Sprintf("%.4s %t", rec.Message, rec.Partial()))
	}
	got := strings.Join(ends, "|")
	if !strings.HasPrefix(got, "xxxx true|xxxx true|") || !strings.HasSuffix(got, "false|drop false|next false") || strings.Contains(got, "true|drop") {
		t.Errorf("got %s", got)
	}
	if !strings.HasSuffix(out.String(), "\n[web] next\n") {
		t.Errorf("stdout ends with %q", out.String()[max(0, out.Len()-200):])
	}
}

// One is one.
func TestDroppedText(t *testing.T) {
	for want, got := range map[string]string{
		"web: 1 line was dropped: more than 1 line or 1 byte a second":     dropText("web", 1, Rate{Lines: 1, Bytes: 1}.String()),
		"web: 2 lines were dropped: more than 2 lines or 2 bytes a second": dropText("web", 2, Rate{Lines: 2, Bytes: 2}.String()),
	} {
		if got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
