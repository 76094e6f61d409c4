package process

import (
	"time"

	"golang.org/x/sys/unix"
)

// A birthClock tells the start of a child, as [Info] has it, by the clock before and after
// the fork, instead of by three system calls for a file of /proc. That is so in Linux; others
// that speak its language may count from another moment, so the first child whose start is
// read as well decides. The Host's lock guards it.
type birthClock struct {
	compared bool
	agrees   bool
}

// bootTime returns the clock by which the kernel notes starts; 0 if it can't be read.
func bootTime() time.Duration {
	var now unix.Timespec
	if unix.ClockGettime(unix.CLOCK_BOOTTIME, &now) != nil {
		return 0
	}
	return time.Duration(now.Nano())
}

// bornIn returns the clock tick in which both moments are; 0 if that is not certain.
func bornIn(before, after time.Duration) uint64 {
	const tick = time.Second / clockTicks
	const inexact = time.Microsecond // between the kernel's own reading and ours
	if before <= inexact || (before-inexact)/tick != (after+inexact)/tick {
		return 0
	}
	return uint64(before / tick)
}

// start returns the start of a child that was born in a tick, which is 0 if that is not
// known. It returns 0 if nobody knows.
func (c *birthClock) start(pid int, born uint64) uint64 {
	if born != 0 && c.agrees {
		return born
	}
	info, err := Inspect(pid)
	if err != nil {
		return 0
	}
	if born != 0 && !c.compared {
		c.compared, c.agrees = true, born == info.Start
	}
	return info.Start
}
