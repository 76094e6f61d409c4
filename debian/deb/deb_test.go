package deb_test

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"io"
	"runtime"
	"strings"
	"testing"

	"nix2gpu/debian/deb"
	"nix2gpu/internal/debtest"
)

// A draft is a package that a test makes up, entry by entry.
type draft struct{ debtest.Deb }

func made(kind string, entries ...debtest.Entry) *draft {
	return &draft{debtest.Deb{Name: "x", Bare: true, Compression: kind, Entries: entries}}
}

func (d *draft) add(e debtest.Entry) *draft { d.Entries = append(d.Entries, e); return d }

func (d *draft) File(name, body string) *draft    { return d.add(debtest.File(name, body)) }
func (d *draft) Program(name, body string) *draft { return d.add(debtest.Exec(name, body)) }
func (d *draft) Link(name, to string) *draft      { return d.add(debtest.Symlink(name, to)) }

func (d *draft) Dir(names ...string) *draft {
	for _, name := range names {
		d.add(debtest.Dir(name, 0o755))
	}
	return d
}

// ar is an archive of names and contents in turn.
func ar(members ...any) []byte {
	var list []debtest.Member
	for i := 0; i < len(members); i += 2 {
		list = append(list, debtest.Member{Name: members[i].(string), Body: members[i+1].([]byte)})
	}
	return debtest.Ar(list...)
}

// read is every entry of a package, a line each, and what stopped the reading.
func read(data []byte, opts deb.Options) (lines []string, control *deb.Control, err error) {
	if opts.Name == "" {
		opts.Name = "x"
	}
	r, err := deb.NewReader(bytes.NewReader(data), opts)
	if err != nil {
		return nil, nil, err
	}
	defer r.Close()
	for {
		e, err := r.Next()
		if err == io.EOF {
			return lines, r.Control(), nil
		}
		if err != nil {
			return lines, r.Control(), err
		}
		line := fmt.Sprintf("%c %04o %s", e.Kind, e.Mode, e.Name)
		if e.Link != "" {
			line += " -> " + e.Link
		}
		if e.Kind == deb.File {
			content, err := io.ReadAll(r)
			if err != nil {
				return lines, r.Control(), err
			}
			line += " " + string(content)
		}
		lines = append(lines, line)
	}
}

func TestReadsEveryCompression(t *testing.T) {
	for _, kind := range []string{"gz", "xz", "zst", "none"} {
		t.Run(kind, func(t *testing.T) {
			d := made(kind)
			d.Name, d.Depends, d.Scripts = "tool", "libc6", map[string]string{"conffiles": "/etc/tool.conf\nremove-on-upgrade /etc/old\n"}
			d.Dir("./", "./etc/", "./usr/", "./usr/bin/").File("./etc/tool.conf", "a=1").Program("./usr/bin/tool", "#!")
			lines, control, err := read(d.Bytes(t), deb.Options{})
			if err != nil {
				t.Fatal(err)
			}
			want := "d 0755 etc|d 0755 usr|d 0755 usr/bin|f 0644 etc/tool.conf a=1|f 0755 usr/bin/tool #!"
			if got := strings.Join(lines, "|"); got != want {
				t.Errorf("got  %s\nwant %s", got, want)
			}
			if control.Field("Package") != "tool" || control.Field("depends") != "libc6" || fmt.Sprint(control.Conffiles) != "[etc/tool.conf]" {
				t.Errorf("control is %+v", control)
			}
		})
	}
}

