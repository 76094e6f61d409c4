package servicelog

import (
	"context"
	"fmt"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// readSize is how many bytes one read takes of a pipe, or of a file. A pipe that fills
	// it is read floodSize at a time while no other is being read: in writes of twice the
	// size, ext4 takes a quarter less for the same bytes. With eight of them it is the other
	// way round, since the buffers of all don't fit into the processor's cache.
	readSize  = 64 << 10
	floodSize = 128 << 10
	// pipeSize is how many bytes a pipe should hold whose writer is fast; the kernel may grant
	// less. All pipes begin with what is usual: most stay empty, and a user without
	// privileges may have few large ones.
	pipeSize = 256 << 10
	// batchSize bounds the records that are written at a time, in bytes. It is less than
	// remindEvery, so that marks are less than two of these apart.
	batchSize = 192 << 10
)

// A Watch is called with each line of a run, once that is in the file and queued for
// stdout: what we say because of a line then comes after it. While stdout has to catch
// up, it is called before that. It must return at once. It is called by the run's own
// goroutines, with one line at a time.
type Watch func(stream Stream, line []byte)

// A Run is the output of one start of a process. Hand Stdout and Stderr to the
// process, then call Begin and Started.
type Run struct {
	Stdout, Stderr *os.File // write ends, until Started; close-on-exec is set

	source  *Source
	process Process
	begin   sync.Once
	watch   Watch
	once    sync.Mutex // held while watch is called
	pipes   [2]*pipe
}

// Start is Open and Begin for a process that is not known.
func (s *Source) Start(watch Watch) (*Run, error) {
	r, err := s.Open(watch)
	if err == nil {
		r.Begin(Process{})
	}
	return r, err
}

// Open makes the pipes of a run. They are read once the run begins: what is printed
// before that waits in them. watch may be nil.
func (s *Source) Open(watch Watch) (*Run, error) {
	r := &Run{source: s, watch: watch}
	for i, stream := range []Stream{Stdout, Stderr} {
		p, w, err := newPipe(r, stream)
		if err != nil {
			r.closeEnds()
			r.abandon()
			return nil, fmt.Errorf("cannot make a pipe for %q: %w", s.id, err)
		}
		r.pipes[i] = p
		if stream == Stdout {
			r.Stdout = w
		} else {
			r.Stderr = w
		}
	}
	s.hub.mu.Lock()
	closed := s.hub.closed
	if !closed {
		s.hub.runs[r] = struct{}{}
	}
	s.hub.mu.Unlock()
	if closed {
		r.closeEnds()
		r.abandon()
		return nil, errClosed
	}
	return r, nil
}

// Begin marks in the file that a run of p begins, and reads what it prints.
func (r *Run) Begin(p Process) {
	r.begin.Do(func() {
		r.source.markStart(p)
		r.read(p)
	})
}

// BeginAside is Begin for a helper of p, such as its shutdown command, whose lines belong
// to the run of p.
func (r *Run) BeginAside(p Process) { r.begin.Do(func() { r.read(p) }) }

func (r *Run) read(process Process) {
	r.process = process
	for _, p := range r.pipes {
		if p.view != nil {
			p.view.tell(process)
		}
		p.begin()
	}
}

// Started closes our copies of the write ends, so that the pipes end with the process.
// Call it after the process was started, also if that has failed. It begins a run that
// has not begun.
func (r *Run) Started() {
	r.Begin(Process{})
	r.closeEnds()
}

func (r *Run) closeEnds() {
	for _, f := range []*os.File{r.Stdout, r.Stderr} {
		if f != nil {
			f.Close()
		}
	}
	r.Stdout, r.Stderr = nil, nil
}

// Drain waits until all that was written before the call is in the file and queued for
// stdout, including a last line without an end. Call it after the process has ended. A
// pipe that no descendant of the process keeps open has then ended, too; others are
// read on.
func (r *Run) Drain(ctx context.Context) error {
	for _, p := range r.pipes {
		if p == nil {
			continue
		}
		if err := p.drain(ctx); err != nil {
			return fmt.Errorf("output of %q is still being read: %w", r.source.id, err)
		}
	}
	return nil
}

