package lock

import (
	"fmt"
	"slices"

	"nix2gpu/packages"
	"nix2gpu/project"
)

// SSHD is what lets in whoever has a key: every image has it.
const SSHD = "openssh"

// Sources are what a container's definition brings beside Debian's packages.
type Sources struct {
	// Packages are those of its apt sources, by the attribute that stands for them.
	Packages map[string][]string
	Archives []packages.Archive
	Wheels   []string // the projects of its python.requirements
}

// named are the packages of the image of a container, by attribute.
func named(p *project.Project) []project.PackageRef {
	refs := packages.Needed(p, p.Select(p.Enabled(), false)...)
	refs = append(refs, packages.BareWords(p).Refs...)
	if set := p.Container.CUDA; set != "" {
		for _, part := range packages.CUDARuntime(set) {
			refs = append(refs, project.PackageRef{Attr: set + "." + part, Pos: p.Container.CUDAPos})
		}
	}
	if t := p.Container.Tailscale; t != nil {
		refs = append(refs, project.PackageRef{Attr: packages.Tailscale, Pos: t.Pos})
	}
	return append(refs, project.PackageRef{Attr: SSHD})
}

// Recipes are those by which the image of a container leaves out parts of its
// packages, unless its variant has all of them.
func Recipes(p *project.Project) []packages.Recipe { return packages.Recipes(named(p)) }

// Wants lists the Debian packages that the image of a container needs: those of
// its enabled services, of the container around them, and of every image; and the
// archives that it needs. The error, [project.Errors], names all attributes that
// nothing stands for.
func Wants(p *project.Project, sources Sources) ([]Want, []packages.Archive, error) {
	refs := named(p)
	var wants []Want
	var archives []packages.Archive
	var wrong project.Errors
	seen := map[string]bool{}
	add := func(w Want) {
		if !seen[w.Name] {
			seen[w.Name] = true
			wants = append(wants, w)
		}
	}
	for _, ref := range refs {
		if i := slices.IndexFunc(sources.Archives, func(a packages.Archive) bool { return a.Attr == ref.Attr }); i >= 0 {
			if a := sources.Archives[i]; !slices.ContainsFunc(archives, func(b packages.Archive) bool { return a.Attr == b.Attr }) {
				archives = append(archives, a)
			}
			continue
		}
		row := packages.Lookup(ref.Attr)
		if named, ok := sources.Packages[ref.Attr]; ok {
			for _, name := range named {
				add(Want{Name: name, Attr: ref.Attr, Pos: ref.Pos})
			}
			continue
		}
		if ref.Attr == packages.Tailscale && p.Container.Tailscale != nil {
			continue // the build warns, and services go on without
		}
		if row.Wheel != "" && slices.Contains(sources.Wheels, row.Wheel) {
			continue
		}
		if row.Wheel != "" {
			wrong = append(wrong, &project.Error{Pos: ref.Pos, Msg: fmt.Sprintf("package %q cannot be put into an image: Debian has no package of it", ref.Attr),
				Hint: fmt.Sprintf("it comes as a wheel: name %q, and what it needs, in a file, and the file by python.requirements = ./requirements.txt; see %s", row.Wheel, row.From)})
			continue
		}
		if row.From != "" {
			wrong = append(wrong, &project.Error{Pos: ref.Pos, Msg: fmt.Sprintf("package %q cannot be put into an image: Debian has no package of it", ref.Attr),
				Hint: fmt.Sprintf("name a repository that has it by aptSources.%s = { url; suite; components; key; }, or its file by archives.%s = { url; sha256; }; see %s", ref.Attr, ref.Attr, row.From)})
			continue
		}
		for _, name := range row.Debian {
			add(Want{Name: name, Attr: ref.Attr, Pos: ref.Pos, Admits: row.Admits})
		}
	}
	for _, name := range packages.Base() {
		add(Want{Name: name})
	}
	if len(wrong) > 0 {
		return nil, nil, wrong
	}
	return wants, archives, nil
}

// ofDriver says why an image has no part of NVIDIA's driver.
func ofDriver(name string) string {
	if !packages.OfDriver(name) {
		return ""
	}
	return "is of NVIDIA's driver, which the host lends to a container"
}
