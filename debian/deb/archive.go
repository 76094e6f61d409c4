package deb

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"
)

// ArchiveOptions tunes an Archive.
type ArchiveOptions struct {
	Options
	// Strip is how many folders are removed from the front of each name.
	Strip int
	// Program is the name below bin for a file that is a program, not an archive.
	Program string
}

// An Archive reads software that is not a Debian package: a tar archive, plain or
// compressed as gz, xz or zst, a zip archive, or a single program. It rejects what a
// [Reader] rejects, and links that lead out of the archive. Owners and the setuid and
// setgid bits are dropped. It is for one goroutine.
type Archive struct {
	opts    ArchiveOptions
	paths   paths
	size    int64
	out     int64 // bytes of a zip archive's files so far
	data    io.ReadCloser
	tar     *tar.Reader
	zip     []*zip.File
	program *Entry
	content io.ReadCloser // the present file, unless it is in a tar archive
	now     string
}

// The first bytes of files, by which the kind of archive is recognised.
const (
	gzipMagic = "\x1f\x8b"
	xzMagic   = "\xfd7zXZ\x00"
	zstdMagic = "\x28\xb5\x2f\xfd"
	zipMagic  = "PK\x03\x04"
	elfMagic  = "\x7fELF"
	tarMagic  = "ustar"
	tarOffset = 257
)

// NewArchive opens the archive in r, of size bytes. Its first bytes tell its kind.
func NewArchive(r io.ReaderAt, size int64, opts ArchiveOptions) (*Archive, error) {
	opts.setDefaults()
	a := &Archive{opts: opts, size: size, paths: paths{max: opts.MaxEntries, seen: map[string]Kind{}, foreign: true, strip: opts.Strip}}
	if err := a.open(r); err != nil {
		a.Close()
		return nil, a.wrap(err)
	}
	return a, nil
}

func (a *Archive) open(r io.ReaderAt) error {
	head := make([]byte, 512)
	n, err := r.ReadAt(head, 0)
	if err != nil && err != io.EOF {
		return err
	}
	head = head[:n]
	begins := func(magic string) bool { return bytes.HasPrefix(head, []byte(magic)) }
	whole := io.NewSectionReader(r, 0, a.size)
	ending := ""
	switch {
	case begins(gzipMagic):
		ending = ".gz"
	case begins(xzMagic):
		ending = ".xz"
	case begins(zstdMagic):
		ending = ".zst"
	case len(head) > tarOffset && bytes.HasPrefix(head[tarOffset:], []byte(tarMagic)):
	case begins(zipMagic):
		z, err := zip.NewReader(r, a.size)
		if err != nil {
			return fmt.Errorf("it is not a zip archive: %w", err)
		}
		a.zip = z.File
		return nil
	case begins(elfMagic), begins("#!"):
		a.program = &Entry{Name: "bin/" + a.opts.Program, Kind: File, Mode: 0o755, Size: a.size}
		a.content = io.NopCloser(whole)
		return nil
	default:
		return fmt.Errorf("it is neither a tar or zip archive nor a program: it begins with %.32q", head)
	}
	if a.data, err = unpacked("data.tar"+ending, whole, a.opts.MaxSize, a.opts.Reserve); err != nil {
		return err
	}
	a.tar = tar.NewReader(a.data)
	return nil
}

// Next advances to the next entry. The error is io.EOF after the last one, once all of
// the archive was read and its checksums are right.
func (a *Archive) Next() (*Entry, error) {
	for {
		h, err := a.header()
		if err == io.EOF {
			return nil, err
		}
		if err != nil {
			return nil, a.wrap(err)
		}
		if h.Typeflag == tar.TypeXGlobalHeader {
			continue // the global header that git archive writes
		}
		e, err := a.paths.entry(h)
		if err != nil {
			return nil, a.wrap(err)
		}
		if e == nil {
			continue
		}
		e.UID, e.GID, e.Owner, e.Group = 0, 0, "", ""
		switch {
		case e.Kind == Symlink:
		case e.Kind == Dir, e.Mode&0o111 != 0:
			e.Mode = 0o755
		default:
			e.Mode = 0o644
		}
		return e, nil
	}
}

// header reads the header of the next entry from any kind of archive.
func (a *Archive) header() (*tar.Header, error) {
	switch {
	case a.program != nil:
		e := a.program
		if a.now != "" {
			return nil, io.EOF
		}
		a.now, a.paths.strip = e.Name, 0
		return &tar.Header{Typeflag: tar.TypeReg, Name: e.Name, Mode: e.Mode, Size: e.Size}, nil
	case a.tar != nil:
		a.now = ""
		h, err := a.tar.Next()
		if err == io.EOF { // checksums are at the end
			if _, err := io.Copy(io.Discard, a.data); err != nil {
				return nil, truncated(err)
			}
			return nil, io.EOF
		}
		if errors.Is(err, tar.ErrHeader) {
			return nil, errors.New("it does not contain a tar archive")
		}
		if err != nil {
			return nil, truncated(err)
		}
		a.now = h.Name
		return h, nil
	}
	return a.zipHeader()
}

func (a *Archive) zipHeader() (*tar.Header, error) {
	a.now = ""
	if a.content != nil {
		a.content.Close()
		a.content = nil
	}
	if len(a.zip) == 0 {
		return nil, io.EOF
	}
	f := a.zip[0]
	a.zip, a.now = a.zip[1:], f.Name
	if f.Flags&1 != 0 {
		return nil, errors.New("it is encrypted")
	}
	mode := f.Mode()
	h := &tar.Header{Typeflag: tar.TypeReg, Name: f.Name, Mode: int64(mode.Perm()), ModTime: f.Modified, Size: int64(f.UncompressedSize64)}
	if h.Size < 0 {
		return nil, errors.New("it is larger than any file")
	}
	a.out += h.Size
	if err := bomb("it", a.out, a.size, a.opts.MaxSize); err != nil {
		return nil, err
	}
	switch kind := mode.Type(); {
	case strings.HasSuffix(f.Name, "/"), kind == fs.ModeDir:
		h.Typeflag, h.Size = tar.TypeDir, 0
		return h, nil
	case kind == 0, kind == fs.ModeSymlink:
	default:
		return nil, errors.New("it is not a file, folder or link")
	}
	// The zip reader returns an error for content of another size or checksum
	// than its header has.
	r, err := f.Open()
	if err != nil {
		return nil, err
	}
	a.content = r
	if mode.Type() == fs.ModeSymlink {
		target, err := io.ReadAll(io.LimitReader(r, 4097))
		if err != nil {
			return nil, truncated(err)
		}
		h.Typeflag, h.Linkname, h.Size = tar.TypeSymlink, string(target), 0
	}
	return h, nil
}

// Read reads the content of the present entry, which must be a [File].
func (a *Archive) Read(p []byte) (n int, err error) {
	if a.tar != nil {
		n, err = a.tar.Read(p)
	} else if a.content != nil {
		n, err = a.content.Read(p)
	} else {
		return 0, io.EOF
	}
	if err != nil && err != io.EOF {
		err = a.wrap(truncated(err))
	}
	return n, err
}

// Close frees what the archive holds. It does not close the file that it reads.
func (a *Archive) Close() error {
	if a.data != nil {
		a.data.Close()
	}
	if a.content != nil {
		a.content.Close()
	}
	a.data, a.content = nil, nil
	return nil
}

func (a *Archive) wrap(err error) error {
	if _, ok := errors.AsType[*Error](err); ok || err == io.EOF {
		return err
	}
	return &Error{Package: a.opts.Name, Archive: true, Path: a.now, Err: err}
}
