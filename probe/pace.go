package probe

import "time"

const (
	firstDelay    = 5 * time.Millisecond // of a probe without an initial delay
	shortestPause = 5 * time.Millisecond // after a check that took longer than its period
)

// pace decides when the next check is due. It is pure.
//
// A probe without a set initial delay is eager until it first passes: it
// begins at firstDelay and doubles the interval up to the period, so that a
// server is seen soon after it is up. Failures of that phase count against
// the threshold only once in a period, so that eagerness makes no process
// fail earlier than its period and threshold say.
type pace struct {
	initial time.Duration
	period  time.Duration
	eager   bool

	interval time.Duration // the last eager one
	counted  time.Duration // age of the last failure that counted
}

func newPace(initial *time.Duration, period time.Duration) *pace {
	p := &pace{period: period}
	if initial == nil {
		p.eager = true
		p.interval = firstDelay
		p.initial = min(firstDelay, period)
	} else {
		p.initial = *initial
	}
	return p
}

// first is the age of the process at which the first check is due.
func (p *pace) first() time.Duration { return p.initial }

// next is how long to wait after a check that took so long.
func (p *pace) next(took time.Duration) time.Duration {
	interval := p.period
	if p.eager {
		p.interval = min(2*p.interval, p.period)
		interval = p.interval
	}
	return max(interval-took, shortestPause)
}

// passed ends the eager phase.
func (p *pace) passed() { p.eager = false }

// counts reports whether a failure at that age counts.
func (p *pace) counts(age time.Duration) bool {
	if p.eager && age-p.counted < p.period {
		return false
	}
	p.counted = age
	return true
}
