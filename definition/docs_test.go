package definition_test

import (
	"os"
	"strings"
	"testing"

	"nix2gpu/definition"
	"nix2gpu/internal/testkit"
)

const referencePage = "../docs/reference/options.md"

// The page is compared with the declarations, and every option must have a description.
func TestReferenceIsFresh(t *testing.T) {
	var b strings.Builder
	if err := definition.WriteReference(&b); err != nil {
		t.Fatal(err)
	}
	for _, c := range definition.Reference() {
		if c.Doc == "" || len(c.Options) == 0 && c.Name != "custom" {
			t.Errorf("chapter %q is empty", c.Name)
		}
		for _, d := range c.Options {
			if d.Description == "" && d.AliasOf == "" {
				t.Errorf("option %s has no description", d)
			}
		}
	}
	if testkit.Updating() {
		if err := os.WriteFile(referencePage, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	page, err := os.ReadFile(referencePage)
	if err != nil || string(page) != b.String() {
		t.Errorf("%s is stale (%v); repair it with: go generate ./definition", referencePage, err)
	}
}
