package supervisor

import "nix2gpu/control"

// keptEvents is how many events are kept for readers that come back.
const keptEvents = 256

// An eventHistory holds the last events, in a ring.
type eventHistory struct {
	ring []control.Event
	next int // where the next one goes, once the ring is full
}

func (h *eventHistory) add(ev control.Event) {
	if h.ring == nil {
		h.ring = make([]control.Event, 0, keptEvents) // a project of some dozens fills it as it starts
	}
	if len(h.ring) < keptEvents {
		h.ring = append(h.ring, ev)
		return
	}
	h.ring[h.next] = ev
	h.next = (h.next + 1) % keptEvents
}

// since returns the events that follow the one with the number after; last is that of
// the newest. ok says that none is missing.
func (h *eventHistory) since(after, last uint64) (events []control.Event, ok bool) {
	if after == 0 || after > last || last-after > uint64(len(h.ring)) {
		return nil, false
	}
	n := int(last - after)
	for i := len(h.ring) - n; i < len(h.ring); i++ {
		events = append(events, h.ring[(h.next+i)%len(h.ring)])
	}
	return events, true
}
