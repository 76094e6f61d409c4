package probe

import (
	"bytes"
	"encoding/binary"
	"io"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestPaceIsPure(t *testing.T) {
	const s, ms = time.Second, time.Millisecond
	for _, c := range []struct {
		initial, age, took, want time.Duration
		passed                   bool
		asks                     bool // over the network
	}{
		{age: 5 * ms, want: 5 * ms},                   // young: the shortest
		{age: 400 * ms, want: 100 * ms},               // a quarter of its age
		{age: 100 * s, want: s},                       // at most the period
		{age: 410 * ms, took: 10 * ms, want: 90 * ms}, // counted from the check's beginning
		{age: 2 * s, took: 300 * ms, want: 300 * ms},  // a long check: a pause as long
		{age: 2 * s, took: 800 * ms, want: 200 * ms},  // but checks are a period apart at most
		{age: 2 * s, took: 3 * s, want: 5 * ms},       // and never without a pause
		{age: s, took: 800 * ms, want: 200 * ms, asks: true},
		{age: 2 * s, took: 400 * ms, want: 100 * ms, asks: true}, // what waits needs no processor
		{age: 400 * ms, want: s, passed: true},                   // no longer eager
		{age: 400 * ms, took: 300 * ms, want: 700 * ms, passed: true},
		{age: 9 * s, took: 3 * s, want: 5 * ms, passed: true},
		{initial: s, age: s, want: s}, // never eager
	} {
		p := newPace(c.initial, s, !c.asks)
		if c.passed {
			p.passed()
		}
		if got := p.next(c.age, c.took); got != c.want {
			t.Errorf("%+v: the next check after %v", c, got)
		}
	}
	for initial, want := range map[time.Duration]time.Duration{0: firstDelay, s: s} {
		if got := newPace(initial, s, true).first(); got != want {
			t.Errorf("initial delay %v: first check after %v", initial, got)
		}
	}
	if got := newPace(0, ms, true).first(); got != ms {
		t.Errorf("with a period of 1ms the first check comes after %v", got)
	}
}

func TestPaceCounts(t *testing.T) {
	const s = time.Second
	p := newPace(0, s, true)
	for _, c := range []struct {
		age  time.Duration
		want bool
	}{{s - 1, false}, {s, true}, {2*s - 1, false}, {2 * s, true}, {9 * s, true}} {
		if got := p.counts(c.age); got != c.want {
			t.Errorf("a failure at %v counts: %t, want %t", c.age, got, c.want)
		}
	}
	p.passed()
	if !p.counts(9*s + 1) {
		t.Error("after the first success a failure did not count")
	}
}

func TestServingStatus(t *testing.T) {
	for reply, want := range map[string]string{
		"":                                     "answer is empty",
		"\x00\x00\x00\x00":                     "answer is empty",
		"\x00\x00\x00\x00\x00":                 "UNKNOWN",
		"\x00\x00\x00\x00\x02\x08\x01":         "",
		"\x00\x00\x00\x00\x02\x08\x02":         "NOT_SERVING",
		"\x00\x00\x00\x00\x02\x08\x03":         "SERVICE_UNKNOWN",
		"\x00\x00\x00\x00\x04\x10\x07\x08\x01": "",        // another field before it
		"\x00\x00\x00\x00\x04\x12\x01\x08\x01": "UNKNOWN", // no number: not understood
		"\x00\x00\x00\x00\x01\x80":             "UNKNOWN", // cut off in the key
		"\x00\x00\x00\x00\x02\x08\x80":         "UNKNOWN", // cut off in the value
	} {
		err := servingStatus([]byte(reply))
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%q: %v, want %q", reply, err, want)
		}
	}
}

func TestParseNotification(t *testing.T) {
	for text, want := range map[string][2]bool{
		"READY=1": {true, false}, "READY=0": {}, "READY=1\nREADY=0": {true, false}, "WATCHDOG=1": {false, true},
		"STATUS=x\nREADY=1\nWATCHDOG=1\n": {true, true}, "WATCHDOG=trigger": {}, "": {}, "=1": {},
	} {
		if ready, watchdog := parseNotification([]byte(text)); ready != want[0] || watchdog != want[1] {
			t.Errorf("%q: ready %t, watchdog %t", text, ready, watchdog)
		}
	}
}

// A process that promised to send WATCHDOG=1 is well until it has not for a
// period, counted from when it was ready.
func TestWatchdog(t *testing.T) {
	n, err := ListenNotify(filepath.Join(t.TempDir(), "notify"))
	if err != nil {
		t.Fatal(err)
	}
	defer n.Close()
	conn, err := net.Dial("unixgram", n.Path)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	pinged := func() time.Time {
		n.mu.Lock()
		defer n.mu.Unlock()
		return n.ping
	}
	old := time.Now().Add(-time.Hour)
	say := func(text string) {
		n.mu.Lock()
		n.ping = old
		n.mu.Unlock()
		conn.Write([]byte(text))
		for pinged().Equal(old) && t.Context().Err() == nil {
			time.Sleep(time.Millisecond) // the fact is a time, which nothing announces
		}
	}
	w := watchdog{n, 30 * time.Minute}
	n.ping = old
	if err := w.Check(t.Context()); err != nil {
		t.Errorf("before it was ready: %v", err)
	}
	for _, text := range []string{"READY=1", "WATCHDOG=1"} {
		say(text)
		if err := w.Check(t.Context()); err != nil {
			t.Errorf("just after %s: %v", text, err)
		}
	}
	n.mu.Lock()
	n.ping = old
	n.mu.Unlock()
	if err := w.Check(t.Context()); err == nil || !strings.HasPrefix(err.Error(), "has not sent WATCHDOG=1 for 1h") {
		t.Errorf("an hour later: %v", err)
	}
}

// A message may be as long as a server would make one for a person, not more.
func TestPostgresMessageBounds(t *testing.T) {
	for size, ok := range map[int]bool{-1: false, 0: true, 1: true, 64 << 10: true, 64<<10 + 1: false} {
		head := binary.BigEndian.AppendUint32([]byte{'R'}, uint32(size+4))
		kind, body, err := postgresMessage(io.MultiReader(bytes.NewReader(head), strings.NewReader(strings.Repeat("x", max(size, 0)))))
		if (err == nil) != ok || ok && (kind != 'R' || len(body) != size) {
			t.Errorf("of %d bytes: %q, %d bytes, %v", size, kind, len(body), err)
		}
	}
}
