package debian_test

import (
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"nix2gpu/debian"
)

const twoPackages = `Package: postgresql-15
Source: postgresql-src (1:15.1)
Version: 15.14-0+deb12u1
Architecture: amd64
Multi-Arch: same
Essential: yes
Priority: required
Pre-Depends: x
Depends: libc6 (>= 2.36),
 libpq5
Provides: postgresql-contrib-15, v (= 1)
Conflicts: y
Breaks: z
Description: something
 long
Filename: pool/main/p/postgresql-15/postgresql-15_15.14-0+deb12u1_amd64.deb
Size: 1234567890123
SHA256: 00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff

Package: plain
Version: 1
Architecture: all
Filename: ./plain.deb
Size: 0
`

func TestReadPackages(t *testing.T) {
	tab, err := debian.ReadPackages(iotest.OneByteReader(strings.NewReader(twoPackages)), "debian")
	if err != nil {
		t.Fatal(err)
	}
	if tab, err = debian.OpenTable(tab.Encoded()); err != nil || tab.Archive() != "debian" || tab.Len() != 2 {
		t.Fatalf("%v, archive %q", err, tab.Archive())
	}
	ix := debian.NewIndex("amd64", tab)
	want := &debian.Package{
		Locked: debian.Locked{
			Name: "postgresql-15", Version: "15.14-0+deb12u1", Arch: "amd64", Source: "postgresql-src", SourceVersion: "1:15.1", Archive: "debian",
			Path: "pool/main/p/postgresql-15/postgresql-15_15.14-0+deb12u1_amd64.deb", Size: 1234567890123,
			SHA256: "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff",
		},
		MultiArch: "same", Essential: true, PreDepends: "x", Depends: "libc6 (>= 2.36),\n libpq5", Conflicts: "y", Breaks: "z",
		Provides: "postgresql-contrib-15, v (= 1)",
	}
	if diff := cmp.Diff(want, ix.Newest("postgresql-15"), cmpopts.IgnoreUnexported(debian.Package{})); diff != "" {
		t.Error(diff)
	}
	plain := debian.Locked{Name: "plain", Version: "1", Arch: "all", Source: "plain", SourceVersion: "1", Archive: "debian", Path: "plain.deb"}
	if got := ix.Newest("plain"); got == nil || got.Locked != plain || got.File() != "plain.deb" {
		t.Errorf("got %+v", got)
	}
	for _, name := range []string{"postgresql-contrib-15", "v"} {
		if got := ix.Providers(name); len(got) != 1 || got[0].Name != "postgresql-15" {
			t.Errorf("providers of %q: %v", name, got)
		}
	}
	if got := ix.Newest("plai"); got != nil {
		t.Errorf("got %v", got)
	}
}

func TestReadPackagesRefuses(t *testing.T) {
	for _, test := range []struct{ old, new, want string }{
		{"Package: plain", "Package: ../x", `package 2 of the index, "../x": not the name of a package`},
		{"Version: 1\n", "", `package 2 of the index, "plain": version is empty`},
		{"Version: 1\n", "Version: 1 2\n", `package 2 of the index, "plain": version "1 2": ' ' is not permitted`},
		{"Architecture: all", "Arch: all", `package 2 of the index, "plain": architecture ""`},
		{"Size: 0", "Size: -1", `package 2 of the index, "plain": size "-1"`},
		{"Size: 0", "Size: 0\nSHA256: 12", `package 2 of the index, "plain": SHA256 "12"`},
		{"./plain.deb", "../plain.deb", `package 2 of the index, "plain": file name "../plain.deb"`},
		{"./plain.deb", "/plain.deb", `package 2 of the index, "plain": file name "/plain.deb"`},
		{"./plain.deb", "a//b", `package 2 of the index, "plain": file name "a//b"`},
		{"./plain.deb", "a?b", `package 2 of the index, "plain": file name "a?b"`},
	} {
		text := strings.Replace(twoPackages, test.old, test.new, 1)
		if _, err := debian.ReadPackages(strings.NewReader(text), "debian"); err == nil || err.Error() != test.want {
			t.Errorf("%s: %v, want %s", test.new, err, test.want)
		}
	}
	if _, err := debian.ReadPackages(iotest.TimeoutReader(iotest.OneByteReader(strings.NewReader(twoPackages))), "debian"); err == nil {
		t.Error("an error of the reader was ignored")
	}
}

// A table that was cut off or changed anywhere is refused, not read wrongly.
func TestOpenTableRefuses(t *testing.T) {
	tab, err := debian.ReadPackages(strings.NewReader(twoPackages), "debian")
	if err != nil {
		t.Fatal(err)
	}
	text := tab.Encoded()
	for i := range len(text) {
		if _, err := debian.OpenTable(text[:i]); err == nil {
			t.Errorf("cut off at %d: accepted", i)
		}
		if _, err := debian.OpenTable(text[:i] + string(text[i]^1) + text[i+1:]); err == nil {
			t.Errorf("changed at %d: accepted", i)
		}
	}
}

// FuzzReadPackages wants of any text a table that says the same after its trip
// through a file, or an error.
func FuzzReadPackages(f *testing.F) {
	f.Add([]byte(twoPackages))
	f.Add([]byte("Package: a\nVersion: 1\nArchitecture: all\nSize: 1\nFilename: a\nProvides: ,, a (= 1) ,\tb:any,c|d\n\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		tab, err := debian.ReadPackages(strings.NewReader(string(text)), "x")
		if err != nil {
			return
		}
		again, err := debian.OpenTable(tab.Encoded())
		if err != nil {
			t.Fatal(err)
		}
		ix := debian.NewIndex("amd64", again)
		names := ix.Names()
		if len(names) > tab.Len() {
			t.Errorf("%d names of %d packages", len(names), tab.Len())
		}
		for _, name := range names {
			ix.Providers(name)
			if _, err := debian.Resolve(ix, debian.Request{Names: []string{name}}); err != nil && err.Error() == "" {
				t.Errorf("%q: an error without words", name)
			}
		}
	})
}
