package servicelog_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"nix2gpu/internal/testkit"
	"nix2gpu/servicelog"
)

// write makes a log file of records that are given without their times: each
// comes a second after the one before.
func writeLog(t *testing.T, dir, name string, first time.Time, records ...string) {
	t.Helper()
	var b strings.Builder
	for i, r := range records {
		at := first.Add(time.Duration(i) * time.Second).UTC().Format("2006-01-02T15:04:05.000000000Z")
		b.WriteString(at + " " + r + "\n")
	}
	if err := os.WriteFile(filepath.Join(dir, name), []byte(b.String()), 0o600); err != nil {
		t.Fatal(err)
	}
}

// read returns the messages that a query yields.
func read(t *testing.T, r *servicelog.Reader, q servicelog.Query) []string {
	t.Helper()
	var got []string
	for rec, err := range r.Records(t.Context(), q) {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, string(rec.Message))
	}
	return got
}

var noon = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

// What is removed is the log of one source with all that rotation has left, and of no
// other whose name begins in the same way.
func TestRemove(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"web.log", "web.log.1", "web.log.12", "web.log.old", "web.logs", "web-2.log", "%2Fweb.log"} {
		writeLog(t, dir, name, noon, "stdout F x")
	}
	r := servicelog.NewReader(dir)
	for _, source := range []string{"web", "/web", "web", "never was"} {
		if err := r.Remove(source); err != nil {
			t.Errorf("Remove(%q): %v", source, err)
		}
	}
	left, err := filepath.Glob(dir + "/*")
	if err != nil {
		t.Fatal(err)
	}
	if want := []string{dir + "/web-2.log", dir + "/web.log.old", dir + "/web.logs"}; !slices.Equal(left, want) {
		t.Errorf("left are %v, want %v", left, want)
	}
}

func TestQueries(t *testing.T) {
	dir := t.TempDir()
	writeLog(t, dir, "web.log.2", noon, "nix2gpu F start", "stdout F w0", "stderr F w1")
	writeLog(t, dir, "web.log.1", noon.Add(3*time.Second), "nix2gpu F start", "stdout F w4", "stdout P w5a", "stdout F w5b")
	writeLog(t, dir, "web.log", noon.Add(7*time.Second), "stdout F w7", "nix2gpu F start", "stdout F w9", "stderr F:n w10")
	writeLog(t, dir, "db.log", noon.Add(1500*time.Millisecond), "nix2gpu F start", "stdout F d2.5", "stdout F d3.5")
	r := servicelog.NewReader(dir)
	web := []string{"web"}
	at := func(s int) time.Time { return noon.Add(time.Duration(s) * time.Second) }
	for _, c := range []struct {
		name string
		q    servicelog.Query
		want string
	}{
		{"one", servicelog.Query{Sources: web}, "w0 w1 w4 w5a w5b w7 w9 w10"},
		{"all by time", servicelog.Query{}, "w0 w1 d2.5 d3.5 w4 w5a w5b w7 w9 w10"},
		{"tail", servicelog.Query{Sources: web, Tail: 3}, "w7 w9 w10"},
		{"tail over files", servicelog.Query{Sources: web, Tail: 4}, "w5a w5b w7 w9 w10"},
		{"tail of each", servicelog.Query{Tail: 1}, "d3.5 w10"},
		{"tail of more than there is", servicelog.Query{Sources: web, Tail: 100}, "w0 w1 w4 w5a w5b w7 w9 w10"},
		{"none", servicelog.Query{Tail: -1}, ""},
		{"since", servicelog.Query{Sources: web, Since: at(7)}, "w7 w9 w10"},
		{"until", servicelog.Query{Sources: web, Until: at(2)}, "w0 w1"},
		{"tail until", servicelog.Query{Sources: web, Until: at(4), Tail: 2}, "w1 w4"},
		{"grep", servicelog.Query{Match: regexp.MustCompile("[49]$").Match}, "w4 w9"},
		{"tail grep", servicelog.Query{Sources: web, Match: regexp.MustCompile("[0149]$").Match, Tail: 3}, "w4 w9 w10"},
		{"stderr", servicelog.Query{Streams: []servicelog.Stream{servicelog.Stderr}}, "w1 w10"},
		{"previous", servicelog.Query{Sources: web, Previous: true}, "w4 w5a w5b w7"},
		{"previous of those that have one", servicelog.Query{Previous: true, Tail: 2}, "w5a w5b w7"},
		{"marks", servicelog.Query{Sources: []string{"db"}, Marks: true}, "start d2.5 d3.5"},
		{"unknown", servicelog.Query{Sources: []string{"x"}}, ""},
	} {
		if got := strings.Join(read(t, r, c.q), " "); got != c.want {
			t.Errorf("%s: got %q, want %q", c.name, got, c.want)
		}
	}
}

