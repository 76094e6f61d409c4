package flake_test

import (
	"strings"
	"testing"
	"testing/fstest"

	"nix2gpu/nix/eval"
	"nix2gpu/nix/flake"
	"nix2gpu/nix/module"
)

// TestParts evaluates flakes in the style of flake-parts, and compares the output x, or
// what perSystem evaluates to.
func TestParts(t *testing.T) {
	const head = `{ outputs = { self, flake-parts, nixpkgs, modules, ... }@inputs: `
	for name, c := range map[string]struct {
		outputs string // of flake.nix
		want    string // of toJSON of the output x
		err     string
	}{
		"outputs as they are": {
			outputs: `mk { flake.x = 1; }`, want: `1`},
		"transposed": {
			outputs: `mk { systems = [ "a" "b" ]; perSystem = { system, ... }: { packages.p = system; }; flake.x = self.packages; }`,
			want:    `{"a":{"p":"a"},"b":{"p":"b"}}`},
		"the systems of a flake that names none": {
			outputs: `mk { flake.x = builtins.attrNames self.packages; }`, want: `["x86_64-linux"]`},
		"every transposed output is there": {
			outputs: `mk { flake.x = map (n: self.${n}.x86_64-linux) [ "apps" "checks" "devShells" "formatter" "legacyPackages" "packages" ]; }`,
			want:    `[{},{},{},null,{},{}]`},
		"the package set": {
			outputs: `mk { perSystem = { pkgs, ... }: { packages.p = pkgs.name; }; flake.x = self.packages.x86_64-linux.p; }`,
			want:    `"pkgs of x86_64-linux"`},
		"another package set": {
			outputs: `mk { perSystem = { pkgs, ... }: { _module.args.pkgs = { name = "mine"; }; packages.p = pkgs.name; }; flake.x = self.packages.x86_64-linux.p; }`,
			want:    `"mine"`},
		"an option of ours": {
			outputs: `mk { perSystem.mine = "set"; flake.x = inputs.self.inner.x86_64-linux; } // { inner.x86_64-linux = (flake-parts.lib.mkFlake { inherit inputs; } ({ getSystem, ... }: { perSystem.mine = "set"; flake.y = (getSystem "x86_64-linux").mine; })).y; }`,
			want:    `"set"`},
		"what other modules set is taken": {
			outputs: `mk { unknown.thing = 1; perSystem.other.thing = 2; flake.x = "fine"; }`, want: `"fine"`},
		"self and inputs without the system": {
			outputs: `mk { perSystem = { self', inputs', ... }: { packages.q = 1; packages.p = [ self'.packages.q inputs'.nixpkgs.legacyPackages.name ]; }; flake.x = self.packages.x86_64-linux.p; }`,
			want:    `[1,"pkgs of x86_64-linux"]`},
		"a system that an input lacks": {
			outputs: `mk { systems = [ "z" ]; perSystem = { inputs', ... }: { packages.p = inputs'.nixpkgs.lib; }; flake.x = self.packages.z.p; }`,
			err:     "the flake has no lib for z"},
		"withSystem": {
			outputs: `mk ({ withSystem, ... }: { perSystem.packages.p = 5; flake.x = withSystem "x86_64-linux" ({ config, system, pkgs, self', ... }: [ config.packages.p system pkgs.name self'.packages.p ]); })`,
			want:    `[5,"x86_64-linux","pkgs of x86_64-linux",5]`},
		"getSystem": {
			outputs: `mk ({ getSystem, ... }: { perSystem.packages.p = 5; flake.x = (getSystem "other").packages.p; })`, want: `5`},
		"moduleWithSystem": {
			outputs: `mk ({ moduleWithSystem, ... }: { flake.x = moduleWithSystem (_: { }); })`, err: "not supported: moduleWithSystem"},
		"special arguments": {
			outputs: `flake-parts.lib.mkFlake { inherit inputs; specialArgs.word = "given"; } ({ word, ... }: { flake.x = word; })`, want: `"given"`},
		"a self of one's own": {
			outputs: `flake-parts.lib.mkFlake { inherit inputs; self = { packages.x86_64-linux.p = "mine"; }; } { perSystem = { self', ... }: { packages.q = self'.packages.p; }; flake.x = inputs.self.packages.x86_64-linux.q; }`,
			want:    `"mine"`},
		"mkFlake without inputs": {
			outputs: `flake-parts.lib.mkFlake { } { flake.x = 1; }`, err: "mkFlake needs { inherit inputs; }"},
		"importApply": {
			outputs: `mk { imports = [ (flake-parts.lib.importApply ./apply.nix { n = 7; }) ]; }`, want: `7`},
		"mkPerSystemOption": {
			outputs: `mk { flake.x = flake-parts.lib.mkPerSystemOption (_: { }); }`, err: "not supported: options of one's own in perSystem"},
		"the library as an argument": {
			outputs: `mk ({ flake-parts-lib, ... }: { flake.x = builtins.attrNames flake-parts-lib; })`, want: `["importApply","mkFlake","mkPerSystemOption"]`},
		"modules of flake-parts": {
			outputs: `mk { imports = [ flake-parts.flakeModule flake-parts.flakeModules.easyOverlay ]; flake.x = 1; }`, want: `1`},
		"modules of another flake": {
			outputs: `mk { imports = [ inputs.modules.flakeModule inputs.modules.flakeModules.default inputs.modules.flakeModules.any inputs.modules.nixosModules.y inputs.modules.processComposeModules.z ]; flake.x = inputs.modules._type; }`,
			want:    `"flake"`},
		"nixpkgs": {
			outputs: `_: { x = with inputs.nixpkgs; [ lib.word legacyPackages.x86_64-linux.name legacyPackages.aarch64-linux.name legacyPackages.riscv64-linux.name (builtins.attrNames legacyPackages) "${inputs.nixpkgs}" ]; }`,
			want:    `["the library","pkgs of x86_64-linux","pkgs of aarch64-linux","pkgs of riscv64-linux",["aarch64-linux","x86_64-linux"],"/stand-ins/nixpkgs"]`},
		"a module that fails": {
			outputs: `mk { perSystem = throw "no system"; flake.x = self.packages.x86_64-linux; }`, err: "no system"},
		"systems that are none": {
			outputs: `mk { systems = "x"; flake.x = self.packages; }`, err: "a definition for option `systems' is not of type `list of string'"},
	} {
		t.Run(name, func(t *testing.T) {
			text := head + "let mk = flake-parts.lib.mkFlake { inherit inputs; }; in " + c.outputs + "; }"
			if rest, ok := strings.CutPrefix(c.outputs, "_: "); ok {
				text = head + rest + "; }"
			}
			got, err := evaluateParts(t, text, func(t *eval.Thread, f *flake.Flake) string {
				return t.ToJSON(t.Select(f.Self, "x")).Text()
			})
			switch {
			case c.err == "" && (err != nil || got != c.want):
				t.Errorf("x = %s, %v, want %s", got, err, c.want)
			case c.err != "" && (err == nil || !strings.Contains(err.Error(), c.err)):
				t.Errorf("x = %s, %v, want the error %s", got, err, c.err)
			}
		})
	}
}

