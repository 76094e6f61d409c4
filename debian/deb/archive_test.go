package deb_test

import (
	"archive/tar"
	"bytes"
	"fmt"
	"io"
	"strings"
	"testing"

	"nix2gpu/debian/deb"
	"nix2gpu/internal/debtest"
)

// unpack is every entry of an archive, a line each, and what stopped the reading.
func unpack(data []byte, strip int) (lines []string, err error) {
	a, err := deb.NewArchive(bytes.NewReader(data), int64(len(data)), deb.ArchiveOptions{Options: deb.Options{Name: "x"}, Strip: strip, Program: "tool"})
	if err != nil {
		return nil, err
	}
	defer a.Close()
	for {
		e, err := a.Next()
		if err == io.EOF {
			return lines, nil
		}
		if err != nil {
			return lines, err
		}
		line := fmt.Sprintf("%c %s %o", e.Kind, e.Name, e.Mode)
		switch e.Kind {
		case deb.File:
			body, err := io.ReadAll(a)
			if err != nil {
				return lines, err
			}
			line += fmt.Sprintf(" %q", body)
		case deb.Symlink, deb.Hardlink:
			line += " " + e.Link
		}
		lines = append(lines, line)
	}
}

func entry(kind byte, name string, mode int64, link string) debtest.Entry {
	return debtest.Entry{Header: tar.Header{Typeflag: kind, Name: name, Mode: mode, Linkname: link, Uid: 1000, Gid: 1000, Uname: "joe"}}
}

// Every kind of archive comes to the same entries.
func TestArchive(t *testing.T) {
	files := []debtest.Entry{
		debtest.Dir("tool-1.0/", 0o700), debtest.Exec("tool-1.0/bin/tool", "#!/bin/sh\n"), debtest.File("tool-1.0/lib/a.jar", "jar"),
		debtest.Symlink("tool-1.0/bin/t", "../bin/tool"),
	}
	want := "f bin/tool 755 \"#!/bin/sh\\n\"\nf lib/a.jar 644 \"jar\"\nl bin/t 777 ../bin/tool"
	packed := map[string][]byte{"zip": debtest.Zip(t, files)}
	for _, kind := range []string{"gz", "xz", "zst", "none"} {
		packed[kind] = debtest.Compress(t, kind, debtest.Tar(t, files))
	}
	for kind, data := range packed {
		lines, err := unpack(data, 1)
		if got := strings.Join(lines, "\n"); err != nil || got != want {
			t.Errorf("%s: %v\n%s\nwant\n%s", kind, err, got, want)
		}
		for _, size := range []int{len(data) / 2, len(data) - 2} {
			if lines, err := unpack(data[:size], 1); err == nil && kind != "none" { // plain tar ends in zeros
				t.Errorf("%s: %d of %d bytes are taken: %s", kind, size, len(data), lines)
			}
		}
	}
	for text, want := range map[string]string{"#!/bin/sh\n": "f bin/tool 755 \"#!/bin/sh\\n\"", "\x7fELF...": "f bin/tool 755 \"\\x7fELF...\""} {
		if lines, err := unpack([]byte(text), 1); err != nil || len(lines) != 1 || lines[0] != want {
			t.Errorf("%q: %q, %v, want %q", text, lines, err, want)
		}
	}
	// As "git archive" writes them, with owners and rights that do not count.
	var whole bytes.Buffer
	w := tar.NewWriter(&whole)
	if err := w.WriteHeader(&tar.Header{Typeflag: tar.TypeXGlobalHeader, PAXRecords: map[string]string{"comment": "x"}}); err != nil {
		t.Fatal(err)
	}
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	whole.Write(debtest.Tar(t, []debtest.Entry{
		entry(tar.TypeReg, "a", 0o6711, ""), entry(tar.TypeLink, "b", 0o6711, "a"), entry(tar.TypeDir, "bin/", 0o7777, ""),
	}))
	lines, err := unpack(whole.Bytes(), 0)
	if got := strings.Join(lines, "\n"); err != nil || got != "f a 755 \"\"\nh b 755 a\nd bin 755" {
		t.Errorf("rights: %v\n%s", err, got)
	}
}