// A run that fills its file to the end is not followed by lines of the next.
func TestPreviousRunEndsWithItsFile(t *testing.T) {
	dir := t.TempDir()
	writeLog(t, dir, "web.log.1", noon, "nix2gpu F start", "stdout F w1", "stdout F w2")
	writeLog(t, dir, "web.log", noon.Add(3*time.Second), "nix2gpu F start", "stdout F w4")
	if got := strings.Join(read(t, servicelog.NewReader(dir), servicelog.Query{Previous: true}), " "); got != "w1 w2" {
		t.Errorf("the run before printed %q, want w1 w2", got)
	}
}

// TestPlantedFilesAreNotRead puts what is no log in a log's place: reading must
// neither follow it nor wait for it.
func TestPlantedFilesAreNotRead(t *testing.T) {
	for name, plant := range map[string]func(path string) error{
		"link": func(path string) error { return os.Symlink("/etc/hostname", path) },
		"FIFO": func(path string) error { return unix.Mkfifo(path, 0o600) },
	} {
		dir := t.TempDir()
		if err := plant(filepath.Join(dir, "a.log")); err != nil {
			t.Fatal(err)
		}
		var got error
		for rec, err := range servicelog.NewReader(dir).Records(t.Context(), servicelog.Query{Sources: []string{"a"}}) {
			if got = err; err == nil {
				t.Errorf("%s: read %q", name, rec.Message)
			}
		}
		if got == nil || !strings.Contains(got.Error(), "it is a "+name) {
			t.Errorf("%s: %v, want a refusal", name, got)
		}
	}
}

func TestNoPreviousRun(t *testing.T) {
	dir := t.TempDir()
	writeLog(t, dir, "db.log", noon, "nix2gpu F start", "stdout F x")
	for _, err := range servicelog.NewReader(dir).Records(t.Context(), servicelog.Query{Sources: []string{"db"}, Previous: true}) {
		if !errors.Is(err, servicelog.ErrNoPrevious) {
			t.Errorf("got %v, want ErrNoPrevious", err)
		}
	}
}

func TestDamagedFilesAreStillRead(t *testing.T) {
	dir := t.TempDir()
	whole := "2026-11-22T12:00:00.000000000Z stdout F one\n2026-11-22T12:00:01.000000000Z stdout F two\n"
	for cut := range len(whole) {
		if err := os.WriteFile(filepath.Join(dir, "a.log"), []byte(whole[:cut]), 0o600); err != nil {
			t.Fatal(err)
		}
		h := openHub(t, servicelog.Options{Dir: dir})
		emit(t, h.Source("a", "a", servicelog.SourceOptions{}), "new\n")
		h.Close(t.Context())
		got := read(t, servicelog.NewReader(dir), servicelog.Query{Marks: true})
		if n := len(got); n < 2 || got[n-1] != "new" || got[n-2] != "start" || strings.Count(whole[:cut], "\n") == 2 && got[0] != "one" {
			t.Fatalf("cut at %d: got %q", cut, got)
		}
	}
	t.Attr("R22", fmt.Sprintf("cut at each of %d bytes", len(whole)))
}

func TestRotationKeepsSoManyFiles(t *testing.T) {
	dir := t.TempDir()
	h := openHub(t, servicelog.Options{Dir: dir, MaxSize: 2000, Keep: 3})
	s := h.Source("a", "a", servicelog.SourceOptions{})
	for i := range 200 {
		emit(t, s, fmt.Sprintf("line %d\n", i))
	}
	h.Close(t.Context())
	entries, _ := os.ReadDir(dir)
	var names []string
	for _, e := range entries {
		fi, _ := e.Info()
		if fi.Size() > 2000 {
			t.Errorf("%s has %d bytes, want at most 2000", e.Name(), fi.Size())
		}
		names = append(names, e.Name())
	}
	if want := []string{"a.log", "a.log.1", "a.log.2", "a.log.3"}; !slices.Equal(names, want) {
		t.Errorf("files %q, want %q", names, want)
	}
	got := read(t, servicelog.NewReader(dir), servicelog.Query{})
	for i, l := range got {
		if want := fmt.Sprintf("line %d", 200-len(got)+i); l != want {
			t.Fatalf("line %d is %q, want %q", i, l, want)
		}
	}
}

