package servicelog

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/klauspost/compress/zstd"
)

// A packed part is a file of zstd frames, each of which stands for about 512 KiB of whole
// records, so that any place is reached by unpacking one of them. Behind them is a frame
// that programs skip, with what we know of the part, and a table of the frames in the
// format of zstd's contrib/seekable_format. zstdcat(1) prints the records.

const (
	packSuffix = ".zst"
	frameSize  = 512 << 10 // bytes of records in a frame
	maxFrame   = 4 << 20   // more than any frame of ours has

	ourMagic   = 0x184D2A5A // of a frame that is skipped
	tableMagic = 0x184D2A5E
	seekMagic  = 0x8F92EAB1
	ourHead    = 8 + 4 + 3*8 // the frame's head, a word, and the origin
	ourEntry   = 2 * 8       // the earliest and the latest time of a frame
	tableEntry = 2 * 4
	tableTail  = 4 + 1 + 4
	ourWord    = 0x31676f6c // "log1"
)

// An origin says which file was packed: one that is still open can be told by it.
type origin struct {
	ino   uint64
	size  int64
	mtime int64 // in nanoseconds
}

// A frame is a part of a packed file.
type frame struct {
	extent             // of the records
	at, size int64     // in the file
	min, max time.Time // of the records; zero: not known
}

// packer makes packed parts. It holds two frames in memory.
type packer struct {
	zip     *zstd.Encoder
	in, out []byte
	known   timeCache
	share   time.Duration // it works for one part of so many of the time
}

func newPacker() (*packer, error) {
	zip, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithWindowSize(frameSize), zstd.WithLowerEncoderMem(true))
	return &packer{zip: zip, in: make([]byte, frameSize), share: packShare}, err
}

// pack writes the records of r. Before each frame it calls next, which may end it.
func (p *packer) pack(w io.Writer, r io.ReaderAt, from origin, next func() error) error {
	var frames []frame
	at := int64(0)
	for done := int64(0); done < from.size; {
		if err := next(); err != nil {
			return err
		}
		chunk := p.in[:min(int64(len(p.in)), from.size-done)]
		if n, err := r.ReadAt(chunk, done); n < len(chunk) {
			return fmt.Errorf("%d of %d bytes: %w", n, len(chunk), err)
		}
		if done+int64(len(chunk)) < from.size {
			chunk = chunk[:lastStart(chunk)]
		}
		p.out = p.zip.EncodeAll(chunk, p.out[:0])
		if _, err := w.Write(p.out); err != nil {
			return err
		}
		f := frame{extent: extent{done, done + int64(len(chunk))}, at: at, size: int64(len(p.out))}
		f.min, f.max = p.times(chunk)
		frames = append(frames, f)
		done, at = f.to, at+f.size
	}
	_, err := w.Write(appendTable(p.out[:0], frames, from))
	return err
}

// lastStart returns where the last record of a chunk begins that is whole; its length if
// there is none but the first.
func lastStart(chunk []byte) int {
	for end := bytes.LastIndexByte(chunk, '\n'); end > 0; {
		start := bytes.LastIndexByte(chunk[:end], '\n')
		if start < 0 {
			break
		}
		if !parseRecord(chunk[start+1 : end]).Time.IsZero() {
			return start + 1
		}
		end = start
	}
	return len(chunk)
}

// times returns the earliest and the latest time of some lines. They are zero if one has
// the time of a line that is not among them.
func (p *packer) times(chunk []byte) (from, to time.Time) {
	var s span
	for first := true; len(chunk) > 0; first = false {
		raw, rest, _ := bytes.Cut(chunk, []byte("\n"))
		chunk = rest
		if first && parseRecord(raw).Time.IsZero() {
			return from, to
		}
		word, _, _ := bytes.Cut(raw, []byte(" "))
		if at, ok := p.known.parse(word); ok {
			s.add(at)
		}
	}
	return s.from, s.to
}

// appendTable appends what is behind the frames.
func appendTable(dst []byte, frames []frame, from origin) []byte {
	le := binary.LittleEndian
	dst = le.AppendUint32(dst, ourMagic)
	dst = le.AppendUint32(dst, uint32(ourHead-8+ourEntry*len(frames)))
	dst = le.AppendUint32(dst, ourWord)
	dst = le.AppendUint64(dst, from.ino)
	dst = le.AppendUint64(dst, uint64(from.size))
	dst = le.AppendUint64(dst, uint64(from.mtime))
	for _, f := range frames {
		dst = le.AppendUint64(dst, uint64(nanos(f.min)))
		dst = le.AppendUint64(dst, uint64(nanos(f.max)))
	}
	dst = le.AppendUint32(dst, tableMagic)
	dst = le.AppendUint32(dst, uint32(tableEntry*len(frames)+tableTail))
	for _, f := range frames {
		dst = le.AppendUint32(dst, uint32(f.size))
		dst = le.AppendUint32(dst, uint32(f.to-f.from))
	}
	dst = le.AppendUint32(dst, uint32(len(frames)))
	dst = append(dst, 0) // no checksums: each frame has its own
	return le.AppendUint32(dst, seekMagic)
}

func nanos(at time.Time) int64 {
	if at.IsZero() {
		return 0
	}
	return at.UnixNano()
}

