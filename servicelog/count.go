package servicelog

import "sync/atomic"

// A Count is how much a source has written since the Hub was opened.
type Count struct {
	Bytes, Lines uint64
	Lost         uint64 // lines that could not be kept in its files
	Dropped      uint64 // lines beyond the limit of its rate

	RemovedFiles, RemovedBytes uint64 // older files that its other limits have removed
}

// counter is a Count that grows.
type counter struct{ bytes, lines, lost, dropped, files, removed atomic.Uint64 }

func (c *counter) add(lines []line) {
	n := 0
	for _, l := range lines {
		n += len(l.text)
		if l.end == EndNewline || l.end == EndReturn {
			n++
		}
	}
	c.bytes.Add(uint64(n))
	c.lines.Add(uint64(len(lines)))
}

// counter returns the counter of a source. The caller holds the lock.
func (h *Hub) counter(id string) *counter {
	c := h.counters[id]
	if c == nil {
		c = &counter{}
		h.counters[id] = c
	}
	return c
}

// Counts returns how much each source has written, by its id.
func (h *Hub) Counts() map[string]Count {
	h.mu.Lock()
	defer h.mu.Unlock()
	all := make(map[string]Count, len(h.counters))
	for id, c := range h.counters {
		all[id] = Count{Bytes: c.bytes.Load(), Lines: c.lines.Load(), Lost: c.lost.Load(), Dropped: c.dropped.Load(),
			RemovedFiles: c.files.Load(), RemovedBytes: c.removed.Load()}
	}
	return all
}
