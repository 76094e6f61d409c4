package debtest_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"nix2gpu/internal/debtest"
)

// What dpkg-deb reads is what was meant, in every compression.
func TestDebIsDpkgs(t *testing.T) {
	if _, err := exec.LookPath("dpkg-deb"); err != nil {
		t.Skip("dpkg is not installed: apt-get install dpkg")
	}
	for _, kind := range []string{"xz", "gz", "zst", "none"} {
		d := debtest.Deb{
			Name: "tool", Version: "1:2.0-1", Arch: "amd64", Depends: "libc6 (>= 2)", Compression: kind,
			Scripts: map[string]string{"postinst": "#!/bin/sh\nexit 1\n"},
			Entries: []debtest.Entry{debtest.Exec("usr/bin/tool", "#!/bin/sh\n"), debtest.Symlink("usr/bin/t", "tool"), debtest.Dir("var/lib/tool", 0o700)},
		}
		data := d.Bytes(t)
		if !bytes.Equal(data, d.Bytes(t)) {
			t.Errorf("%s: not the same bytes twice", kind)
		}
		file := filepath.Join(t.TempDir(), d.File())
		if err := os.WriteFile(file, data, 0o644); err != nil {
			t.Fatal(err)
		}
		version, err := exec.CommandContext(t.Context(), "dpkg-deb", "-f", file, "Version", "Depends").CombinedOutput()
		if want := "Version: 1:2.0-1\nDepends: libc6 (>= 2)\n"; err != nil || string(version) != want {
			t.Errorf("%s: dpkg-deb -f: %v\n%s", kind, err, version)
		}
		list, err := exec.CommandContext(t.Context(), "dpkg-deb", "-c", file).CombinedOutput()
		for _, want := range []string{" ./usr/bin/\n", " ./usr/bin/tool\n", " ./usr/bin/t -> tool\n", "drwx------"} {
			if !strings.Contains(string(list), want) {
				t.Errorf("%s: dpkg-deb -c: %v, without %q:\n%s", kind, err, want, list)
			}
		}
	}
}

// What gpgv accepts is what was signed, by either key.
func TestArchiveIsSigned(t *testing.T) {
	if _, err := exec.LookPath("gpg"); err != nil {
		t.Skip("gpg is not installed: apt-get install gnupg")
	}
	one, two := debtest.NewKey(t, 0), debtest.NewKey(t, 0)
	tree := debtest.Archive{Keys: []*debtest.Key{one, two}, Debs: []debtest.Deb{{Name: "tool"}}}.Tree(t)
	dir := t.TempDir()
	write := func(name string, data []byte) string {
		file := filepath.Join(dir, name)
		if err := os.WriteFile(file, data, 0o644); err != nil {
			t.Fatal(err)
		}
		return file
	}
	signed := write("InRelease", tree["dists/bookworm/InRelease"])
	for _, key := range []*debtest.Key{one, two} {
		ring := filepath.Join(dir, key.Fingerprint()+".gpg")
		armoured := write("key.asc", key.Public(t))
		if out, err := exec.CommandContext(t.Context(), "gpg", "--homedir", dir, "--dearmor", "-o", ring, armoured).CombinedOutput(); err != nil {
			t.Fatalf("gpg --dearmor: %v\n%s", err, out)
		}
		out, err := exec.CommandContext(t.Context(), "gpgv", "--keyring", ring, signed).CombinedOutput()
		if !strings.Contains(string(out), "Good signature") {
			t.Errorf("gpgv: %v\n%s", err, out)
		}
	}
	if tree.Find(t, "tool_1.0_all.deb") != "pool/main/t/tool/tool_1.0_all.deb" {
		t.Errorf("the package is not in the pool: %q", tree.Find(t, ".deb"))
	}
}
