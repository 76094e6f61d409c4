package lock

import (
	"fmt"

	"nix2gpu/packages"
	"nix2gpu/project"
)

// SSHD is what lets in whoever has a key: every image has it.
const SSHD = "openssh"

// Wants lists the Debian packages that the image of a container needs: those of
// its enabled services, of the container around them, and of every image. The error,
// [project.Errors], names all attributes that Debian has no package for and that
// no source stands for: sources are the packages of the container's apt sources,
// by their names.
func Wants(p *project.Project, sources map[string][]string) ([]Want, error) {
	refs := packages.Needed(p, p.Select(p.Enabled(), false)...)
	refs = append(refs, packages.BareWords(p).Refs...)
	refs = append(refs, project.PackageRef{Attr: SSHD})
	var wants []Want
	var wrong project.Errors
	seen := map[string]bool{}
	add := func(w Want) {
		if !seen[w.Name] {
			seen[w.Name] = true
			wants = append(wants, w)
		}
	}
	for _, ref := range refs {
		row := packages.Lookup(ref.Attr)
		if named, ok := sources[ref.Attr]; ok {
			for _, name := range named {
				add(Want{name, ref.Attr, ref.Pos})
			}
			continue
		}
		if row.From != "" {
			wrong = append(wrong, &project.Error{Pos: ref.Pos, Msg: fmt.Sprintf("package %q cannot be put into an image: Debian has no package of it", ref.Attr),
				Hint: fmt.Sprintf("name a repository that has it by aptSources.%s = { url; suite; components; key; }; see %s", ref.Attr, row.From)})
			continue
		}
		for _, name := range row.Debian {
			add(Want{name, ref.Attr, ref.Pos})
		}
	}
	for _, name := range packages.Base() {
		add(Want{Name: name})
	}
	if len(wrong) > 0 {
		return nil, wrong
	}
	return wants, nil
}