// unpacker is what the files of a reader share: the memory for unpacking, and how many are
// open.
type unpacker struct {
	zip  *zstd.Decoder
	open int
	most int // that are to be open; 0: mostOpen, negative: none
}

func (u *unpacker) bound() int {
	if u.most == 0 {
		return mostOpen
	}
	return max(0, u.most)
}

func (u *unpacker) unpack(dst, src []byte) ([]byte, error) {
	if u.zip == nil {
		zip, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxMemory(maxFrame))
		if err != nil {
			return nil, err
		}
		u.zip = zip
	}
	return u.zip.DecodeAll(src, dst)
}

func (u *unpacker) close() {
	if u.zip != nil {
		u.zip.Close()
		u.zip = nil
	}
}

// A packed is a packed part that is open.
type packed struct {
	file   io.ReaderAt
	zip    *unpacker
	origin origin
	frames []frame

	held int    // which frame is in buf; -1: none
	buf  []byte // its records
	raw  []byte
}

var errPacked = errors.New("it is no packed log, or damaged")

// openPacked reads the table of a packed part of a size.
func openPacked(f io.ReaderAt, size int64, zip *unpacker) (*packed, error) {
	le := binary.LittleEndian
	var tail [tableTail]byte
	if size < tableTail || readFull(f, tail[:], size-tableTail) != nil || le.Uint32(tail[5:]) != seekMagic {
		return nil, errPacked
	}
	n := int64(le.Uint32(tail[:]))
	length := ourHead + ourEntry*n + 8 + tableEntry*n + tableTail
	if tail[4] != 0 || length > size {
		return nil, errPacked
	}
	b := make([]byte, length)
	if err := readFull(f, b, size-length); err != nil {
		return nil, err
	}
	ours, table := b[:ourHead+ourEntry*n], b[ourHead+ourEntry*n:]
	if le.Uint32(ours) != ourMagic || le.Uint32(ours[8:]) != ourWord || le.Uint32(table) != tableMagic || int64(le.Uint32(table[4:])) != tableEntry*n+tableTail {
		return nil, errPacked
	}
	p := &packed{file: f, zip: zip, held: -1, frames: make([]frame, n)}
	p.origin = origin{le.Uint64(ours[12:]), int64(le.Uint64(ours[20:])), int64(le.Uint64(ours[28:]))}
	at, of := int64(0), int64(0)
	for i := range p.frames {
		e := table[8+tableEntry*i:]
		fr := frame{at: at, size: int64(le.Uint32(e)), extent: extent{of, of + int64(le.Uint32(e[4:]))}}
		if fr.to-fr.from > maxFrame || fr.to == fr.from {
			return nil, errPacked
		}
		times := ours[ourHead+ourEntry*i:]
		if from, to := int64(le.Uint64(times)), int64(le.Uint64(times[8:])); from != 0 || to != 0 {
			fr.min, fr.max = time.Unix(0, from).UTC(), time.Unix(0, to).UTC()
		}
		p.frames[i] = fr
		at, of = at+fr.size, fr.to
	}
	if at != size-length || of != p.origin.size {
		return nil, errPacked
	}
	return p, nil
}

func readFull(f io.ReaderAt, b []byte, at int64) error {
	n, err := f.ReadAt(b, at)
	if n == len(b) {
		return nil
	}
	if err == nil || err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	return err
}

// ReadAt reads records.
func (p *packed) ReadAt(b []byte, at int64) (n int, err error) {
	for n < len(b) {
		if at < 0 || at >= p.origin.size {
			return n, io.EOF
		}
		if err := p.hold(at); err != nil {
			return n, err
		}
		m := copy(b[n:], p.buf[at-p.frames[p.held].from:])
		n, at = n+m, at+int64(m)
	}
	return n, nil
}

// hold unpacks the frame with a place.
func (p *packed) hold(at int64) error {
	if p.held >= 0 && p.frames[p.held].from <= at && at < p.frames[p.held].to {
		return nil
	}
	low, high := 0, len(p.frames)-1
	for low < high {
		if mid := (low + high + 1) / 2; p.frames[mid].from <= at {
			low = mid
		} else {
			high = mid - 1
		}
	}
	f := p.frames[low]
	p.held = -1
	if int64(cap(p.raw)) < f.size {
		p.raw = make([]byte, f.size)
	}
	p.raw = p.raw[:f.size]
	if err := readFull(p.file, p.raw, f.at); err != nil {
		return err
	}
	var err error
	if p.buf, err = p.zip.unpack(p.buf[:0], p.raw); err != nil {
		return fmt.Errorf("%w: %v", errPacked, err)
	}
	if int64(len(p.buf)) != f.to-f.from {
		return errPacked
	}
	p.held = low
	return nil
}

// release gives the memory back.
func (p *packed) release() { p.held, p.buf, p.raw = -1, nil, nil }

// unwanted returns the frames that have nothing of a period, in their order.
func (p *packed) unwanted(end int64, want period) (skip []extent) {
	for _, f := range p.frames {
		switch n := len(skip); {
		case f.to > end || f.min.IsZero() || !want.misses(f.min, f.max):
		case n > 0 && skip[n-1].to == f.from:
			skip[n-1].to = f.to
		default:
			skip = append(skip, f.extent)
		}
	}
	return skip
}

// packedError says which file can't be read.
func packedError(name string, err error) error {
	return fmt.Errorf("packed log %q: %w\nhint: remove it to read the others", name, err)
}
