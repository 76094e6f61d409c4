package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"nix2gpu/internal/debtest"
)

// The containers of a definition may have bases of several releases: one lock has them
// all, and each container is built from its own.
func TestReleasesInOneLock(t *testing.T) {
	s := newStand(t)
	trixie := s.release
	trixie.Codename, trixie.Suite, trixie.Debs = "trixie", "stable", nil
	for _, d := range s.release.Debs {
		d.Version = "13.0"
		trixie.Debs = append(trixie.Debs, d)
	}
	s.others = []debtest.Archive{trixie}
	s.server.Set(s.tree())
	s.write("nix2gpu.nix", `{
  perSystem.nix2gpu.web = { pkgs, ... }: { systemPackages = [ pkgs.tool ]; };
  perSystem.nix2gpu.ml = { pkgs, ... }: { systemPackages = [ pkgs.tool ]; fromImage = "`+s.base("amd64", "trixie")+`"; };
}
`, 0o644)
	out, err := s.command("lock").CombinedOutput()
	for _, want := range []string{"+ tool 1.0 (amd64)\n", "+ tool 13.0 (trixie/amd64)\n", ": 44 packages for amd64\n"} {
		if err != nil || !strings.Contains(string(out), want) {
			t.Fatalf("lock: %v, without %q\n%s", err, want, out)
		}
	}
	locked, err := os.ReadFile(filepath.Join(s.dir, "nix2gpu.lock"))
	if err != nil {
		t.Fatal(err)
	}
	for container, want := range map[string]string{"web": "pkg:deb/debian/tool@1.0?arch=all&distro=bookworm", "ml": "pkg:deb/debian/tool@13.0?arch=all&distro=trixie"} {
		s.must("build", "--locked", "--sbom", container+".json", "--without-base", "-o", container+".oci", ".#"+container)
		sbom, err := os.ReadFile(filepath.Join(s.dir, container+".json"))
		if err != nil || !strings.Contains(string(sbom), want) {
			t.Errorf("%s: %v, its SBOM has no %s", container, err, want)
		}
	}
	// Built one after the other, without "lock", they give the same lock: neither
	// changes the packages of the other.
	for _, order := range [][]string{{"web", "ml"}, {"ml", "web"}} {
		os.Remove(filepath.Join(s.dir, "nix2gpu.lock"))
		for _, container := range order {
			s.must("build", "--without-base", "-o", container+".oci", ".#"+container)
		}
		if got, err := os.ReadFile(filepath.Join(s.dir, "nix2gpu.lock")); err != nil || string(got) != string(locked) {
			t.Errorf("%v: the lock is\n%s\nwant\n%s", order, got, locked)
		}
	}
}
