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

	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// A Compression is how layers are packed.
type Compression string

// The compressions. Gzip is what every engine reads.
const (
	Gzip Compression = "gzip"
	Zstd Compression = "zstd"
)

// gzipLevel makes layers 2 % smaller than the level that is usual, for half as much
// time again; those above take far more time for a few bytes.
const gzipLevel = 7

// ParseCompression reads a compression; "" is Gzip.
func ParseCompression(s string) (Compression, error) {
	switch c := Compression(s); c {
	case "":
		return Gzip, nil
	case Gzip, Zstd:
		return c, nil
	}
	return "", fmt.Errorf("compression must be \"gzip\" or \"zstd\", is %q", s)
}

func (c Compression) mediaType() types.MediaType {
	if c == Zstd {
		return types.OCILayerZStd
	}
	return types.OCILayer
}

// A packer writes a tar archive, compressed, to a file, and computes the digests
// of both. The same archive gives the same bytes on any number of processors.
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
	switch c {
	case Zstd:
		p.zip, err = zstd.NewWriter(p.buffer, zstd.WithEncoderConcurrency(1), zstd.WithEncoderLevel(zstd.SpeedDefault), zstd.WithWindowSize(4<<20))
	default:
		p.zip, err = gzip.NewWriterLevel(p.buffer, gzipLevel)
	}
	if err != nil {
		return nil, err
	}
	p.tar = tar.NewWriter(io.MultiWriter(p.plain, p.zip))
	return p, nil
}

// close ends the archive and the file.
func (p *packer) close() error {
	for _, step := range []func() error{p.tar.Close, p.zip.Close, p.buffer.Flush} {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}
