package debian

import (
	"maps"
	"slices"
)

// A Package is what an index says of a binary package. The relations are text:
// of 60,000 packages a few hundred are asked for theirs.
type Package struct {
	Locked
	MultiArch           string // "same", "foreign", "allowed" or ""
	Essential           bool
	PreDepends, Depends string
	Conflicts, Breaks   string
	Provides            string

	priority int // the higher, the more important
}

// An Index is all that can be installed on one architecture: the tables of a
// release, of its updates and its security, and of other archives. It never
// changes.
type Index struct {
	arch   string
	tables []*Table
}

// NewIndex merges tables. Of the same version in several the first one's is
// used.
func NewIndex(arch string, tables ...*Table) *Index { return &Index{arch, tables} }

// Only is the index without the archives for which keep is false.
func (ix *Index) Only(keep func(archive string) bool) *Index {
	out := &Index{arch: ix.arch}
	for _, t := range ix.tables {
		if keep(t.archive) {
			out.tables = append(out.tables, t)
		}
	}
	return out
}

// Arch is the architecture that the index is for.
func (ix *Index) Arch() string { return ix.arch }

// Len is the number of packages, each version and archive counted.
func (ix *Index) Len() int {
	n := 0
	for _, t := range ix.tables {
		n += t.Len()
	}
	return n
}

// Versions are all packages of that name, the newest first.
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

// Newest is the package of that name that is installed when nothing else is
// said; nil when there is none.
func (ix *Index) Newest(name string) *Package {
	if all := ix.Versions(name); len(all) > 0 {
		return all[0]
	}
	return nil
}

// Providers are the newest packages that provide a name, best first: the
// essential before others, then by priority, then by name.
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
		if p != nil { // nil: only for another architecture
			out = append(out, p)
		}
	}
	slices.SortFunc(out, better)
	return out
}

// Names are the names of all packages that can be installed, sorted.
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
