package servicelog

import (
	"cmp"
	"fmt"
	"slices"
	"sync"
	"time"
)

// retryTime is how long to wait before a file that could not be written is tried
// again.
const retryTime = time.Second

// health knows which files can't be written now. It has a lock of its own, not those of
// the files, so that nobody who asks waits for a disk.
type health struct {
	mu      sync.Mutex
	failing map[*file]failure
	again   *time.Timer // the next try; nil: none is due
	closed  bool
}

type failure struct {
	id    string
	err   error
	since time.Time
}

// Degraded returns why lines are being lost from the files, and since when. The reason
// is empty if none are. It never waits.
func (h *Hub) Degraded() (reason string, since time.Time) {
	h.health.mu.Lock()
	defer h.health.mu.Unlock()
	var all []failure
	for _, i := range h.health.failing {
		all = append(all, i)
	}
	if len(all) == 0 {
		return "", time.Time{}
	}
	first := slices.MinFunc(all, func(a, b failure) int {
		return cmp.Or(a.since.Compare(b.since), cmp.Compare(a.id, b.id))
	})
	if len(all) == 1 {
		return fmt.Sprintf("the log of %q cannot be written: %v", first.id, reasonOf(first.err)), first.since
	}
	return fmt.Sprintf("the logs of %q and %d more cannot be written: %v", first.id, len(all)-1, reasonOf(first.err)), first.since
}

// noteHealth notes that a file can't be written any more, or, if err is nil, that it can
// again.
func (h *Hub) noteHealth(id string, f *file, err error) {
	h.health.mu.Lock()
	_, known := h.health.failing[f]
	switch {
	case known == (err != nil): // noted already
		h.health.mu.Unlock()
		return
	case err == nil:
		delete(h.health.failing, f)
	default:
		if h.health.failing == nil {
			h.health.failing = map[*file]failure{}
		}
		h.health.failing[f] = failure{id, err, time.Now()}
		h.retryLater()
	}
	h.health.mu.Unlock()
	h.opts.Degraded(id, err)
}

// retryLater schedules the next try. The caller holds the lock.
func (h *Hub) retryLater() {
	if h.health.again == nil && !h.health.closed {
		h.health.again = time.AfterFunc(retryTime, h.retry)
	}
}

// retry tries all files that could not be written, because a silent service would never
// try its own. It also corrects what we believe of a file if two goroutines have noted
// its failure and its recovery in the wrong order.
func (h *Hub) retry() {
	h.health.mu.Lock()
	h.health.again = nil
	failing := make(map[*file]string, len(h.health.failing))
	for f, i := range h.health.failing {
		failing[f] = i.id
	}
	h.health.mu.Unlock()
	for f, id := range failing {
		h.noteHealth(id, f, f.retry(&h.clock))
	}
	h.health.mu.Lock()
	if len(h.health.failing) > 0 {
		h.retryLater()
	}
	h.health.mu.Unlock()
}

func (h *health) stop() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.closed = true
	if h.again != nil {
		h.again.Stop()
	}
}
