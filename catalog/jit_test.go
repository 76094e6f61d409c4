package catalog_test

import (
	"strings"
	"testing"
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
		{`enable = true; enableJIT = true; extensions = ps: [ ps.hypopg ];`, true},
		{`enable = true; enableJIT = true; package = pkgs."postgresql+postgresqlPackages.hypopg";`, true},
	} {
		p, err := generate(t, "t.nix", "{ services.postgresql.a = { "+c.instance+" }; }")
		if err != nil {
			t.Fatal(err)
		}
		got := false
		for _, proc := range p.Processes {
			for _, ref := range proc.Packages {
				got = got || ref.Attr == "postgresql_jit"
				if strings.HasSuffix(ref.Attr, "hypopg_jit") {
					t.Errorf("%s needs %s", c.instance, ref.Attr)
				}
			}
		}
		if got != c.want {
			t.Errorf("%s keeps it: %v", c.instance, got)
		}
	}
}
