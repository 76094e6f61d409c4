package supervisor

import (
	"time"

	"nix2gpu/project"
)

type timerID uint64

// A timer is something that is due later. A timer for a service or a run is cancelled before
// that is forgotten.
type timer struct {
	kind    timerKind
	service project.ID // restartDue, runDue
	run     RunID      // killDue, signalDue, launchDue, goneDue
	level   int        // levelDue

	cancel func()
}

type timerKind uint8

const (
	restartDue timerKind = iota // the wait before a restart is over
	runDue                      // it is time to look at the schedule of a service
	killDue                     // the grace of a run is over
	signalDue                   // the time for a shutdown command is over
	launchDue                   // the command of a daemon should have ended
	goneDue                     // a killed run should have ended
	levelDue                    // the time for the levels before this one is over
	budgetOver                  // the time for the whole stop is over
	reportDue                   // it is time to say for whom the stop waits
	calmOver                    // a service may count as healthy now; settle looks again
	catchUpDue                  // slow readers may have room again
)

// after sets a timer.
func (c *core) after(d time.Duration, t timer) timerID {
	c.lastTimer++
	id := c.lastTimer
	t.cancel = c.world.After(d, Fact{Kind: timerFired, timer: id})
	c.timers[id] = t
	return id
}

// afterRun sets a timer that is cancelled when the run ends.
func (c *core) afterRun(d time.Duration, kind timerKind, r *run) {
	r.timers = append(r.timers, c.after(d, timer{kind: kind, run: r.ID}))
}

func (c *core) cancel(id timerID) {
	if t, ok := c.timers[id]; ok {
		delete(c.timers, id)
		t.cancel()
	}
}

// fire handles a timer that has fired.
func (c *core) fire(id timerID) {
	t, ok := c.timers[id]
	if !ok {
		return // it was cancelled after it had fired
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
	case launchDue:
		c.launchLate(c.runs[t.run])
	case goneDue:
		c.unkillable(c.runs[t.run])
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
