package definition

import (
	"strings"

	"nix2gpu/nix/module"
	"nix2gpu/packages"
	"nix2gpu/project"
)

// cuda is the set of CUDA packages that the container has, and where it was set;
// "" for none. cuda.enable = false overrules every other option.
func (b *builder) cuda() (string, project.Pos) {
	if b.Has("cuda", "enable") && !b.Bool("cuda", "enable") {
		return "", project.Pos{}
	}
	for _, path := range [][]string{{"cudaPackages"}, {"cuda", "packages"}} {
		c := b.Get(path...)
		if c.Kind() == module.Missing || c.Kind() == module.KindNull {
			continue
		}
		set := ""
		switch c.Kind() {
		case module.KindAttrs:
			set = c.String("_nix2gpuSet")
		case module.KindStr:
			set = c.String()
		}
		if packages.CUDAVersion(set) == "" {
			c.Errorf("%s must be a set of packages such as pkgs.cudaPackages_12_8", strings.Join(path, "."))
			return "", project.Pos{}
		}
		return set, b.projectPos(b.Pos(path...))
	}
	if v := b.String("cuda", "version"); v != "" {
		set := "cudaPackages_" + strings.ReplaceAll(v, ".", "_")
		if packages.CUDAVersion(set) == "" {
			b.Get("cuda", "version").Errorf("cuda.version must be like \"12.8\", is %q", v)
			return "", project.Pos{}
		}
		return set, b.projectPos(b.Pos("cuda", "version"))
	}
	if b.Bool("cuda", "enable") {
		return "cudaPackages", b.projectPos(b.Pos("cuda", "enable"))
	}
	return "", project.Pos{}
}
