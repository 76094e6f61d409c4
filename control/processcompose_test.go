package control_test

import (
	"slices"
	"strings"
	"testing"

	"nix2gpu/control"
)

func TestSplitNames(t *testing.T) {
	known := []string{"a", "a,b", "b", "c", "x, y", "a,b,c"}
	for text, want := range map[string][]string{
		"": nil, ",": nil, "a": {"a"}, "b,c": {"b", "c"}, " b , c ": {"b", "c"}, "a,b": {"a,b"}, "c,a,b": {"c", "a,b"},
		"a,b,c": {"a,b,c"}, "x, y,a": {"x, y", "a"}, "no,body": {"no", "body"},
	} {
		if got := control.SplitNames(text, known); !slices.Equal(got, want) {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
	// A text that anybody may send costs no more than its length: this ends.
	if got := control.SplitNames(strings.Repeat("x,", 100_000), known); len(got) != 100_000 {
		t.Errorf("%d names", len(got))
	}
}
