package debian

import (
	"maps"
	"slices"
)

// A Package is the entry of a binary package in an index. Its relations are left as
// text, since of 60,000 packages only a few hundred are ever parsed.
type Package struct {
	Locked
	MultiArch           string // "same", "foreign", "allowed" or ""
	Essential           bool
	PreDepends, Depends string
	Conflicts, Breaks   string
	Provides            string

	priority int // higher is more important
}

// An Index holds all that can be installed on one architecture: the tables of a
// release, of its updates and security updates, and of other archives. It is
// immutable.
type Index struct {
	arch   string
	tables []*Table
}

// NewIndex merges tables. If several have the same version of a package, that of the
// first one is used.
func NewIndex(arch string, tables ...*Table) *Index { return &Index{arch, tables} }

// Only returns the index without the archives for which keep is false.
func (ix *Index) Only(keep func(archive string) bool) *Index {
	out := &Index{arch: ix.arch}
	for _, t := range ix.tables {
		if keep(t.archive) {
			out.tables = append(out.tables, t)
		}
	}
	return out
}

// Arch returns the architecture that the index is for.
func (ix *Index) Arch() string { return ix.arch }

// Len returns the number of packages. Each version counts, in each archive.
func (ix *Index) Len() int {
	n := 0
	for _, t := range ix.tables {
		n += t.Len()
	}
	return n
}

// Versions returns all packages of that name, newest first.
func (ix *Index) Versions(name string) []*Package {
	var all []*Package
	for _, t := range ix.tables {
		for p := range t.named(name) {
			if ix.fits(p) {
				all = append(all, p)
			}
		}
	}
	slices.SortStableFunc(all, func(a, b *Package) int { return Compare(b.Version, a.Version) })
	return slices.CompactFunc(all, func(a, b *Package) bool { return Compare(a.Version, b.Version) == 0 })
}

// Newest returns the newest package of that name; nil if there is none.
func (ix *Index) Newest(name string) *Package {
	if all := ix.Versions(name); len(all) > 0 {
		return all[0]
	}
	return nil
}

// Providers returns the packages whose newest version provides a name, best first:
// essential packages before others, then by priority, then by name.
func (ix *Index) Providers(name string) []*Package {
	found := map[string]*Package{}
	for _, t := range ix.tables {
		for p := range t.providing(name) {
			if found[p.Name] == nil {
				found[p.Name] = ix.Newest(p.Name)
			}
		}
	}
	var out []*Package
	for _, p := range found {
		if p != nil { // nil if it is for another architecture only
			out = append(out, p)
		}
	}
	slices.SortFunc(out, better)
	return out
}

// Names returns the names of all packages that can be installed, sorted.
func (ix *Index) Names() []string {
	all := map[string]bool{}
	for _, t := range ix.tables {
		for p := range t.packages() {
			if ix.fits(p) {
				all[p.Name] = true
			}
		}
	}
	return slices.Sorted(maps.Keys(all))
}

func (ix *Index) fits(p *Package) bool { return p.Arch == ix.arch || p.Arch == "all" }
