package process

import (
	"strconv"
	"strings"
	"time"

	"github.com/fsnotify/fsnotify"
)

// The kernel only counts whom it has killed for lack of memory: for a process's own group,
// for ours, or for the machine. Whoever was killed is either a leader, which is reported
// with its end ([project.Exit.OOM]), or a descendant, for which we have to watch the
// counts.

const (
	// oomCalm is how long to wait after a kill, until a leader that was killed is dead.
	oomCalm = time.Second
	// oomPeriod is how often to look at a count that can't be watched, such as those of
	// cgroups v1.
	oomPeriod = 5 * time.Second
)

// An oomWatch notices kills for lack of memory.
type oomWatch struct {
	notify *fsnotify.Watcher // nil until there is something to watch
	mute   bool              // the count of our own group can't be watched
	wake   chan struct{}     // gets a token when there is more to watch
}

// watchOOM begins to watch a count, and reports whether that is possible: if not, it has to
// be polled. Called with the lock.
func (h *Host) watchOOM(file string, v2 bool) (tells bool) {
	if v2 && h.oom.notify == nil {
		h.oom.notify, _ = fsnotify.NewWatcher() // without one, we poll
	}
	select {
	case h.oom.wake <- struct{}{}:
	default:
	}
	return v2 && h.oom.notify != nil && h.oom.notify.Add(file) == nil
}

// hasMute reports whether there is a count to poll. Called with the lock.
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

// runOOM reports kills, until the Host closes.
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
		case <-errors: // an event was lost, but its kill is in the count
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

// tellOOM reports the kills of descendants. It returns true if it has to look again soon,
// because a leader is about to end, which may be one of those that were killed.
func (h *Host) tellOOM() (again bool) {
	var tell []func()
	h.mu.Lock()
	well := true // no leader without a group of its own is about to end
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
			h.oomSeen = max(h.oomSeen, h.oomTold) // no leader was among them
			tell = append(tell, func() { h.opts.OutOfMemory(int(n)) })
		}
	}
	h.mu.Unlock()
	for _, f := range tell {
		f()
	}
	return again
}

// isWell reports whether a process is alive and has no SIGKILL pending.
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

// settleOOM returns whether the leader of p was killed for lack of memory, and how many of
// its descendants were that have not been reported. Its own group says so for certain.
// The count of the container or the machine only says that somebody was killed since the
// last look. Called with the lock, once the leader is dead.
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

// looseOOM returns the number of kills in our own group, else on the machine, without those
// in groups that we have made. Called with the lock.
func (h *Host) looseOOM() int64 {
	n := oomKills(h.cgroups.memory)
	if !h.cgroups.nested {
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

// ownMemory finds what cgroups.memory and nested are.
func (c *cgroups) ownMemory() (file string, nested bool) {
	if c.v2 != "" && countsOOM(c.v2+"/memory.events") {
		return c.v2 + "/memory.events", true
	}
	if dir := c.v1["memory"]; dir != "" && countsOOM(dir+"/memory.oom_control") {
		return dir + "/memory.oom_control", false
	}
	return machineOOM, true
}

// machineOOM has the count of the whole machine.
const machineOOM = "/proc/vmstat"

// memory returns the file with the count of a group; "" if there is none.
func (g *cgroup) memory() string {
	if g == nil {
		return ""
	}
	return g.mem
}

const oomKillField = "oom_kill "

// oomKills reads a count of kills.
func oomKills(file string) int64 {
	data, _ := readProc(file) // a group that is removed has none
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
