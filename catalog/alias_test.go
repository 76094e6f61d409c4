package catalog_test

import (
	"testing"

	"nix2gpu/catalog"
	"nix2gpu/project"
)

// A name under services is a name in depends_on and on the command line.
func TestAliasesAreKnownToProjects(t *testing.T) {
	for _, typ := range catalog.Types() {
		for _, alias := range typ.Aliases {
			if got := project.CanonicalType(alias); got != typ.Name {
				t.Errorf("project.CanonicalType(%q) = %q, want %q", alias, got, typ.Name)
			}
		}
	}
}
