package cli

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"nix2gpu/definition"
	"nix2gpu/packages"
	"nix2gpu/project"
)

// withNVIDIA adds NVIDIA's repository to a container's apt sources where it has CUDA,
// or completes what the definition says of it: of a mirror only the address and the
// key differ.
func withNVIDIA(p *project.Project, all []definition.AptSource, suite string) []definition.AptSource {
	table := definition.AptSource{Name: packages.NVIDIA, URL: packages.NVIDIAFor(suite).URLs, Suite: "./"}
	if i := slices.IndexFunc(all, func(s definition.AptSource) bool { return s.Name == packages.NVIDIA }); i >= 0 {
		if len(all[i].URL) == 0 {
			all[i].URL = table.URL
		}
		return all
	}
	pos, ok := asksNVIDIA(p)
	if !ok {
		return all
	}
	if table.Pos = "the package table"; pos.File != "" {
		table.Pos = fmt.Sprintf("%s:%d:%d", pos.File, pos.Line, pos.Col)
	}
	return append(all, table)
}

// asksNVIDIA reports whether the container has packages of NVIDIA's, and where it
// says so.
func asksNVIDIA(p *project.Project) (project.Pos, bool) {
	if p.Container.CUDA != "" {
		return p.Container.CUDAPos, true
	}
	for _, ref := range packages.Needed(p, p.Select(p.Enabled(), false)...) {
		if packages.Lookup(ref.Attr).Archive == packages.NVIDIA {
			return ref.Pos, true
		}
	}
	return project.Pos{}, false
}

// noNVIDIAKey says how to get the key of NVIDIA's repository.
func noNVIDIAKey(s definition.AptSource, suite string) error {
	err := fmt.Errorf("%s: CUDA comes from NVIDIA's apt repository, and its key is not known", s.Pos)
	r := packages.NVIDIAFor(suite)
	if r.KeyURL == "" {
		return hint(err, "name a repository for %s, and its key: aptSources.nvidia = { url; key; }", suite)
	}
	return hint(err, "save %s, with the fingerprint %s, and name the file: aptSources.nvidia.key = ./nvidia.asc", r.KeyURL, r.Fingerprint)
}

// checkNVIDIA wants NVIDIA to have packages for all architectures.
func (l *loaded) checkNVIDIA(suite string, arches []string) error {
	pos, ok := asksNVIDIA(l.project)
	if !ok {
		return nil
	}
	for _, s := range l.aptSources(suite) {
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
