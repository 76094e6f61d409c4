package packages_test

import (
	"strings"
	"testing"

	"nix2gpu/packages"
)

func TestNotIn(t *testing.T) {
	for _, c := range []struct {
		suite, attr string
		lacks       bool
		has         string
	}{
		{"noble", "python311", true, "bookworm"},
		{"noble", "python312", false, "noble"},
		{"bookworm", "postgresql_16", true, "noble"},
		{"bookworm", "postgresql_15_jit", false, "bookworm"},
		{"bullseye", "caddy", true, "bookworm trixie"},
		{"trixie", "postgresql15Packages.hypopg", true, "bookworm"},
		{"trixie", "postgresqlPackages.hypopg", false, ""},
		{"jammy", "caddy", false, "bookworm trixie"}, // not known
		{"trixie", "mysql84", true, "noble jammy"},
		{"noble", "redis", false, ""},
		{"noble", "some-package", false, ""},
		{"sid", "python311", false, "bookworm"},
		{"forky", "yq-go", false, "bookworm trixie"}, // a release that is yet to come
	} {
		has, lacks := packages.NotIn(c.suite, c.attr)
		if lacks != c.lacks || strings.Join(has, " ") != c.has {
			t.Errorf("%s lacks %s: %t, %v have it; want %t, %q", c.suite, c.attr, lacks, has, c.lacks, c.has)
		}
	}
	if packages.Release("noble") != "Ubuntu 24.04 (noble)" || packages.Release("sid") != "sid" {
		t.Errorf("noble is %q, sid %q", packages.Release("noble"), packages.Release("sid"))
	}
}
