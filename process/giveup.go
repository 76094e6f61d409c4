package process

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// A SurvivorError lists processes that SIGKILL has not ended.
type SurvivorError struct {
	Left   []Info
	struck map[int]uint64 // start times, by pid, of those that were waited for long enough
}

func (e *SurvivorError) Error() string { return "cannot end " + Describe(e.Left) }

// Describe names processes with their states, and with what they wait for if that is known.
func Describe(list []Info) string {
	names := make([]string, len(list))
	for i, info := range list {
		names[i] = fmt.Sprintf("%s (pid %d, state %c", info.Name, info.PID, info.State)
		if info.WaitingFor != "" {
			names[i] += " in " + info.WaitingFor
		}
		names[i] += ")"
	}
	return strings.Join(names, ", ")
}

// inspect asks the kernel anew about processes, and leaves out those that have ended.
func inspect(list []Info) []Info {
	var living []Info
	for _, info := range list {
		if now, err := Inspect(info.PID); err == nil && now.Start == info.Start && !now.dead() {
			living = append(living, now)
		}
	}
	return living
}

// renew returns what the kernel says now of processes that live on. If none does, it
// returns what it said before: one of them may have been forking.
func renew(list []Info) []Info {
	if living := inspect(list); len(living) > 0 {
		return living
	}
	return list
}

// strike notes that processes were sent SIGKILL for p. Called with the host's lock.
func (p *Process) strike(list []Info) {
	if p.struck == nil {
		p.struck = make(map[int]uint64)
	}
	for _, info := range list {
		p.struck[info.PID] = info.Start
	}
}

// GiveUp says that p has been waited for long enough since [Process.Kill]. What Kill has
// killed and what lives on is then waited for no second time, neither by Close nor by the
// guard. GiveUp returns it. The caller names it, so Close does not. Before Kill, GiveUp
// does nothing.
func (p *Process) GiveUp() []Info {
	p.host.mu.Lock()
	defer p.host.mu.Unlock()
	list := p.giveUp()
	p.host.name(list)
	return list
}

// giveUp is GiveUp, but nobody is told. Called with the lock.
func (p *Process) giveUp() []Info {
	h := p.host
	if len(p.struck) == 0 || p.released() {
		return nil
	}
	p.givenUp = true
	var list []Info
	for _, pid := range slices.Sorted(maps.Keys(p.struck)) {
		list = append(list, Info{PID: pid, Start: p.struck[pid]})
	}
	list = inspect(list)
	for _, info := range list {
		h.abandon(p, info)
	}
	return list
}

// Named says that somebody was told of what could not be ended, such as of what
// [Process.Left] returns. Close does not name it again.
func (h *Host) Named(list []Info) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.name(list)
}

func (h *Host) name(list []Info) {
	for _, info := range list {
		h.named[info.PID] = info.Start
	}
}

// abandon notes that nobody waits for a process any more, if it was killed for p long
// enough ago. Called with the lock.
func (h *Host) abandon(p *Process, info Info) {
	if p.struck[info.PID] != info.Start {
		return
	}
	for pid, start := range h.abandoned { // it may have ended after all
		if now, err := Inspect(pid); err != nil || now.Start != start {
			delete(h.abandoned, pid)
			if h.procs[pid] == nil { // else that is on the list of the guard now
				h.guard.ended(pid)
			}
		}
	}
	h.abandoned[info.PID] = info.Start
	h.guard.abandoned(info)
}

// awaited reports whether Close waits for p. It does not if p was given up, unless that has
// ended after all.
func (h *Host) awaited(p *Process) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if !p.givenUp {
		return true
	}
	if !p.hasExited() {
		return false
	}
	for pid, start := range p.struck {
		if now, err := Inspect(pid); h.abandoned[pid] == start && err == nil && now.Start == start && !now.dead() {
			return false
		}
	}
	return true
}

// await waits for the end of processes that were killed, all together for a while.
func (h *Host) await(list []*Process) {
	var timeout <-chan time.Time
	for _, p := range list {
		if !h.awaited(p) {
			continue
		}
		if timeout == nil {
			timeout = h.after(killBudget + time.Second)
		}
		select {
		case <-p.done:
		case <-timeout:
			timeout = closedTimer // the others have had as long
			h.mu.Lock()
			p.giveUp()
			h.mu.Unlock()
		}
	}
}

// unended returns what Close says of the processes that it could not end, and tells the
// guard which of them need no other wait.
func (h *Host) unended(left []Info) error {
	if len(left) == 0 {
		return nil
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	var news []Info
	for _, info := range left {
		if h.abandoned[info.PID] == info.Start {
			h.guard.abandoned(info)
		}
		if h.named[info.PID] != info.Start {
			news = append(news, info)
		}
	}
	if len(news) == 0 {
		return &ToldError{&SurvivorError{Left: left}}
	}
	return &SurvivorError{Left: news}
}

var closedTimer = func() <-chan time.Time {
	c := make(chan time.Time)
	close(c)
	return c
}()
