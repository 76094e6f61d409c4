package logcopy

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"nix2gpu/internal/testkit"
	"nix2gpu/project"
)

// use opens a file that is rotated at 1 MiB.
func use(t *testing.T, set *Set, path string, rotation project.LogRotation) *File {
	t.Helper()
	open := func() (*os.File, error) {
		return os.OpenFile(path, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o644)
	}
	f, err := open()
	if err != nil {
		t.Fatal(err)
	}
	rotation.SizeMB = 1
	return set.Use(f, &rotation, open)
}

// A service that ends waits neither for the packing of another one's file nor for its own.
func TestCloseWaitsForNoPacking(t *testing.T) {
	dir := t.TempDir()
	var set Set
	set.tidy.Lock() // another file is being packed
	w := use(t, &set, filepath.Join(dir, "a.log"), project.LogRotation{Compress: true})
	for range 3 {
		w.Write(make([]byte, 700<<10))
	}
	w.Close() // it would never return
	set.tidy.Unlock()
	set.tidies.Wait()
	got, err := filepath.Glob(filepath.Join(dir, "a-*"))
	if err != nil || len(got) != 2 || !strings.HasSuffix(got[0], ".log.gz") || !strings.HasSuffix(got[1], ".log.gz") {
		t.Errorf("files %q, %v: want both packed although the log is closed", got, err)
	}
}

// Packing that is cut off at the end leaves nothing half done, and no file is removed that a
// packed one would leave room for. The next Set goes on.
func TestEndOfASet(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "a.log")
	rotation := project.LogRotation{Compress: true, TotalMB: 2}
	var set Set
	set.tidy.Lock()
	w := use(t, &set, path, rotation)
	for range 4 {
		w.Write(make([]byte, 700<<10))
	}
	w.Close()
	set.ended = true // as Close does when its time is over
	set.tidy.Unlock()
	set.Close(t.Context())
	plain, _ := filepath.Glob(filepath.Join(dir, "a-*"))
	if len(plain) != 3 {
		t.Fatalf("files %q, want three as they were", plain)
	}
	for _, f := range plain {
		if !strings.HasSuffix(f, ".log") {
			t.Errorf("%s is left", f)
		}
	}
	if set.pack(plain[0]) {
		t.Error("it packs after the end")
	}
	if _, err := os.Stat(plain[0] + packed + part); err == nil {
		t.Error("a part is left")
	}
	var next Set
	use(t, &next, path, rotation).Close()
	next.tidies.Wait()
	if got, _ := filepath.Glob(filepath.Join(dir, "a-*.log.gz")); len(got) != 3 {
		t.Errorf("packed files %q, want three", got)
	}
	next.Close(t.Context())
	w = use(t, &next, path, rotation) // a descendant's, after the end
	w.Write([]byte("x"))
	w.Close()
}

// Names are in UTC: in local time those of an hour come twice, when clocks are set back.
func TestAsideInUTC(t *testing.T) {
	dir := t.TempDir()
	var set Set
	w := use(t, &set, filepath.Join(dir, "a.log"), project.LogRotation{})
	w.Write([]byte("x"))
	at := time.Date(2026, 10, 25, 2, 30, 0, 0, time.FixedZone("CEST", 2*3600))
	w.rotate(at)
	w.Write([]byte("y"))
	w.rotate(at.Add(time.Hour).In(time.FixedZone("CET", 3600)))
	w.Close()
	set.Close(t.Context())
	want := []string{"a-2026-10-25T00-30-00.000.log", "a-2026-10-25T01-30-00.000.log", "a.log"}
	got, _ := filepath.Glob(filepath.Join(dir, "*"))
	for i := range got {
		got[i] = filepath.Base(got[i])
	}
	if strings.Join(got, " ") != strings.Join(want, " ") {
		t.Errorf("files %q, want %q", got, want)
	}
}

// The end comes although a file system hangs.
func TestEndIsBounded(t *testing.T) {
	var set Set
	set.tidy.Lock()
	defer set.tidy.Unlock()
	w := use(t, &set, filepath.Join(t.TempDir(), "a.log"), project.LogRotation{Compress: true})
	w.Write(make([]byte, 700<<10))
	w.Close()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	set.Close(ctx) // it would never return
}

// A service that starts waits for no other file than its own.
func TestUseWaitsForNoOtherFile(t *testing.T) {
	dir := t.TempDir()
	var set Set
	first := use(t, &set, filepath.Join(dir, "a.log"), project.LogRotation{})
	first.mu.Lock() // its disk hangs in a write
	again, err := os.OpenFile(filepath.Join(dir, "a.log"), os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		t.Fatal(err)
	}
	second := make(chan *File)
	go func() { second <- set.Use(again, &project.LogRotation{SizeMB: 2}, nil) }()
	if !testkit.Eventually(func() bool {
		if !set.mu.TryLock() {
			return false
		}
		defer set.mu.Unlock()
		return first.users == 2
	}) {
		t.Fatal("the set is locked while a file is")
	}
	use(t, &set, filepath.Join(dir, "b.log"), project.LogRotation{}).Close() // it would never return
	first.mu.Unlock()
	(<-second).Close()
	first.Close()
	set.Close(t.Context())
}
