package packages

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"nix2gpu/spelling"
)

// Lookup returns what attr stands for. An attribute that is not in the table is taken for
// a Debian package of that name with one program of that name; then Known is false.
func Lookup(attr string) Package {
	row, name := attr, attr
	e, known := table()[row]
	keeps := e.keeps
	for known && strings.HasPrefix(e.debian, "@") { // an alias of another row
		row = e.debian[1:]
		name = row
		e = table()[row]
	}
	if !known {
		if set, child, ok := cutSet(attr); ok {
			e, known, name = set(child), true, child
		} else if _, child, ok := strings.Cut(attr, "."); ok {
			name = child[strings.LastIndexByte(child, '.')+1:]
		}
	}
	p := Package{
		Attr:     attr,
		Debian:   strings.Fields(cmp.Or(e.debian, strings.ToLower(name))),
		Programs: map[string][]string{},
		Dirs:     strings.Fields(e.dirs),
		Links:    map[string][]string{},
		From:     e.from,
		Wheel:    e.wheel,
		Admits:   e.admits,
		Users:    strings.Fields(e.users),
		Keeps:    keeps,
		Known:    known,
		Needs:    strings.Fields(e.needs),
	}
	if source, names, ok := strings.Cut(e.source, ": "); ok {
		p.Source, p.Vendor = source, strings.Fields(names)
	} else if e.source != "" { // the vendor's packages have the names that a machine has
		p.Source, p.Vendor = e.source, p.Debian
	}
	if a, ok := vendorArchives()[row]; ok {
		a.Attr = attr
		p.Archive = &a
	}
	if e.from != "" {
		p.Debian = nil
	}
	p.Data, p.Reduced = reduced(row)
	if e.programs != "-" {
		p.addPrograms(cmp.Or(e.programs, name), strings.Fields(e.globs))
	}
	for _, link := range strings.Fields(e.links) {
		sub, from, _ := strings.Cut(link, "=")
		p.Links[sub] = append(p.Links[sub], from)
	}
	return p
}

// InImages reports whether an image can get the package without further configuration.
func (p Package) InImages() bool { return p.From == "" || p.Source != "" || p.Archive != nil }

// addPrograms parses a row's words: "name", "name:stand-in", and "name?" for a program
// that the package may lack.
func (p *Package) addPrograms(words string, folders []string) {
	for _, word := range strings.Fields(words) {
		name, standIn, _ := strings.Cut(word, ":")
		name, optional := strings.CutSuffix(name, "?")
		where := []string{}
		for _, folder := range folders {
			where = append(where, folder+"/"+name)
			if standIn != "" {
				where = append(where, folder+"/"+standIn)
			}
		}
		if standIn != "" {
			where = append(where, standIn)
		}
		p.Programs[name] = where
		if p.Main == "" && !optional {
			p.Main = name
		}
	}
}

// IsSet reports whether attr is a set of packages, such as "python3Packages".
func IsSet(attr string) bool {
	_, ok := setRule(attr)
	return ok
}

func setRule(attr string) (func(string) entry, bool) {
	if rule, ok := sets()[attr]; ok {
		return rule, true
	}
	if strings.HasPrefix(attr, "cudaPackages_") && !strings.Contains(attr, ".") {
		return func(child string) entry { return cudaPackage(CUDAVersion(attr), child) }, true
	}
	return nil, false
}

func cutSet(attr string) (rule func(string) entry, child string, ok bool) {
	set, child, dotted := strings.Cut(attr, ".")
	if !dotted {
		return nil, "", false
	}
	rule, ok = setRule(set)
	return rule, child, ok
}

// MainProgram returns the program that runs when only the package is given, as for
// lib.getExe.
func MainProgram(attr string) string {
	p := Lookup(attr)
	if p.Main != "" {
		return p.Main
	}
	return attr[strings.LastIndexByte(attr, '.')+1:]
}

// Attrs lists all attributes of the table, sets included, sorted.
func Attrs() []string {
	out := make([]string, 0, len(table())+len(sets()))
	for attr := range table() {
		out = append(out, attr)
	}
	for attr := range sets() {
		out = append(out, attr)
	}
	slices.Sort(out)
	return out
}

// Suggest returns the known attribute that was most likely meant by attr, or "".
func Suggest(attr string) string { return spelling.Nearest(attr, Attrs()) }

// ProgramCure returns the cure for an installed package that lacks a program.
func ProgramCure(attr, program string) string {
	p := Lookup(attr)
	if _, ok := p.Programs[program]; ok || !p.Known {
		return cure(Released(p.Debian, ""), p.From)
	}
	if near := spelling.Nearest(program, slices.Sorted(maps.Keys(p.Programs))); near != "" {
		return fmt.Sprintf("did you mean %q?", near)
	}
	if owner := Owner(program); owner != "" {
		return fmt.Sprintf("it is in ${pkgs.%s}/bin/%s", owner, program)
	}
	return "correct its name, or install the Debian package that has it"
}

// Owner returns the attribute of the table that has a program, or "". Of several it is
// the one with the program's name, or else the first.
func Owner(program string) string {
	if e, ok := table()[program]; ok && e.programs == "" {
		return program
	}
	for _, attr := range Attrs() {
		if e, ok := table()[attr]; !ok || strings.HasPrefix(e.debian, "@") {
			continue
		}
		if _, ok := Lookup(attr).Programs[program]; ok {
			return attr
		}
	}
	return ""
}
