package servicelog

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"nix2gpu/safefile"
)

// A reader that may have two files open reads the same as one that may have all.
func TestFewFilesAreOpen(t *testing.T) {
	s := newScribe(t, 2<<10, remindEvery)
	for i := range 100 {
		s.write(1, 100)
		if i == 50 {
			s.pack()
		}
	}
	const twins = 3
	for n := range twins { // logs of others, with the same times
		for _, name := range s.files() {
			if rest, ok := strings.CutPrefix(name, "a.log"); ok {
				text := s.bytes(name)
				if err := os.WriteFile(filepath.Join(s.dir, fmt.Sprint("b", n, ".log", rest)), text, 0o600); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	middle := s.now.Add(-50 * time.Millisecond)
	for _, q := range []Query{{}, {Tail: 30}, {Since: middle}, {Until: middle}, {Since: middle, Tail: 3, Processes: true}, {Tail: -1}} {
		var got [2][]string
		for i, most := range []int{0, 2} {
			r := &Reader{dir: s.dir, most: most}
			for rec, err := range r.Records(t.Context(), q) {
				if err != nil {
					t.Fatal(err)
				}
				got[i] = append(got[i], fmt.Sprintf("%s %v %v %s", rec.Source, rec.Time, rec.Process, rec.Message))
			}
		}
		if !slices.Equal(got[0], got[1]) || len(got[0]) == 0 && q.Tail >= 0 {
			t.Errorf("%+v: %d lines with two files, %d with all", q, len(got[1]), len(got[0]))
		}
	}
	zip := &unpacker{most: 2}
	defer zip.close()
	parts, _, err := openAll(s.dir, "a.log", nil, zip)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range parts {
		if _, err := p.ReadAt(make([]byte, 1), 0); err != nil {
			t.Error(err)
		}
		if zip.open > 2 {
			t.Errorf("%d files are open", zip.open)
		}
	}
	if closeAll(parts); zip.open != 0 {
		t.Errorf("%d files are open at the end", zip.open)
	}
}

// What happens to a file while it is closed between two reads: it is found again by what it
// is, whatever it is called. One that is gone is told of, and no other is taken for it.
func TestPartsAreFoundAgain(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(s *scribe)
		found  bool
	}{
		{"nothing", func(*scribe) {}, true},
		{"rotated", func(s *scribe) { s.write(1, 3000); s.write(1, 3000) }, true},
		{"packed", func(s *scribe) { s.pack() }, true},
		{"rotated and packed", func(s *scribe) { s.write(1, 3000); s.pack() }, true},
		{"removed", func(s *scribe) { os.Remove(filepath.Join(s.dir, "a.log.2")) }, false},
		{"another in its place", func(s *scribe) {
			path := filepath.Join(s.dir, "a.log.2")
			os.WriteFile(path, []byte(strings.Replace(string(s.bytes("a.log.2")), "2026", "2025", 1)), 0o600) // of the same inode
		}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newScribe(t, 2<<10, remindEvery)
			for range 40 {
				s.write(1, 100)
			}
			parts, _, err := openAll(s.dir, "a.log", nil, &unpacker{most: -1})
			if err != nil {
				t.Fatal(err)
			}
			defer closeAll(parts)
			p := parts[len(parts)-3]
			if p.number != 2 || p.file != nil {
				t.Fatalf("part %d is open: %t", p.number, p.file != nil)
			}
			want := s.bytes("a.log.2")[:100]
			c.change(s)
			got := make([]byte, 100)
			_, err = p.ReadAt(got, 0)
			if c.found && (err != nil || string(got) != string(want)) || !c.found && err != errGone {
				t.Errorf("%q, %v", got, err)
			}
			if p.gone() == c.found {
				t.Errorf("gone: %t", p.gone())
			}
		})
	}
}

// A reader says that lines are missing, and goes on, when files are removed that it has
// closed.
func TestGapOfClosedFiles(t *testing.T) {
	s := newScribe(t, 2<<10, remindEvery)
	for range 60 {
		s.write(1, 100)
	}
	lines, gaps := 0, 0
	for rec, err := range (&Reader{dir: s.dir, most: -1}).Records(t.Context(), Query{}) {
		if err != nil {
			t.Fatal(err)
		}
		if _, _, gap := rec.Gap(); gap {
			gaps++
			continue
		}
		if lines++; lines == 1 {
			for _, name := range []string{"a.log.3", "a.log.2"} {
				if err := os.Remove(filepath.Join(s.dir, name)); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	if gaps == 0 || lines == 0 || lines >= 60 {
		t.Errorf("%d lines and %d gaps", lines, gaps)
	}
}

// So does one of the run before the last, whose last file is removed.
func TestGapOfThePreviousRun(t *testing.T) {
	dir := t.TempDir()
	var before strings.Builder
	before.WriteString("2026-11-22T10:00:00.000000000Z nix2gpu F start pid=1 restart=0\n")
	for range 3000 {
		before.WriteString("2026-11-22T10:00:00.000000001Z stdout F " + strings.Repeat("x", 100) + "\n")
	}
	for name, text := range map[string]string{"a.log.1": before.String(), "a.log": "2026-11-22T10:00:01.000000000Z nix2gpu F start pid=2 restart=1\n"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	lines, gaps := 0, 0
	for rec, err := range (&Reader{dir: dir, most: -1}).Records(t.Context(), Query{Previous: true}) {
		if err != nil {
			t.Fatal(err)
		}
		if _, _, gap := rec.Gap(); gap {
			gaps++
		} else if lines++; lines == 1 {
			if err := os.Remove(filepath.Join(dir, "a.log.1")); err != nil {
				t.Fatal(err)
			}
		}
	}
	if gaps != 1 || lines == 0 || lines >= 3000 {
		t.Errorf("%d lines and %d gaps", lines, gaps)
	}
}

// Where too many are open, a comparison with a packed part closes what is compared. The next
// comparison opens it again.
func TestSamePartWhileFewAreOpen(t *testing.T) {
	s := newScribe(t, 2<<10, remindEvery)
	s.write(1, 1500)
	s.write(1, 1500)
	s.pack()
	s.write(1, 1500)
	folder, err := safefile.OpenFolder(s.dir)
	if err != nil {
		t.Fatal(err)
	}
	defer folder.Close()
	zip := &unpacker{most: 1}
	defer zip.close()
	open := func(i int) *part {
		t.Helper()
		p, err := openPart(folder, s.dir, "a.log", i, zip)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(p.Close)
		return p
	}
	older, twin := open(2), open(1)
	if twin.rest(); older.zip == nil || twin.zip != nil || twin.file != nil {
		t.Fatalf("files %q: want the older one packed, and its follower plain and closed", s.files())
	}
	p := open(1)
	if p.same(older) {
		t.Error("a part is the one before it")
	}
	if p.file != nil {
		t.Fatal("it is open still: this tests nothing")
	}
	if !p.same(twin) {
		t.Error("a part is not itself")
	}
}