// Over reports whether both pipes have ended and all that came is where [Run.Drain] waits
// for it to be. It never waits.
func (r *Run) Over() bool {
	over := true
	for _, p := range r.pipes {
		over = p.over() && over
	}
	return over
}

// Done returns a channel that is closed when both pipes have ended.
func (r *Run) Done() <-chan struct{} {
	done := make(chan struct{})
	go func() {
		for _, p := range r.pipes {
			p.mu.Lock()
			for !p.ended {
				p.change.Wait()
			}
			p.mu.Unlock()
		}
		close(done)
	}()
	return done
}

// abandon stops reading.
func (r *Run) abandon() {
	for _, p := range r.pipes {
		if p != nil {
			p.abandon()
		}
	}
}

// A pipe is one stream of a run. While nothing comes, it takes no goroutine and no
// buffer: the poller starts its reader, which ends as soon as the pipe is empty.
type pipe struct {
	run    *Run
	number uint64 // for the poller
	view   *viewer
	out    *output // nil: not shown

	// mu guards the fields up to ended. Those after it belong to the reading goroutine
	// while idle is false. While it is true, a drain, with mu, may look at them.
	mu        sync.Mutex
	change    sync.Cond
	fd        int   // -1: closed
	begun     bool  // it may be read
	told      bool  // the poller has told of something before that
	idle      bool  // nobody reads, since the pipe was empty, or has not begun
	abandoned bool  // nothing more is to be read
	widened   bool  // it was asked to hold pipeSize
	taken     int64 // bytes that were read from the pipe
	delivered int64 // how many of them are in the file and queued for stdout
	ended     bool

	frame  framer
	cut    bool // the last piece that a limit let pass was not the end of its line
	last   last
	stream Stream
	credit time.Duration // how long it may wait for stdout
}

func newPipe(r *Run, stream Stream) (*pipe, *os.File, error) {
	s := r.source
	poll, err := s.hub.poll()
	if err != nil {
		return nil, nil, err
	}
	var fds [2]int
	if err := unix.Pipe2(fds[:], unix.O_CLOEXEC); err != nil {
		return nil, nil, err
	}
	p := &pipe{run: r, stream: stream, fd: fds[0], idle: true, credit: patience}
	p.change.L = &p.mu
	// It has no other flags that could be set.
	if _, err = unix.FcntlInt(uintptr(p.fd), unix.F_SETFL, unix.O_NONBLOCK); err == nil {
		err = poll.add(p)
	}
	if err != nil {
		unix.Close(fds[0])
		unix.Close(fds[1])
		return nil, nil, err
	}
	// Servers open /dev/stderr again, even after they have become another user.
	_ = unix.Fchmod(fds[1], 0o666)
	if s.hub.out != nil && !s.quiet {
		p.out = s.hub.out
		p.view = newViewer(s.label, stream, s.hub.opts.style())
	}
	return p, os.NewFile(uintptr(fds[1]), s.id+" "+string(stream)), nil
}

// buffers is the memory for one read. A pipe only has it while there is data: idle
// services take none.
type buffers struct {
	read  []byte
	lines []line
	text  []byte // lines as records
	shown []byte // lines as stdout shows them
}

// buffers takes one from the pool.
func (h *Hub) buffers() *buffers { return h.pool.Get().(*buffers) }

// release puts b back into the pool, without what unusual data has made large.
func (h *Hub) release(b *buffers) {
	if cap(b.lines) > 4096 {
		b.lines = nil
	}
	if cap(b.text) > 2*batchSize {
		b.text = nil
	}
	if cap(b.shown) > 4*batchSize { // it may have been the queue
		b.shown = nil
	}
	h.pool.Put(b)
}

// begin lets the pipe be read.
func (p *pipe) begin() {
	p.mu.Lock()
	p.begun = true
	told := p.told
	p.mu.Unlock()
	if told {
		p.wake(false)
	}
}

