package process

import (
	"cmp"
	"maps"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"nix2gpu/project"
)

// marked returns the processes whose cookie has a prefix, and their descendants.
func marked(t *table, prefix string) map[int]Info {
	set := make(map[int]Info)
	spare := ancestors(t)
	for pid := range t.byPID {
		if spare[pid] {
			continue
		}
		if strings.HasPrefix(cookieOf(pid), prefix) {
			t.below(pid, set)
		}
	}
	for pid := range spare {
		delete(set, pid)
	}
	return set
}

// ancestors returns us and the processes that have started us: a supervisor that was
// started from a leftover shell must not end itself.
func ancestors(t *table) map[int]bool {
	out := make(map[int]bool)
	for pid := unix.Getpid(); pid > 0 && !out[pid]; pid = t.byPID[pid].PPID {
		out[pid] = true
	}
	return out
}

// sweep ends what find finds, by its signal or TERM first, and by SIGKILL after grace,
// which counts from the first signal: on a busy machine a look alone may take longer. It
// goes on until find has found nothing twice: a process that forks while we look can hide
// its child once, but not after its own end. It waits for nothing that is abandoned, which
// has got SIGKILL before, and returns what of it lives on, if it ends all else.
func sweep(find func(*table) map[int]Info, signals map[int]project.Signal, grace time.Duration, abandoned map[int]uint64) (count int, stuck []Info, err error) {
	seen, struck := make(map[int]uint64), make(map[int]uint64)
	var begun time.Time // of the first signal
	pause, clean := time.Millisecond, 0
	for {
		t, err := readTable()
		if err != nil {
			return len(seen), nil, err
		}
		set := find(t)
		for pid, start := range seen { // it may have lost what find has found it by
			if info := t.byPID[pid]; info.Start == start {
				t.below(pid, set)
			}
		}
		var left []Info
		stuck = nil
		for pid, info := range set {
			start, ok := abandoned[pid]
			switch {
			case info.dead():
			case ok && start == info.Start:
				stuck = append(stuck, info)
			default:
				left = append(left, info)
			}
		}
		if len(left) == 0 {
			if clean++; clean == 2 {
				return len(seen), inspect(stuck), nil
			}
			time.Sleep(2 * time.Millisecond)
			continue
		}
		clean = 0
		if begun.IsZero() {
			begun = time.Now()
		}
		waited := time.Since(begun)
		if waited > max(grace, 0)+killBudget {
			sortByPID(left)
			return len(seen), inspect(stuck), &SurvivorError{Left: renew(left), struck: struck}
		}
		for _, info := range left {
			_, old := seen[info.PID]
			seen[info.PID] = info.Start
			switch {
			case waited >= grace:
				signalInfo(info, project.SIGKILL)
				if waited <= max(grace, 0)+killBudget/2 {
					struck[info.PID] = info.Start
				}
			case !old:
				signalInfo(info, cmp.Or(signals[info.PID], project.SIGTERM))
				signalInfo(info, project.SIGCONT)
			}
		}
		time.Sleep(min(pause, max(time.Millisecond, grace-time.Since(begun))))
		pause = min(2*pause, 20*time.Millisecond)
	}
}

// lentGrace is how long a command in the surroundings of a service has between the signal
// and SIGKILL. It may have to restore its terminal.
const lentGrace = 500 * time.Millisecond

// sweepOwn kills what is left of this run: by cookie, and, if we are its subreaper, by
// descent. For PID 1 descent says nothing, since orphans may be a user's.
func (h *Host) sweepOwn() []Info {
	lent, starts := h.livingLent()
	if h.childless() && lent == nil {
		return nil
	}
	find := func(t *table) map[int]Info {
		set := marked(t, h.opts.Run+"/")
		if h.subreaper && !IsInit() {
			for _, pid := range t.children[unix.Getpid()] {
				if pid != h.opts.Spare {
					t.below(pid, set)
				}
			}
		}
		for pid := range lent {
			if info, ok := t.byPID[pid]; ok && info.Start == starts[pid] {
				t.below(pid, set)
			}
		}
		for pid := range ancestors(t) {
			delete(set, pid)
		}
		return set
	}
	grace := time.Duration(0)
	if len(lent) > 0 {
		grace = lentGrace
	}
	h.mu.Lock()
	abandoned := maps.Clone(h.abandoned)
	h.mu.Unlock()
	_, left, err := sweep(find, lent, grace, abandoned)
	if survivors, ok := err.(*SurvivorError); ok {
		left = append(left, survivors.Left...)
		h.mu.Lock()
		maps.Copy(h.abandoned, survivors.struck)
		h.mu.Unlock()
	}
	return left
}

// livingLent returns the processes from Lend that are alive, with the signal that ends
// them: HUP, since a shell at a terminal ignores TERM. It is nil if there never was one,
// and empty if there was, since their descendants may be alive. starts is when all began.
func (h *Host) livingLent() (out map[int]project.Signal, starts map[int]uint64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.lent == nil {
		return nil, nil
	}
	out = map[int]project.Signal{}
	for pid, start := range h.lent {
		if info, err := Inspect(pid); err == nil && info.Start == start && !info.dead() {
			out[pid] = project.SIGHUP
		}
	}
	return out, maps.Clone(h.lent)
}

// childless reports whether we have no living descendants. Orphans come to us, so one
// question to the kernel is enough, instead of a look through all of /proc.
func (h *Host) childless() bool {
	if !h.subreaper {
		return false
	}
	h.reap() // an orphan that has just died still counts as a child
	return unix.Waitid(unix.P_ALL, 0, nil, unix.WEXITED|unix.WNOHANG|unix.WNOWAIT, nil) == unix.ECHILD
}
