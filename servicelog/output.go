package servicelog

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// outputLimit bounds the queue of stdout, in bytes.
	outputLimit = 512 << 10
	// heldLimit bounds the lines of the backlog that are in no file, in bytes. Our own
	// lines may take twice as much.
	heldLimit = 512 << 10
	// patience is how long a pipe may wait at a time if the queue of a stdout that makes
	// progress is full, so that bursts need no backlog. A pipe earns it back with what
	// it carries: no service is slowed to less than slowest bytes a second.
	patience = 50 * time.Millisecond
	slowest  = 16 << 20
	// tick is how soon we notice that stdout makes no progress.
	tick = 100 * time.Millisecond
)

// An output is the only writer of stdout. Whole lines come from many goroutines, and one
// goroutine writes them, so that no line is ever torn and nobody waits for stdout. Lines
// are queued in memory. Those that don't fit are a [backlog], which is read back once
// the queue is written.
type output struct {
	w     writer
	stall atomic.Int64 // a time.Duration: how long to wait without progress once closed
	style style

	late  atomic.Bool // there is a backlog, for which no text has to be formatted
	stuck atomic.Bool // stdout makes no progress

	mu       sync.Mutex
	queue    []byte
	behind   *backlog      // what comes after queue; nil: nothing
	reading  bool          // a backlog is being read back
	expected int           // bytes that were announced and have not come
	held     int           // bytes of backlogs in memory, including the one being read back
	room     chan struct{} // closed when the queue is taken; nil: nobody waits
	broken   error         // why nothing can be written any more
	closed   time.Time     // zero: it is open

	quit atomic.Bool   // the time for closing is over
	wake chan struct{} // gets a token when there is something to write, or closed is set
	done chan struct{} // the writing goroutine has ended
}

// A writer is what an output writes to. If it makes no progress for the given time,
// write returns how much it has written, and errBusy. It is then called again with the
// rest.
type writer interface {
	write(b []byte, patience time.Duration) (int, error)
	// last writes b if there is room for all of it, or if it can make room.
	last(b []byte)
	close()
}

func newOutput(w io.Writer, stall time.Duration, s style) *output {
	o := &output{w: newWriter(w), style: s,
		wake: make(chan struct{}, 1), done: make(chan struct{})}
	o.stall.Store(int64(stall))
	go o.run()
	return o
}

// An item is some lines on their way to stdout.
type item struct {
	stamp
	view      *viewer // formats them
	continues bool    // the first one continues the line before it
	lines     int
	expected  int    // how many bytes were announced
	text      []byte // the formatted lines; nil: they are only in the file
	swap      bool   // text may become the queue, for which the caller gets that one's memory

	file     *file // nil: they are in no file
	from, to spot
}

// put takes an item. It never waits. The text is copied, unless put returns other memory
// to use instead of it.
func (o *output) put(it item) (spare []byte) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.expected -= it.expected
	if o.broken != nil || !o.closed.IsZero() || it.lines == 0 {
		return nil
	}
	if o.behind == nil {
		if it.text != nil && (len(o.queue) == 0 || len(o.queue)+len(it.text) <= outputLimit) {
			if it.swap && len(o.queue) == 0 && cap(o.queue) > 0 {
				o.queue, spare = it.text, o.queue
			} else {
				o.queue = append(o.queue, it.text...)
			}
			o.poke()
			return spare
		}
		o.behind = newBacklog(o.style)
		o.late.Store(true)
	}
	defer o.poke()
	if it.file != nil {
		o.behind.extend(it)
		return nil
	}
	limit := heldLimit
	if it.view.label == Self {
		limit *= 2 // they are few, and nobody else says what they say
	}
	h := held{stamp: it.stamp, text: bytes.Clone(it.text)}
	if o.held+h.size() > limit {
		h = held{stamp: it.stamp, lost: uint64(it.lines)}
	}
	o.held += o.behind.keep(h)
	return nil
}

// expect announces an item of about size bytes. If the queue is full and stdout makes
// progress, it first waits for it to catch up, as long as credit allows. It returns what
// is left of the credit. Before it waits for the first time, it calls before.
func (o *output) expect(size int, credit time.Duration, before func()) time.Duration {
	credit = min(patience, credit+time.Duration(size)*time.Second/slowest)
	o.mu.Lock()
	defer o.mu.Unlock()
	full := func() bool {
		return o.behind != nil || len(o.queue) > 0 && len(o.queue)+o.expected+size > outputLimit
	}
	for full() && credit > 0 && !o.stuck.Load() && o.broken == nil && o.closed.IsZero() {
		if before != nil {
			o.mu.Unlock()
			before()
			before = nil
			o.mu.Lock()
			continue
		}
		if o.room == nil {
			o.room = make(chan struct{})
		}
		room := o.room
		o.mu.Unlock()
		began, enough := time.Now(), time.NewTimer(credit)
		select {
		case <-room:
		case <-enough.C:
		}
		enough.Stop()
		credit -= time.Since(began)
		o.mu.Lock()
	}
	o.expected += size
	return max(0, credit)
}

