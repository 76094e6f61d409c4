package module_test

import (
	"context"
	"fmt"
	"testing"

	"nix2gpu/nix/eval"
	"nix2gpu/nix/module"
)

// many declares 200 options and assigns them, and 20 submodules.
const many = `
let
  names = map (n: "opt${toString n}") (lib.range 1 200);
  sub = { name, config, ... }: {
    options = lib.genAttrs (map (n: "f${toString n}") (lib.range 1 10)) (n: lib.mkOption { type = lib.types.str; default = name + n; });
  };
in (lib.evalModules {
  modules = [
    { options = lib.genAttrs names (n: lib.mkOption { type = lib.types.int; default = 1; }); }
    { options.sub = lib.mkOption { type = lib.types.attrsOf (lib.types.submodule sub); default = { }; }; }
    { config = lib.genAttrs names (n: lib.mkDefault 2); }
    ({ config, ... }: { config = lib.genAttrs names (n: lib.mkIf (n == "opt1") (lib.mkForce (config.opt2 + 1))); })
    { sub = lib.genAttrs (map (n: "s${toString n}") (lib.range 1 20)) (n: { f1 = n; f2 = lib.mkForce "x"; }); }
  ];
}).config`

func BenchmarkNix200(b *testing.B) {
	for b.Loop() {
		ev, sys := newSystem()
		_, err := ev.EvalText(context.Background(), "bench.nix", "let r = "+many+"; in builtins.deepSeq r 1", "/", eval.Scope{"lib": sys.Lib()})
		if err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkLib(b *testing.B) {
	for b.Loop() {
		ev, sys := newSystem()
		if _, err := ev.EvalText(context.Background(), "bench.nix", "lib.range 1 3", "/", eval.Scope{"lib": sys.Lib()}); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkGo200 is the same with options declared in Go.
func BenchmarkGo200(b *testing.B) {
	opts := module.Options{}
	for i := range 200 {
		opts[fmt.Sprintf("opt%d", i)] = module.Option{Type: module.Int, Default: 1}
	}
	sub := module.Options{}
	for i := range 10 {
		sub[fmt.Sprintf("f%d", i)] = module.Option{Type: module.String, Default: "x"}
	}
	opts["sub"] = module.Option{Type: module.AttrsOf(module.Submodule(module.Schema{Options: sub})), Default: map[string]any{}}
	const text = `{ opt1 = 2; opt2 = 3; sub = builtins.listToAttrs (builtins.genList (n: { name = "s${toString n}"; value = { f1 = "n"; }; }) 20); }`
	for b.Loop() {
		ev, sys := newSystem()
		v, err := ev.EvalText(context.Background(), "bench.nix", text, "/", nil)
		if err != nil {
			b.Fatal(err)
		}
		e := sys.Evaluate(context.Background(), module.Spec{Modules: []module.Module{module.Declare(opts, nil), module.FromValue(v, "bench.nix")}})
		if err := e.Check(); err != nil {
			b.Fatal(err)
		}
	}
}
