package servicelog_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"nix2gpu/internal/testkit"
	"nix2gpu/servicelog"
)

// A Hub packs and removes by itself, also the files of a log that nobody writes to.
func TestKeeper(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "logs")
	h, err := servicelog.Open(servicelog.Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(dir, "web.log")
	for _, file := range []string{name + ".1", name + ".2", name + ".3"} {
		if err := os.WriteFile(file, []byte("2026-01-02T03:04:05.000000006Z stdout F old\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		long := time.Now().Add(-30 * time.Minute)
		if err := os.Chtimes(file, long, long); err != nil {
			t.Fatal(err)
		}
	}
	var got []string
	become := func(want ...string) {
		t.Helper()
		if !testkit.Eventually(func() bool {
			got, _ = filepath.Glob(name + "*")
			return slices.Equal(got, want)
		}) {
			t.Fatalf("files %q, want %q", got, want)
		}
	}
	h.Keep("web", servicelog.Limits{Keep: 2, Pack: true})
	become(name+".1.zst", name+".2.zst")
	h.Keep("web", servicelog.Limits{Keep: 2, MaxAge: time.Minute})
	become()
	if err := h.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n := h.Counts()["web"].RemovedFiles; n != 3 {
		t.Errorf("%d removed files are counted, want 3", n)
	}
}

// A run writes its log itself, and its current file stays. The bound is held while a service
// prints, without a call.
func TestBoundInTheBackground(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "logs")
	h, err := servicelog.Open(servicelog.Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	const bound = 2 << 20
	h.Bound(bound)
	run := filepath.Join(dir, "run-1.log")
	if err := os.WriteFile(run, []byte("2026-01-02T03:04:05.000000006Z stdout F x\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	r, err := h.Source("a", "a", servicelog.SourceOptions{}).Start(nil)
	if err != nil {
		t.Fatal(err)
	}
	within := func() bool {
		var n int64
		files, _ := filepath.Glob(filepath.Join(dir, "*"))
		for _, f := range files {
			if info, err := os.Stat(f); err == nil {
				n += info.Size()
			}
		}
		return n <= bound
	}
	for range 64 {
		fmt.Fprintln(r.Stdout, strings.Repeat("x", 128<<10))
	}
	r.Started()
	if !testkit.Eventually(within) {
		t.Error("more is kept")
	}
	if _, err := os.Stat(run); err != nil {
		t.Error(err)
	}
	if err := h.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
}
