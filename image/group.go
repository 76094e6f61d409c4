package image

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"slices"
	"strings"

	"nix2gpu/debian"
	"nix2gpu/packages"
)

// A Package is one that the image has. Open reads its .deb file; it may be
// called more than once, and from several goroutines.
type Package struct {
	debian.Locked
	Open func(ctx context.Context) (io.ReadCloser, error)
	// Archive says that the file is no .deb, but that of an archive: Name is then
	// its attribute, and what Open returns can be read in parts ([io.ReaderAt]).
	Archive *packages.Archive
}

// The most layers that engines can mount, and what an image has unless its
// definition says otherwise.
const (
	HardMaxLayers    = 127
	DefaultMaxLayers = 50
)

// ownLayers is how many layers come after those of packages: the fix-ups, our
// program, the farm with the user's files, and the definition.
const ownLayers = 4

// bigPackage is the size of a .deb from which on the package has a layer of its
// own: a new version of it, or of its neighbours, then moves nothing else.
const bigPackage = 1_500_000

// baseNames are the packages of the first layer, in any release: what every
// image has, and what that needs. A package that is not listed has its own
// group, which costs a layer and breaks nothing.
func baseNames() []string {
	return append(packages.Base(),
		"debconf", "gcc-12-base", "gcc-14-base", "libacl1", "libattr1", "libaudit-common", "libaudit1", "libbz2-1.0", "libc6", "libcap-ng0", "libcap2",
		"libcrypt1", "libdebconfclient0", "libgcc-s1", "libgcrypt20", "libgmp10", "libgpg-error0", "liblz4-1", "liblzma5", "libncurses6", "libncursesw6",
		"libpcre2-8-0", "libproc2-0", "libselinux1", "libssl3", "libssl3t64", "libsystemd0", "libtinfo6", "libzstd1", "openssl", "openssl-provider-legacy",
		"perl-base", "zlib1g",
	)
}

// A group is what becomes one layer of packages.
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

// groupName is the group of a package. It follows from the package alone, never
// from the image, so that two images with a package share its layer.
func groupName(p Package) string {
	switch {
	case p.Archive != nil:
		return "archive " + p.Name
	case slices.Contains(baseNames(), p.Name):
		return "base"
	case p.Size >= bigPackage:
		return p.Name
	}
	return "source " + p.Source
}

// groups divides packages into at most limit groups. The base comes first, then
// the others, the largest first. When there are too many, the smallest become
// one: they hold the fewest bytes that sharing could save.
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
		return cmp.Or(boolCompare(a.name != "base", b.name != "base"), cmp.Compare(b.size(), a.size()), strings.Compare(a.name, b.name))
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
		slices.SortFunc(g.packages, func(a, b Package) int {
			return cmp.Or(strings.Compare(a.Name, b.Name), strings.Compare(a.Arch, b.Arch), strings.Compare(a.Version, b.Version))
		})
	}
	return all
}

func boolCompare(a, b bool) int {
	switch {
	case a == b:
		return 0
	case b:
		return -1
	}
	return 1
}

// title says what the layer of a group has, for its line of history.
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
