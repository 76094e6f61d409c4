package servicelog

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"
	"golang.org/x/sys/unix"
)

// pack packs all older files of a log, however new they are.
func (s *scribe) pack() {
	s.tb.Helper()
	if s.packer == nil {
		p, err := newPacker()
		if err != nil {
			s.tb.Fatal(err)
		}
		p.share = 1 // without pauses
		if s.packer = p; s.frame > 0 {
			p.in = p.in[:s.frame]
		}
	}
	for {
		r, _ := s.f.rested(time.Now().Add(time.Hour))
		if r == nil {
			return
		}
		if err := s.f.packSegment(s.tb.Context(), s.packer, r, nil); err != nil {
			s.tb.Fatal(err)
		}
	}
}

// files lists the files of the log, oldest first.
func (s *scribe) files() []string {
	s.tb.Helper()
	names, err := filepath.Glob(filepath.Join(s.dir, "*"))
	if err != nil {
		s.tb.Fatal(err)
	}
	for i := range names {
		names[i] = filepath.Base(names[i])
	}
	return names
}

// start marks that a run begins.
func (s *scribe) start(p Process) {
	s.tb.Helper()
	s.now = s.now.Add(time.Millisecond)
	b := batch{records: appendLines(nil, []line{{text: p.appendMark(nil, markStart)}}, s.now, Marks), n: 1, mark: true, tells: true, process: p}
	s.f.mu.Lock()
	_, _, err := s.f.append(b, s.now)
	s.f.mu.Unlock()
	if err != nil {
		s.tb.Fatal(err)
	}
}

// What is packed is read like what is not, by every query, and by other programs.
func TestPackedIsReadAlike(t *testing.T) {
	s := newScribe(t, 600<<10, remindEvery)
	start := s.now
	for i := range 4 {
		s.start(Process{1, i})
		for range 600 {
			s.now = s.now.Add(100 * time.Millisecond)
			s.write(2, 400)
		}
		if i == 2 {
			s.now = s.now.Add(-2 * time.Minute)
		}
	}
	queries := []Query{
		{}, {Marks: true, Processes: true}, {Tail: 3}, {Tail: 1700}, {Previous: true}, {Previous: true, Processes: true},
		{Since: start.Add(90 * time.Second)}, {Until: start.Add(30 * time.Second)}, {Until: start.Add(-time.Hour)},
		{Since: start.Add(70 * time.Second), Until: start.Add(80 * time.Second), Processes: true},
		{Since: start.Add(70 * time.Second), Until: start.Add(80 * time.Second), Tail: 5},
		{Match: func(m []byte) bool { return bytes.HasPrefix(m, []byte("77")) }},
	}
	for at := start; at.Before(s.now); at = at.Add(10 * time.Second) { // in any frame
		queries = append(queries, Query{Since: at, Until: at.Add(time.Second), Processes: true})
	}
	var want [][]string
	for _, q := range queries {
		want = append(want, s.read(q))
	}
	var plain []byte
	for i := len(s.files()) - 1; i > 0; i-- {
		plain = append(plain, s.bytes(partName(s.f.name, i))...)
	}
	s.pack()
	if got, want := s.files(), []string{"a.log", "a.log.1.zst", "a.log.2.zst", "a.log.3.zst"}; !slices.Equal(got, want) {
		t.Fatalf("files %q, want %q", got, want)
	}
	for i, q := range queries {
		if got := s.read(q); !slices.Equal(got, want[i]) {
			t.Errorf("query %d: %d lines, want %d", i, len(got), len(want[i]))
		}
	}
	var unpacked []byte
	for i := 3; i > 0; i-- {
		z, err := zstd.NewReader(bytes.NewReader(s.bytes(partName(s.f.name, i) + packSuffix)))
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(z)
		if err != nil {
			t.Fatal(err)
		}
		unpacked = append(unpacked, b...)
		z.Close()
	}
	if !bytes.Equal(plain, unpacked) {
		t.Errorf("%d bytes as zstd prints them, want %d", len(unpacked), len(plain))
	}
	if ids, err := NewReader(s.dir).Sources(); err != nil || !slices.Equal(ids, []string{"a"}) {
		t.Errorf("sources %q, %v", ids, err)
	}
	// It has frames of about 512 KiB, of which one is unpacked at a time.
	parts, _, err := openAll(s.dir, s.f.name, nil, new(unpacker))
	if err != nil {
		t.Fatal(err)
	}
	defer closeAll(parts)
	for _, f := range parts[0].zip.frames {
		if n := f.to - f.from; n > frameSize {
			t.Errorf("a frame of %d bytes", n)
		}
	}
	if n := len(parts[0].zip.frames); n != 2 {
		t.Errorf("%d frames, want 2", n)
	}
	if err := NewReader(s.dir).Remove("a"); err != nil || len(s.files()) > 0 {
		t.Errorf("%v; %q are left", err, s.files())
	}
}

