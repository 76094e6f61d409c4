package probe

import "time"

const (
	firstDelay    = 5 * time.Millisecond // of a probe without an initial delay
	shortestPause = 5 * time.Millisecond // after a check that took longer than its period
	eagerShare    = 4                    // during the start, checks are a quarter of the process's age apart
)

// pace decides when the next check is due. It is pure.
//
// A probe without an initial delay is eager until it first passes: it begins at
// firstDelay, and its intervals grow with the age of the process up to the period.
// So waiting for the next check makes no start longer by more than a quarter, and
// a server that is slow to come up is checked rarely. After a check that takes
// long there is a pause of the same length if it runs a program, because the process that
// it waits for needs the processor. A question over the network waits itself, as those
// do that an etcd without a leader does not answer: a quarter is enough. In this phase only one failure a period counts against the
// threshold: eagerness makes no process fail earlier than its period and threshold
// say.
type pace struct {
	initial time.Duration
	period  time.Duration
	eager   bool
	runs    bool          // a check runs a program
	counted time.Duration // age of the last failure that counted
}

func newPace(initial, period time.Duration, runs bool) *pace {
	if initial > 0 {
		return &pace{initial: initial, period: period, runs: runs}
	}
	return &pace{initial: min(firstDelay, period), period: period, eager: true, runs: runs}
}

// first returns the age of the process at which the first check is due.
func (p *pace) first() time.Duration { return p.initial }

// next returns how long to wait after a check of the duration took, which ended
// when the process had that age.
func (p *pace) next(age, took time.Duration) time.Duration {
	if !p.eager {
		return max(p.period-took, shortestPause)
	}
	interval := min(max((age-took)/eagerShare, firstDelay), p.period)
	rest := took
	if !p.runs {
		rest /= eagerShare
	}
	return max(interval-took, min(rest, p.period-took), shortestPause)
}

// passed ends the eager phase.
func (p *pace) passed() { p.eager = false }

// counts reports whether a failure at that age counts against the threshold.
func (p *pace) counts(age time.Duration) bool {
	if p.eager && age-p.counted < p.period {
		return false
	}
	p.counted = age
	return true
}
