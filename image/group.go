package image

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"slices"
	"sort"
	"strings"

	"nix2gpu/debian"
	"nix2gpu/packages"
)

// A Package is a package of the image. Open opens its .deb file. It may be called more
// than once, and from several goroutines.
type Package struct {
	debian.Locked
	Open func(ctx context.Context) (io.ReadCloser, error)
	// Archive is set if the file is not a .deb but a vendor's archive. Then Name is its
	// attribute, and what Open returns is an [io.ReaderAt] too.
	Archive *packages.Archive
}

// How many layers engines can mount, and the default limit for an image.
const (
	HardMaxLayers    = 127
	DefaultMaxLayers = 50
)

// ownLayers is how many layers are above those of packages, at most: the fix-ups with
// the farm, our program, the user's files, and the definition.
const ownLayers = 4

// bigPackage is the size of a .deb, in bytes, from which a package has a layer of its
// own, so that a new version of it or of its neighbours changes no other bytes. Packages
// below smallPackage that have no family share one layer: together they are a few hundred
// kilobytes, and an engine takes longer to set up a layer than to pull those again.
const (
	bigPackage   = 1_500_000
	smallPackage = 200_000
)

// baseNames are the packages of the first layer, in any release: those of every image
// and their dependencies. One that is missing here only gets a group of its own, which
// costs a layer. A package that only some images have, like perl-base, must not be here:
// those images would share nothing of the base with others.
func baseNames() []string {
	return append(packages.Base(),
		"debconf", "gcc-12-base", "gcc-14-base", "libacl1", "libattr1", "libaudit-common", "libaudit1", "libbz2-1.0", "libc6", "libcap-ng0", "libcap2",
		"libcrypt1", "libdebconfclient0", "libgcc-s1", "libgcrypt20", "libgmp10", "libgpg-error0", "liblz4-1", "liblzma5", "libncursesw6",
		"libpcre2-8-0", "libproc2-0", "libselinux1", "libssl3", "libssl3t64", "libsystemd0", "libtinfo6", "libzstd1", "openssl", "openssl-provider-legacy",
		"zlib1g",
	)
}

// A group becomes a layer of packages.
type group struct {
	name     string
	packages []Package
}

func (g *group) size() (n int64) {
	for _, p := range g.packages {
		n += p.Size
	}
	return n
}

// groupName returns the group of a package. It depends on the package alone, not on the
// image, so that two images with a package share its layer.
func groupName(p Package) string {
	switch {
	case p.Archive != nil:
		return "archive " + p.Name
	case slices.Contains(baseNames(), p.Name):
		return "base"
	}
	family := familyOf(p.Name)
	switch {
	case p.Size >= bigPackage && !family.whole:
		return p.Name
	case family.name != "":
		return "family " + family.name
	case p.Size < smallPackage:
		return "small"
	}
	return "source " + p.Source
}

// groups divides packages into at most limit groups. The base is first, then sshd, then
// the others, the largest first: docker takes a layer that it has only if it has all
// below it in the same order, so what all images have is at the bottom. If there are too
// many, the smallest are merged: they have the fewest bytes that sharing could save.
func groups(packages []Package, limit int) []*group {
	byName := map[string]*group{}
	for _, p := range packages {
		name := groupName(p)
		if byName[name] == nil {
			byName[name] = &group{name: name}
		}
		byName[name].packages = append(byName[name].packages, p)
	}
	var all []*group
	for _, g := range byName {
		all = append(all, g)
	}
	slices.SortFunc(all, func(a, b *group) int {
		return cmp.Or(cmp.Compare(a.rank(), b.rank()), cmp.Compare(b.size(), a.size()), strings.Compare(a.name, b.name))
	})
	limit = max(limit, 1)
	if len(all) > limit {
		rest := &group{name: "rest"}
		for _, g := range all[limit-1:] {
			rest.packages = append(rest.packages, g.packages...)
		}
		all = append(all[:limit-1], rest)
	}
	for _, g := range all {
		order := func(a, b Package) int {
			return cmp.Or(strings.Compare(a.Name, b.Name), strings.Compare(a.Arch, b.Arch), strings.Compare(a.Version, b.Version))
		}
		sort.SliceStable(g.packages, func(i, j int) bool { return order(g.packages[i], g.packages[j]) < 0 })
	}
	return all
}

// rank is lower for what is further down in every image.
func (g *group) rank() int {
	switch g.name {
	case "base":
		return 0
	case "family " + everywhere:
		return 1
	}
	return 2
}

// title describes the layer of a group, for its line of history.
func (g *group) title() string {
	if g.name == "base" {
		return "base of Debian"
	}
	if len(g.packages) == 1 && g.packages[0].Archive != nil {
		return g.name
	}
	names := make([]string, 0, len(g.packages))
	for _, p := range g.packages {
		names = append(names, p.Name)
	}
	if len(names) > 4 {
		return fmt.Sprintf("%s and %d more", strings.Join(names[:3], ", "), len(names)-3)
	}
	return strings.Join(names, ", ")
}
