package servicelog_test

import (
	"context"
	"os"
	"slices"
	"strings"
	"testing"

	"nix2gpu/servicelog"
)

// What was printed before is gone, whatever file it is in, and what comes next is kept.
func TestTruncate(t *testing.T) {
	dir := t.TempDir()
	for _, old := range []string{"web.log.1", "web.log.12", "web-2.log", "web.log.1.txt", "gone.log"} {
		if err := os.WriteFile(dir+"/"+old, []byte("2026-11-22T15:04:05.000000Z stdout F old\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	hub, err := servicelog.Open(servicelog.Options{Dir: dir, MaxSize: 4 << 10})
	if err != nil {
		t.Fatal(err)
	}
	defer hub.Close(t.Context())
	src := hub.Source("web", "web", servicelog.SourceOptions{})
	print := func(text string) {
		t.Helper()
		run, err := src.Start(nil)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := run.Stdout.WriteString(text); err != nil {
			t.Fatal(err)
		}
		run.Started()
		if err := run.Drain(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	lines := func() (out []string) {
		for rec, err := range hub.Reader().Records(context.Background(), servicelog.Query{Sources: []string{"web"}}) {
			if err != nil {
				t.Fatal(err)
			}
			out = append(out, string(rec.Message))
		}
		return out
	}
	print(strings.Repeat("a line that is printed often\n", 1000)) // some files of it
	if err := hub.Truncate("web"); err != nil {
		t.Fatal(err)
	}
	if got := lines(); len(got) > 0 {
		t.Errorf("%d lines are left, the first is %q", len(got), got[0])
	}
	print("after it\n")
	if got := lines(); !slices.Equal(got, []string{"after it"}) {
		t.Errorf("then there are %q", got)
	}
	if err := hub.Truncate("gone"); err != nil { // no source of this run
		t.Fatal(err)
	}
	entries, _ := os.ReadDir(dir)
	var left []string
	for _, e := range entries {
		left = append(left, e.Name())
	}
	if want := []string{"web-2.log", "web.log", "web.log.1.txt"}; !slices.Equal(left, want) {
		t.Errorf("files are %q, want %q", left, want)
	}
	if err := hub.Truncate("nobody"); err != nil {
		t.Errorf("a source without a file: %v", err)
	}
}
