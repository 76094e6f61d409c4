package process

import (
	"strconv"
	"strings"
	"time"

	"github.com/fsnotify/fsnotify"
)

// Who is killed for lack of memory is told by counts alone: those of a process's
// own group, of ours, or of the machine. A program that the kernel kills is one of
// these: a leader, whose end tells it ([project.Exit.OOM]), or one of its
// descendants, which somebody has to look for.

const (
	// oomCalm is how long after a kill is looked who is dead.
	oomCalm = time.Second
	// oomPeriod is how often a count is looked at that does not tell when it
	// changes, as those of the first version of cgroups.
	oomPeriod = 5 * time.Second
)

// An oomWatch notices kills for lack of memory.
type oomWatch struct {
	notify *fsnotify.Watcher // nil until there is something to watch
	mute   bool              // the count of our own group does not tell when it changes
	wake   chan struct{}     // something is to be watched now
}

// watchOOM begins to watch a count, and reports whether it tells when it changes.
// Called with the lock.
func (h *Host) watchOOM(file string, v2 bool) (tells bool) {
	if v2 && h.oom.notify == nil {
		h.oom.notify, _ = fsnotify.NewWatcher() // without one it is looked at
	}
	select {
	case h.oom.wake <- struct{}{}:
	default:
	}
	return v2 && h.oom.notify != nil && h.oom.notify.Add(file) == nil
}

// hasMute reports whether a count is to be looked at from time to time. Called with
// the lock.
func (h *Host) hasMute() bool {
	if h.oom.mute {
		return true
	}
	for _, p := range h.procs {
		if p.cgroup != nil && p.cgroup.mute && !p.hasExited() {
			return true
		}
	}
	return false
}

// runOOM looks for kills whenever there may be some.
func (h *Host) runOOM() {
	var events chan fsnotify.Event
	var errors chan error
	var due <-chan time.Time
	for {
		select {
		case <-h.oom.wake:
		case _, ok := <-events:
			if !ok { // closed
				events = nil
				continue
			}
			due = time.After(oomCalm)
			continue
		case <-errors: // a lost event: what it told is counted
			due = time.After(oomCalm)
			continue
		case <-due:
			due = nil
			if h.tellOOM() {
				due = time.After(oomCalm)
			}
		case <-h.quit:
			return
		}
		h.mu.Lock()
		if w := h.oom.notify; w != nil {
			events, errors = w.Events, w.Errors
		}
		if due == nil && h.hasMute() {
			due = time.After(oomPeriod)
		}
		h.mu.Unlock()
	}
}

// tellOOM tells of kills that no leader's end tells. It reports whether it has to
// look again soon: a leader is about to end.
func (h *Host) tellOOM() (again bool) {
	var tell []func()
	h.mu.Lock()
	well := true // every leader that has no group of its own
	for _, p := range h.procs {
		if p.hasExited() {
			continue
		}
		mem := p.cgroup.memory()
		if mem == "" {
			well = well && (h.opts.OutOfMemory == nil || isWell(p.pid))
			continue
		}
		n := oomKills(mem) - p.cgroup.told
		switch {
		case n <= 0:
		case !isWell(p.pid):
			again = true
		default:
			p.cgroup.told += n
			if p.spec.OutOfMemory != nil {
				tell = append(tell, func() { p.spec.OutOfMemory(int(n)) })
			}
		}
	}
	if h.opts.OutOfMemory != nil {
		switch n := h.looseOOM() - h.oomTold; {
		case n <= 0:
		case !well:
			again = true
		default:
			h.oomTold += n
			h.oomSeen = max(h.oomSeen, h.oomTold) // none of them was a leader
			tell = append(tell, func() { h.opts.OutOfMemory(int(n)) })
		}
	}
	h.mu.Unlock()
	for _, f := range tell {
		f()
	}
	return again
}

// isWell reports whether a process is alive, and not about to end by SIGKILL.
func isWell(pid int) bool {
	status, err := readProc(procDir(pid) + "/status")
	if err != nil {
		return false
	}
	hasMemory := false
	for line := range strings.Lines(string(status)) {
		name, value, _ := strings.Cut(line, ":")
		switch name {
		case "VmRSS":
			hasMemory = true
		case "SigPnd", "ShdPnd":
			const kill = 1 << (9 - 1)
			if set, err := strconv.ParseUint(strings.TrimSpace(value), 16, 64); err != nil || set&kill != 0 {
				return false
			}
		}
	}
	return hasMemory
}

// settleOOM says whether memory was the reason of p's end, and how many of its
// descendants were killed for it that nobody was told of. A group of its own knows
// for sure; the container's count, or the machine's, tells that somebody was killed
// since the last look. Called with the lock, once the leader is dead.
func (h *Host) settleOOM(p *Process, killed bool) (leader bool, others int) {
	if mem := p.cgroup.memory(); mem != "" {
		n := oomKills(mem) - p.cgroup.told
		p.cgroup.told += n
		if leader = killed && n > 0; leader {
			n--
		}
		return leader, int(n)
	}
	if !killed {
		return false, 0
	}
	n := h.looseOOM()
	if leader = n > h.oomSeen; leader {
		h.oomTold++
	}
	h.oomSeen = n
	return leader, 0
}

// looseOOM counts kills outside of the groups that we have made: in our own group,
// else on the machine. Called with the lock.
func (h *Host) looseOOM() int64 {
	file, nested := h.cgroups.ownMemory()
	n := oomKills(file)
	if !nested {
		return n
	}
	n -= h.oomGone
	for _, p := range h.procs {
		if mem := p.cgroup.memory(); mem != "" {
			n -= oomKills(mem)
		}
	}
	return n
}

// ownMemory is the file that counts the kills of our own group, else of the
// machine. Nested: the kills of the groups below count as well.
func (c *cgroups) ownMemory() (file string, nested bool) {
	if c.v2 != "" && countsOOM(c.v2+"/memory.events") {
		return c.v2 + "/memory.events", true
	}
	if dir := c.v1["memory"]; dir != "" && countsOOM(dir+"/memory.oom_control") {
		return dir + "/memory.oom_control", false
	}
	return machineOOM, true
}

// machineOOM counts the kills of the whole machine.
const machineOOM = "/proc/vmstat"

// memory is the file that counts the kills of a group; "" where there is none.
func (g *cgroup) memory() string {
	if g == nil {
		return ""
	}
	return g.mem
}

const oomKillField = "oom_kill "

// oomKills reads a count of kills for lack of memory.
func oomKills(file string) int64 {
	data, _ := readProc(file) // a group that is gone kills nobody
	for line := range strings.Lines(string(data)) {
		if v, ok := strings.CutPrefix(line, oomKillField); ok {
			n, _ := strconv.ParseInt(strings.TrimSpace(v), 10, 64)
			return n
		}
	}
	return 0
}

func countsOOM(file string) bool {
	data, err := readProc(file)
	return err == nil && strings.Contains("\n"+string(data), "\n"+oomKillField)
}
