package flake

import (
	"nix2gpu/nix/eval"
	"nix2gpu/nix/syntax"
)

// emptyModule returns the value of any module of a flake whose modules add nothing
// here, because their options are built in.
func emptyModule(*eval.Thread, string, syntax.Pos) eval.Value { return eval.NewAttrs(0).Done() }

// ModuleStandIn returns the value that replaces a flake used for its modules, such as
// nix2gpu itself or process-compose-flake: it has every module, each empty.
func ModuleStandIn() eval.Value {
	modules := eval.NewAttrs(1).Set("default", eval.NewAttrs(0).Done()).Done().WithMissing(emptyModule)
	return eval.NewAttrs(5).
		Set("_type", eval.Str("flake")).
		Set("flakeModule", eval.NewAttrs(0).Done()).
		Set("flakeModules", modules).
		Set("processComposeModules", modules).
		Set("nixosModules", modules).
		Done()
}

// HomeManager returns the value that replaces home-manager. A configuration is what it was
// made from: no image has a home of it.
func HomeManager() eval.Value {
	configuration := eval.Func("homeManagerConfiguration", 1, func(_ *eval.Thread, args []eval.Value) eval.Value { return args[0] })
	return ModuleStandIn().(*eval.Attrs).Update(eval.NewAttrs(1).
		Set("lib", eval.NewAttrs(1).Set("homeManagerConfiguration", configuration).Done()).Done())
}

// Nixpkgs returns the value that replaces nixpkgs: a library and the package sets. dir
// is the folder that `import nixpkgs` means.
func Nixpkgs(lib eval.Value, pkgs func(system string) eval.Value, dir string) eval.Value {
	systems := eval.NewAttrs(4)
	for _, s := range []string{"x86_64-linux", "aarch64-linux"} {
		systems.Set(s, eval.Lazy(func(*eval.Thread) eval.Value { return pkgs(s) }))
	}
	packages := systems.Done().WithMissing(func(_ *eval.Thread, system string, _ syntax.Pos) eval.Value { return pkgs(system) })
	return eval.NewAttrs(5).
		Set("_type", eval.Str("flake")).
		Set("lib", lib).
		Set("legacyPackages", packages).
		Set("outPath", eval.StrContext(dir, eval.NewContext("source:"+dir))).
		Done()
}
