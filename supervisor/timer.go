package supervisor

import (
	"time"

	"nix2gpu/project"
)

type timerID uint64

// A timer is something that is due later: what, and of whom. One that is about
// a service or a run is cancelled before that is forgotten.
type timer struct {
	kind    timerKind
	service project.ID // restartDue, runDue
	run     RunID      // killDue, signalDue, goneDue
	level   int        // levelDue

	cancel func()
}

type timerKind uint8

const (
	restartDue timerKind = iota // the wait before a restart is over
	runDue                      // the schedule of a service is to be looked at
	killDue                     // the grace of a run is over
	signalDue                   // a shutdown command has had its time
	goneDue                     // a killed run should have gone
	levelDue                    // the share of the levels before this one is over
	budgetOver                  // the whole stop should be over
	reportDue                   // whom the stop waits for is to be said
	calmOver                    // a service may be called healthy; settle looks again
	catchUpDue                  // readers that are slow may have room again
)

// after sets a timer.
func (c *core) after(d time.Duration, t timer) timerID {
	c.lastTimer++
	id := c.lastTimer
	t.cancel = c.world.After(d, Fact{Kind: timerFired, timer: id})
	c.timers[id] = t
	return id
}

// afterRun sets a timer that ends with the run.
func (c *core) afterRun(d time.Duration, kind timerKind, r *run) {
	r.timers = append(r.timers, c.after(d, timer{kind: kind, run: r.ID}))
}

func (c *core) cancel(id timerID) {
	if t, ok := c.timers[id]; ok {
		delete(c.timers, id)
		t.cancel()
	}
}

// fire does what is due.
func (c *core) fire(id timerID) {
	t, ok := c.timers[id]
	if !ok {
		return // it was cancelled on its way
	}
	delete(c.timers, id)
	switch t.kind {
	case restartDue:
		c.try(c.services[t.service])
	case runDue:
		c.tick(c.services[t.service])
	case killDue:
		c.kill(c.runs[t.run])
	case signalDue:
		c.signalRun(c.runs[t.run])
	case goneDue:
		c.immortal(c.runs[t.run])
	case levelDue:
		c.stopLevels(t.level)
	case budgetOver:
		c.killAll()
	case catchUpDue:
		c.catchUp()
	case reportDue:
		c.sayWaiting()
	}
}
