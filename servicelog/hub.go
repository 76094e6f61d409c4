package servicelog

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// Options tunes a Hub. The zero value shows nothing and keeps nothing.
type Options struct {
	// Dir is the folder of the files. If it is missing, it is made with mode 0700. It
	// must belong to us. Empty: no files are kept.
	Dir string
	// Eager makes a log when its first run begins, so that it can be found before that has
	// printed anything.
	Eager bool

	// Stdout gets all lines. Nil: it gets none. Writes to a pipe, a terminal or a
	// socket never block in a system call.
	Stdout io.Writer
	Format Format
	Color  Color
	Labels *Labels // how labels look; nil: not padded

	MaxSize int64 // of one file, in bytes; default: 10 MiB
	Keep    int   // how many older files a source keeps; default: 5, negative: none

	// Stall is how long Close waits for a stdout that makes no progress. Default: a
	// minute. [Hub.Hasten] shortens it.
	Stall time.Duration

	// Degraded is called with an error when the files of a source can't be written any
	// more, and with nil when they can again. It must not block.
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
	opts    Options
	pool    sync.Pool // of *buffers
	dir     *folder   // nil: no files
	out     *output   // nil: no stdout
	changes notifier
	clock   clock
	own     *viewer // of our own lines; guarded by mu
	mu      sync.Mutex
	runs    map[*Run]struct{} // those whose pipes are open
	poller  *poller           // nil: there was no run yet
	reading atomic.Int32      // how many pipes are being read
	files   map[string]*file
	health  health
	keeper  keeper
	bounder keeper
	bound   atomic.Int64 // of all logs together, in bytes; 0: none
	part    atomic.Int64 // how large a file may become because of that
	opened  time.Time
	found   map[string]found // logs that were there when it was opened, by name; nil: it does not matter, or is unknown

	counters map[string]*counter // by source; guarded by mu
	limiters map[string]*limiter // the same
	closed   bool
}

// Open starts a Hub. Close it, or the last lines may be lost.
func Open(opts Options) (*Hub, error) {
	opts.setDefaults()
	h := &Hub{opts: opts, runs: map[*Run]struct{}{}, files: map[string]*file{}, counters: map[string]*counter{}, limiters: map[string]*limiter{}, opened: time.Now()}
	h.keeper.init(h.tidy)
	h.bounder.init(h.hold)
	h.pool.New = func() any { return &buffers{read: make([]byte, readSize)} }
	h.own = newViewer(Self, Marks, opts.style())
	if opts.Dir != "" {
		dir, err := openFolder(opts.Dir, os.Geteuid())
		if err != nil {
			return nil, err
		}
		h.dir = dir
		if !opts.Eager {
			h.found = findLogs(opts.Dir)
		}
	}
	if opts.Stdout != nil {
		h.out = newOutput(opts.Stdout, opts.Stall, opts.style())
	}
	return h, nil
}

// poll returns the poller, which the first run starts.
func (h *Hub) poll() (p *poller, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		return nil, errClosed
	}
	if h.poller == nil {
		h.poller, err = newPoller()
	}
	return h.poller, err
}

// errClosed says that a run comes too late.
var errClosed = errors.New("the log is closed")

// Say writes a line of our own to stdout: "[nix2gpu] text". A text of several lines
// becomes as many. It never waits.
func (h *Hub) Say(text string) { h.SayAs(Plain, text) }

// SayAs is Say with a tone.
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

// SourceOptions tunes one source.
type SourceOptions struct {
	Limits Limits
	Quiet  bool // write the lines to the files alone
	Rate   Rate
}

// A Source is the log of one process, over all of its runs.
type Source struct {
	hub   *Hub
	id    string
	label string
	file  *file // nil: not kept
	quiet bool  // not on stdout
	count *counter
	limit *limiter // nil: none
}

// Source returns the log of the process id, by which its file is called. People see its
// label.
func (h *Hub) Source(id, label string, opts SourceOptions) *Source {
	s := &Source{hub: h, id: id, label: label, quiet: opts.Quiet}
	h.mu.Lock()
	s.count, s.limit, s.file = h.counter(id), s.limiter(opts.Rate), h.file(id)
	h.mu.Unlock()
	if s.file != nil {
		s.file.limit(opts.Limits, &h.opts)
	}
	return s
}

