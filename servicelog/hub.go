package servicelog

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"
)

// Options tunes a Hub. The zero value shows nothing and keeps nothing.
type Options struct {
	// Dir is the folder of the files, made when missing with mode 0700. It must
	// be ours alone. Empty: no files are kept.
	Dir string

	// Stdout gets every line; nil shows none. A pipe, terminal or socket is
	// written without ever blocking in a system call.
	Stdout io.Writer
	Format Format
	Color  Color

	MaxSize int64         // of one file; default: 10 MiB
	Keep    int           // older files of one source; default: 5, negative: none
	Stall   time.Duration // stdout stands still for so long: drop; default: 1s

	// Degraded is told when the files of a source can no longer be written,
	// and with nil when they can again. It must not block.
	Degraded func(source string, err error)
}

func (o *Options) setDefaults() {
	o.MaxSize = cmp.Or(o.MaxSize, 10<<20)
	o.Keep = max(0, cmp.Or(o.Keep, 5))
	o.Stall = cmp.Or(o.Stall, time.Second)
	if o.Degraded == nil {
		o.Degraded = func(string, error) {}
	}
}

// A Hub carries the output of a project's processes. See [Open].
type Hub struct {
	opts   Options
	dir    *folder // nil: no files
	out    *output // nil: no stdout
	bell   bell
	own    *viewer // of our own lines; guarded by mu
	mu     sync.Mutex
	runs   map[*Run]struct{} // whose pipes are open
	files  map[string]*file
	health health
	closed bool
}

// Open starts a Hub. Close it to see all that was written.
func Open(opts Options) (*Hub, error) {
	opts.setDefaults()
	h := &Hub{opts: opts, runs: map[*Run]struct{}{}, files: map[string]*file{}}
	h.own = newViewer(Self, Marks, opts.Format, opts.Color)
	if opts.Dir != "" {
		dir, err := openFolder(opts.Dir, os.Geteuid())
		if err != nil {
			return nil, err
		}
		h.dir = dir
	}
	if opts.Stdout != nil {
		h.out = newOutput(opts.Stdout, opts.Stall, h.gapMarker)
	}
	return h, nil
}

// gapMarker is the line that tells of lines stdout did not get.
func (h *Hub) gapMarker(lost uint64) []byte {
	text := fmt.Sprintf("stdout is not read: %d lines not shown", lost)
	v := newViewer(Self, Marks, h.opts.Format, h.opts.Color)
	b, _ := v.append(nil, []line{{text: []byte(text)}}, time.Now())
	return b
}

// Say writes a line of our own to stdout, as "[nix2gpu] text"; each line of a
// text of several becomes one. It never waits.
func (h *Hub) Say(text string) {
	if h.out == nil {
		return
	}
	var lines []line
	for part := range strings.Lines(text) {
		lines = append(lines, line{text: []byte(strings.TrimSuffix(part, "\n"))})
	}
	if text == "" {
		lines = append(lines, line{})
	}
	h.mu.Lock()
	defer h.mu.Unlock() // so that lines of two callers keep their order
	b, n := h.own.append(nil, lines, time.Now())
	h.out.put(b, n, false)
}

// Sayf is Say with a format.
func (h *Hub) Sayf(format string, args ...any) { h.Say(fmt.Sprintf(format, args...)) }

// SourceOptions tunes one source; zero values are the Hub's.
type SourceOptions struct {
	MaxSize int64
	Keep    int
	Quiet   bool // not shown on stdout, only kept
}

// A Source is the log of one process, over all of its runs.
type Source struct {
	hub   *Hub
	id    string
	label string
	quiet bool
	file  *file // nil: not kept
}

// Source returns the log of the process with that id, which names its file.
// The label is what people see.
func (h *Hub) Source(id, label string, opts SourceOptions) *Source {
	s := &Source{hub: h, id: id, label: label, quiet: opts.Quiet}
	if h.dir == nil {
		return s
	}
	name := fileName(id)
	h.mu.Lock()
	defer h.mu.Unlock()
	if s.file = h.files[name]; s.file == nil { // two sources never write one file
		keep := opts.Keep
		if keep == 0 {
			keep = h.opts.Keep
		}
		s.file = newFile(h.dir, name, cmp.Or(opts.MaxSize, h.opts.MaxSize), max(0, keep))
		h.files[name] = s.file
	}
	return s
}

// Mark writes a mark to the source's file.
func (s *Source) mark(text string) {
	at := time.Now()
	s.keep(appendLines(nil, []line{{text: []byte(text)}}, at, Marks), 1, at)
}

// keep writes records to the file.
func (s *Source) keep(batch []byte, n int, at time.Time) {
	if s.file == nil {
		return
	}
	if changed, err := s.file.append(batch, n, at); changed {
		s.hub.turned(s.id, s.file, err)
	}
	s.hub.bell.ring()
}

// Close waits until the pipes of all runs are empty, then until stdout has
// everything that it takes, at most as long as ctx lasts, and ends the Hub.
// Lines that come later are lost.
func (h *Hub) Close(ctx context.Context) error {
	h.health.stop()
	h.mu.Lock()
	h.closed = true
	var runs []*Run
	for r := range h.runs {
		runs = append(runs, r)
	}
	h.mu.Unlock()
	var errs []error
	for _, r := range runs {
		if err := r.Drain(ctx); err != nil {
			errs = append(errs, err)
			break // ctx is over
		}
	}
	for _, r := range runs {
		r.abandon()
	}
	if h.out != nil {
		errs = append(errs, h.out.close(ctx))
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, f := range h.files {
		f.close()
	}
	if h.dir != nil {
		h.dir.close()
		h.dir = nil
	}
	return errors.Join(errs...)
}

// bell tells followers in this process that files have grown.
type bell struct {
	mu   sync.Mutex
	ears map[chan struct{}]struct{}
}

func (b *bell) ring() {
	b.mu.Lock()
	for ear := range b.ears {
		select {
		case ear <- struct{}{}:
		default: // already told
		}
	}
	b.mu.Unlock()
}

// listen returns a channel that gets a token after each change.
func (b *bell) listen() (ear chan struct{}, stop func()) {
	ear = make(chan struct{}, 1)
	b.mu.Lock()
	if b.ears == nil {
		b.ears = map[chan struct{}]struct{}{}
	}
	b.ears[ear] = struct{}{}
	b.mu.Unlock()
	return ear, func() {
		b.mu.Lock()
		delete(b.ears, ear)
		b.mu.Unlock()
	}
}
