package module_test

import (
	"context"
	"path/filepath"
	"testing"
	"time"

	"nix2gpu/nix/eval"
	"nix2gpu/nix/module"
)

// FuzzCheck evaluates any text as a module: it may be wrong in any way, but
// Check comes back, and says the same when it is asked again.
func FuzzCheck(f *testing.F) {
	files, _ := filepath.Glob("testdata/errors/*.nix")
	for _, file := range files {
		f.Add(readFile(f, file))
	}
	f.Add(sample)
	f.Add(`{ lib, ... }: { options.a = lib.mkOption { type = lib.types.attrsOf (lib.types.submodule { freeformType = lib.types.anything; }); }; config.a.b = lib.mkMerge [ { c = lib.mkForce 1; } { c = 2; } ]; }`)
	f.Fuzz(func(t *testing.T, text string) {
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		ev := eval.New(eval.Options{MaxSteps: 200_000})
		sys := module.NewSystem(ev)
		v, err := ev.EvalText(ctx, "fuzz.nix", text, "/", eval.Scope{"lib": sys.Lib()})
		if err != nil {
			return
		}
		e := sys.Evaluate(ctx, module.Spec{Modules: []module.Module{module.Declare(options, nil), module.FromValue(v, "fuzz.nix")}})
		first := e.Check()
		e.Config().Any()
		e.Walk(func(c *module.Config) { _ = c.Show() })
		e.Describe()
		if first != nil && e.Check() == nil {
			t.Errorf("an error went away: %v", first)
		}
	})
}