func (s *scribe) bytes(name string) []byte {
	s.tb.Helper()
	b, err := os.ReadFile(filepath.Join(s.dir, name))
	if err != nil {
		s.tb.Fatal(err)
	}
	return b
}

// A follower that still reads a file while it is renamed and packed goes on with the next
// one: no line is missing, and none comes twice.
func TestFollowerReadsOnWhenItsFileIsPacked(t *testing.T) {
	s := newScribe(t, 2<<10, remindEvery)
	c := &cursor{dir: s.dir, id: "a", name: s.f.name, limit: -1, zip: new(unpacker)}
	defer c.close()
	defer c.zip.close()
	if err := c.begin(Query{Follow: true}); err != nil {
		t.Fatal(err)
	}
	next := 1
	look := func() {
		t.Helper()
		for {
			ok, err := c.peek(Query{})
			if err != nil {
				t.Fatal(err)
			}
			if !ok {
				return
			}
			c.peeked = false
			if n, _, _ := strings.Cut(string(c.head.Message), " "); n != fmt.Sprint(next) {
				t.Fatalf("%q, want line %d", c.head.Message, next)
			}
			next++
		}
	}
	for round := range 40 {
		for range round % 30 { // up to two files at once
			s.write(1, 100)
		}
		if round%2 == 0 {
			s.pack()
		}
		look()
		if next != s.n+1 {
			t.Fatalf("round %d: at line %d of %d", round, next, s.n)
		}
	}
}

// Files go when the limit of age or of bytes says so: also those of earlier runs, and of a
// log that nobody writes to. What went is counted.
func TestLimits(t *testing.T) {
	fill := func(t *testing.T, packed bool) *scribe {
		s := newScribe(t, 10<<10, remindEvery)
		s.f.keep = 20
		for range 60 { // a file an hour, or so
			s.now = s.now.Add(10 * time.Minute)
			s.write(10, 130)
			at := unix.NsecToTimespec(s.now.UnixNano())
			if err := unix.UtimesNanoAt(s.f.dir.fd, s.f.name, []unix.Timespec{at, at}, 0); err != nil {
				t.Fatal(err)
			}
		}
		if packed {
			s.pack()
		}
		s.f.shut()
		f := newFile(s.f.dir, s.f.name, s.f.max, s.f.keep) // as a new run has it
		s.f = f
		return s
	}
	first := func(s *scribe) time.Time {
		rec := s.read(Query{})
		if len(rec) == 0 {
			return time.Time{}
		}
		at, _, _ := strings.Cut(rec[0], " ")
		when, err := time.Parse(timeLayout, at)
		if err != nil {
			t.Fatal(err)
		}
		return when
	}
	for _, packed := range []bool{false, true} {
		t.Run(fmt.Sprintf("age, packed=%t", packed), func(t *testing.T) {
			s := fill(t, packed)
			s.f.maxAge = 3 * time.Hour
			now := s.now
			for range 40 {
				next := s.f.prune(now)
				if at := first(s); at.IsZero() != next.IsZero() || !at.IsZero() && now.Sub(at) >= s.f.maxAge {
					t.Fatalf("at %v the first line is of %v, and the next look at %v", now, at, next)
				} else if at.IsZero() {
					break
				} else if now == s.now && now.Sub(at) < s.f.maxAge/2 {
					t.Errorf("the first line is of %v before", now.Sub(at))
				}
				now = next
			}
			if left := s.files(); len(left) > 0 || now.Sub(s.now) > s.f.maxAge {
				t.Errorf("%q are left %v after the last line", left, now.Sub(s.now))
			}
			if n := s.f.count.files.Load(); n < 9 {
				t.Errorf("%d removed files are counted", n)
			}
		})
		t.Run(fmt.Sprintf("bytes, packed=%t", packed), func(t *testing.T) {
			s := fill(t, packed)
			total := func() (n int64) {
				for _, name := range s.files() {
					n += int64(len(s.bytes(name)))
				}
				return n
			}
			s.f.maxTotal = 35 << 10
			s.f.prune(s.now)
			for range 50 {
				if n := total(); n > s.f.maxTotal {
					t.Fatalf("%d bytes, of at most %d", n, s.f.maxTotal)
				}
				s.write(10, 130)
			}
			if n := total(); n < s.f.maxTotal/2 || s.f.count.removed.Load() == 0 {
				t.Errorf("%d bytes are left of %d, %d were removed", n, s.f.maxTotal, s.f.count.removed.Load())
			}
		})
	}
	t.Run("number", func(t *testing.T) {
		s := fill(t, true)
		s.f.keep = 2
		s.f.prune(s.now)
		if got := s.files(); len(got) != 3 {
			t.Errorf("%q are left", got)
		}
	})
}

