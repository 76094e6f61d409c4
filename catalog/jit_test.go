package catalog_test

import (
	"slices"
	"testing"

	"nix2gpu/project"
)

// Who has queries compiled keeps what that takes in the image.
func TestJITKeepsItsPackage(t *testing.T) {
	for _, c := range []struct {
		instance string
		want     bool
	}{
		{`enable = true;`, false},
		{`enable = true; enableJIT = true;`, true},
		{`enable = true; settings.jit = true;`, true},
		{`enable = true; settings.jit = "on";`, true},
		{`enable = true; settings.jit = "TR";`, true},
		{`enable = true; settings.jit = 1;`, true},
		{`enable = true; settings.jit = "off";`, false},
		{`enable = true; settings.jit = "";`, false},
		{`enable = true; enableJIT = true; settings.jit = false;`, false},
	} {
		p, err := generate(t, "t.nix", "{ services.postgresql.a = { "+c.instance+" }; }")
		if err != nil {
			t.Fatal(err)
		}
		got := false
		for _, proc := range p.Processes {
			got = got || slices.ContainsFunc(proc.Packages, func(ref project.PackageRef) bool { return ref.Attr == "postgresql_jit" })
		}
		if got != c.want {
			t.Errorf("%s keeps it: %v", c.instance, got)
		}
	}
}
