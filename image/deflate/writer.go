package deflate

import (
	"encoding/binary"
	"hash/crc32"
	"io"
)

const (
	windowSize = 1 << 15 // how far back a match may lie
	minMatch   = 3
	maxMatch   = 258

	// segment is the number of bytes that are parsed at a time. lookahead is how many
	// bytes behind a segment the finder has to see: it compares whole strings.
	segment   = 1 << 18
	lookahead = maxMatch + 8
)

// A Writer compresses what is written to it. Close must be called; it does not close the
// underlying writer. A Writer is for one goroutine.
type Writer struct {
	to     io.Writer
	buf    []byte // first up to a window of compressed input, then the rest
	done   int    // length of the compressed part
	crc    uint32
	length uint32
	begun  bool
	err    error

	finder finder
	parser parser
	out    bitWriter
}

// NewWriter returns a writer of one gzip member, without a file name and a time.
func NewWriter(to io.Writer) *Writer {
	w := &Writer{to: to, buf: make([]byte, 0, windowSize+segment+lookahead)}
	w.finder.prepare()
	w.parser.prepare()
	return w
}

// Write implements io.Writer.
func (w *Writer) Write(p []byte) (n int, err error) {
	for len(p) > 0 && w.err == nil {
		free := min(cap(w.buf)-len(w.buf), len(p))
		w.buf = append(w.buf, p[:free]...)
		w.crc = crc32.Update(w.crc, crc32.IEEETable, p[:free])
		w.length += uint32(free)
		n, p = n+free, p[free:]
		if len(w.buf)-w.done >= segment+lookahead {
			w.next(segment, false)
		}
	}
	return n, w.err
}

// Close compresses the rest, and writes the trailer.
func (w *Writer) Close() error {
	for w.err == nil && len(w.buf)-w.done > segment {
		w.next(segment, false)
	}
	if w.err != nil {
		return w.err
	}
	w.next(len(w.buf)-w.done, true)
	w.out.flush()
	w.out.buf = binary.LittleEndian.AppendUint32(w.out.buf, w.crc)
	w.out.buf = binary.LittleEndian.AppendUint32(w.out.buf, w.length)
	w.send()
	return w.err
}

// next compresses the next n bytes.
func (w *Writer) next(n int, last bool) {
	if !w.begun {
		w.begun = true
		// No flags, no time, the slowest method, an unknown system.
		w.out.buf = append(w.out.buf, 0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 2, 255)
	}
	w.parser.segment(&w.finder, w.buf, w.done, w.done+n, last, &w.out)
	w.done += n
	w.send()
	if drop := w.done - windowSize; drop > 0 {
		w.buf = w.buf[:copy(w.buf, w.buf[drop:])]
		w.done -= drop
		w.finder.shift(drop)
	}
}

func (w *Writer) send() {
	if w.err == nil {
		_, w.err = w.to.Write(w.out.buf)
	}
	w.out.buf = w.out.buf[:0]
}

// A bitWriter collects output whose last byte may not be full.
type bitWriter struct {
	buf   []byte
	acc   uint64
	count uint
}

// put appends the low n bits of v, at most 32.
func (b *bitWriter) put(v uint32, n uint8) {
	b.acc |= uint64(v) << b.count
	b.count += uint(n)
	if b.count >= 32 {
		b.buf = binary.LittleEndian.AppendUint32(b.buf, uint32(b.acc))
		b.acc >>= 32
		b.count -= 32
	}
}

// flush fills the last byte.
func (b *bitWriter) flush() {
	for b.count > 0 {
		b.buf = append(b.buf, byte(b.acc))
		b.acc >>= 8
		b.count -= min(b.count, 8)
	}
	b.acc = 0
}
