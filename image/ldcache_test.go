package image

import (
	"bytes"
	"context"
	"io"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"nix2gpu/debian/deb"
)

// scanned is the tree of some folders of this machine, as the layers of packages
// would have it.
func scanned(t *testing.T, folders ...string) *tree {
	t.Helper()
	tr := newTree()
	var scan elfScanner
	library := func(file string) *library {
		in, err := os.Open(file)
		if err != nil {
			t.Fatal(err)
		}
		defer in.Close()
		scan.reset()
		// In pieces of a size that divides nothing.
		if _, err := io.CopyBuffer(struct{ io.Writer }{&scan}, struct{ io.Reader }{in}, make([]byte, 977)); err != nil {
			t.Fatal(err)
		}
		return scan.library()
	}
	for _, folder := range folders {
		entries, err := os.ReadDir(folder)
		if err != nil {
			continue
		}
		for _, e := range entries {
			f := fact{Path: strings.TrimPrefix(path.Join(folder, e.Name()), "/"), Kind: deb.File, Mode: 0o644}
			file := filepath.Join(folder, e.Name())
			switch {
			case e.IsDir():
				f.Kind = deb.Dir
			case e.Type()&os.ModeSymlink != 0:
				f.Kind = deb.Symlink
				if f.Link, err = os.Readlink(file); err != nil {
					t.Fatal(err)
				}
				if real, err := filepath.EvalSymlinks(file); err == nil && filepath.Dir(real) != folder && isLibraryName(e.Name()) {
					if info, err := os.Stat(real); err == nil && info.Mode().IsRegular() {
						tr.put(fact{Path: real[1:], Kind: deb.File, Lib: library(real)})
					}
				}
			case isLibraryName(e.Name()):
				f.Lib = library(file)
			}
			tr.put(f)
		}
	}
	return tr
}

