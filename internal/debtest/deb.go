package debtest

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"cmp"
	"compress/gzip"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"
	"github.com/ulikunitz/xz"
)

// A Deb is a binary package. With only a name it is version 1.0 of an empty package for
// every architecture.
type Deb struct {
	Name, Version, Arch string
	Depends, Provides   string
	// Fields are further fields, in their order: "Multi-Arch: same".
	Fields []string
	// Entries are its files. Folders above them are added unless Bare is set.
	Entries []Entry
	Bare    bool
	// Scripts are maintainer scripts and other files of the control part, by name.
	Scripts     map[string]string
	Compression string // for both parts: "xz" (default), "gz", "zst", "none"
	Signed      bool   // add a member with a signature, as in NVIDIA's packages
	// Data replaces the whole data.tar, uncompressed, for damage that Entries can't
	// express.
	Data []byte
}

// An Entry is one member of the data part.
type Entry struct {
	tar.Header
	Body string
}

// ModTime returns the time of entries that have none of their own.
func ModTime() time.Time { return time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC) }

// File makes a file that everybody may read.
func File(name, body string) Entry { return entry(tar.TypeReg, name, 0o644, body) }

// Exec makes an executable file.
func Exec(name, body string) Entry { return entry(tar.TypeReg, name, 0o755, body) }

// Dir makes a folder.
func Dir(name string, mode fs.FileMode) Entry { return entry(tar.TypeDir, name, int64(mode), "") }

// Symlink makes a symbolic link.
func Symlink(name, target string) Entry {
	e := entry(tar.TypeSymlink, name, 0o777, "")
	e.Linkname = target
	return e
}

func entry(kind byte, name string, mode int64, body string) Entry {
	return Entry{tar.Header{Typeflag: kind, Name: name, Mode: mode, Uname: "root", Gname: "root"}, body}
}

func (d Deb) version() string { return cmp.Or(d.Version, "1.0") }
func (d Deb) arch() string    { return cmp.Or(d.Arch, "all") }

// File returns the name of the package's file.
func (d Deb) File() string {
	_, version, epoch := strings.Cut(d.version(), ":")
	if !epoch {
		version = d.version()
	}
	return fmt.Sprintf("%s_%s_%s.deb", d.Name, version, d.arch())
}

// Control returns the package's control file, without an empty line at its end.
func (d Deb) Control() string {
	var b strings.Builder
	fmt.Fprintf(&b, "Package: %s\nVersion: %s\nArchitecture: %s\nMaintainer: Nobody <nobody@example.org>\n", d.Name, d.version(), d.arch())
	for _, f := range [][2]string{{"Depends", d.Depends}, {"Provides", d.Provides}} {
		if f[1] != "" {
			fmt.Fprintf(&b, "%s: %s\n", f[0], f[1])
		}
	}
	for _, f := range d.Fields {
		b.WriteString(f + "\n")
	}
	if !slices.ContainsFunc(d.Fields, func(f string) bool { return strings.HasPrefix(f, "Description:") }) {
		fmt.Fprintf(&b, "Description: %s for tests\n", d.Name)
	}
	return b.String()
}

// Bytes makes the .deb file.
func (d Deb) Bytes(tb testing.TB) []byte {
	tb.Helper()
	control := []Entry{Dir("./", 0o755), File("./control", d.Control())}
	for _, name := range sortedKeys(d.Scripts) {
		control = append(control, Exec("./"+name, d.Scripts[name]))
	}
	data := d.Data
	if data == nil {
		entries := d.Entries
		if !d.Bare {
			entries = withParents(entries)
		}
		data = Tar(tb, entries)
	}
	suffix := map[string]string{"": ".xz", "xz": ".xz", "gz": ".gz", "zst": ".zst", "none": ""}[d.Compression]
	members := []Member{
		{"debian-binary", []byte("2.0\n")},
		{"control.tar" + suffix, Compress(tb, d.Compression, Tar(tb, control))},
		{"data.tar" + suffix, Compress(tb, d.Compression, data)},
	}
	if d.Signed {
		members = append(members, Member{"_gpgbuilder", []byte("-----BEGIN PGP SIGNED MESSAGE-----\n")})
	}
	return Ar(members...)
}

