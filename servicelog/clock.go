package servicelog

import (
	"sync"
	"time"
)

// A stamp is the time at which a batch of lines was read, and its number in
// the order of all sources: no two are the same, and what is read later has a
// later one. The files keep its time, so that records of several files can be
// brought into one order again.
type stamp struct {
	at  time.Time
	era int // how often the computer's clock was set back before
}

func (s stamp) before(o stamp) bool {
	return s.era < o.era || s.era == o.era && s.at.Before(o.at)
}

// clock gives stamps. The zero value is ready to use.
type clock struct {
	now func() time.Time // nil: the computer's

	mu   sync.Mutex
	last stamp
}

// setBack is by how much the computer's clock may go back without a new era:
// so long the times run ahead of it.
const setBack = time.Second

func (c *clock) next() stamp {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now
	if c.now != nil {
		now = c.now
	}
	at := now().Round(0) // the wall clock, as it stands in the files
	switch {
	case at.After(c.last.at):
	case c.last.at.Sub(at) < setBack:
		at = c.last.at.Add(1)
	default:
		c.last.era++
	}
	c.last.at = at
	return c.last
}
