package logcopy

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"nix2gpu/project"
	"nix2gpu/servicelog"
)

func TestFormat(t *testing.T) {
	at := time.Date(2026, 2, 3, 14, 5, 6, 0, time.UTC)
	for _, c := range []struct {
		name   string
		format *project.LogFormat
		stream servicelog.Stream
		text   string
		want   string
	}{
		{"as it is", nil, servicelog.Stdout, "a\x00b", "a\x00b\n"},
		{"JSON", &project.LogFormat{Process: "web", Replica: 2}, servicelog.Stdout, "a\tb\xff", `{"level":"info","process":"web","replica":2,"message":"a\tb` + "\uFFFD" + `"}` + "\n"},
		{"JSON of stderr, with a time", &project.LogFormat{Bare: true, Time: true}, servicelog.Stderr, "x", `{"level":"error","time":"2026-02-03T14:05:06Z","message":"x"}` + "\n"},
		{"text", &project.LogFormat{Process: "web", Text: true, Time: true}, servicelog.Stdout, "x", "2:05PM INF x process=web replica=0\n"},
		{"text without a time", &project.LogFormat{Process: "sp ace", Text: true}, servicelog.Stderr, "x", "ERR x process=\"sp ace\" replica=0\n"},
		{"the message alone", &project.LogFormat{Text: true, Bare: true, Fields: []string{"message"}}, servicelog.Stdout, "x", "x\n"},
		{"another layout", &project.LogFormat{Text: true, Bare: true, Time: true, Layout: "06-01-02", Fields: []string{"message", "time"}}, servicelog.Stdout, "x", "x 26-02-03\n"},
	} {
		if got := string(NewFormatter(c.format).Append(nil, c.stream, []byte(c.text), at)); got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}

// TestRotation writes through two users of one file.
func TestRotation(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "all.log")
	open := func() (*os.File, error) {
		return os.OpenFile(path, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o644)
	}
	old := filepath.Join(dir, "all-2001-01-01T00-00-00.000.log.gz")
	if err := os.WriteFile(old, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Chtimes(old, time.Unix(0, 0), time.Unix(0, 0)); err != nil {
		t.Fatal(err)
	}
	var set Set
	use := func() *File {
		f, err := open()
		if err != nil {
			t.Fatal(err)
		}
		return set.Use(f, &project.LogRotation{SizeMB: 1, Files: 2, Days: 30}, open)
	}
	a, b := use(), use()
	if a != b {
		t.Fatal("one file is open twice")
	}
	block := []byte(strings.Repeat("x", 400<<10) + "\n")
	for range 5 {
		a.Write(block)
		b.Write(block)
	}
	a.Close()
	b.Close()
	set.tidies.Wait()
	before, _ := filepath.Glob(filepath.Join(dir, "*"))
	for range 3 { // what a descendant prints that outlives its service
		b.Write(block)
	}
	if after, _ := filepath.Glob(filepath.Join(dir, "*")); !slices.Equal(before, after) {
		t.Errorf("written after the end: files %q, before %q", after, before)
	}
	got, _ := filepath.Glob(filepath.Join(dir, "*"))
	if len(got) != 3 || len(set.open) != 0 {
		t.Errorf("files %q, want all.log and two put aside; %d open, want 0", got, len(set.open))
	}
	for _, file := range got {
		if info, err := os.Stat(file); err != nil || info.Size() > 1<<20 || file == old {
			t.Errorf("%s: %v, %v", file, info.Size(), err)
		}
	}
}

// What is packed keeps its mode, and a link that was put in its place is not followed.
func TestPackedIsForTheSame(t *testing.T) {
	dir := t.TempDir()
	log, secret, link := filepath.Join(dir, "a.log"), filepath.Join(dir, "secret"), filepath.Join(dir, "b.log")
	for _, err := range []error{os.WriteFile(log, []byte("x"), 0o600), os.WriteFile(secret, []byte("y"), 0o600), os.Symlink(secret, link)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	new(Set).pack(log)
	new(Set).pack(link)
	if info, err := os.Stat(log + ".gz"); err != nil || info.Mode() != 0o600 {
		t.Errorf("packed: %v, %v", info, err)
	}
	if got, _ := filepath.Glob(filepath.Join(dir, "*")); len(got) != 3 {
		t.Errorf("files %q, want the packed one, the secret and the link", got)
	}
}

// What an earlier run has left is tidied up at once, without a line that is written.
func TestTidyAtTheStart(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "all.log")
	name := func(day int) string {
		return filepath.Join(dir, time.Date(2026, 1, day, 0, 0, 0, 0, time.UTC).Format("all-2006-01-02T15-04-05.000.log"))
	}
	now := time.Now()
	put := func(path string, days int) {
		t.Helper()
		if err := os.WriteFile(path, make([]byte, 400<<10), 0o644); err != nil {
			t.Fatal(err)
		}
		at := now.AddDate(0, 0, -days)
		if err := os.Chtimes(path, at, at); err != nil {
			t.Fatal(err)
		}
	}
	put(name(1), 31) // too old
	put(name(2), 29) // its packing was cut short
	put(name(2)+".gz.part", 29)
	put(name(3), 28) // its packing was not finished
	put(name(3)+".gz", 28)
	put(filepath.Join(dir, "all-other.log"), 99)
	for _, r := range []struct {
		rotation project.LogRotation
		want     []string
	}{
		{project.LogRotation{Compress: true, Days: 30}, []string{name(2) + ".gz", name(3) + ".gz"}},
		{project.LogRotation{SizeMB: 1, TotalMB: 2}, []string{name(2) + ".gz", name(3) + ".gz"}},
		{project.LogRotation{SizeMB: 1, TotalMB: 1}, nil},
	} {
		f, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o644)
		if err != nil {
			t.Fatal(err)
		}
		var set Set
		w := set.Use(f, &r.rotation, nil)
		set.tidies.Wait()
		if got, want := w.due != nil, r.rotation.Days > 0; got != want {
			t.Errorf("%+v: another look is due: %t, want %t", r.rotation, got, want)
		}
		w.Close()
		got, _ := filepath.Glob(filepath.Join(dir, "all-2*"))
		if !slices.Equal(got, r.want) {
			t.Errorf("%+v: files %q, want %q", r.rotation, got, r.want)
		}
	}
	if _, err := os.Stat(filepath.Join(dir, "all-other.log")); err != nil {
		t.Error("a file of somebody else was removed:", err)
	}
}

