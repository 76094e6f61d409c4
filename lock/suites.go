package lock

import (
	"context"
	"maps"
	"slices"
	"strings"

	"nix2gpu/debian"
	"nix2gpu/debian/repo"
)

// All containers without a base have one release, the lock's. A container with a base
// has the base's release, and shares packages with others of that release only.

// shelf returns the key in [File.Packages] for a release and an architecture: "amd64" for
// the file's own release, "noble/amd64" for another one.
func (f *File) shelf(suite, arch string) string {
	if suite == "" || suite == f.Suite {
		return arch
	}
	return suite + "/" + arch
}

// of returns the shelf of a container's packages.
func (f *File) of(container, arch string) string {
	return f.shelf(f.Containers[container][arch].Suite, arch)
}

// suiteOf returns the release of a container of the file.
func (f *File) suiteOf(c Container) string {
	if c.Suite != "" {
		return c.Suite
	}
	return f.Suite
}

// splitShelf returns the release of a shelf, "" for the file's own, and its
// architecture.
func splitShelf(at string) (suite, arch string) {
	suite, arch, other := strings.Cut(at, "/")
	if !other {
		return "", suite
	}
	return suite, arch
}

// Release returns the release of containers without a base; "" if there are none, or if
// f is nil.
func (f *File) Release() string {
	if f == nil {
		return ""
	}
	for _, name := range slices.Sorted(maps.Keys(f.Containers)) {
		for _, c := range f.Containers[name] {
			if c.Base == "" {
				return f.suiteOf(c)
			}
		}
	}
	return ""
}

// Arches returns the architectures for which the file has packages, sorted.
func (f *File) Arches() []string {
	var out []string
	for at := range f.Packages {
		_, arch := splitShelf(at)
		out = append(out, arch)
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// OneRelease makes an [Options.Index] from one that knows a single release, for callers
// that need only that.
func OneRelease(index func(ctx context.Context, arch string) (*debian.Index, []repo.Origin, error)) func(ctx context.Context, suite, arch string) (*debian.Index, []repo.Origin, error) {
	return func(ctx context.Context, _, arch string) (*debian.Index, []repo.Origin, error) {
		return index(ctx, arch)
	}
}

// suite returns the release of a container's packages: its base's, if it has one.
func (e *ensurer) suite(container, arch string) string {
	if base := e.opts.Bases[container][arch]; base.Suite != "" {
		return base.Suite
	}
	return e.release
}

// chooseSuite chooses the new file's own release: that of the containers without a base
// or, if there are none, of the first container.
func (e *ensurer) chooseSuite() {
	e.release = e.opts.Suite
	if e.release == "" {
		e.release = e.old.Release()
	}
	if e.release == "" {
		e.release = repo.DefaultSuite
	}
	e.now.Suite = e.old.Suite
	onImages := true
	for name := range e.opts.Wants {
		onImages = onImages && len(e.opts.Bases[name]) > 0
	}
	if !e.opts.All {
		for name, arches := range e.old.Containers {
			for _, c := range arches {
				_, anew := e.opts.Wants[name]
				onImages = onImages && (anew || c.Base != "")
			}
		}
	}
	if !onImages {
		e.now.Suite = e.release
		return
	}
	used := map[string]bool{}
	first := ""
	for _, name := range slices.Sorted(maps.Keys(e.opts.Wants)) {
		for _, arch := range slices.Sorted(maps.Keys(e.opts.Bases[name])) {
			suite := e.suite(name, arch)
			used[suite] = true
			if first == "" {
				first = suite
			}
		}
	}
	if !e.opts.All {
		for name, arches := range e.old.Containers {
			for _, c := range arches {
				if _, anew := e.opts.Wants[name]; !anew {
					used[e.old.suiteOf(c)] = true
				}
			}
		}
	}
	if !used[e.now.Suite] && first != "" {
		e.now.Suite = first
	}
}

// noted returns how an entry of the file names a release: "" for the file's own.
func (f *File) noted(suite string) string {
	if suite == f.Suite {
		return ""
	}
	return suite
}

// noteIndexes records the state of the archives that were read for a release, instead of
// the old state.
func (e *ensurer) noteIndexes(suite string, origins []repo.Origin) {
	kept := slices.DeleteFunc(e.now.Indexes, func(ix Index) bool { return ix.Release == e.now.noted(suite) })
	for _, o := range origins {
		kept = append(kept, Index{Archive: o.Archive, Suite: o.Suite, InRelease: o.InRelease, Release: e.now.noted(suite)})
	}
	e.now.Indexes = kept
}

// carriedIndexes returns the states in the old file, with their releases as the new file
// names them.
func (e *ensurer) carriedIndexes() []Index {
	out := slices.Clone(e.old.Indexes)
	for i, ix := range out {
		if ix.Release == "" {
			out[i].Release = e.now.noted(e.old.Suite)
		} else {
			out[i].Release = e.now.noted(ix.Release)
		}
	}
	return out
}

// wantedIndexes returns the states of those archives that some container may have
// packages from, those of the file's release first.
func (e *ensurer) wantedIndexes() []Index {
	out := slices.DeleteFunc(slices.Clone(e.now.Indexes), func(ix Index) bool {
		for name, arches := range e.now.Containers {
			for _, c := range arches {
				if c.Suite == ix.Release && (!e.opts.All || e.mayUse(name, ix.Archive)) {
					return false
				}
			}
		}
		return true
	})
	slices.SortStableFunc(out, func(a, b Index) int { return strings.Compare(a.Release, b.Release) })
	return out
}