// Of a log without older files, each one that is full goes, and is counted.
func TestFilesOfALogOfOneAreCounted(t *testing.T) {
	s := newScribe(t, 2<<10, remindEvery)
	s.f.keep = 0
	for s.f.current < 3 {
		s.write(1, 100)
	}
	if files, bytes := s.f.count.files.Load(), s.f.count.removed.Load(); files != 3 || bytes < 3<<10 || bytes > 6<<10 {
		t.Errorf("%d files of %d bytes are counted", files, bytes)
	}
}

// What a crash leaves of packing is finished, or dropped.
func TestPackingIsCrashSafe(t *testing.T) {
	s := newScribe(t, 2<<10, remindEvery)
	for range 60 {
		s.write(1, 100)
	}
	want := s.read(Query{})
	plain, kept := filepath.Join(s.dir, "a.log.1"), filepath.Join(s.dir, "kept")
	if err := os.Link(plain, kept); err != nil {
		t.Fatal(err)
	}
	s.pack()
	if err := os.Rename(kept, plain); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(s.dir, "a.log"+tmpSuffix), []byte("half"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := s.read(Query{}); !slices.Equal(got, want) {
		t.Errorf("%d lines, want %d", len(got), len(want))
	}
	s.f.prune(s.now)
	if got := s.files(); slices.Contains(got, "a.log.1") || slices.Contains(got, "a.log"+tmpSuffix) || !slices.Contains(got, "a.log.1.zst") {
		t.Errorf("files %q", got)
	}
	if got := s.read(Query{}); !slices.Equal(got, want) {
		t.Errorf("%d lines, want %d", len(got), len(want))
	}
	// The end of the session cuts packing off, and leaves nothing of it.
	r, _ := s.f.rested(time.Now().Add(time.Hour))
	if r != nil {
		t.Fatal("all are packed, and one is to be")
	}
	for range 20 {
		s.write(1, 100)
	}
	p, err := newPacker()
	if err != nil {
		t.Fatal(err)
	}
	if r, _ = s.f.rested(time.Now().Add(time.Hour)); r == nil {
		t.Fatal("none is to be packed")
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.f.packSegment(ctx, p, r, nil); err == nil {
		t.Error("packed after the end")
	}
	if slices.Contains(s.files(), "a.log"+tmpSuffix) {
		t.Errorf("files %q: a part is left", s.files())
	}
	if r, _ = s.f.rested(time.Now().Add(time.Hour)); r == nil {
		t.Fatal("none is to be packed")
	}
	want = s.read(Query{})
	if err := os.Chtimes(filepath.Join(s.dir, filepath.Base(r.Name())), s.now, s.now); err != nil {
		t.Fatal(err)
	}
	if err := s.f.packSegment(t.Context(), p, r, nil); err != nil {
		t.Error(err)
	}
	if got := s.read(Query{}); !slices.Equal(got, want) || slices.Contains(s.files(), "a.log"+tmpSuffix) {
		t.Errorf("%d lines, want %d; files %q", len(got), len(want), s.files())
	}
}

// A file that somebody else has packed beside ours takes nothing away.
func TestWhatOthersHavePackedIsLeftAlone(t *testing.T) {
	s := newScribe(t, 2<<10, remindEvery)
	for range 40 {
		s.write(1, 100)
	}
	zip, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	foreign := filepath.Join(s.dir, "a.log.1.zst")
	if err := os.WriteFile(foreign, zip.EncodeAll(s.bytes("a.log.1"), nil), 0o600); err != nil {
		t.Fatal(err)
	}
	want := s.read(Query{})
	s.f.prune(s.now)
	if got := s.read(Query{}); !slices.Equal(got, want) || !slices.Contains(s.files(), "a.log.1") {
		t.Errorf("%d lines, want %d; files %q", len(got), len(want), s.files())
	}
}

// While stdout has to read lines back, their files stay as they are.
func TestNothingIsPackedWhileStdoutIsBehind(t *testing.T) {
	s := newScribe(t, 2<<10, remindEvery)
	for range 30 {
		s.write(1, 100)
	}
	o := &output{}
	for _, behind := range []bool{true, false} {
		o.reading = behind
		r, _ := s.f.rested(time.Now().Add(time.Hour))
		p, err := newPacker()
		if err != nil || r == nil {
			t.Fatal(r, err)
		}
		if err := s.f.packSegment(t.Context(), p, r, o); (err != nil) != behind {
			t.Errorf("behind=%t: %v", behind, err)
		}
	}
}

// FuzzPacked opens what may be no packed log, and packs what may be no log.
func FuzzPacked(f *testing.F) {
	f.Add([]byte("2026-01-02T03:04:05.000000006Z stdout F x\nstranger\n2026-01-02T03:04:04.000000006Z stdout F y\n"))
	f.Add([]byte("\n\n"))
	f.Add(bytes.Repeat([]byte("2026-01-02T03:04:05.000000006Z stdout F x\n"), 20000))
	f.Fuzz(func(t *testing.T, b []byte) {
		zip := new(unpacker)
		defer zip.close()
		if p, err := openPacked(bytes.NewReader(b), int64(len(b)), zip); err == nil {
			_, _ = io.Copy(io.Discard, io.NewSectionReader(p, 0, p.origin.size))
		}
		p, err := newPacker()
		if err != nil {
			t.Fatal(err)
		}
		var out bytes.Buffer
		from := origin{ino: 1, size: int64(len(b)), mtime: 2}
		if err := p.pack(&out, bytes.NewReader(b), from, func() error { return nil }); err != nil {
			t.Fatal(err)
		}
		packed, err := openPacked(bytes.NewReader(out.Bytes()), int64(out.Len()), zip)
		if err != nil || packed.origin != from {
			t.Fatalf("%v, %+v", err, packed)
		}
		got, err := io.ReadAll(io.NewSectionReader(packed, 0, packed.origin.size))
		if err != nil || !bytes.Equal(got, b) {
			t.Errorf("%d bytes came back of %d: %v", len(got), len(b), err)
		}
	})
}

// Files that somebody has removed from among the others don't hide those beyond: they are
// read, bounded and packed.
func TestNumbersAreMissing(t *testing.T) {
	s := newScribe(t, 1<<20, remindEvery)
	put := func(numbers ...int) {
		t.Helper()
		for _, n := range numbers {
			text := fmt.Sprintf("2026-01-01T00:00:%02d.000000000Z stdout F %d\n", 60-n, n)
			if err := os.WriteFile(filepath.Join(s.dir, partName("a.log", n)), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	put(1, 2, 6, 7, 11)
	dated := filepath.Join(s.dir, "a.log.20261126") // it is nobody's, and no number up to it is looked for
	if err := os.WriteFile(dated, []byte("2026-01-01T00:00:00.000000000Z stdout F copy\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s.write(1, 10)
	if got := s.read(Query{}); len(got) != 6 {
		t.Errorf("%d lines are read, want 6: %q", len(got), got)
	}
	s.f.keep = 4
	s.f.prune(time.Now())
	if got, want := s.files(), []string{"a.log", "a.log.1", "a.log.2", "a.log.20261126", "a.log.6", "a.log.7"}; !slices.Equal(got, want) {
		t.Errorf("files %q, want %q", got, want)
	}
	s.f.mu.Lock()
	s.f.rotate() // it makes room, and moves all
	s.f.mu.Unlock()
	if got, want := s.files(), []string{"a.log.1", "a.log.2", "a.log.20261126", "a.log.3", "a.log.7"}; !slices.Equal(got, want) {
		t.Errorf("files after a rotation %q, want %q", got, want)
	}
	s.pack()
	if got, want := s.files(), []string{"a.log.1.zst", "a.log.2.zst", "a.log.20261126", "a.log.3.zst", "a.log.7.zst"}; !slices.Equal(got, want) {
		t.Errorf("packed files %q, want %q", got, want)
	}
}

// What happens to a file while it is packed: it gets another number, is written to, or goes.
// The packed one only takes the place of what it was made of.
func TestChangesWhilePacking(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(s *scribe, path string) error
		packed string // the name it has then; "": none
	}{
		{"nothing", func(*scribe, string) error { return nil }, "a.log.1.zst"},
		{"rotated", func(s *scribe, _ string) error {
			s.f.mu.Lock()
			defer s.f.mu.Unlock()
			s.f.rotate()
			return nil
		}, "a.log.2.zst"},
		{"written to", func(_ *scribe, path string) error {
			f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
			if err != nil {
				return err
			}
			_, err = f.WriteString("2026-01-02T10:00:01.000000000Z stdout F more\n")
			return errors.Join(err, f.Close())
		}, ""},
		{"gone", func(_ *scribe, path string) error { return os.Remove(path) }, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newScribe(t, 2<<10, remindEvery)
			for range 20 {
				s.write(1, 100)
			}
			r, _ := s.f.rested(time.Now().Add(time.Hour))
			if r == nil {
				t.Fatal("none is to be packed")
			}
			defer r.Close()
			var st unix.Stat_t
			if err := unix.Fstat(int(r.Fd()), &st); err != nil {
				t.Fatal(err)
			}
			if err := c.change(s, filepath.Join(s.dir, "a.log.1")); err != nil {
				t.Fatal(err)
			}
			want := s.read(Query{})
			p, err := newPacker()
			if err != nil {
				t.Fatal(err)
			}
			tmp, err := os.Create(filepath.Join(s.dir, "a.log"+tmpSuffix))
			if err != nil {
				t.Fatal(err)
			}
			if err := errors.Join(p.pack(tmp, r, originOf(st), func() error { return nil }), tmp.Close()); err != nil {
				t.Fatal(err)
			}
			err = s.f.replace("a.log"+tmpSuffix, st, nil)
			if (err == nil) != (c.packed != "") || err != nil && !errors.Is(err, errMoved) {
				t.Errorf("it took its place: %v", err)
			}
			_ = os.Remove(filepath.Join(s.dir, "a.log"+tmpSuffix))
			if got := slices.DeleteFunc(s.files(), func(name string) bool { return !strings.HasSuffix(name, packSuffix) }); strings.Join(got, " ") != c.packed {
				t.Errorf("packed files %q, want %q", got, c.packed)
			}
			if got := s.read(Query{}); !slices.Equal(got, want) {
				t.Errorf("%d lines, want %d", len(got), len(want))
			}
		})
	}
}