// What leads out of an archive, or never ends, is refused with its name.
func TestHostileArchive(t *testing.T) {
	one := func(kind byte, name, link string) []byte {
		return debtest.Tar(t, []debtest.Entry{entry(kind, name, 0o644, link)})
	}
	reg := byte(tar.TypeReg)
	huge := make([]byte, 80<<20)
	for _, c := range []struct {
		data  []byte
		strip int
		want  string
	}{
		{one(reg, "../x", ""), 0, `archive "x": "../x": its name leads out of the package`},
		{one(reg, "a/../../x", ""), 0, `its name leads out of the package`},
		{one(reg, "/etc/passwd", ""), 0, `its name is absolute`},
		{one(reg, "a\x01b", ""), 0, `its name has control characters`},
		{one(tar.TypeSymlink, "a/x", "../../etc/passwd"), 0, `it is a link to "../../etc/passwd", which leads out of the archive`},
		{one(tar.TypeSymlink, "a/x", "../y"), 1, `it is a link to "../y", which leads out of the archive`},
		{one(tar.TypeSymlink, "x", "/etc/passwd"), 0, `it is a link to "/etc/passwd", which leads out of the archive`},
		{one(tar.TypeLink, "x", "etc/passwd"), 0, `it is a hard link to "etc/passwd", which is not an earlier file`},
		{one(tar.TypeLink, "x", "../passwd"), 0, `it is a link to "../passwd"`},
		{one(tar.TypeChar, "x", ""), 0, `it is a device`},
		{one(tar.TypeBlock, "x", ""), 0, `it is a device`},
		{one(tar.TypeFifo, "x", ""), 0, `it is a pipe`},
		{one(reg, "x", ""), 1, `it lies above what strip takes away`},
		{debtest.Tar(t, []debtest.Entry{debtest.Symlink("a", "b"), debtest.File("a/x", "")}), 0, `it lies below "a", which is not a folder`},
		{debtest.Tar(t, []debtest.Entry{debtest.File("a", ""), debtest.File("a", "")}), 0, `it appears twice`},
		{debtest.Compress(t, "gz", debtest.Tar(t, []debtest.Entry{debtest.File("a", string(huge))})), 0, `it unpacks to more than 200 times its size`},
		{debtest.Zip(t, []debtest.Entry{debtest.File("a", string(huge))}), 0, `it unpacks to more than 200 times its size`},
		{debtest.Zip(t, []debtest.Entry{debtest.File("../a", "")}), 0, `its name leads out of the package`},
		{debtest.Zip(t, []debtest.Entry{debtest.Symlink("a", "../b")}), 0, `which leads out of the archive`},
		{debtest.Zip(t, []debtest.Entry{entry(tar.TypeChar, "a", 0o644, "")}), 0, `it is not a file, folder or link`},
		{debtest.Compress(t, "gz", []byte("a page that says: not found, which is no archive, and goes on and on")), 0, `truncated`},
		{debtest.Compress(t, "gz", bytes.Repeat([]byte("no archive "), 100)), 0, `it does not contain a tar archive`},
		{[]byte("<!DOCTYPE html>"), 0, `archive "x": it is neither a tar or zip archive nor a program: it begins with "<!DOCTYPE html>"`},
		{nil, 0, `it is neither a tar or zip archive nor a program`},
		{[]byte("PK\x03\x04 and nothing more"), 0, `it is not a zip archive`},
	} {
		lines, err := unpack(c.data, c.strip)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("got %q, %v, want %s", lines, err, c.want)
		}
	}
}

// No archive makes the reader panic, or hand out a name that leads out.
func FuzzArchive(f *testing.F) {
	files := []debtest.Entry{debtest.Exec("t/bin/tool", "x"), debtest.Symlink("t/l", "bin/tool")}
	f.Add(debtest.Tar(f, files), 1)
	f.Add(debtest.Zip(f, files), 0)
	f.Add(debtest.Compress(f, "zst", debtest.Tar(f, files)), 2)
	f.Fuzz(func(t *testing.T, data []byte, strip int) {
		lines, _ := unpack(data, max(strip, 0)%4)
		for _, line := range lines {
			name := strings.Fields(line + " .")[1]
			if strings.HasPrefix(name, "/") || strings.HasPrefix(name, "../") || strings.Contains(name, "/../") {
				t.Errorf("%q leads out", line)
			}
		}
	})
}
