package console

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"sync"
)

// Frames are what travels between an attachment and whoever is at the terminal: a
// kind, a length of four bytes, the first of which is the highest, and as much data.
type Frames struct {
	rw io.ReadWriter
	mu sync.Mutex // one frame at a time is written
}

// A Kind is what a frame holds.
type Kind byte

// The kinds.
const (
	Text   Kind = 'd' // what was typed, or is shown
	Resize Kind = 'r' // a Size, as JSON; from the terminal
	End    Kind = 'e' // an Ended, as JSON; to the terminal, and the last
)

// An Ended says why an attachment has ended.
type Ended struct {
	Why  string `json:"why"`
	Code int    `json:"code"`
}

// maxFrame bounds the data of a frame.
const maxFrame = 64 << 10

// NewFrames reads and writes frames through rw.
func NewFrames(rw io.ReadWriter) *Frames { return &Frames{rw: rw} }

// Read returns the next frame. A frame that is too long is an error: it is no frame.
func (f *Frames) Read() (Kind, []byte, error) {
	var head [5]byte
	if _, err := io.ReadFull(f.rw, head[:]); err != nil {
		return 0, nil, err
	}
	n := binary.BigEndian.Uint32(head[1:])
	if n > maxFrame {
		return 0, nil, fmt.Errorf("a frame must have at most %d bytes, not %d", maxFrame, n)
	}
	data := make([]byte, n)
	if _, err := io.ReadFull(f.rw, data); err != nil {
		return 0, nil, err
	}
	return Kind(head[0]), data, nil
}

// Write writes a frame. It may be called from several goroutines.
func (f *Frames) Write(kind Kind, data []byte) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	head := binary.BigEndian.AppendUint32([]byte{byte(kind)}, uint32(len(data)))
	_, err := f.rw.Write(append(head, data...))
	return err
}

// WriteJSON writes a frame with a value.
func (f *Frames) WriteJSON(kind Kind, v any) error {
	data, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return f.Write(kind, data)
}
