package lock

import (
	"context"
	"maps"
	"slices"
	"sort"
	"strings"

	"nix2gpu/debian"
	"nix2gpu/debian/repo"
)

// All containers without a base have one release, the lock's. A container with a base
// has the base's release, and shares packages with others of that release only.

// listKey returns the key in [File.Packages] for a release and an architecture: "amd64" for
// the file's own release, "noble/amd64" for another one.
func (f *File) listKey(suite, arch string) string {
	if suite == "" || suite == f.Suite {
		return arch
	}
	return suite + "/" + arch
}

// of returns the key of a container's packages.
func (f *File) of(container, arch string) string {
	return f.listKey(f.Containers[container][arch].Suite, arch)
}

// suiteOf returns the release of a container of the file.
func (f *File) suiteOf(c Container) string {
	if c.Suite != "" {
		return c.Suite
	}
	return f.Suite
}

// splitListKey returns the release of such a key, "" for the file's own, and its
// architecture.
func splitListKey(at string) (suite, arch string) {
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
		_, arch := splitListKey(at)
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
func (u *updater) suite(container, arch string) string {
	if base := u.opts.Bases[container][arch]; base.Suite != "" {
		return base.Suite
	}
	return u.release
}

// chooseSuite chooses the new file's own release: that of the containers without a base
// or, if there are none, of the first container.
func (u *updater) chooseSuite() {
	u.release = u.opts.Suite
	if u.release == "" {
		u.release = u.old.Release()
	}
	if u.release == "" {
		u.release = repo.DefaultSuite
	}
	u.now.Suite = u.old.Suite
	onImages := true
	for name := range u.opts.Wants {
		onImages = onImages && len(u.opts.Bases[name]) > 0
	}
	if !u.opts.All {
		for name, arches := range u.old.Containers {
			for _, c := range arches {
				_, anew := u.opts.Wants[name]
				onImages = onImages && (anew || c.Base != "")
			}
		}
	}
	if !onImages {
		u.now.Suite = u.release
		return
	}
	used := map[string]bool{}
	first := ""
	for _, name := range slices.Sorted(maps.Keys(u.opts.Wants)) {
		for _, arch := range slices.Sorted(maps.Keys(u.opts.Bases[name])) {
			suite := u.suite(name, arch)
			used[suite] = true
			if first == "" {
				first = suite
			}
		}
	}
	if !u.opts.All {
		for name, arches := range u.old.Containers {
			for _, c := range arches {
				if _, anew := u.opts.Wants[name]; !anew {
					used[u.old.suiteOf(c)] = true
				}
			}
		}
	}
	if !used[u.now.Suite] && first != "" {
		u.now.Suite = first
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
func (u *updater) noteIndexes(suite string, origins []repo.Origin) {
	kept := slices.DeleteFunc(u.now.Indexes, func(ix Index) bool { return ix.Release == u.now.noted(suite) })
	for _, o := range origins {
		kept = append(kept, Index{Archive: o.Archive, Suite: o.Suite, InRelease: o.InRelease, Release: u.now.noted(suite)})
	}
	u.now.Indexes = kept
}

// carriedIndexes returns the states in the old file, with their releases as the new file
// names them.
func (u *updater) carriedIndexes() []Index {
	out := slices.Clone(u.old.Indexes)
	for i, ix := range out {
		if ix.Release == "" {
			out[i].Release = u.now.noted(u.old.Suite)
		} else {
			out[i].Release = u.now.noted(ix.Release)
		}
	}
	return out
}

// wantedIndexes returns the states of those archives that some container may have
// packages from, those of the file's release first.
func (u *updater) wantedIndexes() []Index {
	out := slices.DeleteFunc(slices.Clone(u.now.Indexes), func(ix Index) bool {
		for name, arches := range u.now.Containers {
			for _, c := range arches {
				if c.Suite == ix.Release && (!u.opts.All || u.mayUse(name, ix.Archive)) {
					return false
				}
			}
		}
		return true
	})
	sort.SliceStable(out, func(i, j int) bool { return out[i].Release < out[j].Release })
	return out
}
