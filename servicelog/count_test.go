package servicelog_test

import (
	"path/filepath"
	"testing"

	"nix2gpu/servicelog"
)

// What a source writes is counted over all of its runs, and also where nothing is kept.
func TestCountsOfSources(t *testing.T) {
	for _, dir := range []string{"", filepath.Join(t.TempDir(), "logs")} {
		hub, err := servicelog.Open(servicelog.Options{Dir: dir})
		if err != nil {
			t.Fatal(err)
		}
		for range 2 {
			run, err := hub.Source("api", "api", servicelog.SourceOptions{}).Start(nil)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := run.Stdout.WriteString("one\ntwo\n\nthe end"); err != nil {
				t.Fatal(err)
			}
			if _, err := run.Stderr.WriteString("three\n"); err != nil {
				t.Fatal(err)
			}
			run.Started() // closes our ends
			if err := run.Drain(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		if got, want := hub.Counts()["api"], (servicelog.Count{Bytes: 2 * (16 + 6), Lines: 10}); got != want {
			t.Errorf("in %q: %+v, want %+v", dir, got, want)
		}
		if err := hub.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
}
