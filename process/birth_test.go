package process

import (
	"path/filepath"
	"testing"
	"time"
)

func TestBornIn(t *testing.T) {
	const ms = time.Millisecond
	for _, c := range []struct {
		before, after time.Duration
		want          uint64
	}{
		{0, 0, 0}, // the clock can't be read
		{5 * ms, 6 * ms, 0},
		{1234 * ms, 1236 * ms, 123},
		{1231 * ms, 1239 * ms, 123},
		{1239 * ms, 1241 * ms, 0},
		{1234 * ms, 1334 * ms, 0},
		{1230*ms + 500, 1231 * ms, 0}, // the kernel may have read 1229.999
		{1238 * ms, 1240*ms - 500, 0}, // or 1240.000
		{1230*ms + 1500, 1231 * ms, 123},
	} {
		if got := bornIn(c.before, c.after); got != c.want {
			t.Errorf("bornIn(%v, %v) = %d, want %d", c.before, c.after, got, c.want)
		}
	}
}

// What the clock says is what /proc says, of each of many children.
func TestBirthClock(t *testing.T) {
	h, err := New(Options{Journal: filepath.Join(t.TempDir(), "journal")})
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	for range 200 {
		p, err := h.Start(Spec{Argv: []string{"/bin/sleep", "1000"}})
		if err != nil {
			t.Fatal(err)
		}
		info, err := Inspect(p.PID())
		if err != nil {
			t.Fatal(err)
		}
		if p.start != info.Start {
			t.Fatalf("process %d has started at %d, noted is %d", p.PID(), info.Start, p.start)
		}
		p.Kill()
		<-p.Done()
	}
	if h.births.compared && !h.births.agrees {
		t.Error("the clock does not agree with /proc")
	}
}

// A clock that counts from another moment is never believed.
func TestBirthClockOfAnother(t *testing.T) {
	h, err := New(Options{Journal: filepath.Join(t.TempDir(), "journal")})
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	p, err := h.Start(Spec{Argv: []string{"/bin/sleep", "1000"}})
	if err != nil {
		t.Fatal(err)
	}
	info, err := Inspect(p.PID())
	if err != nil {
		t.Fatal(err)
	}
	var c birthClock
	for _, born := range []uint64{0, info.Start + 7, info.Start, info.Start + 7, 0} {
		if got := c.start(p.PID(), born); got != info.Start {
			t.Errorf("born in %d: start %d, want %d", born, got, info.Start)
		}
	}
	c = birthClock{}
	for _, born := range []uint64{info.Start, info.Start + 7} { // from now on nobody reads
		if got := c.start(p.PID(), born); got != born {
			t.Errorf("born in %d: start %d", born, got)
		}
	}
	p.Kill()
	<-p.Done()
}
