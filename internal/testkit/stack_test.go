package testkit

import (
	"testing"

	"nix2gpu/rundir"
)

func TestOwnsOnlyItsOwnFiles(t *testing.T) {
	s := &Stack{Dir: "/tmp/nix2gpu-test-1/shop"}
	for file, want := range map[string]bool{
		"/run/nix2gpu/" + rundir.Key("shop", s.Dir) + ".sock":            true,
		"/run/nix2gpu-services/" + rundir.Key("web-app", s.Dir):          true,
		"/run/nix2gpu/" + rundir.Key("shop", "/home/ada/shop") + ".sock": false,
		"/run/nix2gpu-services/" + rundir.Key("shop", "/tmp/other/shop"): false,
		"/run/nix2gpu/control.sock":                                      false,
	} {
		if got := s.owns(file); got != want {
			t.Errorf("owns(%q) = %t, want %t", file, got, want)
		}
	}
}
