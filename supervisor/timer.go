package supervisor

import (
	"time"
)

type timerID uint64

type timer struct {
	do     func()
	cancel func()
}

// after does something later, in the engine's goroutine, unless cancelled.
func (c *core) after(d time.Duration, do func()) timerID {
	c.lastTimer++
	id := c.lastTimer
	cancel := c.world.After(d, Fact{Kind: timerFired, timer: id})
	c.timers[id] = timer{do, cancel}
	return id
}

func (c *core) cancel(id timerID) {
	if t, ok := c.timers[id]; ok {
		delete(c.timers, id)
		t.cancel()
	}
}

func (c *core) fire(id timerID) {
	if t, ok := c.timers[id]; ok { // else it was cancelled on its way
		delete(c.timers, id)
		t.do()
	}
}
