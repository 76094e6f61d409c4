package servicelog_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"nix2gpu/servicelog"
)

// The last lines of standard error are those that explain an end; where it has none,
// those of standard output. Empty ones say nothing, and long ones are cut.
func TestLastLines(t *testing.T) {
	h := openHub(t, servicelog.Options{})
	for _, c := range []struct {
		out, errs string
		want      []string
	}{
		{"", "", nil},
		{"one\n\ntwo", "", []string{"one", "two"}},
		{"one\n", "bad\n \n" + "\xff\n", []string{"bad", "\uFFFD"}},
		{"", strings.Repeat("x", 1000) + "\n", []string{strings.Repeat("x", 300)}},
		{"", "1\n2\n3\n4\n5\n6\n7\n8\n9\n10\n", []string{"3", "4", "5", "6", "7", "8", "9", "10"}},
	} {
		run, err := h.Source("a", "a", servicelog.SourceOptions{}).Start(nil)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprint(run.Stdout, c.out)
		fmt.Fprint(run.Stderr, c.errs)
		run.Started()
		if err := run.Drain(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := run.Last(); !slices.Equal(got, c.want) {
			t.Errorf("after %.20q and %.20q: %.40q, want %.40q", c.out, c.errs, got, c.want)
		}
	}
}
