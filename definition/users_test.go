package definition_test

import (
	"slices"
	"testing"

	"nix2gpu/catalog"
	"nix2gpu/packages"
	"nix2gpu/project"
)

// The user of a type of service comes with its package, and is a known account: an
// image that has one has the other. A type without a user runs as the container's.
func TestUsersComeWithPackages(t *testing.T) {
	known := project.SystemUsers()
	for _, typ := range catalog.Types() {
		if typ.Package == "" || typ.User == "" {
			continue
		}
		if _, ok := known[typ.User]; !ok {
			t.Errorf("%s runs as %q, which is no known account", typ.Name, typ.User)
		}
		if users := packages.Lookup(typ.Package).Users; !slices.Contains(users, typ.User) {
			t.Errorf("%s runs as %q, its package %q brings %q", typ.Name, typ.User, typ.Package, users)
		}
	}
}
