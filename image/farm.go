package image

import (
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"

	"nix2gpu/debian/deb"
	"nix2gpu/packages"
	"nix2gpu/project"
)

// bakedDir has a folder of links for each package. In a container, the session looks for
// packages there.
const bakedDir = "/opt/nix2gpu/pkgs"

// programDirs returns the usual folders of programs, in the order of the image's PATH.
func programDirs() []string {
	return []string{"usr/local/sbin", "usr/local/bin", "usr/sbin", "usr/bin", "usr/games"}
}

// linksDir has links to programs of packages that are outside the usual folders, as
// PostgreSQL's are. It is the last folder of the image's PATH.
const linksDir = "opt/nix2gpu/bin"

// farm makes the folder of each package that the project names, with the same layout as
// on a host: bakedDir/<attr>/bin/<program>. It warns of paths in the project's texts
// that no folder has.
func farm(p *project.Project, wanted []project.PackageRef, t *tree, all []*packageFacts, stand map[string][]string, archives map[string]*packages.Archive) (nodes []*node, warnings []string, err error) {
	owned := ownedPrograms(all)
	root := strings.TrimPrefix(bakedDir, "/")
	nodes = append(nodes, dir(root, 0o755))
	programs := map[string]string{}
	folders := map[string]map[string]string{}
	for _, ref := range wanted {
		row := packages.Lookup(ref.Attr)
		if names, ok := stand[ref.Attr]; ok {
			row.Debian = names
		}
		var links map[string]string
		ok := true
		if a := archives[ref.Attr]; a != nil {
			if links, err = archiveLinks(t, path.Join(archivesDir, ref.Attr), a); err != nil {
				return nil, nil, err
			}
			row.Debian = nil
		} else {
			links, ok = row.In(t)
			ok = ok || packages.BootPrograms(ref.Attr) != nil && len(links) > 0 // boot's programs suffice if the definition does not name it
		}
		for _, name := range row.Debian {
			for base, place := range owned[name] {
				if _, there := links["bin/"+base]; !there {
					links["bin/"+base] = place
				}
			}
		}
		if !ok && (row.Known || len(links) == 0) {
			warnings = append(warnings, place(ref.Pos)+fmt.Sprintf("package %q has no program %q in this image", ref.Attr, row.Main))
			continue
		}
		folders[ref.Attr] = links
		for sub, at := range links {
			if base, isProgram := strings.CutPrefix(sub, "bin/"); isProgram {
				programs[base] = at
			}
		}
	}
	warnings = append(warnings, subPaths(p, t, folders)...)
	for _, attr := range slices.Sorted(maps.Keys(folders)) {
		at := path.Join(root, attr)
		nodes = append(nodes, dir(at, 0o755))
		for sub, target := range folders[attr] {
			nodes = append(nodes, link(path.Join(at, sub), target))
		}
	}
	nodes = append(nodes, dir(linksDir, 0o755))
	for _, base := range slices.Sorted(maps.Keys(programs)) {
		if !slices.ContainsFunc(programDirs(), func(d string) bool { return t.has(d + "/" + base) }) {
			nodes = append(nodes, link(linksDir+"/"+base, programs[base]))
		}
	}
	return nodes, warnings, nil
}

// ownedPrograms returns the programs in the usual folders, by package.
func ownedPrograms(all []*packageFacts) map[string]map[string]string {
	out := map[string]map[string]string{}
	for _, p := range all {
		programs := map[string]string{}
		for _, f := range p.Facts {
			if slices.Contains(programDirs(), path.Dir(f.Path)) && (f.Kind == deb.Symlink || f.Kind != deb.Dir && f.Mode&0o111 != 0) {
				programs[path.Base(f.Path)] = "/" + f.Path
			}
		}
		out[p.Name] = programs
	}
	return out
}

// subPaths adds to the folders what texts name in a package other than programs, such as
// "${pkgs.tzdata}/share/zoneinfo", if the package has it.
func subPaths(p *project.Project, t *tree, folders map[string]map[string]string) (warnings []string) {
	said := map[string]bool{}
	p.EachText(func(_ project.Owner, text *project.Text) {
		for _, part := range *text {
			if part.Package == nil || part.Package.Sub == "" || part.Package.Sub == "/bin" {
				continue
			}
			links, ok := folders[part.Package.Attr]
			if !ok {
				continue // there is a warning about the missing package already
			}
			sub := strings.Trim(path.Clean(part.Package.Sub), "/")
			if under(links, sub) {
				continue
			}
			found := false
			for _, place := range []string{"usr/" + sub, sub} {
				if found = t.has(place); found {
					links[sub] = "/" + place
					break
				}
			}
			if name := part.Package.Attr + "/" + sub; !found && !said[name] {
				said[name] = true
				warnings = append(warnings, fmt.Sprintf("package %q has no %q in this image", part.Package.Attr, "/"+sub))
			}
		}
	})
	return warnings
}

// under reports whether a path is a link or is below one.
func under(links map[string]string, sub string) bool {
	for ; sub != "."; sub = path.Dir(sub) {
		if _, ok := links[sub]; ok {
			return true
		}
	}
	return false
}

// wantedBy returns the packages that the project's enabled services and its container
// name, and more, each once.
func wantedBy(p *project.Project, more []project.PackageRef) []project.PackageRef {
	list := packages.Needed(p, p.Select(p.Shipped(), false)...)
	for _, ref := range more {
		if !slices.ContainsFunc(list, func(r project.PackageRef) bool { return r.Attr == ref.Attr }) {
			list = append(list, ref)
		}
	}
	return list
}

// place formats a position for the beginning of a message.
func place(pos project.Pos) string {
	if pos.File == "" {
		return ""
	}
	return fmt.Sprintf("%s:%d:%d: ", pos.File, pos.Line, pos.Col)
}