// wake starts the reader, unless it is at work: then it will look once more before it
// ends, which it decides with mu. over says that the pipe has ended and is empty, which
// most need no reader for.
func (p *pipe) wake(over bool) {
	p.mu.Lock()
	switch {
	case !p.begun:
		p.told = true
	case !p.idle || p.ended:
	case over && len(p.frame.held) == 0:
		p.close()
		p.mu.Unlock()
		p.run.finish()
		return
	default:
		p.idle = false
		go p.read()
	}
	p.mu.Unlock()
}

// over reports whether the pipe has ended, with all of it delivered. One that has just
// ended, empty, it closes: the poller may tell of that later than the process's end is
// known.
func (p *pipe) over() bool {
	p.mu.Lock()
	closes := !p.ended && p.begun && p.idle && len(p.frame.held) == 0 && p.poll() == unix.POLLHUP
	if closes {
		p.close()
	}
	ended := p.ended
	p.mu.Unlock()
	if closes {
		p.run.finish()
	}
	return ended
}

// poll returns what the kernel says of the pipe: POLLIN, POLLHUP.
func (p *pipe) poll() int16 {
	fds := []unix.PollFd{{Fd: int32(p.fd), Events: unix.POLLIN}}
	if n, err := unix.Poll(fds, 0); err != nil || n < 1 {
		return 0
	}
	return fds[0].Revents
}

// abandon ends the pipe, even if others still write to it.
func (p *pipe) abandon() {
	p.mu.Lock()
	p.abandoned = true
	if !p.begun {
		p.close()
	}
	p.mu.Unlock()
	p.wake(false)
}

// close closes our end. The caller holds mu.
func (p *pipe) close() {
	if p.fd >= 0 {
		p.run.source.hub.poller.remove(p)
		unix.Close(p.fd)
		p.fd = -1
	}
	p.ended = true
	p.change.Broadcast()
}

// read carries the stream until the pipe is empty, or has ended.
func (p *pipe) read() {
	hub := p.run.source.hub
	hub.reading.Add(1)
	defer hub.reading.Add(-1)
	buf := hub.buffers()
	for {
		room := buf.read
		if hub.reading.Load() > 1 {
			room = room[:readSize]
		}
		n, end := p.take(room)
		if n > 0 {
			buf.lines = p.frame.split(buf.read[:n], buf.lines[:0])
			p.deliver(buf, true)
			p.carried()
			if n == len(buf.read) && n < floodSize {
				buf.read = make([]byte, floodSize)
			}
		}
		if end {
			break
		}
		if n == 0 {
			hub.release(buf) // take has left the pipe to the next reader
			return
		}
	}
	hub.release(buf)
	p.deliverRest(true)
	p.mu.Lock()
	p.close()
	p.mu.Unlock()
	p.run.finish()
}

// fill reads until buf is full or the pipe is empty. end is true if the last writer has
// gone, or if the pipe can't be read at all.
func fill(fd int, buf []byte) (n int, end bool) {
	for n < len(buf) {
		m, err := unix.Read(fd, buf[n:])
		switch {
		case err == unix.EINTR:
		case err == unix.EAGAIN:
			return n, false
		case err != nil || m == 0:
			return n, true
		default:
			n += m
		}
	}
	return n, false
}

// take reads what is in the pipe, which never blocks. It holds the lock meanwhile, so
// that a drain can tell how much was written before. If the pipe is empty, the reader has
// to end: it will be started again.
func (p *pipe) take(buf []byte) (n int, end bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.abandoned {
		return 0, true
	}
	n, end = fill(p.fd, buf)
	p.taken += int64(n)
	if n >= readSize/2 && !p.widened {
		p.widened = true
		_, _ = unix.FcntlInt(uintptr(p.fd), unix.F_SETPIPE_SZ, pipeSize)
	}
	if n == 0 && !end {
		p.idle = true
		p.change.Broadcast()
	}
	return n, end
}

// carried notes that all that was taken has been delivered.
func (p *pipe) carried() {
	p.mu.Lock()
	p.delivered = p.taken
	p.change.Broadcast()
	p.mu.Unlock()
}

