package image

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"nix2gpu/debian/deb"
)

// The links are those of openssl and update-ca-certificates, for all certificates
// that Debian has.
func TestHashLinks(t *testing.T) {
	files, err := filepath.Glob("/usr/share/ca-certificates/mozilla/*.crt")
	if err != nil || len(files) == 0 {
		t.Skip("no certificates of Debian here")
	}
	s := &system{tree: newTree()}
	certs := map[string]string{"usr/share/ca-certificates/none.crt": "-----BEGIN A\n"}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		name := strings.TrimPrefix(file, "/")
		certs[name] = string(text)
		s.tree.put(fact{Path: name, Kind: deb.File})
	}
	links := map[string]string{}
	for _, n := range hashLinks(s, certs) {
		if _, twice := links[n.Name]; twice {
			t.Errorf("%s is there twice", n.Name)
		}
		links[n.Name] = n.Link
	}
	if len(links) != 2*len(files) {
		t.Errorf("%d links for %d certificates", len(links), len(files))
	}
	dir := t.TempDir()
	for name, to := range links {
		if strings.HasSuffix(name, ".pem") {
			if err := os.Symlink(to, filepath.Join(dir, filepath.Base(name))); err != nil {
				t.Fatal(err)
			}
		}
	}
	if out, err := exec.CommandContext(t.Context(), "openssl", "rehash", dir).CombinedOutput(); err != nil {
		t.Skipf("no openssl: %v\n%s", err, out)
	}
	made, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range made {
		to, err := os.Readlink(filepath.Join(dir, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		if got := links["etc/ssl/certs/"+e.Name()]; got != to {
			t.Errorf("%s leads to %q, for openssl to %q", e.Name(), got, to)
		}
	}
	if len(made) != len(links) {
		t.Errorf("%d links, for openssl %d", len(links), len(made))
	}
}