// A rotation holds for all users of the file, and what is said last holds, also that there
// is none.
func TestRotationOfAnother(t *testing.T) {
	path := filepath.Join(t.TempDir(), "all.log")
	open := func() (*os.File, error) {
		return os.OpenFile(path, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o644)
	}
	var set Set
	use := func(rotation *project.LogRotation) *File {
		f, err := open()
		if err != nil {
			t.Fatal(err)
		}
		return set.Use(f, rotation, open)
	}
	aside := func() int {
		paths, err := filepath.Glob(filepath.Join(filepath.Dir(path), "all-*.log"))
		if err != nil {
			t.Fatal(err)
		}
		return len(paths)
	}
	half := append(make([]byte, 600<<10), '\n')
	first := use(nil)
	first.Write(half)
	first.Write(half)
	if n := aside(); n != 0 {
		t.Fatalf("%d files were put aside, and nobody asked for that", n)
	}
	second := use(&project.LogRotation{SizeMB: 2})
	first.Write(half)
	third := use(&project.LogRotation{SizeMB: 1})
	first.Write(half)
	if n := aside(); n != 1 {
		t.Errorf("%d files were put aside, want 1", n)
	}
	set.Follow(map[string]*project.LogRotation{filepath.Join(filepath.Dir(path), "other.log"): {SizeMB: 1}})
	for range 4 {
		first.Write(half)
	}
	if n := aside(); n != 1 {
		t.Errorf("%d files were put aside, and nobody asks for that any more", n-1)
	}
	set.Follow(map[string]*project.LogRotation{path: {SizeMB: 1}})
	first.Write(half)
	if n := aside(); n != 2 {
		t.Errorf("%d files were put aside, want 2", n)
	}
	fourth := use(nil)
	first.Write(half)
	first.Write(half)
	if n := aside(); n != 2 {
		t.Errorf("%d files were put aside, and the last user of it wants none", n-2)
	}
	for _, f := range []*File{first, second, third, fourth} {
		f.Close()
	}
}
