package store_test

import (
	"bytes"
	"crypto/sha256"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"nix2gpu/nix/osfs"
	"nix2gpu/nix/store"
)

func TestSplit(t *testing.T) {
	const at = store.Dir + "/vylz2d5mzcgx8z67q4xi43zhzf5zrld5-x"
	for _, test := range []struct {
		text, path, rest string
		ok               bool
	}{
		{at, at, "", true},
		{at + "/a/b", at, "/a/b", true},
		{at + "/", at, "/", true},
		{store.Dir, "", "", false},
		{store.Dir + "/x", "", "", false},
		{store.Dir + "/vylz2d5mzcgx8z67q4xi43zhzf5zrld5-", "", "", false},
		{store.Dir + "/uylz2d5mzcgx8z67q4xi43zhzf5zrld5-x", "", "", false}, // no digit
		{"/tmp/vylz2d5mzcgx8z67q4xi43zhzf5zrld5-x", "", "", false},
	} {
		if path, rest, ok := store.Split(test.text); path != test.path || rest != test.rest || ok != test.ok {
			t.Errorf("Split(%q) = %q, %q, %t", test.text, path, rest, ok)
		}
	}
}

func TestCheckName(t *testing.T) {
	for _, good := range []string{"a", ".a", "...", "a.drv", "+-._?=", strings.Repeat("a", 211)} {
		if err := store.CheckName(good); err != nil {
			t.Errorf("%q: %v", good, err)
		}
	}
	for _, bad := range []string{"", ".", "..", ".-a", "..-a", "a/b", "a b", "ä", strings.Repeat("a", 212)} {
		if store.CheckName(bad) == nil {
			t.Errorf("%q is a name", bad)
		}
	}
}

// The archive is the same, byte for byte, as that of Nix.
func TestNARAgainstNix(t *testing.T) {
	nix, err := exec.LookPath("nix-store")
	if err != nil {
		t.Skip("nix-store is not installed; apt-get install nix-bin")
	}
	dir := filepath.Join(t.TempDir(), "x")
	for _, sub := range []string{"a", "a-b", "a.b/deep/er", "empty", "Z"} {
		if err := os.MkdirAll(filepath.Join(dir, sub), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for n := range 20 { // all lengths of padding
		name := filepath.Join(dir, "a", strings.Repeat("n", n+1))
		if err := os.WriteFile(name, bytes.Repeat([]byte{byte(n)}, n), []os.FileMode{0o644, 0o755, 0o600, 0o654}[n%4]); err != nil {
			t.Fatal(err)
		}
	}
	for name, target := range map[string]string{"link": "a", "a.b/up": "../../../etc/passwd", "dangling": "nowhere"} {
		if err := os.Symlink(target, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.CommandContext(t.Context(), nix, "--dump", dir)
	cmd.Env = append(os.Environ(), "NIX_REMOTE=dummy://", "HOME="+t.TempDir(), "NIX_STATE_DIR="+t.TempDir())
	want, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	var got bytes.Buffer
	if err := store.WriteNAR(&got, osfs.FS{}, dir, nil); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got.Bytes(), want) {
		t.Errorf("%d bytes %x, Nix has %d bytes %x", got.Len(), sha256.Sum256(got.Bytes()), len(want), sha256.Sum256(want))
	}
}