// drain waits until the pipe has ended, or all that was in it at the time of the call
// has been delivered.
func (p *pipe) drain(ctx context.Context) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ended { // as of all processes that have ended before
		return nil
	}
	stop := context.AfterFunc(ctx, func() {
		p.mu.Lock()
		p.change.Broadcast()
		p.mu.Unlock()
	})
	defer stop()
	target := p.taken + p.waiting()
	err := p.settle(ctx, target)
	if err == nil && !p.ended && p.idle && len(p.frame.held) > 0 {
		// Not by us: a watch may hang, and the poller must get the lock.
		p.idle = false
		go func() {
			p.deliverRest(false)
			p.read()
		}()
		err = p.settle(ctx, target)
	}
	return err
}

// settle waits until the pipe is settled. The caller holds the lock.
func (p *pipe) settle(ctx context.Context, target int64) error {
	for !p.settled(target) {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		p.change.Wait()
	}
	return nil
}

// settled reports whether target bytes have been delivered, and, if the last writer has
// gone, whether the reader has noticed.
func (p *pipe) settled(target int64) bool {
	switch {
	case p.ended, p.delivered > target:
		return true
	case p.delivered < target || !p.idle:
		return false
	}
	return p.poll()&unix.POLLHUP == 0 // else the reader is about to begin
}

// waiting returns how many bytes are in the pipe.
func (p *pipe) waiting() int64 {
	n, err := unix.IoctlGetInt(p.fd, unix.TIOCINQ)
	if err != nil { // it is closed
		return 0
	}
	return int64(n)
}

// deliverRest delivers the beginning of a line whose end has not come.
func (p *pipe) deliverRest(wait bool) {
	if len(p.frame.held) == 0 {
		return
	}
	hub := p.run.source.hub
	buf := hub.buffers()
	buf.lines = p.frame.rest(buf.lines[:0])
	p.deliver(buf, wait)
	hub.release(buf)
}

// deliver passes buf.lines to the file, stdout and the watch, in this order. If wait is
// set, a stdout that makes progress first gets a moment to catch up. The watch, which
// may decide whether a service is ready, does not wait for that.
func (p *pipe) deliver(buf *buffers, wait bool) {
	r := p.run
	for lines := buf.lines; len(lines) > 0; {
		part := lines[:r.source.batch(lines)]
		lines = lines[len(part):]
		seen := r.watch == nil
		p.last.add(part)
		kept := part
		if r.source.limit != nil {
			kept = p.limited(part)
		}
		size := 0
		if wait && p.out != nil && len(kept) > 0 {
			size = p.view.size(kept)
			p.credit = p.out.expect(size, p.credit, func() {
				r.see(p.stream, part)
				seen = true
			})
		}
		if len(kept) > 0 {
			r.source.carry(p, kept, size, buf)
		}
		if !seen {
			r.see(p.stream, part)
		}
	}
}

// batch returns how many lines to deliver at a time: with their labels and times, short
// ones become much longer. A small file gets several batches.
func (s *Source) batch(lines []line) int {
	left := int64(batchSize)
	if s.file != nil {
		s.file.mu.Lock()
		left = min(left, max(readSize, s.file.max/4))
		s.file.mu.Unlock()
	}
	const header = len("2026-11-22T23:57:00.123456789Z stdout F:r ") + 1
	for i, l := range lines {
		if left -= int64(header + len(l.text)); left < 0 {
			return max(1, i)
		}
	}
	return len(lines)
}

// see passes lines to the watch, if there is one.
func (r *Run) see(stream Stream, lines []line) {
	if r.watch == nil {
		return
	}
	r.once.Lock()
	defer r.once.Unlock()
	for _, l := range lines {
		r.watch(stream, l.text)
	}
}

// finish forgets the run once both pipes have ended.
func (r *Run) finish() {
	for _, p := range r.pipes {
		p.mu.Lock()
		ended := p.ended
		p.mu.Unlock()
		if !ended {
			return
		}
	}
	h := r.source.hub
	h.mu.Lock()
	delete(h.runs, r)
	h.mu.Unlock()
}
