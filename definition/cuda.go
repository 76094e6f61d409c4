package definition

import (
	"strings"

	"nix2gpu/nix/module"
	"nix2gpu/packages"
	"nix2gpu/project"
)

// cuda returns the set of CUDA packages of the container and where it was set, or "".
// cuda.enable = false overrules every other option. Two options that name different
// sets are an error.
func (b *builder) cuda() (string, project.Pos) {
	if b.Has("cuda", "enable") && !b.Bool("cuda", "enable") {
		return "", project.Pos{}
	}
	set, first := "", ""
	var pos project.Pos
	for _, path := range [][]string{{"cudaPackages"}, {"cuda", "packages"}, {"cuda", "version"}} {
		name := strings.Join(path, ".")
		named, ok := b.cudaSet(path)
		switch {
		case !ok:
		case named == "":
			return "", project.Pos{}
		case set == "":
			set, first, pos = named, name, b.projectPos(b.Pos(path...))
		case named != set:
			b.Get(path...).Errorf("%s is CUDA %s, and %s is CUDA %s: only one can be in the image", name, packages.CUDAVersion(named), first, packages.CUDAVersion(set))
		}
	}
	if set == "" && b.Bool("cuda", "enable") {
		return "cudaPackages", b.projectPos(b.Pos("cuda", "enable"))
	}
	return set, pos
}

// cudaSet returns the set that one option names. If the option names no set, it reports
// that and returns "". If the option is not set, ok is false.
func (b *builder) cudaSet(path []string) (set string, ok bool) {
	c := b.Get(path...)
	version := path[len(path)-1] == "version"
	switch c.Kind() {
	case module.Missing, module.KindNull:
		return "", false
	case module.KindAttrs:
		set = c.String("_nix2gpuSet")
	case module.KindStr:
		set = c.String()
		if version {
			set = "cudaPackages_" + strings.ReplaceAll(set, ".", "_")
		}
	}
	switch {
	case packages.CUDAVersion(set) != "":
		return set, true
	case version:
		c.Errorf("cuda.version must be like \"12.8\", not %q", c.String())
	default:
		c.Errorf("%s must be a set of packages such as pkgs.cudaPackages_12_8", strings.Join(path, "."))
	}
	return "", true
}