// withParents writes names as dpkg does, "./usr/bin/x", after the folders above.
func withParents(entries []Entry) []Entry {
	have := map[string]bool{}
	var out []Entry
	var add func(dir string)
	add = func(dir string) {
		if have[dir] {
			return
		}
		have[dir] = true
		if dir != "." {
			add(path.Dir(dir))
			out = append(out, Dir("./"+dir+"/", 0o755))
		} else {
			out = append(out, Dir("./", 0o755))
		}
	}
	add(".")
	for _, e := range entries {
		name := strings.Trim(path.Clean(e.Name), "/")
		add(path.Dir(name))
		e.Name = "./" + name
		if e.Typeflag == tar.TypeDir {
			e.Name += "/"
			have[name] = true
		}
		out = append(out, e)
	}
	return out
}

// Tar makes a tar archive of entries, exactly as they are.
func Tar(tb testing.TB, entries []Entry) []byte {
	tb.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, e := range entries {
		h := e.Header
		if h.Typeflag == tar.TypeReg && h.Size == 0 {
			h.Size = int64(len(e.Body))
		}
		if h.ModTime.IsZero() {
			h.ModTime = ModTime()
		}
		if err := w.WriteHeader(&h); err != nil {
			tb.Fatalf("tar entry %q: %v", h.Name, err)
		}
		if _, err := io.WriteString(w, e.Body); err != nil {
			tb.Fatalf("tar entry %q: %v", h.Name, err)
		}
	}
	if err := w.Close(); err != nil {
		tb.Fatal(err)
	}
	return b.Bytes()
}

// Zip makes a zip archive of entries.
func Zip(tb testing.TB, entries []Entry) []byte {
	tb.Helper()
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	for _, e := range entries {
		h := &zip.FileHeader{Name: e.Name, Method: zip.Deflate, Modified: ModTime()}
		h.SetMode(e.FileInfo().Mode())
		body := e.Body
		if e.Typeflag == tar.TypeSymlink {
			body = e.Linkname
		}
		f, err := w.CreateHeader(h)
		if err == nil {
			_, err = io.WriteString(f, body)
		}
		if err != nil {
			tb.Fatalf("zip entry %q: %v", e.Name, err)
		}
	}
	if err := w.Close(); err != nil {
		tb.Fatal(err)
	}
	return b.Bytes()
}

// Compress compresses data. kind is "xz" (or ""), "gz", "zst" or "none".
func Compress(tb testing.TB, kind string, data []byte) []byte {
	tb.Helper()
	var b bytes.Buffer
	var w io.WriteCloser
	var err error
	switch kind {
	case "", "xz":
		w, err = xz.NewWriter(&b)
	case "gz":
		w = gzip.NewWriter(&b)
	case "zst":
		w, err = zstd.NewWriter(&b)
	case "none":
		return data
	default:
		tb.Fatalf("compression %q", kind)
	}
	if err == nil {
		_, err = w.Write(data)
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		tb.Fatal(err)
	}
	return b.Bytes()
}

// A Member is a file in an ar archive.
type Member struct {
	Name string
	Body []byte
}

// Ar makes an ar archive, the format of .deb files.
func Ar(members ...Member) []byte {
	b := bytes.NewBufferString("!<arch>\n")
	for _, m := range members {
		fmt.Fprintf(b, "%-16s%-12d%-6d%-6d%-8s%-10d`\n", m.Name, ModTime().Unix(), 0, 0, "100644", len(m.Body))
		b.Write(m.Body)
		if len(m.Body)%2 == 1 {
			b.WriteByte('\n')
		}
	}
	return b.Bytes()
}
