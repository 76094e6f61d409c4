package deb

import (
	"archive/tar"
	"cmp"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// An Error says what is wrong with a package, and where in it.
type Error struct {
	Package string
	Path    string // of the entry; "" when it is about the whole
	Err     error
}

func (e *Error) Error() string {
	if e.Path != "" {
		return fmt.Sprintf("package %q: %q: %v", e.Package, e.Path, e.Err)
	}
	return fmt.Sprintf("package %q: %v", e.Package, e.Err)
}

func (e *Error) Unwrap() error { return e.Err }

// A Kind is what an entry is.
type Kind byte

// The kinds of entries.
const (
	File     Kind = 'f'
	Dir      Kind = 'd'
	Symlink  Kind = 'l'
	Hardlink Kind = 'h'
)

// An Entry is one path of a package.
type Entry struct {
	Name    string // usr-merged, without a slash at either end
	Kind    Kind
	Link    string // of a Symlink its text, of a Hardlink the name of an earlier file
	Mode    int64  // permission bits, setuid, setgid and sticky
	Size    int64  // of a File
	ModTime time.Time
	UID     int
	GID     int
	Owner   string // their names, where the package has them
	Group   string
}

// Options tunes a Reader.
type Options struct {
	Name string // of the package, for messages
	// MaxSize bounds what the package may unpack to; default: 32 GiB.
	MaxSize int64
	// MaxEntries bounds the number of its paths; default: a million.
	MaxEntries int
	// Reserve is asked for the memory of each decoder before it is made, and
	// waits until that is free; what it returns gives it back. nil: no limit.
	Reserve func(bytes int64) (release func())
}

func (o *Options) setDefaults() {
	o.MaxSize = cmp.Or(o.MaxSize, 32<<30)
	o.MaxEntries = cmp.Or(o.MaxEntries, 1_000_000)
	if o.Reserve == nil {
		o.Reserve = func(int64) func() { return func() {} }
	}
}

// A compressed archive grows by a factor of 3 to 10, text of one word more; an
// archive that grows by more than this, beyond a size that harms nobody, is a bomb.
const (
	bombFactor = 200
	bombFree   = 64 << 20
)

// A Reader reads one package. It is for one goroutine.
type Reader struct {
	opts    Options
	control Control
	ar      *arReader
	in      *counter // what was read of the data part, compressed
	out     *counter // and what that came to
	data    io.ReadCloser
	tar     *tar.Reader
	seen    map[string]Kind
	links   int64 // bytes of all names and links, which memory holds
	now     string
	done    bool
}

// NewReader reads the package in r up to its data, in the order that the format
// demands: the version, the control part, the data.
func NewReader(r io.Reader, opts Options) (*Reader, error) {
	opts.setDefaults()
	d := &Reader{opts: opts, seen: map[string]Kind{}}
	if err := d.open(r); err != nil {
		d.Close()
		return nil, d.wrap(err)
	}
	return d, nil
}

func (d *Reader) open(r io.Reader) (err error) {
	if d.ar, err = newArReader(r); err != nil {
		return err
	}
	name, err := d.member()
	if err != nil {
		return err
	}
	version, err := io.ReadAll(io.LimitReader(d.ar, 64))
	if err != nil {
		return err
	}
	if name != "debian-binary" || !strings.HasPrefix(string(version), "2.") {
		return fmt.Errorf("it is no Debian package of format 2: it begins with %q", name)
	}
	if name, err = d.member(); err != nil {
		return err
	}
	if !strings.HasPrefix(name, "control.tar") {
		return fmt.Errorf("member %q stands where its control part should", name)
	}
	control, err := d.decompressed(name, maxControl)
	if err != nil {
		return err
	}
	d.control, err = readControl(control)
	control.Close()
	if err != nil {
		return err
	}
	if name, err = d.member(); err != nil {
		return err
	}
	if !strings.HasPrefix(name, "data.tar") {
		return fmt.Errorf("member %q stands where its data should", name)
	}
	if d.data, err = d.decompressed(name, d.opts.MaxSize); err != nil {
		return err
	}
	d.tar = tar.NewReader(d.data)
	return nil
}

// member goes on to the next member that means something; those that begin with
// an underscore are for future use.
func (d *Reader) member() (string, error) {
	for {
		name, err := d.ar.next()
		if err != nil || !strings.HasPrefix(name, "_") {
			return name, truncated(err)
		}
	}
}

// maxControl is what the control part may unpack to: lists of files are in it.
const maxControl = 64 << 20

// decompressed is the present member, unpacked, within limits.
func (d *Reader) decompressed(name string, limit int64) (io.ReadCloser, error) {
	d.in = &counter{r: d.ar}
	z, err := decompress(name, d.in, d.opts.Reserve)
	if err != nil {
		return nil, err
	}
	d.out = &counter{r: z}
	d.out.check = func(n int64) error {
		if n > limit {
			return fmt.Errorf("%s unpacks to more than %d bytes", name, limit)
		}
		if n > bombFree+bombFactor*d.in.n {
			return fmt.Errorf("it unpacks to more than %d times its size", bombFactor)
		}
		return nil
	}
	return closer{d.out, func() { z.Close() }}, nil
}

// Control is what the package says of itself.
func (d *Reader) Control() *Control { return &d.control }

// Next goes on to the next entry. Folders that the package names twice come
// once. The error is io.EOF after the last, when all of the file was read and
// found to be whole.
func (d *Reader) Next() (*Entry, error) {
	for !d.done {
		h, err := d.tar.Next()
		if err == io.EOF {
			if err := d.finish(); err != nil {
				return nil, d.wrap(err)
			}
			break
		}
		d.now = ""
		if err != nil {
			return nil, d.wrap(truncated(err))
		}
		d.now = h.Name
		e, err := d.entry(h)
		if err != nil {
			return nil, d.wrap(err)
		}
		if e != nil {
			return e, nil
		}
	}
	return nil, io.EOF
}

// Read reads the content of the present entry, a file.
func (d *Reader) Read(p []byte) (int, error) {
	n, err := d.tar.Read(p)
	if err != nil && err != io.EOF {
		err = d.wrap(truncated(err))
	}
	return n, err
}

// Close gives back what the reader holds. It does not close what it reads.
func (d *Reader) Close() error {
	if d.data != nil {
		d.data.Close()
		d.data = nil
	}
	return nil
}

// finish reads to the end of the file: checksums of the compressed data come
// last, and whoever computes the file's digest wants all of it.
func (d *Reader) finish() error {
	d.done, d.now = true, ""
	if _, err := io.Copy(io.Discard, d.data); err != nil {
		return truncated(err)
	}
	for {
		if _, err := d.ar.next(); err == io.EOF {
			return nil
		} else if err != nil {
			return err
		}
	}
}

func (d *Reader) wrap(err error) error {
	if _, ok := errors.AsType[*Error](err); ok || err == io.EOF {
		return err
	}
	return &Error{d.opts.Name, d.now, err}
}

// maxNames is what the names of all entries may have together.
const maxNames = 256 << 20

// entry checks one entry; nil stands for one that comes to nothing.
func (d *Reader) entry(h *tar.Header) (*Entry, error) {
	e := &Entry{
		Mode: h.Mode & 0o7777, ModTime: time.Unix(max(h.ModTime.Unix(), 0), 0).UTC(),
		UID: h.Uid, GID: h.Gid, Owner: h.Uname, Group: h.Gname,
	}
	name, err := cleanName(h.Name)
	if err != nil {
		return nil, err
	}
	e.Name = MergeUsr(name)
	d.links += int64(len(name) + len(h.Linkname))
	if len(d.seen) >= d.opts.MaxEntries || d.links > maxNames {
		return nil, errors.New("it has more paths than any package needs")
	}
	switch h.Typeflag {
	case tar.TypeDir:
		e.Kind = Dir
		if e.Name == "." {
			return nil, nil
		}
	case tar.TypeReg:
		e.Kind, e.Size = File, h.Size
		if h.PAXRecords["GNU.sparse.major"] != "" || h.PAXRecords["GNU.sparse.map"] != "" {
			return nil, errors.New("it is a sparse file")
		}
		if e.Mode&0o6000 != 0 && !keepsSetuid(e.Name) {
			e.Mode &^= 0o6000
		}
	case tar.TypeSymlink:
		e.Kind, e.Mode = Symlink, 0o777
		if e.Link, err = mergeLink(name, h.Linkname); err != nil {
			return nil, err
		}
		if target := path.Join(path.Dir(e.Name), e.Link); target == e.Name || e.Link == "/"+e.Name {
			return nil, nil // "bin", which the merge has made, or a link from bin to usr/bin
		}
	case tar.TypeLink:
		e.Kind = Hardlink
		target, err := cleanName(h.Linkname)
		if err != nil {
			return nil, fmt.Errorf("it is a link to %q: %v", h.Linkname, err)
		}
		e.Link = MergeUsr(target)
		if kind := d.seen[e.Link]; kind != File && kind != Hardlink {
			return nil, fmt.Errorf("it is a hard link to %q, which is no file before it", e.Link)
		}
		if e.Link == e.Name {
			return nil, errors.New("it is a link to itself")
		}
	case tar.TypeChar, tar.TypeBlock:
		return nil, errors.New("it is a device")
	case tar.TypeFifo:
		return nil, errors.New("it is a pipe")
	default:
		return nil, fmt.Errorf("it is of a kind %q that no package needs", h.Typeflag)
	}
	if e.Name == "." {
		return nil, errors.New("it is the root, and no folder")
	}
	return d.place(e)
}

// place makes sure that an entry has a place of its own.
func (d *Reader) place(e *Entry) (*Entry, error) {
	for dir := path.Dir(e.Name); dir != "."; dir = path.Dir(dir) {
		if kind, ok := d.seen[dir]; ok {
			if kind != Dir {
				return nil, fmt.Errorf("it lies below %q, which is no folder", dir)
			}
			break // whose own place was looked at
		}
	}
	if before, ok := d.seen[e.Name]; ok {
		if before == Dir && e.Kind == Dir {
			return nil, nil
		}
		return nil, errors.New("it is there twice")
	}
	d.seen[e.Name] = e.Kind
	return e, nil
}

// keepsSetuid lists the programs that may become another user: those whose
// purpose it is, and which people expect to work in a container.
func keepsSetuid(name string) bool {
	switch name {
	case "usr/bin/su", "usr/bin/sudo", "usr/bin/newuidmap", "usr/bin/newgidmap":
		return true
	}
	return false
}

// cleanName is a name of the archive without "./" and slashes at its end.
func cleanName(name string) (string, error) {
	switch {
	case name == "":
		return "", errors.New("it has no name")
	case len(name) > 4096:
		return "", errors.New("its name is too long")
	case strings.HasPrefix(name, "/"):
		return "", errors.New("its name is absolute")
	case !utf8.ValidString(name):
		return "", errors.New("its name is not UTF-8")
	case strings.ContainsFunc(name, unicode.IsControl):
		return "", errors.New("its name has control characters")
	}
	for part := range strings.SplitSeq(name, "/") {
		if part == ".." {
			return "", errors.New("its name leads out of the package")
		}
		if len(part) > 255 {
			return "", errors.New("its name is too long")
		}
	}
	return path.Clean(name), nil
}

// MergeUsr is the place of a name in a system whose bin is a link to usr/bin.
func MergeUsr(name string) string {
	switch top, _, _ := strings.Cut(name, "/"); top {
	case "bin", "sbin", "lib", "lib32", "lib64", "libx32", "libo32":
		return "usr/" + name
	}
	return name
}

// mergeLink is the text of a symbolic link at name, given that both its ends
// may have moved.
func mergeLink(name, link string) (string, error) {
	switch {
	case link == "":
		return "", errors.New("it is a link to nothing")
	case len(link) > 4095 || strings.ContainsFunc(link, unicode.IsControl) || !utf8.ValidString(link):
		return "", fmt.Errorf("it is a link to %.100q, which is no path", link)
	case strings.HasPrefix(link, "/"):
		if leadsOut(link[1:]) {
			return "", fmt.Errorf("it is a link to %q, which leads out of the root", link)
		}
		clean := path.Clean(link)
		if merged := MergeUsr(clean[1:]); merged != clean[1:] {
			return "/" + merged, nil
		}
		return link, nil
	}
	dir := path.Dir(name)
	if leadsOut(dir + "/" + link) {
		return "", fmt.Errorf("it is a link to %q, which leads out of the root", link)
	}
	target := MergeUsr(path.Join(dir, link))
	from := path.Dir(MergeUsr(name))
	if path.Join(from, link) == target {
		return link, nil
	}
	return relative(from, target), nil
}

// leadsOut reports whether a path climbs above where it begins, at any point.
func leadsOut(p string) bool {
	depth := 0
	for part := range strings.SplitSeq(p, "/") {
		switch part {
		case "", ".":
		case "..":
			if depth--; depth < 0 {
				return true
			}
		default:
			depth++
		}
	}
	return false
}

// relative is the way from a folder to a target, both clean and below the root.
func relative(dir, target string) string {
	from, to := strings.Split(dir, "/"), strings.Split(target, "/")
	if dir == "." {
		from = nil
	}
	for len(from) > 0 && len(to) > 1 && from[0] == to[0] {
		from, to = from[1:], to[1:]
	}
	return strings.Repeat("../", len(from)) + strings.Join(to, "/")
}

// A counter counts what is read through it.
type counter struct {
	r     io.Reader
	n     int64
	check func(n int64) error
}

func (c *counter) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += int64(n)
	if c.check != nil {
		if tooMuch := c.check(c.n); tooMuch != nil {
			return 0, tooMuch
		}
	}
	return n, err
}
