package store_test

import (
	"crypto/sha256"
	"encoding/base64"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"nix2gpu/nix/osfs"
	"nix2gpu/nix/store"
)

// TestVendorHash checks the hash by which our flake lets Nix fetch the modules that the
// program is built from.
func TestVendorHash(t *testing.T) {
	vendor := filepath.Join(t.TempDir(), "vendor")
	cmd := exec.CommandContext(t.Context(), "go", "mod", "vendor", "-e", "-o", vendor)
	cmd.Dir = "../.."
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("go mod vendor: %v\n%s", err, out)
	}
	hash := sha256.New()
	if err := store.WriteNAR(hash, osfs.FS{}, vendor, nil); err != nil {
		t.Fatal(err)
	}
	want := `vendorHash = "sha256-` + base64.StdEncoding.EncodeToString(hash.Sum(nil)) + `"`
	text, err := os.ReadFile("../../flake/package.nix")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(text), want) {
		t.Errorf("flake/package.nix must have %s", want)
	}
}
