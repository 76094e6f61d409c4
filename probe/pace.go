package probe

import "time"

const (
	firstDelay    = 5 * time.Millisecond // of a probe without an initial delay
	shortestPause = 5 * time.Millisecond // after a check that took longer than its period
	eagerShare    = 4                    // while starting: checks are a quarter of the age apart
)

// pace decides when the next check is due. It is pure.
//
// A probe without an initial delay, or with one of 0, is eager until it first
// passes: it begins at firstDelay, and the intervals grow with the age of the process up
// to the period. So the wait for the next check lengthens no start by more
// than a quarter, and checks of a server that is slow to come up become rare.
// A check that itself takes long gets a pause of the same length: the process
// that it is waiting for needs the processor. Failures of that phase count
// against the threshold only once in a period, so that eagerness makes no
// process fail earlier than its period and threshold say.
type pace struct {
	initial time.Duration
	period  time.Duration
	eager   bool
	counted time.Duration // age of the last failure that counted
}

func newPace(initial, period time.Duration) *pace {
	if initial > 0 {
		return &pace{initial: initial, period: period}
	}
	return &pace{initial: min(firstDelay, period), period: period, eager: true}
}

// first is the age of the process at which the first check is due.
func (p *pace) first() time.Duration { return p.initial }

// next is how long to wait after a check that took so long and has ended at
// that age of the process.
func (p *pace) next(age, took time.Duration) time.Duration {
	if !p.eager {
		return max(p.period-took, shortestPause)
	}
	interval := min(max((age-took)/eagerShare, firstDelay), p.period)
	return max(interval-took, min(took, p.period-took), shortestPause)
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
