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
	Labels *Labels // how labels stand; nil: as they are

	MaxSize int64 // of one file; default: 10 MiB
	Keep    int   // older files of one source; default: 5, negative: none

	// Stall is how long stdout may stand still at the end before the rest is
	// given up; default: a minute. [Hub.Hasten] makes it less.
	Stall time.Duration

	// Degraded is told when the files of a source can no longer be written,
	// and with nil when they can again. It must not block.
	Degraded func(source string, err error)
}

func (o *Options) setDefaults() {
	o.MaxSize = cmp.Or(o.MaxSize, 10<<20)
	o.Keep = max(0, cmp.Or(o.Keep, 5))
	o.Stall = cmp.Or(o.Stall, time.Minute)
	if o.Degraded == nil {
		o.Degraded = func(string, error) {}
	}
}

// A Hub carries the output of a project's processes. See [Open].
type Hub struct {
	opts   Options
	pool   sync.Pool // of *buffers
	dir    *folder   // nil: no files
	out    *output   // nil: no stdout
	bell   bell
	clock  clock
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
	h.pool.New = func() any { return new(buffers) }
	h.own = newViewer(Self, Marks, opts.style())
	if opts.Dir != "" {
		dir, err := openFolder(opts.Dir, os.Geteuid())
		if err != nil {
			return nil, err
		}
		h.dir = dir
	}
	if opts.Stdout != nil {
		h.out = newOutput(opts.Stdout, opts.Stall, opts.style())
	}
	return h, nil
}

// Say writes a line of our own to stdout, as "[nix2gpu] text"; each line of a
// text of several becomes one. It never waits.
func (h *Hub) Say(text string) { h.SayAs(Plain, text) }

// SayAs is Say in a tone.
func (h *Hub) SayAs(tone Tone, text string) {
	if h.out == nil {
		return
	}
	var lines []line
	for part := range strings.Lines(text) {
		lines = append(lines, line{text: []byte(h.own.tint(strings.TrimSuffix(part, "\n"), tone))})
	}
	if text == "" {
		lines = append(lines, line{})
	}
	h.mu.Lock()
	defer h.mu.Unlock() // so that lines of two callers keep their order
	at := h.clock.next()
	shown, n := h.own.append(nil, lines, at.at)
	h.out.put(item{stamp: at, view: h.own, text: shown, lines: n})
}

// Sayf is Say with a format.
func (h *Hub) Sayf(format string, args ...any) { h.Say(fmt.Sprintf(format, args...)) }

// SourceOptions tunes one source; zero values are the Hub's.
type SourceOptions struct {
	MaxSize int64
	Keep    int
	Quiet   bool // keep the lines in the files, and off stdout
}

// A Source is the log of one process, over all of its runs.
type Source struct {
	hub   *Hub
	id    string
	label string
	file  *file // nil: not kept
	quiet bool  // not on stdout
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

// mark writes a mark to the source's file.
func (s *Source) mark(text string) {
	f := s.file
	if f == nil {
		return
	}
	f.mu.Lock()
	before, at := f.failure, s.hub.clock.next().at
	records := appendLines(nil, []line{{text: []byte(text)}}, at, Marks)
	_, _, err := f.append(batch{records: records, n: 1, mark: true}, at)
	f.mu.Unlock()
	s.kept(before, err)
}

// kept tells of a write to the file; before is why the one before it failed.
func (s *Source) kept(before, err error) {
	if (before == nil) != (err == nil) {
		s.hub.turned(s.id, s.file, err)
	}
	s.hub.bell.ring()
}

// carry keeps lines of a pipe in the file, and hands them to stdout, where so
// much is expected.
func (s *Source) carry(p *pipe, lines []line, expected int, buf *buffers) {
	it := item{view: p.view, lines: len(lines), expected: expected}
	if f := s.file; f != nil {
		f.mu.Lock()
		before := f.failure
		it.stamp = s.hub.clock.next()
		buf.text = appendLines(buf.text[:0], lines, it.at, p.stream)
		var err error
		if it.from, it.to, err = f.append(batch{records: buf.text, n: len(lines)}, it.at); err == nil {
			it.file = f
		}
		s.show(p, it, lines, buf)
		f.mu.Unlock()
		s.kept(before, err)
		return
	}
	it.stamp = s.hub.clock.next()
	s.show(p, it, lines, buf)
}

// show hands an item to stdout. Its text is made only when it is wanted now.
func (s *Source) show(p *pipe, it item, lines []line, buf *buffers) {
	if p.out == nil {
		return
	}
	it.continues = p.view.open
	if it.file != nil && p.out.late.Load() {
		p.view.skip(lines)
	} else {
		buf.shown, it.lines = p.view.append(buf.shown[:0], lines, it.at)
		it.text = buf.shown
	}
	p.out.put(it)
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

// Hasten makes Close, also one that goes on, give up a stdout that has stood
// still for so long: somebody has asked for the end.
func (h *Hub) Hasten(stall time.Duration) {
	if h.out != nil {
		h.out.stall.Store(int64(stall))
	}
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
