package definition_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"nix2gpu/definition"
)

// Values without an end, or that take more memory than there is when they are written
// out, are errors of the definition with a position.
func TestLimits(t *testing.T) {
	const cyclic = `let x = { a = x; }; in x`
	const dag = `let f = n: if n == 0 then { z = 1; } else let s = f (n - 1); in { a = s; b = s; }; in f 60`
	settings := func(value string) string {
		return `{ services.prometheus."a" = { enable = true; extraConfig = ` + value + `; }; }`
	}
	toml := func(value string) string {
		return `{ services.custom."a" = { enable = true; command = "x ${(pkgs.formats.toml { }).generate "x" (` + value + `)}"; }; }`
	}
	for name, c := range map[string]struct{ text, err string }{
		"cyclic settings": {settings(cyclic), "is nested too deeply"},
		"cyclic TOML":     {toml(cyclic), "stack overflow; max-call-depth exceeded"},
		"big settings":    {settings(dag), "evaluation stopped: it needs more than the permitted 96 MiB of memory"},
		"big TOML":        {toml(dag), "evaluation stopped: it needs more than the permitted 96 MiB of memory"},
		"endless closure": {settings(`{ x = builtins.genericClosure { startSet = [ { key = 0; } ]; operator = x: [ { key = x.key + 1; } ]; }; }`),
			"evaluation stopped: it needs more than the permitted 96 MiB of memory"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := folder(t, map[string]string{"nix2gpu.nix": c.text}, nil)
			_, err := definition.Load(t.Context(), definition.Ref{Path: dir}, definition.Options{Dir: dir, MaxMemory: 96 << 20})
			wrong, ok := errors.AsType[definition.Errors](err)
			if !ok || !strings.Contains(err.Error(), c.err) || !wrong[0].Pos.IsValid() {
				t.Errorf("error %v, want %q with its place", err, c.err)
			}
		})
	}
}

// What Go code reads can be interrupted as well.
func TestCancelReading(t *testing.T) {
	dir := folder(t, map[string]string{"nix2gpu.nix": `{ services.prometheus."a" = { enable = true; extraConfig =
		let f = n: if n == 0 then { z = 1; } else let s = f (n - 1); in { a = s; b = s; }; in f 60; }; }`}, nil)
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	if _, err := definition.Load(ctx, definition.Ref{Path: dir}, definition.Options{Dir: dir}); err == nil {
		t.Error("no error")
	}
}
