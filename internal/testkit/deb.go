package testkit

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"fmt"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"
)

// A Deb is a Debian package that a test makes up.
type Deb struct {
	Name, Version, Arch string // default: "x", "1.0", "all"

	Fields  string            // more lines of its control file: "Depends: y\n"
	Control map[string]string // more files of its control part: "postinst"
	Entries []tar.Header      // its data; what is not set is derived from the name
	Content map[string]string // of the entries that are files, by name

	Compress string // "gz" (default), "xz", "zst" or "none"
}

// File adds a file to the package.
func (d *Deb) File(name, content string) *Deb {
	if d.Content == nil {
		d.Content = map[string]string{}
	}
	d.Content[name] = content
	d.Entries = append(d.Entries, tar.Header{Name: name, Typeflag: tar.TypeReg, Mode: 0o644})
	return d
}

// Program adds an executable file to the package.
func (d *Deb) Program(name, content string) *Deb {
	d.File(name, content)
	d.Entries[len(d.Entries)-1].Mode = 0o755
	return d
}

// Dir adds folders to the package.
func (d *Deb) Dir(names ...string) *Deb {
	for _, name := range names {
		d.Entries = append(d.Entries, tar.Header{Name: name, Typeflag: tar.TypeDir, Mode: 0o755})
	}
	return d
}

// Link adds a symbolic link to the package.
func (d *Deb) Link(name, target string) *Deb {
	d.Entries = append(d.Entries, tar.Header{Name: name, Typeflag: tar.TypeSymlink, Linkname: target, Mode: 0o777})
	return d
}

// Bytes is the package's file, the same each time.
func (d *Deb) Bytes(t testing.TB) []byte {
	t.Helper()
	or := func(s, def string) string {
		if s == "" {
			return def
		}
		return s
	}
	control := fmt.Sprintf("Package: %s\nVersion: %s\nArchitecture: %s\nMaintainer: A Test <test@example.org>\n%sDescription: a package of a test\n",
		or(d.Name, "x"), or(d.Version, "1.0"), or(d.Arch, "all"), d.Fields)
	files := map[string]string{"./control": control}
	entries := []tar.Header{{Name: "./control", Typeflag: tar.TypeReg, Mode: 0o644}}
	for name, content := range d.Control {
		files["./"+name] = content
		entries = append(entries, tar.Header{Name: "./" + name, Typeflag: tar.TypeReg, Mode: 0o755})
	}
	ending := "." + or(d.Compress, "gz")
	if ending == ".none" {
		ending = ""
	}
	return Ar(
		"debian-binary", []byte("2.0\n"),
		"control.tar"+ending, compressed(t, ending, Tar(t, entries, files)),
		"data.tar"+ending, compressed(t, ending, Tar(t, d.Entries, d.Content)),
	)
}

// Ar is an ar archive of names and contents in turn.
func Ar(members ...any) []byte {
	var b bytes.Buffer
	b.WriteString("!<arch>\n")
	for i := 0; i < len(members); i += 2 {
		data := members[i+1].([]byte)
		fmt.Fprintf(&b, "%-16s%-12d%-6d%-6d%-8s%-10d`\n", members[i], 1_600_000_000, 0, 0, "100644", len(data))
		b.Write(data)
		if len(data)%2 == 1 {
			b.WriteByte('\n')
		}
	}
	return b.Bytes()
}

// Tar is a tar archive of entries, and of the contents of those that are files.
func Tar(t testing.TB, entries []tar.Header, content map[string]string) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, h := range entries {
		h.Size = 0
		if h.Typeflag == tar.TypeReg {
			h.Size = int64(len(content[h.Name]))
		}
		if h.ModTime.IsZero() {
			h.ModTime = time.Unix(1_600_000_000, 0)
		}
		if h.Uname == "" {
			h.Uname, h.Gname = "root", "root"
		}
		if err := w.WriteHeader(&h); err != nil {
			t.Fatalf("%s: %v", h.Name, err)
		}
		if h.Size > 0 {
			if _, err := w.Write([]byte(content[h.Name])); err != nil {
				t.Fatalf("%s: %v", h.Name, err)
			}
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// compressed packs data as the ending of a file's name says.
func compressed(t testing.TB, ending string, data []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	switch strings.TrimPrefix(ending, ".") {
	case "":
		return data
	case "gz":
		w := gzip.NewWriter(&b)
		w.Write(data) // to memory
		w.Close()
	case "zst":
		w, err := zstd.NewWriter(&b)
		if err != nil {
			t.Fatal(err)
		}
		w.Write(data)
		w.Close()
	case "xz":
		cmd := exec.Command("xz", "-c", "-6")
		cmd.Stdin, cmd.Stdout = bytes.NewReader(data), &b
		if err := cmd.Run(); err != nil {
			t.Fatalf("xz: %v (its Debian package: xz-utils)", err)
		}
	default:
		t.Fatalf("no compression %q", ending)
	}
	return b.Bytes()
}