// Files move with /bin, and links still lead to what they led to.
func TestUsrMerge(t *testing.T) {
	d := made("gz").Dir("./bin/", "./usr/", "./usr/bin/", "./lib64/").
		Program("./bin/dash", "dash").
		Link("./bin/sh", "dash").
		Link("./bin/which", "/usr/bin/which").
		Link("./bin/far", "../usr/share/far").
		Link("./bin/near", "../lib/near").
		Link("./lib64/ld.so", "/lib/x86/ld.so").
		Link("./usr/bin/up", "../../bin/dash").
		Program("./usr/bin/which", "w").
		Link("./sbin", "usr/sbin").
		Link("./etc/local", "/usr/share/local")
	d.add(debtest.Entry{Header: tar.Header{Name: "./usr/bin/hard", Typeflag: tar.TypeLink, Linkname: "./bin/dash", Mode: 0o644}})
	lines, _, err := read(d.Bytes(t), deb.Options{})
	if err != nil {
		t.Fatal(err)
	}
	want := `d 0755 usr/bin
d 0755 usr
d 0755 usr/lib64
f 0755 usr/bin/dash dash
l 0777 usr/bin/sh -> dash
l 0777 usr/bin/far -> ../share/far
l 0777 usr/bin/near -> ../lib/near
l 0777 usr/lib64/ld.so -> /usr/lib/x86/ld.so
l 0777 usr/bin/up -> dash
f 0755 usr/bin/which w
l 0777 etc/local -> /usr/share/local
h 0644 usr/bin/hard -> usr/bin/dash`
	if got := strings.Join(lines, "\n"); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestSetuid(t *testing.T) {
	d := made("gz").Program("./usr/bin/sudo", "").Program("./usr/bin/mine", "").Dir("./var/local")
	d.Entries[0].Mode, d.Entries[1].Mode, d.Entries[2].Mode = 0o4755, 0o6755, 0o2775
	lines, _, err := read(d.Bytes(t), deb.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if got, want := strings.Join(lines, "|"), "f 4755 usr/bin/sudo |f 0755 usr/bin/mine |d 2775 var/local"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// What no package of an archive holds is refused, by the package's name.
func TestHostile(t *testing.T) {
	one := func(h tar.Header) func(t *testing.T) []byte {
		return func(t *testing.T) []byte { return made("gz", debtest.Entry{Header: h}).Bytes(t) }
	}
	link := func(name, to string) func(t *testing.T) []byte {
		return one(tar.Header{Name: name, Linkname: to, Typeflag: tar.TypeSymlink})
	}
	for name, c := range map[string]struct {
		data func(t *testing.T) []byte
		want string
	}{
		"traversal":       {one(tar.Header{Name: "./usr/../../etc/passwd", Typeflag: tar.TypeReg}), `"./usr/../../etc/passwd": its name leads out of the package`},
		"absolute":        {one(tar.Header{Name: "/etc/passwd", Typeflag: tar.TypeReg}), `"/etc/passwd": its name is absolute`},
		"device":          {one(tar.Header{Name: "./dev/mem", Typeflag: tar.TypeChar}), `"./dev/mem": it is a device`},
		"block device":    {one(tar.Header{Name: "./dev/sda", Typeflag: tar.TypeBlock}), `it is a device`},
		"pipe":            {one(tar.Header{Name: "./run/p", Typeflag: tar.TypeFifo}), `it is a pipe`},
		"control chars":   {one(tar.Header{Name: "./a\nb", Typeflag: tar.TypeReg}), `its name has control characters`},
		"not UTF-8":       {one(tar.Header{Name: "./a\xff", Typeflag: tar.TypeReg}), `its name is not UTF-8`},
		"long name":       {one(tar.Header{Name: "./" + strings.Repeat("a", 300), Typeflag: tar.TypeReg}), `its name is too long`},
		"link out":        {link("./usr/bin/x", "../../../etc/shadow"), `it is a link to "../../../etc/shadow", which leads out of the root`},
		"link out and in": {link("./x", "../x/y"), `leads out of the root`},
		"absolute out":    {link("./x", "/../etc"), `leads out of the root`},
		"empty link":      {link("./x", "\n"), `which is not a path`},
		"root as a link":  {link("./", "/tmp"), `it is the root, and not a folder`},
		"through a link": {func(t *testing.T) []byte {
			return made("gz").Link("./var/run", "/etc").File("./var/run/passwd", "root").Bytes(t)
		}, `"./var/run/passwd": it lies below "var/run", which is not a folder`},
		"deep through a link": {func(t *testing.T) []byte {
			return made("gz").Link("./var/run", "/etc").File("./var/run/a/b/passwd", "root").Bytes(t)
		}, `it lies below "var/run"`},
		"twice": {func(t *testing.T) []byte {
			return made("gz").File("./a", "1").File("./a", "2").Bytes(t)
		}, `it appears twice`},
		"twice after the merge": {func(t *testing.T) []byte {
			return made("gz").File("./bin/a", "1").File("./usr/bin/a", "2").Bytes(t)
		}, `it appears twice`},
		"hard link to nothing": {one(tar.Header{Name: "./a", Linkname: "./etc/shadow", Typeflag: tar.TypeLink}), `it is a hard link to "etc/shadow", which is not an earlier file`},
		"hard link out":        {one(tar.Header{Name: "./a", Linkname: "../etc/shadow", Typeflag: tar.TypeLink}), `its name leads out of the package`},
		"bomb": {func(t *testing.T) []byte {
			return made("zst").File("./zeros", strings.Repeat("\x00", 80<<20)).Bytes(t)
		}, `"./zeros": it unpacks to more than 200 times its size`},
		"large": {func(t *testing.T) []byte {
			return made("none").File("./zeros", strings.Repeat("\x00", 2<<20)).Bytes(t)
		}, `data.tar unpacks to more than 1048576 bytes`},
		"many": {func(t *testing.T) []byte {
			return made("gz").Dir("./a", "./b", "./c", "./d").Bytes(t)
		}, `more paths than any package needs`},
		"truncated": {func(t *testing.T) []byte {
			b := made("none").File("./a", strings.Repeat("x", 4000)).Bytes(t)
			return b[:len(b)-3000]
		}, `it is truncated`},
		"truncated xz": {func(t *testing.T) []byte {
			b := made("xz").File("./a", strings.Repeat("x", 4000)).Bytes(t)
			return b[:len(b)-30]
		}, `it is truncated`},
		"no archive": {func(*testing.T) []byte { return []byte("<html>") }, `it is not an ar archive`},
		"empty":      {func(*testing.T) []byte { return nil }, `it is not an ar archive`},
		"other":      {func(*testing.T) []byte { return ar("debian-binary", []byte("3.0\n")) }, `not a Debian package of format 2`},
		"no data":    {func(*testing.T) []byte { return ar("debian-binary", []byte("2.0\n")) }, `it is truncated`},
		"lzma": {func(*testing.T) []byte {
			return ar("debian-binary", []byte("2.0\n"), "control.tar.lzma", []byte{1})
		}, `"control.tar.lzma" is compressed in a way that is not supported`},
		"no control": {func(t *testing.T) []byte {
			return ar("debian-binary", []byte("2.0\n"), "control.tar", debtest.Tar(t, nil))
		}, `it has no control file`},
		"data first": {func(*testing.T) []byte { return ar("debian-binary", []byte("2.0\n"), "data.tar", []byte{1}) }, `stands where its control part should`},
		"two stanzas": {func(t *testing.T) []byte {
			return (&draft{debtest.Deb{Name: "x", Fields: []string{"A: b", "", "Package: other"}}}).Bytes(t)
		}, `its control file has an empty line`},
		"bad stanza": {func(t *testing.T) []byte { return (&draft{debtest.Deb{Name: "x", Fields: []string{"what"}}}).Bytes(t) }, `line 5 of its control file is not a field`},
		"bad size":   {func(*testing.T) []byte { return []byte("!<arch>\n" + strings.Repeat("-", 58) + "`\n") }, `has the size`},
	} {
		t.Run(name, func(t *testing.T) {
			_, _, err := read(c.data(t), deb.Options{Name: "evil", MaxSize: map[bool]int64{true: 1 << 20}[name == "large"], MaxEntries: map[bool]int{true: 3}[name == "many"]})
			wrong, ok := errors.AsType[*deb.Error](err)
			if !ok || wrong.Package != "evil" || !strings.HasPrefix(err.Error(), `package "evil": `) || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error is %v\nwant %s", err, c.want)
			}
		})
	}
}

// A damaged byte of the compressed data is noticed by its checksum, at the end
// at the latest.
func TestDamaged(t *testing.T) {
	for _, kind := range []string{"xz", "gz", "zst"} {
		b := made(kind).File("./a", strings.Repeat("some text ", 300)).Bytes(t)
		b[len(b)-12] ^= 0x40
		if _, _, err := read(b, deb.Options{}); err == nil {
			t.Errorf("%s: a damaged package was read to its end", kind)
		}
	}
}

func TestAlternatives(t *testing.T) {
	d := &debtest.Deb{Name: "x", Scripts: map[string]string{"postinst": `#!/bin/sh
set -e
# update-alternatives --install /usr/bin/program program /usr/bin/alternative 50
if [ "$1" = configure ]; then
    update-alternatives --quiet --install /usr/bin/awk awk /usr/bin/mawk 5 \
        --slave /usr/share/man/man1/awk.1.gz awk.1.gz /usr/share/man/man1/mawk.1.gz
    update-alternatives --install "/bin/nc" nc '/bin/nc.openbsd' 50 && true
    /usr/bin/update-alternatives --install /usr/bin/$prog $prog /usr/bin/other-$prog 10
    update-alternatives --install /usr/bin/bad bad /usr/bin/bad.x many
    update-alternatives --remove awk /usr/bin/mawk; update-alternatives --install /usr/bin/pager pager /bin/more 50
fi
`}}
	_, control, err := read(d.Bytes(t), deb.Options{})
	if err != nil {
		t.Fatal(err)
	}
	want := "[{usr/bin/awk usr/bin/mawk 5} {usr/bin/nc usr/bin/nc.openbsd 50} {usr/bin/pager usr/bin/more 50} {usr/share/man/man1/awk.1.gz usr/share/man/man1/mawk.1.gz 5}]"
	if got := fmt.Sprint(control.Alternatives); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

// Memory is bounded by the window, however large the package.
func TestMemoryIsBounded(t *testing.T) {
	noise := make([]byte, 8<<20) // compresses a little, so that it is no bomb
	for i := range noise {
		noise[i] = byte(i*i>>7) ^ byte(i>>11)
	}
	d := made("xz").File("./big", string(bytes.Repeat(noise, 5)))
	data := d.Bytes(t)
	d = nil
	var reserved, freed int64
	r, err := deb.NewReader(bytes.NewReader(data), deb.Options{Name: "big", Reserve: func(n int64) func() {
		reserved += n
		return func() { freed += n }
	}})
	if err != nil {
		t.Fatal(err)
	}
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	if _, err := r.Next(); err != nil {
		t.Fatal(err)
	}
	if n, err := io.Copy(io.Discard, r); err != nil || n != 40<<20 {
		t.Fatalf("%d bytes, %v", n, err)
	}
	runtime.ReadMemStats(&after)
	if grown := int64(after.TotalAlloc - before.TotalAlloc); grown > 32<<20 {
		t.Errorf("reading 40 MiB took %d MiB of memory", grown>>20)
	}
	r.Close()
	if reserved != 16<<20 || freed != reserved { // xz -6, for the control part and the data
		t.Errorf("%d bytes were reserved, %d given back; want twice the window of 8 MiB", reserved, freed)
	}
}
