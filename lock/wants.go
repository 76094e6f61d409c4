package lock

import (
	"fmt"
	"slices"

	"nix2gpu/packages"
	"nix2gpu/project"
)

// SSHD is the attribute of the SSH server, which every image has.
const SSHD = "openssh"

// Brought is what a container's definition brings that is not one of Debian's packages.
type Brought struct {
	Suite    string // the release of Debian
	Sources  []packages.AptSource
	Archives []packages.Archive
	Wheels   []string // the names in its python.requirements
}

// named returns the attributes of all packages of a container's image, and those of them
// that neither its services nor the container name.
func named(p *project.Project) (all, more []project.PackageRef) {
	more = append([]project.PackageRef{{Attr: SSHD}}, packages.BareWords(p).Refs...)
	if t := p.Container.Tailscale; t != nil {
		more = append(more, project.PackageRef{Attr: packages.Tailscale, Pos: t.Pos})
	}
	all = append(packages.Needed(p, p.Select(p.Shipped(), false)...), more...)
	if set := p.Container.CUDA; set != "" {
		for _, part := range packages.CUDARuntime(set) {
			all = append(all, project.PackageRef{Attr: set + "." + part, Pos: p.Container.CUDAPos})
		}
	}
	return all, more
}

// Recipes returns the rules by which a container's image leaves out parts of its
// packages, unless its variant keeps all of them.
func Recipes(p *project.Project) []packages.Recipe {
	all, _ := named(p)
	return packages.Recipes(all)
}

// Needs lists what a container's image needs.
type Needs struct {
	Wants    []Want
	Archives []packages.Archive
	// Sources are the definition's, and those of vendors in the package table.
	Sources []packages.AptSource
	// Stand has the packages that attributes stand for if Debian has none.
	Stand map[string][]string
	// More are attributes that other packages do not run without, and those of every
	// image.
	More []project.PackageRef
}

// FindNeeds finds what the image of a container needs: for its enabled services, for the
// container itself, and for every image. The error is a [project.Errors] with all
// attributes that nothing is known for.
func FindNeeds(p *project.Project, brought Brought) (*Needs, error) {
	n := &Needs{Stand: map[string][]string{}}
	for _, s := range brought.Sources {
		n.Sources = append(n.Sources, s.Completed(brought.Suite))
	}
	queue, more := named(p)
	n.More = more
	seen := map[string]bool{}
	var wrong project.Errors
	for len(queue) > 0 {
		ref := queue[0]
		queue = queue[1:]
		if seen[ref.Attr] {
			continue
		}
		seen[ref.Attr] = true
		if err := n.find(ref, brought, p.Container.Tailscale != nil); err != nil {
			wrong = append(wrong, err)
			continue
		}
		for _, attr := range packages.Lookup(ref.Attr).Needs {
			if !seen[attr] {
				more := project.PackageRef{Attr: attr, Pos: ref.Pos}
				queue, n.More = append(queue, more), append(n.More, more)
			}
		}
	}
	for _, name := range packages.Base() {
		n.add(Want{Name: name})
	}
	if len(wrong) > 0 {
		return nil, wrong
	}
	return n, nil
}

func (n *Needs) add(w Want) {
	if !slices.ContainsFunc(n.Wants, func(have Want) bool { return have.Name == w.Name }) {
		n.Wants = append(n.Wants, w)
	}
}

// find adds what an attribute stands for: what the definition says, or else a vendor's
// package in the table, or else Debian's. joins reports that only the container's
// tailnet asks for it, which is no reason to use a vendor.
func (n *Needs) find(ref project.PackageRef, brought Brought, joins bool) *project.Error {
	attr, row := ref.Attr, packages.Lookup(ref.Attr)
	if i := slices.IndexFunc(brought.Archives, func(a packages.Archive) bool { return a.Attr == attr }); i >= 0 {
		n.Archives = append(n.Archives, brought.Archives[i])
		return nil
	}
	named := func(name string) int {
		return slices.IndexFunc(n.Sources, func(s packages.AptSource) bool { return s.Name == name })
	}
	switch {
	case named(attr) >= 0:
		n.Stand[attr] = n.Sources[named(attr)].Packages
	case attr == packages.Tailscale && joins:
		n.More = slices.DeleteFunc(n.More, func(r project.PackageRef) bool { return r.Attr == attr })
		return nil // the build warns, and services run without it
	case row.Source != "":
		if named(row.Source) < 0 {
			s, _ := packages.VendorSource(row.Source, brought.Suite)
			s.Packages, s.Pos = row.Vendor, ref.Pos
			switch {
			case len(s.URL) == 0:
				return &project.Error{Pos: ref.Pos, Msg: fmt.Sprintf("package %q cannot be put into an image: %s has no packages for %s", attr, s.Name, brought.Suite),
					Hint: fmt.Sprintf("name a repository that has, and its key: aptSources.%s = { url; key; }", s.Name)}
			case len(s.Fingerprints) == 0:
				return &project.Error{Pos: ref.Pos, Msg: fmt.Sprintf("package %q cannot be put into an image: it is not known whose key signs the repository of %s", attr, s.Name),
					Hint: fmt.Sprintf("set aptSources.%s.key; see %s", s.Name, row.From)}
			}
			n.Sources = append(n.Sources, s)
		}
		n.Stand[attr] = row.Vendor
	case row.Archive != nil:
		a := *row.Archive
		a.Pos = ref.Pos
		n.Archives = append(n.Archives, a)
		return nil
	case row.Wheel != "" && slices.Contains(brought.Wheels, row.Wheel):
		return nil
	case row.Wheel != "":
		return &project.Error{Pos: ref.Pos, Msg: fmt.Sprintf("package %q cannot be put into an image: Debian has no package for it", attr),
			Hint: fmt.Sprintf("it comes as a wheel: name %q, and what it needs, in a file, and the file by python.requirements = ./requirements.txt; see %s", row.Wheel, row.From)}
	case row.From != "":
		return &project.Error{Pos: ref.Pos, Msg: fmt.Sprintf("package %q cannot be put into an image: Debian has no package for it", attr),
			Hint: fmt.Sprintf("name a repository that has it by aptSources.%s = { url; suite; components; key; }, or its file by archives.%s = { url; sha256; }; see %s", attr, attr, row.From)}
	}
	names := packages.Released(row.Debian, brought.Suite)
	if stand, ok := n.Stand[attr]; ok {
		names = stand
	} else if !slices.Equal(names, row.Debian) {
		n.Stand[attr] = names
	}
	for _, name := range names {
		n.add(Want{Name: name, Attr: attr, Pos: ref.Pos, Admits: row.Admits})
	}
	return nil
}

// ofDriver returns the error for a part of NVIDIA's driver, which no image may have.
func ofDriver(name string) string {
	if !packages.OfDriver(name) {
		return ""
	}
	return "is of NVIDIA's driver, which the host lends to a container"
}
