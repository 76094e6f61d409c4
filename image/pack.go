package image

import (
	"archive/tar"
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"io"
	"os"
	"strconv"
	"strings"

	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"nix2gpu/image/deflate"
)

// A Compression says how layers are compressed: "gzip" or "zstd", and a level behind a
// colon if that is not the default.
type Compression string

// The compressions. Every engine reads gzip.
const (
	Gzip Compression = "gzip"
	Zstd Compression = "zstd"
)

// The levels. gzipLevel, the default, makes layers 2 % smaller than gzip's own default,
// in half as much time again. smallest is package deflate: another 9 %, in several times
// the time. zstdLevel is zstd's own default.
const (
	gzipLevel = 7
	smallest  = 9
	zstdLevel = 3
)

// compression is the default for images of the variant. Who asks for the smallest image
// has time for it.
func (v Variant) compression() Compression {
	if v == Minimal {
		return Compression(fmt.Sprintf("%s:%d", Gzip, smallest))
	}
	return Gzip
}

// ParseCompression parses a compression; "" is the default of the variant.
func ParseCompression(s string) (Compression, error) {
	if s == "" {
		return "", nil
	}
	kind, level, has := strings.Cut(s, ":")
	c := Compression(kind)
	most, usual := smallest, gzipLevel
	switch c {
	case Gzip:
	case Zstd:
		most, usual = 22, zstdLevel
	default:
		return "", fmt.Errorf("compression must be \"gzip\" or \"zstd\", not %q", s)
	}
	if !has {
		return c, nil
	}
	n, err := strconv.Atoi(level)
	switch {
	case err != nil || n < 1 || n > most:
		return "", fmt.Errorf("compression %q: the level of %s must be from 1 to %d", s, kind, most)
	case n == usual: // so that both spellings give the same layers
		return c, nil
	}
	return Compression(fmt.Sprintf("%s:%d", kind, n)), nil
}

// parts returns the kind of compression and its level.
func (c Compression) parts() (kind Compression, level int) {
	name, text, has := strings.Cut(string(c), ":")
	kind = Compression(name)
	level = gzipLevel
	if kind == Zstd {
		level = zstdLevel
	}
	if n, err := strconv.Atoi(text); has && err == nil {
		level = n
	}
	return kind, level
}

func (c Compression) mediaType() types.MediaType {
	if kind, _ := c.parts(); kind == Zstd {
		return types.OCILayerZStd
	}
	return types.OCILayer
}

// A packer writes a compressed tar archive to a file, and computes the digests of the
// archive and of the file. The bytes don't depend on the number of processors.
type packer struct {
	tar    *tar.Writer
	plain  *summer // of the archive
	packed *summer // of the file
	zip    io.WriteCloser
	buffer *bufio.Writer
}

// A summer counts and hashes what is written to it.
type summer struct {
	hash.Hash
	n int64
}

func (s *summer) Write(p []byte) (int, error) {
	s.n += int64(len(p))
	return s.Hash.Write(p)
}

func (s *summer) digest() string { return hex.EncodeToString(s.Sum(nil)) }

func newPacker(f *os.File, c Compression) (*packer, error) {
	p := &packer{plain: &summer{Hash: sha256.New()}, packed: &summer{Hash: sha256.New()}}
	p.buffer = bufio.NewWriterSize(io.MultiWriter(f, p.packed), 256<<10)
	var err error
	switch kind, level := c.parts(); kind {
	case Zstd:
		p.zip, err = zstd.NewWriter(p.buffer, zstd.WithEncoderConcurrency(1), zstd.WithEncoderLevel(zstd.EncoderLevelFromZstd(level)), zstd.WithWindowSize(4<<20))
	default:
		if level == smallest {
			p.zip = deflate.NewWriter(p.buffer)
		} else {
			p.zip, err = gzip.NewWriterLevel(p.buffer, level)
		}
	}
	if err != nil {
		return nil, err
	}
	p.tar = tar.NewWriter(io.MultiWriter(p.plain, p.zip))
	return p, nil
}

// close completes the archive and the file.
func (p *packer) close() error {
	for _, step := range []func() error{p.tar.Close, p.zip.Close, p.buffer.Flush} {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}
