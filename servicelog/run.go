package servicelog

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

const (
	readSize = 64 << 10  // what one read takes at most
	pipeSize = 256 << 10 // what a pipe should hold; the kernel may grant less
)

// A Watch sees the lines of a run as soon as they are in the file and on their way
// to stdout, so that what follows from one comes behind it there; while stdout
// has to catch up, it sees them before. It must return at once; it is called from
// the run's own goroutines, one line at a time.
type Watch func(line []byte)

// A Run is the output of one start of a process. Hand Stdout and Stderr to the
// process, then call Started.
type Run struct {
	Stdout, Stderr *os.File // write ends; close-on-exec is set

	source *Source
	watch  Watch
	once   sync.Mutex // one line at a time reaches watch
	pipes  [2]*pipe
}

// Start begins a run: it makes the pipes and marks the beginning in the file.
// Since the watch is there before the process is, it misses nothing; it may
// be nil.
func (s *Source) Start(watch Watch) (*Run, error) { return s.start(watch, true) }

// StartAside is Start for a helper of the process, such as its shutdown
// command: its lines belong to the run that there is.
func (s *Source) StartAside(watch Watch) (*Run, error) { return s.start(watch, false) }

func (s *Source) start(watch Watch, mark bool) (*Run, error) {
	r := &Run{source: s, watch: watch}
	for i, stream := range []Stream{Stdout, Stderr} {
		p, w, err := newPipe(r, stream)
		if err != nil {
			r.Started()
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
		r.Started()
		r.abandon()
		return nil, errors.New("the log is closed")
	}
	if mark {
		s.mark(markStart)
	}
	for _, p := range r.pipes {
		go p.read()
	}
	return r, nil
}

// Started closes our copies of the write ends, so that the pipes end when the
// process does. Call it after the process was started, or could not be.
func (r *Run) Started() {
	for _, f := range []*os.File{r.Stdout, r.Stderr} {
		if f != nil {
			f.Close()
		}
	}
}

// Drain waits until all that was written before the call is on its way. A last
// line without an end is shown then. Where a descendant of the process keeps a
// pipe open, it is read on for as long as it does. Call Drain after the process
// has ended; a pipe that nobody else holds has ended as well when it returns.
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

// Done is closed when both pipes have ended.
func (r *Run) Done() <-chan struct{} {
	done := make(chan struct{})
	go func() {
		for _, p := range r.pipes {
			<-p.done
		}
		close(done)
	}()
	return done
}

// abandon stops reading.
func (r *Run) abandon() {
	for _, p := range r.pipes {
		if p != nil {
			p.r.Close()
		}
	}
}

// pipe is one stream of a run.
type pipe struct {
	run  *Run
	r    *os.File
	view *viewer
	out  *output // nil: not shown

	// mu guards what follows; the reading goroutine works with what is below
	// only while idle is false, a drain only while it is true.
	mu        sync.Mutex
	change    sync.Cond
	idle      bool  // the pipe was empty: the reader waits for the kernel
	taken     int64 // bytes read from the pipe
	delivered int64 // and bytes of them that are on their way
	ended     bool
	done      chan struct{}

	frame  framer
	last   last
	stream Stream
	credit time.Duration // for which it may wait for stdout
}

func newPipe(r *Run, stream Stream) (*pipe, *os.File, error) {
	var fds [2]int
	if err := unix.Pipe2(fds[:], unix.O_CLOEXEC); err != nil {
		return nil, nil, err
	}
	if err := unix.SetNonblock(fds[0], true); err != nil {
		unix.Close(fds[0])
		unix.Close(fds[1])
		return nil, nil, err
	}
	_, _ = unix.FcntlInt(uintptr(fds[1]), unix.F_SETPIPE_SZ, pipeSize)
	// Servers open /dev/stderr again, also after they have become another user.
	_ = unix.Fchmod(fds[1], 0o666)
	s := r.source
	p := &pipe{run: r, stream: stream, done: make(chan struct{}), credit: patience}
	p.change.L = &p.mu
	p.r = os.NewFile(uintptr(fds[0]), s.id+" "+string(stream))
	if s.hub.out != nil && !s.quiet {
		p.out = s.hub.out
		p.view = newViewer(s.label, stream, s.hub.opts.style())
	}
	return p, os.NewFile(uintptr(fds[1]), s.id+" "+string(stream)), nil
}

// buffers is what carrying one read takes. It is held only while there is data.
type buffers struct {
	read  [readSize]byte
	lines []line
	text  []byte // as records
	shown []byte // as stdout shows them
}

// buffers takes some from the pool.
func (h *Hub) buffers() *buffers { return h.pool.Get().(*buffers) }

// release gives b back, without what unusual data has blown up.
func (h *Hub) release(b *buffers) {
	if cap(b.lines) > 4096 {
		b.lines = nil
	}
	if cap(b.text) > 4*readSize {
		b.text = nil
	}
	if cap(b.shown) > 4*readSize {
		b.shown = nil
	}
	h.pool.Put(b)
}

// read carries the stream until it ends.
func (p *pipe) read() {
	defer close(p.done)
	hub := p.run.source.hub
	conn, err := p.r.SyscallConn()
	for err == nil {
		var buf *buffers
		n := 0
		end := false
		err = conn.Read(func(fd uintptr) bool {
			if buf == nil {
				buf = hub.buffers()
			}
			if n, end = p.take(int(fd), buf.read[:]); n > 0 || end {
				return true
			}
			hub.release(buf)
			buf = nil
			return false
		})
		if buf != nil {
			if n > 0 {
				buf.lines = p.frame.split(buf.read[:n], buf.lines[:0])
				p.deliver(buf, true)
				p.carried()
			}
			hub.release(buf)
		}
		if end {
			break
		}
	}
	p.mu.Lock()
	p.idle = false // a close from outside may have come while it was set
	p.mu.Unlock()
	p.deliverRest(true)
	p.r.Close()
	p.mu.Lock()
	p.ended = true
	p.change.Broadcast()
	p.mu.Unlock()
	p.run.finish()
}

// fill reads until buf is full or the pipe is empty. End is true after the
// last writer is gone, or when the pipe cannot be read at all.
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

// take reads what there is. The lock is held meanwhile, so that a drain can
// tell how much was written before it; reading never blocks.
func (p *pipe) take(fd int, buf []byte) (n int, end bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	n, end = fill(fd, buf)
	p.taken += int64(n)
	p.idle = n == 0 && !end
	if p.idle {
		p.change.Broadcast()
	}
	return n, end
}

// carried notes that all that was taken is delivered.
func (p *pipe) carried() {
	p.mu.Lock()
	p.delivered = p.taken
	p.change.Broadcast()
	p.mu.Unlock()
}

// drain waits until the pipe has ended, or all that was in it at the time of
// the call is delivered.
func (p *pipe) drain(ctx context.Context) error {
	stop := context.AfterFunc(ctx, func() {
		p.mu.Lock()
		p.change.Broadcast()
		p.mu.Unlock()
	})
	defer stop()
	p.mu.Lock()
	defer p.mu.Unlock()
	target := p.taken + p.waiting()
	for !p.settled(target) {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		p.change.Wait()
	}
	if !p.ended && p.idle {
		p.deliverRest(false) // the reader can't wake while the lock is held
	}
	return nil
}

// settled reports whether target bytes were delivered, and the end was seen if
// it has come.
func (p *pipe) settled(target int64) bool {
	switch {
	case p.ended, p.delivered > target:
		return true
	case p.delivered < target || !p.idle:
		return false
	}
	hungUp := false
	conn, err := p.r.SyscallConn()
	if err == nil {
		_ = conn.Control(func(fd uintptr) {
			fds := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
			n, err := unix.Poll(fds, 0)
			hungUp = err == nil && n > 0 && fds[0].Revents&unix.POLLHUP != 0
		})
	}
	return !hungUp // else the reader is about to wake
}

// waiting asks the kernel how many bytes are in the pipe.
func (p *pipe) waiting() int64 {
	n := 0
	conn, err := p.r.SyscallConn()
	if err == nil {
		err = conn.Control(func(fd uintptr) { n, err = unix.IoctlGetInt(int(fd), unix.TIOCINQ) })
	}
	if err != nil {
		return 0
	}
	return int64(n)
}

// deliverRest delivers the beginning of a line that has no end.
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

// deliver hands buf.lines to the file, stdout and the watch, in this order. With
// wait set, a stdout that moves gets a moment to catch up first; the watch, which
// may decide whether a service is ready, does not wait for that.
func (p *pipe) deliver(buf *buffers, wait bool) {
	const most = 1024 // lines at a time: short ones grow much by their prefix
	r := p.run
	for lines := buf.lines; len(lines) > 0; {
		part := lines[:min(len(lines), most)]
		lines = lines[len(part):]
		seen := r.watch == nil
		p.last.add(part)
		size := 0
		if wait && p.out != nil {
			size = p.view.size(part)
			p.credit = p.out.expect(size, p.credit, func() {
				r.see(part)
				seen = true
			})
		}
		r.source.carry(p, part, size, buf)
		if !seen {
			r.see(part)
		}
	}
}

// see shows lines to the watch, where there is one.
func (r *Run) see(lines []line) {
	if r.watch == nil {
		return
	}
	r.once.Lock()
	defer r.once.Unlock()
	for _, l := range lines {
		r.watch(l.text)
	}
}

// finish forgets the run when both pipes have ended.
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
