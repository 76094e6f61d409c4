package process

import (
	"math/rand/v2"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// A descendant may leave the group, the session and its parents, close our pipes and lose
// the cookie, by "env -i" or under a title, all before the program that has started it
// ends. So there is also a mark that no program takes off, nor sees: a soft limit of file
// locks, which Linux does not enforce since 2.4.25. A child has it from its birth, since
// it is ours while we fork.
const markedLimit = unix.RLIMIT_LOCKS

// newMark returns a mark; 0 if somebody else limits the same.
func newMark(l Limits) uint64 {
	if _, taken := l.Rlimits[markedLimit]; taken {
		return 0
	}
	return 1<<40 + rand.Uint64N(1<<40)
}

// putMark lets us have the mark of the child that is forked next. Called on the thread
// that forks, as is what it returns, which takes the mark off.
func (r *forkRequest) putMark() (takeOff func()) {
	var own unix.Rlimit
	if r.mark != 0 && unix.Getrlimit(markedLimit, &own) == nil &&
		unix.Setrlimit(markedLimit, &unix.Rlimit{Cur: r.mark, Max: own.Max}) == nil {
		return func() { _ = unix.Setrlimit(markedLimit, &own) } // it can be what it was
	}
	r.mark = 0 // our own hard limit is below it
	return func() {}
}

// marked reports whether a process has the mark of p.
func (p *Process) marked(pid int) bool { return p.mark != 0 && markOf(pid) == p.mark }

// markOf returns what may be the mark of a process.
func markOf(pid int) (mark uint64) {
	limits, err := readProc(procDir(pid) + "/limits")
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(limits)) {
		if value, ok := strings.CutPrefix(line, "Max file locks"); ok {
			if f := strings.Fields(value); len(f) > 0 {
				mark, _ = strconv.ParseUint(f[0], 10, 64) // "unlimited" is no mark
			}
		}
	}
	return mark
}