// TestBatchLargerThanAFile wants one file each, and no empty ones. The first line of a log
// comes with the mark of its run.
func TestBatchLargerThanAFile(t *testing.T) {
	dir := t.TempDir()
	h := openHub(t, servicelog.Options{Dir: dir, MaxSize: 10})
	s := h.Source("a", "a", servicelog.SourceOptions{})
	emit(t, s, "one\n")
	emit(t, s, "two\n") // after the mark of another run
	h.Close(t.Context())
	for name, want := range map[string]int{"a.log": 1, "a.log.1": 1, "a.log.2": 2} {
		b, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil || bytes.Count(b, []byte("\n")) != want {
			t.Errorf("%s holds %q, %v; want %d records", name, b, err, want)
		}
	}
}

// TestFollowSeesEverything follows across many rotations, with the kernel's
// and the hub's news, and from another reader's start in the middle.
func TestFollowSeesEverything(t *testing.T) {
	for _, own := range []bool{true, false} {
		t.Run(fmt.Sprintf("own=%t", own), func(t *testing.T) {
			dir := t.TempDir()
			h := openHub(t, servicelog.Options{Dir: dir, MaxSize: 4 << 10, Keep: 1000})
			r := servicelog.NewReader(dir)
			if own {
				r = h.Reader()
			}
			const lines = 3000
			ctx, cancel := context.WithTimeout(t.Context(), testkit.Patience)
			defer cancel()
			started := make(chan struct{})
			go func() {
				<-started
				run, err := h.Source("a", "a", servicelog.SourceOptions{}).Start(nil)
				if err != nil {
					t.Error(err)
					return
				}
				for i := range lines {
					fmt.Fprintf(run.Stdout, "line %d\n", i)
				}
				run.Started()
			}()
			n := 0
			begin := sync.OnceFunc(func() { close(started) })
			q := servicelog.Query{Follow: true, Idle: begin} // there is nothing yet
			for rec, err := range r.Records(ctx, q) {
				if err != nil {
					t.Fatal(err)
				}
				if want := fmt.Sprintf("line %d", n); string(rec.Message) != want {
					t.Fatalf("got %q, want %q", rec.Message, want)
				}
				if n++; n == lines {
					break
				}
			}
			if n != lines {
				t.Errorf("followed %d lines, want %d", n, lines)
			}
		})
	}
}

func TestPrinterWritesTheOriginalBytes(t *testing.T) {
	dir := t.TempDir()
	h := openHub(t, servicelog.Options{Dir: dir})
	output := "one\ndos\r\n10%\r20%\n" + strings.Repeat("long", 20000) + "\n\x00\xff\x1b[2J\n"
	emit(t, h.Source("a", "app", servicelog.SourceOptions{}), output)
	h.Close(t.Context())
	for _, c := range []struct {
		name string
		opts servicelog.PrintOptions
		want string
	}{
		{"raw", servicelog.PrintOptions{}, output},
		{"terminal", servicelog.PrintOptions{Terminal: true},
			"one\ndos\n10%\n20%\n" + strings.Repeat("long", 20000) + "\n\\x00\\xff␛[2J\n"},
		{"labels", servicelog.PrintOptions{Terminal: true, Label: func(string) string { return "app" }},
			"[app] one\n[app] dos\n[app] 10%\n[app] 20%\n[app] " + strings.Repeat("long", 20000) + "\n[app] \\x00\\xff␛[2J\n"},
	} {
		var b bytes.Buffer
		p := servicelog.NewPrinter(&b, c.opts)
		for rec, err := range servicelog.NewReader(dir).Records(t.Context(), servicelog.Query{}) {
			if err != nil {
				t.Fatal(err)
			}
			if err := p.Print(rec); err != nil {
				t.Fatal(err)
			}
		}
		p.Flush()
		if b.String() != c.want {
			t.Errorf("%s: got %d bytes, want %d: %.200q", c.name, b.Len(), len(c.want), b.String())
		}
	}
}
