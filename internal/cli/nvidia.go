package cli

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"nix2gpu/lock"
	"nix2gpu/packages"
	"nix2gpu/project"
)

// asksNVIDIA reports whether the container has packages from NVIDIA, and where the
// definition asks for them.
func asksNVIDIA(p *project.Project) (project.Pos, bool) {
	if p.Container.CUDA != "" {
		return p.Container.CUDAPos, true
	}
	for _, ref := range packages.Needed(p, p.Select(p.Shipped(), false)...) {
		if packages.Lookup(ref.Attr).Source == packages.NVIDIA {
			return ref.Pos, true
		}
	}
	return project.Pos{}, false
}

// checkNVIDIA fails unless NVIDIA has packages for all of the architectures.
func (l *loaded) checkNVIDIA(needs *lock.Needs, suite string, arches []string) error {
	pos, ok := asksNVIDIA(l.project)
	if !ok {
		return nil
	}
	for _, s := range needs.Sources {
		if s.Name != packages.NVIDIA {
			continue
		}
		for _, arch := range arches {
			if packages.HasFor(s.URL, arch) {
				continue
			}
			has := "nothing"
			if list := slices.Sorted(maps.Keys(s.URL)); len(list) > 0 {
				has = strings.Join(list, ", ")
			}
			return &invalid{l.root, project.Errors{{
				Pos: pos, Msg: fmt.Sprintf("there is no CUDA for %s in NVIDIA's repository for %s: it has %s", arch, suite, has),
				Hint: "name one that has it, aptSources.nvidia.url = { " + arch + " = …; }, or build for another platform",
			}}}
		}
	}
	return nil
}
