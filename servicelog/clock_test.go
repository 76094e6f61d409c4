package servicelog

import (
	"bytes"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

func TestStampsAreInOrder(t *testing.T) {
	noon := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	var now time.Time
	c := clock{now: func() time.Time { return now }}
	var last stamp
	for i, step := range []struct {
		now, want time.Duration
		era       int
	}{
		{0, 0, 0},
		{0, 1, 0},
		{0, 2, 0},
		{time.Second, time.Second, 0},
		{time.Second / 2, time.Second + 1, 0}, // a little back: we run ahead
		{2 * time.Second, 2 * time.Second, 0},
		{time.Second, time.Second, 1}, // set back
		{time.Second + 1, time.Second + 1, 1},
		{-time.Hour, -time.Hour, 2},
	} {
		now = noon.Add(step.now)
		got := c.next()
		if !got.at.Equal(noon.Add(step.want)) || got.era != step.era {
			t.Errorf("step %d: got %v in era %d, want %v in %d", i, got.at.Sub(noon), got.era, step.want, step.era)
		}
		if i > 0 && (!last.before(got) || got.before(last) || got.before(got)) {
			t.Errorf("step %d: %v does not come after %v", i, got, last)
		}
		last = got
	}
}

// TestClockIsSetBack sets the clock back while nobody reads stdout: the order
// of the lines must not change, also of a source that is silent meanwhile.
func TestClockIsSetBack(t *testing.T) {
	var out bytes.Buffer
	block := make(chan struct{})
	h, err := Open(Options{Dir: t.TempDir(), Stdout: blocked{&out, block}, Stall: time.Hour, MaxSize: 1000, Keep: 100})
	if err != nil {
		t.Fatal(err)
	}
	var offset atomic.Int64
	noon := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	h.clock.now = func() time.Time { return noon.Add(time.Duration(offset.Load())) }
	pass := func(d time.Duration) { offset.Add(int64(d)) }
	h.Say("a")
	for !h.Idle() {
		time.Sleep(time.Millisecond)
	}
	h.Say(strings.Repeat("b", outputLimit))
	runs := map[string]*Run{}
	var want strings.Builder
	said := 0
	say := func(id string) {
		if runs[id] == nil {
			if runs[id], err = h.Source(id, id, SourceOptions{}).Start(nil); err != nil {
				t.Fatal(err)
			}
		}
		said++
		fmt.Fprintf(runs[id].Stdout, "%d\n", said)
		if err := runs[id].Drain(t.Context()); err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&want, "[%s] %d\n", id, said)
	}
	for range 3 { // eras
		for range 30 {
			pass(time.Second)
			say("a")
			say("b")
		}
		say("silent")
		h.Sayf("own %d", said)
		fmt.Fprintf(&want, "[nix2gpu] own %d\n", said)
		pass(-20 * time.Second)
		say("late")
	}
	close(block)
	for _, r := range runs {
		r.Started()
	}
	if err := h.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, got, _ := strings.Cut(out.String(), "bb\n"); got != want.String() {
		t.Errorf("got\n%s\nwant\n%s", got, want.String())
	}
	t.Attr("R6", fmt.Sprintf("%d lines in order, with the clock set back three times", said))
}

// blocked takes nothing until free is closed.
type blocked struct {
	to   *bytes.Buffer
	free chan struct{}
}

func (b blocked) Write(p []byte) (int, error) {
	<-b.free
	return b.to.Write(p)
}

// TestLinesAfterTheClockWasSetBack: a line that was printed after the beginning of the run
// may have an earlier time.
func TestLinesAfterTheClockWasSetBack(t *testing.T) {
	began := time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC)
	for name, c := range map[string]struct{ now, want time.Time }{
		"as it was":   {began.Add(time.Hour), began},
		"a little":    {began.Add(time.Hour - time.Second), began},
		"set forward": {began.Add(25 * time.Hour), began},
		"set back":    {began.Add(-47 * time.Hour), began.Add(-48 * time.Hour)},
	} {
		if got := FirstTime(began, c.now, time.Hour); !got.Equal(c.want) {
			t.Errorf("%s: lines from %v on, want %v", name, got, c.want)
		}
	}
}
