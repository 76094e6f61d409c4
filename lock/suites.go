package lock

import (
	"context"
	"maps"
	"slices"
	"strings"

	"nix2gpu/debian"
	"nix2gpu/debian/repo"
)

// A lock is of one release for all containers that are on nothing but our own
// packages. One that is put on an image is of that image's, and shares packages with
// those of the same release alone.

// shelf is where the file has the packages of a release for an architecture:
// "amd64" of its own release, "noble/amd64" of another.
func (f *File) shelf(suite, arch string) string {
	if suite == "" || suite == f.Suite {
		return arch
	}
	return suite + "/" + arch
}

// of is the shelf of what a container has.
func (f *File) of(container, arch string) string {
	return f.shelf(f.Containers[container][arch].Suite, arch)
}

// suiteOf is the release of a container of the file.
func (f *File) suiteOf(c Container) string {
	if c.Suite != "" {
		return c.Suite
	}
	return f.Suite
}

// splitShelf is the release, "" for the file's own, and the architecture of a shelf.
func splitShelf(at string) (suite, arch string) {
	suite, arch, other := strings.Cut(at, "/")
	if !other {
		return "", suite
	}
	return suite, arch
}

// Release is that of the containers that are put on no image; "" when all are, or
// when there is no file.
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

// Arches are the architectures of which the file has packages, sorted.
func (f *File) Arches() []string {
	var out []string
	for at := range f.Packages {
		_, arch := splitShelf(at)
		out = append(out, arch)
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// OneRelease is an index for [Options] of which all that is asked for is of one
// release.
func OneRelease(index func(ctx context.Context, arch string) (*debian.Index, []repo.Origin, error)) func(ctx context.Context, suite, arch string) (*debian.Index, []repo.Origin, error) {
	return func(ctx context.Context, _, arch string) (*debian.Index, []repo.Origin, error) {
		return index(ctx, arch)
	}
}

// suite is the release of a container's packages: that of the image below it.
func (e *ensurer) suite(container, arch string) string {
	if base := e.opts.Bases[container][arch]; base.Suite != "" {
		return base.Suite
	}
	return e.release
}

// chooseSuite decides which release is the new file's own: that of containers on no
// image where there are some, else that of the first.
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

// noted is a release as an entry of the file says it: nothing for the file's own.
func (f *File) noted(suite string) string {
	if suite == f.Suite {
		return ""
	}
	return suite
}

// noteIndexes takes in the state of what was read for a release, in place of what
// the file has of it.
func (e *ensurer) noteIndexes(suite string, origins []repo.Origin) {
	kept := slices.DeleteFunc(e.now.Indexes, func(ix Index) bool { return ix.Release == e.now.noted(suite) })
	for _, o := range origins {
		kept = append(kept, Index{Archive: o.Archive, Suite: o.Suite, InRelease: o.InRelease, Release: e.now.noted(suite)})
	}
	e.now.Indexes = kept
}

// carriedIndexes are those of the old file, as the new one says their releases.
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

// wantedIndexes are those that a container may have packages of, its release's
// first.
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
