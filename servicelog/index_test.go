package servicelog

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"nix2gpu/internal/testkit"
)

// A scribe writes a log at times of its choice.
type scribe struct {
	tb  testing.TB
	dir string
	f   *file
	now time.Time
	n   int

	frame  int // how large the frames of packed files are; 0: as usual
	packer *packer
}

func newScribe(tb testing.TB, max int64, remind int64) *scribe {
	tb.Helper()
	return newScribeIn(tb, tb.TempDir(), max, remind)
}

func newScribeIn(tb testing.TB, root string, max int64, remind int64) *scribe {
	tb.Helper()
	dir, err := openFolder(filepath.Join(root, "logs"), os.Geteuid())
	if err != nil {
		tb.Fatal(err)
	}
	s := &scribe{tb: tb, dir: dir.path, f: newFile(dir, fileName("a"), max, 5), now: time.Date(2026, 1, 2, 10, 0, 0, 0, time.UTC)}
	s.f.remind = remind
	tb.Cleanup(func() {
		s.f.close()
		dir.close()
	})
	return s
}

// write writes some lines at once, each with its number.
func (s *scribe) write(lines, size int) {
	s.tb.Helper()
	var all []line
	for range lines {
		s.n++
		all = append(all, line{text: fmt.Appendf(nil, "%d %s", s.n, bytes.Repeat([]byte("x"), size))})
	}
	s.now = s.now.Add(time.Millisecond)
	s.f.mu.Lock()
	_, _, err := s.f.append(batch{records: appendLines(nil, all, s.now, Stdout), n: lines, process: Process{PID: 1}}, s.now)
	s.f.mu.Unlock()
	if err != nil {
		s.tb.Fatal(err)
	}
}

// read returns the wanted records, as text.
func (s *scribe) read(q Query) []string {
	s.tb.Helper()
	var got []string
	for rec, err := range NewReader(s.dir).Records(s.tb.Context(), q) {
		if err != nil {
			s.tb.Fatal(err)
		}
		got = append(got, fmt.Sprintf("%s %v %.20s", rec.Time.Format(timeLayout), rec.Process, rec.Message))
	}
	return got
}

// slow is read, of all records without an index.
func (s *scribe) slow(q Query) []string {
	s.tb.Helper()
	all := q
	all.Since, all.Until, all.Tail = time.Time{}, time.Time{}, 0
	var got []string
	for rec, err := range NewReader(s.dir).Records(s.tb.Context(), all) {
		if err != nil {
			s.tb.Fatal(err)
		}
		if q.inTime(rec.Time) {
			got = append(got, fmt.Sprintf("%s %v %.20s", rec.Time.Format(timeLayout), rec.Process, rec.Message))
		}
	}
	if q.Tail > 0 {
		got = got[max(0, len(got)-q.Tail):]
	}
	return got
}

// A clock that was set back hides no line from --since and --until, and what has nothing of
// their time is not read.
func TestIndexAfterAClockWasSetBack(t *testing.T) {
	s := newScribe(t, 20<<10, 1<<10)
	start := s.now
	for _, hours := range []int{0, 1, -2, 3, 0} {
		s.now = s.now.Add(time.Duration(hours) * time.Hour)
		for range 100 {
			s.write(1, 60)
		}
	}
	for _, q := range []Query{
		{Since: start.Add(time.Hour)},
		{Since: start.Add(time.Hour), Until: start.Add(90 * time.Minute), Processes: true},
		{Until: start.Add(-30 * time.Minute)},
		{Since: start.Add(-30 * time.Minute), Until: start.Add(30 * time.Minute)},
		{Since: start.Add(50 * time.Minute), Until: start.Add(90 * time.Minute), Tail: 7, Processes: true},
		{Since: start.Add(5 * time.Hour)},
	} {
		got, want := s.read(q), s.slow(q)
		if !slices.Equal(got, want) {
			t.Errorf("since %v until %v: %d lines, want %d:\n%q\n%q", q.Since, q.Until, len(got), len(want), got, want)
		}
	}
	parts, _, err := openAll(s.dir, fileName("a"), nil, new(unpacker))
	if err != nil {
		t.Fatal(err)
	}
	defer closeAll(parts)
	left, size := int64(0), int64(0)
	for _, p := range parts {
		n, err := p.length()
		if err == nil {
			err = p.leaveOut(period{since: start.Add(time.Hour), until: start.Add(90 * time.Minute)})
		}
		if err != nil {
			t.Fatal(err)
		}
		size += n
		for _, e := range p.skip {
			left += e.to - e.from
		}
	}
	if left < size/2 {
		t.Errorf("of %d bytes %d are left out, want most", size, left)
	}
}

// FuzzLogIndex compares what is read by the index with what is read without it, of logs
// with a clock that jumps, writers that begin again, lines of strangers, and cuts.
func FuzzLogIndex(f *testing.F) {
	random := rand.New(rand.NewPCG(1, 2))
	for n := range 12 {
		ops := make([]byte, 40+40*n)
		for i := range ops {
			ops[i] = byte(random.Uint32())
		}
		f.Add(ops, int16(n*7-40), uint16(n*13), byte(n))
	}
	f.Fuzz(func(t *testing.T, ops []byte, since int16, lasts uint16, tail byte) {
		s := newScribeIn(t, testkit.Memory(t), 4<<10, 300) // each packed file is synced: a disk takes most of the time
		s.frame = 1 << 10
		start := s.now
		for _, op := range ops[:min(len(ops), 300)] {
			n := int(op >> 3)
			switch op & 7 {
			case 0:
				s.now = s.now.Add(-time.Duration(n) * time.Minute)
			case 1:
				s.now = s.now.Add(time.Duration(n) * time.Minute)
			case 2:
				s.strange(op)
			case 3:
				if s.write(1, n); n > 20 {
					s.pack()
				}
			default:
				s.write(1+n%3, n)
			}
		}
		for _, q := range []Query{
			{Since: start.Add(time.Duration(since) * time.Minute), Processes: true},
			{Until: start.Add(time.Duration(since) * time.Minute), Processes: true},
			{Since: start.Add(time.Duration(since) * time.Minute), Until: start.Add(time.Duration(int(since)+int(lasts)) * time.Minute), Processes: true},
			{Since: start.Add(time.Duration(since) * time.Minute), Tail: int(tail), Processes: true},
		} {
			got, want := s.read(q), s.slow(q)
			if !slices.Equal(got, want) {
				t.Errorf("since %v until %v, the last %d: %d lines, want %d:\n%q\n%q", q.Since, q.Until, q.Tail, len(got), len(want), got, want)
			}
		}
	})
}

// strange does to the current file what others may do.
func (s *scribe) strange(op byte) {
	path := filepath.Join(s.dir, s.f.name)
	info, err := os.Stat(path)
	if err != nil {
		return
	}
	switch op >> 3 & 3 {
	case 0: // our own writer begins again
		s.f.shut()
	case 1:
		s.f.shut()
		fallthrough
	case 2: // somebody else writes, also while we have it open
		f, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND, 0)
		if err != nil {
			s.tb.Fatal(err)
		}
		fmt.Fprintf(f, "a line of %d\n", op)
		f.Close()
	case 3: // or cuts it
		if err := os.Truncate(path, info.Size()-min(info.Size()/2, int64(binary.BigEndian.Uint16([]byte{op & 3, op})))); err != nil {
			s.tb.Fatal(err)
		}
	}
}
