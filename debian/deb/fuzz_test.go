package deb_test

import (
	"archive/tar"
	"bytes"
	"path"
	"strings"
	"testing"

	"nix2gpu/debian/deb"
	"nix2gpu/internal/debtest"
)

// check fails when a package got something through that leads out of a root.
func check(t *testing.T, data []byte) {
	lines, _, _ := read(data, deb.Options{MaxSize: 4 << 20, MaxEntries: 1000})
	seen := map[string]bool{}
	for _, line := range lines {
		name, _, _ := strings.Cut(line[len("f 0644 "):], " -> ")
		if line[0] == 'f' {
			continue // whose content is part of the line
		}
		if path.IsAbs(name) || path.Clean(name) != name || name == "." || strings.HasPrefix(name, "../") || seen[name] {
			t.Errorf("got an entry %q", name)
		}
		seen[name] = true
	}
}

// FuzzAr feeds the reader with anything.
func FuzzAr(f *testing.F) {
	for _, kind := range []string{"gz", "xz", "zst", "none"} {
		f.Add(made(kind).Dir("./usr/").File("./usr/a", "x").Link("./b", "usr/a").Bytes(f))
	}
	f.Fuzz(check)
}

// FuzzTar feeds it with any data part inside a sound package.
func FuzzTar(f *testing.F) {
	d := made("none").Dir("./usr/").File("./usr/a", "x").Link("./b", "usr/a")
	f.Add(debtest.Tar(f, d.Entries))
	f.Add(debtest.Tar(f, []debtest.Entry{{Header: tar.Header{Name: "./" + strings.Repeat("n/", 90) + "x", Typeflag: tar.TypeLink, Linkname: "../../x"}}}))
	control := debtest.Tar(f, []debtest.Entry{debtest.File("control", "Package: x\nVersion: 1\n")})
	f.Fuzz(func(t *testing.T, data []byte) {
		check(t, ar("debian-binary", []byte("2.0\n"), "control.tar", control, "data.tar", data))
	})
}

// FuzzControl wants of any control file that is taken that it stays one stanza
// among others.
func FuzzControl(f *testing.F) {
	f.Add("Package: x\nDepends: a,\n b\n", "update-alternatives --install /usr/bin/a a /usr/bin/b 1 --slave /x y /z")
	f.Fuzz(func(t *testing.T, text, script string) {
		control := debtest.Tar(t, []debtest.Entry{debtest.File("control", text), debtest.File("postinst", script)})
		r, err := deb.NewReader(bytes.NewReader(ar("debian-binary", []byte("2.0\n"), "control.tar", control, "data.tar", debtest.Tar(t, nil))), deb.Options{})
		if err != nil {
			return
		}
		if s := r.Control().Stanza; strings.Contains(s, "\n\n") || !strings.HasSuffix(s, "\n") {
			t.Errorf("stanza is %q", s)
		}
	})
}