func (o *output) poke() {
	select {
	case o.wake <- struct{}{}:
	default:
	}
}

// take takes the queue, or, if that is empty, the backlog.
func (o *output) take(spare []byte) (queue []byte, behind *backlog, closed bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(o.queue) > 0 {
		queue, o.queue = o.queue, spare[:0]
	} else if o.behind != nil {
		behind, o.behind = o.behind, nil
		o.late.Store(false)
	}
	o.reading = behind != nil
	if o.room != nil {
		close(o.room)
		o.room = nil
	}
	return queue, behind, !o.closed.IsZero()
}

// run writes all that comes, until the output is closed.
func (o *output) run() {
	defer close(o.done)
	defer o.w.close()
	var spare []byte
	for {
		queue, behind, closed := o.take(spare)
		var err error
		switch {
		case len(queue) > 0:
			spare = queue
			err = o.flush(queue, nil)
		case behind != nil:
			spare = nil // free it: reading back may take long
			err = o.readBack(behind)
		case closed:
			return
		default:
			<-o.wake
		}
		if err != nil {
			o.mu.Lock()
			o.broken = err
			o.queue, o.behind = nil, nil
			o.mu.Unlock()
			return
		}
	}
}

// readBack writes a backlog.
func (o *output) readBack(b *backlog) error {
	var text []byte
	for failing := (time.Time{}); ; {
		var freed int
		var err error
		text, freed, err = b.next(text[:0])
		o.mu.Lock()
		o.held -= freed
		o.mu.Unlock()
		if err := o.flush(text, b); err != nil {
			return err
		}
		switch {
		case err != nil: // too many open files, or no memory: it will pass
			if failing.IsZero() {
				failing = time.Now()
			}
			if o.over(failing) {
				return o.giveUp(nil, false, b)
			}
			time.Sleep(tick)
		case len(text) == 0:
			return nil
		default:
			failing = time.Time{}
		}
	}
}

// flush writes all of b; more is what comes after it. It gives up only if stdout is
// broken, or, once the output is closed, if stdout makes no progress or time is over.
func (o *output) flush(b []byte, more *backlog) error {
	still, whole := time.Now(), b
	for len(b) > 0 {
		n, err := o.w.write(b, tick)
		b = b[n:]
		switch {
		case n > 0:
			still = time.Now()
			o.stuck.Store(false)
		case err == errBusy:
			o.stuck.Store(true)
		}
		if err != nil && err != errBusy {
			return err
		}
		if len(b) > 0 && o.over(still) {
			at := len(whole) - len(b)
			return o.giveUp(b, at > 0 && whole[at-1] != '\n', more)
		}
	}
	return nil
}

// over reports whether to give up a stdout that has made no progress since still.
func (o *output) over(still time.Time) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.closed.IsZero() {
		return false
	}
	if still.Before(o.closed) {
		still = o.closed
	}
	return o.quit.Load() || time.Since(still) >= time.Duration(o.stall.Load())
}

// giveUp counts the lines that stdout does not get, and leaves a mark there if it can.
// torn says that the last line written lacks its end.
func (o *output) giveUp(rest []byte, torn bool, more *backlog) error {
	o.mu.Lock()
	n := uint64(bytes.Count(rest, []byte("\n")) + bytes.Count(o.queue, []byte("\n")))
	for _, b := range []*backlog{more, o.behind} {
		if b != nil {
			n += b.left()
		}
	}
	o.mu.Unlock()
	if torn && rest[0] == '\n' {
		n-- // only its newline is missing
	}
	err := &notReadError{n}
	var mark []byte
	if torn {
		mark = append(mark, '\n')
	}
	mark, _ = newViewer(Self, Marks, o.style).append(mark, []line{{text: []byte(err.Error())}}, time.Now())
	o.w.last(mark)
	return err
}

// A notReadError says how many lines stdout has not got.
type notReadError struct{ lines uint64 }

func (e *notReadError) Error() string {
	return fmt.Sprintf("stdout is not read: %s not shown", count(uint64(e.lines), "line"))
}

// close writes all that is left, as long as stdout makes progress and ctx lasts.
func (o *output) close(ctx context.Context) error {
	o.mu.Lock()
	o.closed = time.Now()
	o.mu.Unlock()
	o.poke()
	select {
	case <-o.done:
	case <-ctx.Done():
		o.quit.Store(true)
		select {
		case <-o.done:
		case <-time.After(10 * tick): // the goroutine is waiting for the disk
			return fmt.Errorf("stdout: %w", context.Cause(ctx))
		}
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.broken
}
