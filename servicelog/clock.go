package servicelog

import (
	"sync"
	"time"
)

// A stamp is the time at which a batch of lines was read. No two are equal, and what is
// read later has a later one, whatever its source. The files keep the time, by which
// records of several files can be merged again.
type stamp struct {
	at  time.Time
	era int // how often the system clock was set back before
}

func (s stamp) before(o stamp) bool {
	return s.era < o.era || s.era == o.era && s.at.Before(o.at)
}

// A clock makes stamps. The zero value is ready to use.
type clock struct {
	now func() time.Time // nil: the system clock

	mu   sync.Mutex
	last stamp
}

// setBack is how far the system clock may go back without a new era. Until it has
// caught up, stamps run ahead of it by a nanosecond each.
const setBack = time.Second

func (c *clock) next() stamp {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now
	if c.now != nil {
		now = c.now
	}
	at := now().Round(0) // without the monotonic clock, which files do not have
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

// clockError is by how much a clock may be off before it counts as set back.
const clockError = 2 * time.Second

// FirstTime returns the earliest time that a line can have of a run that began at since,
// and has run so long now. If the clock was set back meanwhile, its times are earlier than
// the beginning: then lines of an earlier run may come along, but none is missing.
func FirstTime(since, now time.Time, ran time.Duration) time.Time {
	if had := now.Round(0).Add(-ran); had.Before(since.Round(0).Add(-clockError)) {
		return had
	}
	return since
}