// markStart marks in the source's file that a run begins.
func (s *Source) markStart(p Process) {
	s.append(line{text: p.appendMark(nil, markStart)}, &p)
}

// mark writes another mark to the source's file.
func (s *Source) mark(text string) { s.append(line{text: []byte(text)}, nil) }

// append writes a mark, which may tell the process of what follows. If the log has nothing
// yet, that one waits for its first line.
func (s *Source) append(text line, p *Process) {
	f := s.file
	if f == nil {
		return
	}
	f.mu.Lock()
	before, at := f.failure, s.hub.clock.next().at
	b := batch{records: appendLines(nil, []line{text}, at, Marks), n: 1, mark: true}
	if p != nil {
		b.tells, b.process = true, *p
		if f.fresh { // most of those that print nothing are never written
			f.fresh = false
			if !f.stat(f.name, new(unix.Stat_t)) {
				f.ahead = mark{b.records, *p, at}
				f.mu.Unlock()
				return
			}
		}
	}
	_, _, err := f.append(b, at)
	f.mu.Unlock()
	s.kept(before, err)
}

// kept reports the result of a write to the file, if it differs from before, that of the
// write before it.
func (s *Source) kept(before, err error) {
	if (before == nil) != (err == nil) {
		s.hub.noteHealth(s.id, s.file, err)
	}
	s.hub.changes.notify()
}

// carry writes lines of a pipe to the file and passes them to stdout, to which expected
// bytes of them were announced.
func (s *Source) carry(p *pipe, lines []line, expected int, buf *buffers) {
	it := item{view: p.view, lines: len(lines), expected: expected}
	s.count.add(lines)
	if f := s.file; f != nil {
		f.mu.Lock()
		before := f.failure
		it.stamp = s.hub.clock.next()
		buf.text = appendLines(buf.text[:0], lines, it.at, p.stream)
		var err error
		if it.from, it.to, err = f.append(batch{records: buf.text, n: len(lines), process: p.run.process}, it.at); err == nil {
			it.file = f
		} else {
			s.count.lost.Add(uint64(len(lines)))
		}
		s.show(p, it, lines, buf)
		f.mu.Unlock()
		s.kept(before, err)
		return
	}
	it.stamp = s.hub.clock.next()
	s.show(p, it, lines, buf)
}

// show passes an item to stdout. It formats the text only if that is wanted now.
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
		it.swap = s.hub.reading.Load() == 1
	}
	if spare := p.out.put(it); spare != nil {
		buf.shown = spare
	}
}

// Close ends the Hub: it waits until the pipes of all runs are empty, and then until all
// is written to stdout or that makes no progress for too long, but no longer than ctx
// lasts. Lines that come later are lost.
func (h *Hub) Close(ctx context.Context) error {
	h.health.stop()
	idle := h.keeper.stop(ctx)
	idle = h.bounder.stop(ctx) && idle
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
	if h.poller != nil { // nobody makes one any more
		h.poller.close()
	}
	h.mu.Lock()
	limiters := slices.Collect(maps.Values(h.limiters))
	h.mu.Unlock()
	for _, l := range limiters {
		l.tell()
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
		if idle { // else its descriptor is still used
			h.dir.close()
		}
		h.dir = nil
	}
	return errors.Join(errs...)
}

// Hasten sets how long Close, which may have been called already, waits for a stdout
// that makes no progress: for when somebody waits for the end.
func (h *Hub) Hasten(stall time.Duration) {
	if h.out != nil {
		h.out.stall.Store(int64(stall))
	}
}

// A notifier tells followers in this process that files have grown.
type notifier struct {
	mu          sync.Mutex
	subscribers map[chan struct{}]struct{}
}

func (n *notifier) notify() {
	n.mu.Lock()
	for changed := range n.subscribers {
		select {
		case changed <- struct{}{}:
		default: // it has a token already
		}
	}
	n.mu.Unlock()
}

// subscribe returns a channel that gets a token after each change.
func (n *notifier) subscribe() (changed chan struct{}, stop func()) {
	changed = make(chan struct{}, 1)
	n.mu.Lock()
	if n.subscribers == nil {
		n.subscribers = map[chan struct{}]struct{}{}
	}
	n.subscribers[changed] = struct{}{}
	n.mu.Unlock()
	return changed, func() {
		n.mu.Lock()
		delete(n.subscribers, changed)
		n.mu.Unlock()
	}
}
