package definition

import (
	"maps"
	"slices"
	"testing"
)

// Each flake that is built in is known as such, and no other.
func TestBuiltInFlakes(t *testing.T) {
	e := newEvaluation(newSource("/f/flake.nix", "/f"), Options{System: "x86_64-linux"})
	if got := slices.Sorted(maps.Keys(e.standIns())); !slices.Equal(got, builtInFlakes) {
		t.Errorf("built in are %q, and listed %q", got, builtInFlakes)
	}
}
