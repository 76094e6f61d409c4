package source

import (
	"archive/tar"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"strings"

	"github.com/google/go-containerregistry/pkg/v1/tarball"
)

// maxEntries bounds the members of an archive, which are kept in memory. An image has a
// blob for each layer and a few other files.
const maxEntries = 100_000

// An archive is an uncompressed tar file. Its members are read in place.
type archive struct {
	file  *os.File
	parts map[string]span
}

type span struct{ offset, size int64 }

func (a *archive) open(name string) (io.ReadCloser, error) {
	s, ok := a.parts[name]
	if !ok {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
	}
	return io.NopCloser(io.NewSectionReader(a.file, s.offset, s.size)), nil
}

// openArchive opens an OCI archive, or one of docker save. Newer engines write files
// that are both.
func openArchive(file string) (s *Source, err error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			f.Close()
		}
	}()
	a := &archive{f, map[string]span{}}
	if err := a.scan(); err != nil {
		return nil, err
	}
	if _, ok := a.parts[indexFile]; ok {
		if s, err = openLayout(a); err != nil {
			return nil, err
		}
		s.close = f.Close
		return s, nil
	}
	if _, ok := a.parts["manifest.json"]; !ok {
		return nil, ErrNoImage
	}
	img, err := tarball.Image(func() (io.ReadCloser, error) { return os.Open(file) }, nil)
	if err != nil {
		return nil, err
	}
	return &Source{Image: img, close: f.Close}, nil
}

// scan records the offset of each member. A later member of the same name replaces an
// earlier one, as for tar.
func (a *archive) scan() error {
	tr := tar.NewReader(a.file)
	for {
		h, err := tr.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			if len(a.parts) == 0 {
				return ErrNoImage // it is not a tar file at all
			}
			return fmt.Errorf("broken archive: %w", err)
		}
		if h.Typeflag != tar.TypeReg {
			continue
		}
		// The reader has read the header's blocks and no more, so this is the
		// offset of the content.
		at, err := a.file.Seek(0, io.SeekCurrent)
		if err != nil {
			return err
		}
		name := path.Clean(strings.TrimPrefix(h.Name, "./"))
		a.parts[name] = span{at, h.Size}
		if len(a.parts) > maxEntries {
			return fmt.Errorf("the archive has more than %d files: %w", maxEntries, ErrNoImage)
		}
	}
}
