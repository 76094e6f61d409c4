package definition

import (
	"context"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// stopper ends an evaluation that traces something.
type stopper func()

func (s stopper) Write(p []byte) (int, error) {
	s()
	return len(p), nil
}

// What is cancelled while a part is evaluated is no flaw of that part.
func TestOutputsAreCancelled(t *testing.T) {
	dir := t.TempDir()
	const text = `{ outputs = _: { checks = builtins.trace "now" (builtins.foldl' (a: b: a + b) 0 (builtins.genList (x: x) 100000)); }; }`
	if err := os.WriteFile(filepath.Join(dir, "flake.nix"), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	list, err := Outputs(ctx, dir, Options{Dir: dir, System: "x86_64-linux", Trace: stopper(cancel)})
	if err == nil || !strings.Contains(err.Error(), "evaluation stopped") {
		t.Errorf("%v, %v of what was cancelled", list, err)
	}
}

// Each flake that is built in is known as such, and no other.
func TestBuiltInFlakes(t *testing.T) {
	e := newEvaluation(newSource("/f/flake.nix", "/f"), Options{System: "x86_64-linux"})
	if got := slices.Sorted(maps.Keys(e.standIns())); !slices.Equal(got, builtInFlakes) {
		t.Errorf("built in are %q, and listed %q", got, builtInFlakes)
	}
}