// What ldconfig would write for the libraries of this machine is what we write:
// the same names, in the same order, with the same paths.
func TestCacheIsLdconfigs(t *testing.T) {
	ldconfig := "/sbin/ldconfig"
	if _, err := os.Stat(ldconfig); err != nil {
		t.Skip("ldconfig is not installed: apt-get install libc-bin")
	}
	triplet := map[string]string{"amd64": "x86_64-linux-gnu", "arm64": "aarch64-linux-gnu"}[runtime.GOARCH]
	dir := t.TempDir()
	conf := filepath.Join(dir, "ld.so.conf")
	// Folders of the loader's own; those of the machine's configuration are its own affair.
	if err := os.WriteFile(conf, []byte("/lib/"+triplet+"\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	theirs := filepath.Join(dir, "theirs")
	if out, err := exec.CommandContext(t.Context(), ldconfig, "-X", "-f", conf, "-C", theirs).CombinedOutput(); err != nil {
		t.Fatalf("ldconfig: %v\n%s", err, out)
	}
	s := &system{arch: runtime.GOARCH, tree: scanned(t, "/usr/lib/"+triplet, "/usr/lib")}
	if info, err := os.Lstat("/lib"); err == nil && info.Mode()&os.ModeSymlink != 0 {
		s.tree.put(fact{Path: "lib", Kind: deb.Symlink, Link: "usr/lib"})
	}
	nodes, err := loader(s)
	if err != nil {
		t.Fatal(err)
	}
	ours := filepath.Join(dir, "ours")
	cache := contentOf(nodes, "etc/ld.so.cache")
	if err := os.WriteFile(ours, cache, 0o644); err != nil {
		t.Fatal(err)
	}
	list := func(file string) []string {
		out, err := exec.CommandContext(t.Context(), ldconfig, "-p", "-C", file).Output()
		if err != nil {
			t.Fatalf("ldconfig -p -C %s: %v", file, err)
		}
		var lines []string
		for line := range strings.Lines(string(out)) {
			if strings.HasPrefix(line, "\t") && !strings.Contains(line, "hwcap") && !strings.Contains(line, "x86-64-v") {
				lines = append(lines, strings.TrimSpace(line))
			}
		}
		return lines
	}
	got, want := list(ours), list(theirs)
	if len(want) < 20 {
		t.Fatalf("ldconfig lists only %d libraries: nothing is compared", len(want))
	}
	for i := range max(len(got), len(want)) {
		g, w := "", ""
		if i < len(got) {
			g = got[i]
		}
		if i < len(want) {
			w = want[i]
		}
		if g != w {
			t.Fatalf("line %d of %d:\ngot  %s\nwant %s", i, len(want), g, w)
		}
	}
	again, err := loader(s)
	if err != nil || !bytes.Equal(contentOf(again, "etc/ld.so.cache"), cache) {
		t.Errorf("the second cache differs, %v", err)
	}
}

func contentOf(nodes []*node, name string) []byte {
	for _, n := range nodes {
		if n.Name == name {
			return n.Content
		}
	}
	return nil
}

// The cache of arm64, read by the ldconfig of this machine: it prints what it
// does not run.
func TestCacheOfArm64(t *testing.T) {
	tr := newTree()
	add := func(name, to string, lib *library) {
		f := fact{Path: name, Kind: deb.File, Lib: lib}
		if to != "" {
			f.Kind, f.Link = deb.Symlink, to
		}
		tr.put(f)
	}
	const dir = "usr/lib/aarch64-linux-gnu/"
	arm := func(soname string) *library { return &library{Machine: 183, Class: 2, Soname: soname} }
	add(dir+"libpq.so.5.15", "", arm("libpq.so.5"))
	add(dir+"libpq.so.5", "libpq.so.5.15", nil)
	add(dir+"libpq.so", "libpq.so.5.15", nil)
	add(dir+"liba.so.10", "", arm("liba.so.10"))
	add(dir+"liba.so.9", "", arm("liba.so.9"))
	add(dir+"libnolink.so.1.2", "", arm("libnolink.so.1"))
	add(dir+"libx86.so.1", "", &library{Machine: 62, Class: 2, Soname: "libx86.so.1"})
	add(dir+"libbare.so", "", arm(""))
	add(dir+"libtext.so", "", nil)
	add("lib", "usr/lib", nil)
	nodes, err := loader(&system{arch: "arm64", tree: tr})
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "cache")
	if err := os.WriteFile(file, contentOf(nodes, "etc/ld.so.cache"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat("/sbin/ldconfig"); err != nil {
		t.Skip("ldconfig is not installed: apt-get install libc-bin")
	}
	out, err := exec.CommandContext(context.Background(), "/sbin/ldconfig", "-p", "-C", file).CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	var got []string
	for line := range strings.Lines(string(out)) {
		if strings.HasPrefix(line, "\t") {
			got = append(got, strings.TrimSpace(line))
		}
	}
	const at = " (libc6,AArch64) => /lib/aarch64-linux-gnu/"
	want := []string{
		"libpq.so.5" + at + "libpq.so.5", "libpq.so" + at + "libpq.so", "libnolink.so.1" + at + "libnolink.so.1",
		"libbare.so" + at + "libbare.so", "liba.so.10" + at + "liba.so.10", "liba.so.9" + at + "liba.so.9",
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if linkOf(nodes, "usr/lib/aarch64-linux-gnu/libnolink.so.1") != "libnolink.so.1.2" {
		t.Error("the link to a library whose package brings none is not made")
	}
}

func linkOf(nodes []*node, name string) string {
	for _, n := range nodes {
		if n.Name == name {
			return n.Link
		}
	}
	return ""
}

func FuzzELF(f *testing.F) {
	if data, err := os.ReadFile("/lib64/ld-linux-x86-64.so.2"); err == nil {
		f.Add(data[:min(len(data), 1<<16)], 100)
	}
	f.Fuzz(func(t *testing.T, data []byte, piece int) {
		piece = max(piece&0xffff, 1)
		var scan elfScanner
		for rest := data; len(rest) > 0; rest = rest[min(piece, len(rest)):] {
			if n, err := scan.Write(rest[:min(piece, len(rest))]); err != nil || n == 0 {
				t.Fatal(n, err)
			}
		}
		if lib := scan.library(); lib != nil && strings.ContainsAny(lib.Soname, "/\x00") {
			t.Errorf("soname %q", lib.Soname)
		}
	})
}

// What is written is read back, also behind a cache of the old format; a damaged one
// is an error.
func TestReadLdCache(t *testing.T) {
	entries := []ldEntry{{"libb.so.1", "/usr/lib/libb.so.1", 0x0303}, {"liba.so.2", "/usr/local/cuda/lib64/liba.so.2", 0x0303}, {"liba.so.2", "/usr/lib/liba.so.2", 0x0303}}
	data := ldCache(entries)
	for name, text := range map[string]string{"new": string(data), "old and new": "ld.so-1.7.0\x00\x00\x00\x00\x00" + string(data)} {
		got, err := readLdCache(text)
		if err != nil || !bytes.Equal(ldCache(got), data) {
			t.Errorf("%s: read back %v, %v", name, got, err)
		}
	}
	if got, err := readLdCache(""); err != nil || got != nil {
		t.Errorf("no cache: %v, %v", got, err)
	}
	for at := range data {
		if _, err := readLdCache(string(data[:at])); err == nil && at > 0 {
			t.Errorf("cut after %d of %d bytes: no error", at, len(data))
		}
	}
	// Of this machine's own, all that ldconfig lists.
	text, err := os.ReadFile("/etc/ld.so.cache")
	if err != nil {
		t.Skip("no loader's cache on this machine")
	}
	own, err := readLdCache(string(text))
	if err != nil || len(own) == 0 {
		t.Errorf("this machine's: %d entries, %v", len(own), err)
	}
}
