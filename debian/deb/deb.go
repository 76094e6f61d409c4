package deb

import (
	"archive/tar"
	"cmp"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"
)

// An Error says what is wrong with a package, and where in it.
type Error struct {
	Package string
	Archive bool   // it is not a Debian package
	Path    string // of the entry; "" if the error is about the whole
	Err     error
}

func (e *Error) Error() string {
	what := "package"
	if e.Archive {
		what = "archive"
	}
	if e.Path != "" {
		return fmt.Sprintf("%s %q: %q: %v", what, e.Package, e.Path, e.Err)
	}
	return fmt.Sprintf("%s %q: %v", what, e.Package, e.Err)
}

func (e *Error) Unwrap() error { return e.Err }

// A Kind is the type of an entry.
type Kind byte

// The types of entries.
const (
	File     Kind = 'f'
	Dir      Kind = 'd'
	Symlink  Kind = 'l'
	Hardlink Kind = 'h'
)

// An Entry is one path of a package.
type Entry struct {
	Name    string // usr-merged (see MergeUsr), without a slash at either end
	Kind    Kind
	Link    string // for a Symlink its text, for a Hardlink the name of an earlier file
	Mode    int64  // permission bits, setuid, setgid and sticky
	Size    int64  // bytes, for a File
	ModTime time.Time
	UID     int
	GID     int
	Owner   string // the names, if the package has them
	Group   string
}

// Options tunes a Reader.
type Options struct {
	Name string // the package's name, for messages
	// MaxSize bounds the unpacked package, in bytes; default: 32 GiB.
	MaxSize int64
	// MaxEntries bounds the number of entries; default: a million.
	MaxEntries int
	// Reserve is called for the memory of a decoder before that is made. It may wait
	// until so much is free; release frees it. nil: no limit.
	Reserve func(bytes int64) (release func())
}

func (o *Options) setDefaults() {
	o.MaxSize = cmp.Or(o.MaxSize, 32<<30)
	o.MaxEntries = cmp.Or(o.MaxEntries, 1_000_000)
	if o.Reserve == nil {
		o.Reserve = func(int64) func() { return func() {} }
	}
}

// The limit for decompression bombs. Archives usually unpack to 3 to 10 times their
// size, and repetitive text to more. One that exceeds the factor is rejected, once it
// is beyond a size that does no harm.
const (
	bombFactor = 200
	bombFree   = 64 << 20
)

// A Reader reads one Debian package. It is for one goroutine.
type Reader struct {
	opts    Options
	control Control
	ar      *arReader
	paths   paths
	data    io.ReadCloser
	tar     *tar.Reader
	now     string
	done    bool
}

// NewReader reads the package in r up to its data. The format has a fixed order: the
// version, the control part, the data.
func NewReader(r io.Reader, opts Options) (*Reader, error) {
	opts.setDefaults()
	d := &Reader{opts: opts, paths: paths{max: opts.MaxEntries, seen: map[string]Kind{}}}
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
		return fmt.Errorf("it is not a Debian package of format 2: it begins with %q", name)
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

// member advances to the next member that has a meaning: names that begin with an
// underscore are reserved for the future.
func (d *Reader) member() (string, error) {
	for {
		name, err := d.ar.next()
		if err != nil || !strings.HasPrefix(name, "_") {
			return name, truncated(err)
		}
	}
}

// maxControl bounds the unpacked control part, in bytes. It holds lists of files.
const maxControl = 64 << 20

// decompressed returns the present member, decompressed, within limits.
func (d *Reader) decompressed(name string, limit int64) (io.ReadCloser, error) {
	return unpacked(name, d.ar, limit, d.opts.Reserve)
}

// unpacked returns r, decompressed by the ending of its name, within limits.
func unpacked(name string, r io.Reader, limit int64, reserve func(int64) func()) (io.ReadCloser, error) {
	in := &counter{r: r}
	z, err := decompress(name, in, reserve)
	if err != nil {
		return nil, err
	}
	out := &counter{r: z}
	out.check = func(n int64) error { return bomb(name, n, in.n, limit) }
	return closer{out, func() { z.Close() }}, nil
}

// bomb returns an error if decompressed data exceeds a limit.
func bomb(name string, out, in, limit int64) error {
	if out > limit {
		return fmt.Errorf("%s unpacks to more than %d bytes", name, limit)
	}
	if out > bombFree+bombFactor*in {
		return fmt.Errorf("it unpacks to more than %d times its size", bombFactor)
	}
	return nil
}

// Control returns the control part of the package.
func (d *Reader) Control() *Control { return &d.control }

// Next advances to the next entry. A folder that the package has twice is returned
// once. The error is io.EOF after the last entry, once all of the file was read and
// its checksums are right.
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
		e, err := d.paths.entry(h)
		if err != nil {
			return nil, d.wrap(err)
		}
		if e != nil {
			return e, nil
		}
	}
	return nil, io.EOF
}

// Read reads the content of the present entry, which must be a [File].
func (d *Reader) Read(p []byte) (int, error) {
	n, err := d.tar.Read(p)
	if err != nil && err != io.EOF {
		err = d.wrap(truncated(err))
	}
	return n, err
}

// Close frees what the reader holds. It does not close the file that it reads.
func (d *Reader) Close() error {
	if d.data != nil {
		d.data.Close()
		d.data = nil
	}
	return nil
}

// finish reads to the end of the file: checksums of the compressed data come last, and
// a digest of the file needs all of it.
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
	return &Error{Package: d.opts.Name, Path: d.now, Err: err}
}

// A counter counts the bytes that are read through it.
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
