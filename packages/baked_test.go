package packages_test

import (
	"os"
	"path/filepath"
	"testing"

	"nix2gpu/packages"
)

// What the image brings is taken as it is; the rest is looked for on the machine.
func TestBaked(t *testing.T) {
	dir, search := t.TempDir(), t.TempDir()
	if err := os.MkdirAll(filepath.Join(dir, "redis/bin"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(search, "jq"), []byte("#!/bin/sh\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	host := &packages.Host{Dir: t.TempDir(), SearchPath: []string{search}}
	b := &packages.Baked{Dir: dir, Next: host}
	if got, err := b.Path("redis"); err != nil || got != filepath.Join(dir, "redis") {
		t.Errorf("Path(redis) = %q, %v", got, err)
	}
	if got, err := b.Path("jq"); err != nil || got != filepath.Join(host.Dir, "jq") {
		t.Errorf("Path(jq) = %q, %v", got, err)
	}
	for _, attr := range []string{"", "../redis", ".hidden", "redis/bin"} {
		if got, err := b.Path(attr); err == nil {
			t.Errorf("Path(%q) = %q, want an error", attr, got)
		}
	}
}