// evaluateParts loads a flake.nix with the stand-ins.
func evaluateParts(t *testing.T, text string, look func(*eval.Thread, *flake.Flake) string) (got string, err error) {
	t.Helper()
	files := memory{fstest.MapFS{
		"f/flake.nix":         {Data: []byte(text)},
		"f/apply.nix":         {Data: []byte(`{ n }: { flake.x = n; }`)},
		"stand-ins/nixpkgs/x": {},
	}}
	ev := eval.New(eval.Options{FS: files})
	pkgs := func(system string) eval.Value {
		return eval.NewAttrs(1).Set("name", eval.Str("pkgs of "+system)).Done()
	}
	opts := flake.PartsOptions{
		System:    module.NewSystem(ev),
		PerSystem: module.Options{"mine": {Type: module.String, Default: "unset"}},
		Pkgs:      func(_ *eval.Thread, system string) eval.Value { return pkgs(system) },
		Systems:   []string{"x86_64-linux"},
	}
	err = ev.Do(t.Context(), func(th *eval.Thread) {
		lib := eval.NewAttrs(1).Set("word", eval.Str("the library")).Done()
		got = look(th, flake.Load(th, "/f", flake.Options{FS: files, StandIns: map[string]eval.Value{
			"flake-parts": eval.Lazy(opts.StandIn),
			"nixpkgs":     flake.Nixpkgs(lib, pkgs, "/stand-ins/nixpkgs"),
			"modules":     flake.ModuleStandIn(),
		}}))
	})
	return got, err
}

// TestPartsOf finds the configuration behind outputs, and each system's once.
func TestPartsOf(t *testing.T) {
	text := `{ outputs = { self, flake-parts, ... }@inputs: flake-parts.lib.mkFlake { inherit inputs; } { systems = [ "a" ]; perSystem.mine = "set"; }; }`
	_, err := evaluateParts(t, text, func(th *eval.Thread, f *flake.Flake) string {
		p := flake.PartsOf(th, f.Self)
		if p == nil {
			t.Fatal("there is none")
		}
		if got := p.Systems(th); len(got) != 1 || got[0] != "a" {
			t.Errorf("systems %q", got)
		}
		e := p.System(th, "a")
		if e != p.System(th, "a") {
			t.Error("a system is evaluated twice")
		}
		e.Within(th, func() {
			if got := e.Config().String("mine"); got != "set" {
				t.Errorf("mine is %q", got)
			}
		})
		return ""
	})
	if err != nil {
		t.Error(err)
	}
	for _, text := range []string{`{ outputs = _: { }; }`, `{ outputs = _: { _nix2gpuParts = 1; }; }`} {
		_, err := evaluateParts(t, text, func(th *eval.Thread, f *flake.Flake) string {
			if flake.PartsOf(th, f.Self) != nil {
				t.Errorf("%s: there is one", text)
			}
			return ""
		})
		if err != nil {
			t.Error(err)
		}
	}
}
