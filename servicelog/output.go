package servicelog

import (
	"context"
	"fmt"
	"io"
	"sync"
	"time"
)

// outputLimit bounds what waits for stdout. A batch that would exceed it
// waits, unless nothing does.
const outputLimit = 512 << 10

// output is the one writer of stdout. Batches of whole lines come from many
// goroutines; one goroutine writes them, so that no line is ever torn.
type output struct {
	w      writer
	stall  time.Duration            // without movement for so long, lines are dropped
	marker func(lost uint64) []byte // the line that says how many

	mu      sync.Mutex
	space   sync.Cond // pending was taken, or waiting makes no sense any more
	pending []byte
	lost    uint64 // lines that a stalled stdout did not get, not told yet
	stalled bool
	broken  error // nobody will ever read it
	closed  bool

	wake chan struct{} // pending has something, or closed is set
	done chan struct{} // the writing goroutine has ended
}

// writer is where an output writes. A write returns early, with what it has
// written and errBusy, when nothing has moved for the given time.
type writer interface {
	write(b []byte, patience time.Duration) (int, error)
	close()
}

func newOutput(w io.Writer, stall time.Duration, marker func(uint64) []byte) *output {
	o := &output{stall: stall, marker: marker, wake: make(chan struct{}, 1), done: make(chan struct{})}
	o.space.L = &o.mu
	o.w = newWriter(w, o.stuck)
	go o.run()
	return o
}

// put queues a batch of n whole lines; the batch is copied. With wait set it
// waits for a stdout that is slow, though not for one that stands still.
func (o *output) put(batch []byte, n int, wait bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	limit := outputLimit
	if !wait {
		limit *= 2 // a line of our own should not be lost to a slow reader
	}
	full := func() bool { return len(o.pending) > 0 && len(o.pending)+len(batch) > limit }
	for wait && full() && !o.stalled && o.broken == nil && !o.closed {
		o.space.Wait()
	}
	switch {
	case o.broken != nil || o.closed:
		return
	case o.stalled && wait, full():
		o.lost += uint64(n)
		return
	case o.lost > 0 && !o.stalled: // dropped without a stall: the queue was full
		o.pending = append(o.pending, o.marker(o.lost)...)
		o.lost = 0
	}
	o.pending = append(o.pending, batch...)
	o.poke()
}

func (o *output) poke() {
	select {
	case o.wake <- struct{}{}:
	default:
	}
}

// stuck notes that nothing has moved for the time of a stall.
func (o *output) stuck() {
	o.mu.Lock()
	o.stalled = true
	o.space.Broadcast()
	o.mu.Unlock()
}

// moved notes that stdout takes bytes. After a stall, the gap is marked behind
// what was queued before it.
func (o *output) moved() {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.stalled {
		o.stalled = false
		if o.lost > 0 {
			o.pending = append(o.pending, o.marker(o.lost)...)
			o.lost = 0
			o.poke()
		}
	}
}

// run writes what is pending, until closed.
func (o *output) run() {
	defer close(o.done)
	defer o.w.close()
	var batch []byte
	for range o.wake {
		o.mu.Lock()
		batch, o.pending = o.pending, batch[:0]
		closed := o.closed
		o.space.Broadcast()
		o.mu.Unlock()
		if err := o.flush(batch); err != nil {
			o.mu.Lock()
			o.broken = err
			o.pending = nil
			o.space.Broadcast()
			o.mu.Unlock()
			return
		}
		if closed && len(batch) == 0 {
			return
		}
		if closed {
			o.poke() // lines that came in meanwhile, or the marker of a gap
		}
	}
}

// flush writes all of b. It gives up only when stdout is broken, or stands
// still and is closed.
func (o *output) flush(b []byte) error {
	for len(b) > 0 {
		n, err := o.w.write(b, o.stall)
		if n > 0 {
			o.moved()
		}
		b = b[n:]
		switch {
		case err == errBusy && n == 0:
			o.stuck()
			o.mu.Lock()
			closed := o.closed
			o.mu.Unlock()
			if closed {
				return errBusy
			}
		case err != nil && err != errBusy:
			return err
		}
	}
	return nil
}

// close writes what is queued, for as long as stdout moves and ctx lasts.
func (o *output) close(ctx context.Context) error {
	o.mu.Lock()
	o.closed = true
	var enough <-chan time.Time
	if o.stalled {
		enough = time.After(o.stall + 100*time.Millisecond)
	}
	o.space.Broadcast()
	o.mu.Unlock()
	o.poke()
	select {
	case <-o.done:
	case <-enough:
		return errBusy
	case <-ctx.Done():
		return fmt.Errorf("stdout: %w", context.Cause(ctx))
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.broken
}
