package image_test

import (
	"strings"
	"testing"

	"nix2gpu/image"
	"nix2gpu/internal/debtest"
)

// A newer package changes its own layer and the one with dpkg's list of packages, which
// is one file for all: nothing else is pushed.
func TestUpgradeChangesItsLayerAndTheList(t *testing.T) {
	s := spec(t, shop())
	server := func(version string) image.Package {
		return packaged(t, debtest.Deb{Name: "server", Version: version, Arch: "amd64", Depends: "dash", Entries: []debtest.Entry{
			debtest.Exec("usr/lib/server/bin/server", version), debtest.Exec("usr/sbin/server", "s"),
		}})
	}
	with := func(p image.Package) *image.Built {
		s.Packages = append(tiny(t)[:len(tiny(t))-1], p)
		return build(t, s)
	}
	before, after := with(server("1.0")), with(server("2.0"))
	var changed []string
	for i, l := range after.Layers {
		if l.Digest != before.Layers[i].Digest {
			changed = append(changed, l.Title)
		}
		if strings.HasPrefix(l.Title, "accounts, ") {
			_, texts := entries(t, l)
			if !strings.Contains(texts["var/lib/dpkg/status"], "Package: server\nStatus: install ok installed\nVersion: 2.0\n") {
				t.Errorf("the list is\n%s", texts["var/lib/dpkg/status"])
			}
		}
	}
	if got := strings.Join(changed, ", "); got != "server, accounts, certificates, loader, packages by name" {
		t.Errorf("changed: %s", got)
	}
}

// The long descriptions of packages are documentation: the list of a full image has
// them, and dpkg is content without.
func TestDescriptionsOfTheList(t *testing.T) {
	for variant, want := range map[image.Variant]bool{image.Full: true, image.Slim: false} {
		s := spec(t, shop())
		s.Variant = variant
		s.Packages = append(s.Packages, packaged(t, debtest.Deb{Name: "told", Fields: []string{"Description: what it is\n at length\n .\n and more", "Homepage: https://example.org"}}))
		_, content := root(t, build(t, s))
		status := content["var/lib/dpkg/status"]
		if strings.Contains(status, "at length") != want || !strings.Contains(status, "Description: what it is\n") || !strings.Contains(status, "Homepage: https://example.org\n") {
			t.Errorf("%s: the list is\n%s", variant, status)
		}
	}
}
