package deb

import (
	"bufio"
	"fmt"
	"io"
	"strings"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"github.com/xi2/xz"
)

// maxWindow is the largest window of a decoder, in bytes. xz -9 and zstd -19 need no
// more; anything larger is rejected.
const maxWindow = 64 << 20

// decompress reads a member by the ending of its name: .xz, .gz, .zst, or none. The
// caller must close what it returns.
func decompress(name string, r io.Reader, reserve func(int64) func()) (io.ReadCloser, error) {
	b := bufio.NewReaderSize(r, 64<<10)
	switch ending := strings.TrimPrefix(strings.TrimPrefix(name, "control.tar"), "data.tar"); ending {
	case "":
		return closer{b, func() {}}, nil
	case ".gz":
		z, err := gzip.NewReader(b)
		if err != nil {
			return nil, truncated(err)
		}
		return closer{z, func() { z.Close() }}, nil
	case ".xz":
		head, _ := b.Peek(64)
		release := reserve(xzWindow(head))
		z, err := xz.NewReader(b, maxWindow)
		if err != nil {
			release()
			return nil, truncated(err)
		}
		return closer{z, release}, nil
	case ".zst":
		release := reserve(zstdWindow(b))
		z, err := zstd.NewReader(b, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(maxWindow))
		if err != nil {
			release()
			return nil, truncated(err)
		}
		return closer{z, func() { z.Close(); release() }}, nil
	default:
		return nil, fmt.Errorf("its member %q is compressed in a way that is not supported (gz, xz and zst are)", name)
	}
}

type closer struct {
	io.Reader
	close func()
}

func (c closer) Close() error { c.close(); return nil }

// xzWindow reads the size of the window from the header of an xz stream's first block.
// For a header that it does not understand it returns the largest.
func xzWindow(head []byte) int64 {
	const streamHeader = 12
	if len(head) < streamHeader+2 {
		return maxWindow
	}
	block := head[streamHeader:]
	flags, rest := block[1], block[2:]
	number := func() (v uint64) {
		for shift := 0; len(rest) > 0 && shift < 63; shift += 7 {
			c := rest[0]
			rest = rest[1:]
			v |= uint64(c&0x7f) << shift
			if c&0x80 == 0 {
				break
			}
		}
		return v
	}
	if flags&0x40 != 0 { // the compressed size is present
		number()
	}
	if flags&0x80 != 0 { // the uncompressed size is present
		number()
	}
	for range int(flags&3) + 1 {
		id, size := number(), number()
		if size > uint64(len(rest)) {
			break
		}
		if id == 0x21 && size == 1 { // LZMA2
			bits := int(rest[0] & 0x3f)
			if bits > 30 {
				return maxWindow
			}
			return min(int64(2|bits&1)<<(bits/2+11), maxWindow)
		}
		rest = rest[size:]
	}
	return maxWindow
}

func zstdWindow(b *bufio.Reader) int64 {
	var h zstd.Header
	head, _ := b.Peek(zstd.HeaderMaxSize)
	if err := h.Decode(head); err != nil || h.WindowSize == 0 {
		return maxWindow
	}
	return int64(min(h.WindowSize, maxWindow))
}
