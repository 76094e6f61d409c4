package process

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"nix2gpu/project"
)

// daemon is what is known about a Process of mode [Daemon] whose program has launched
// what it is to launch. The host's lock guards it.
type daemon struct {
	roots    map[int]Info   // those whose parent is none of them: mostly one
	sessions map[int]uint64 // start times of leaders, by session
	main     int            // the oldest root; 0: none was seen alive
	end      *project.Exit  // of the root that has ended last
	changed  chan struct{}  // gets a token when a root has ended
}

// launches reports whether a program that has ended may have launched a daemon. Called
// with the host's lock.
func (p *Process) launches(exit project.Exit) bool {
	return p.spec.Mode == Daemon && !p.told && !p.killed && exit.Signal == 0 &&
		(exit.Code == 0 || slices.Contains(p.spec.Success, exit.Code))
}

// launched notes the orphans of p, whose program has ended this moment. Nothing has reaped
// one of them yet, so that the end of one that lives for a moment only is known, too.
// Called with the lock.
func (h *Host) launched(p *Process) {
	p.daemon = &daemon{roots: map[int]Info{}, sessions: map[int]uint64{}, changed: make(chan struct{}, 1)}
	list, _ := ownOrphans()
	for _, pid := range list {
		if h.procs[pid] != nil || h.roots[pid] != nil {
			continue
		}
		info, err := Inspect(pid)
		if err == nil && (info.SID == p.pid || info.PGID == p.pid || p.marked(pid)) {
			h.adopt(p, info)
		}
	}
}

// adopt notes a root of p. Called with the lock.
func (h *Host) adopt(p *Process, info Info) {
	if _, known := p.daemon.roots[info.PID]; known {
		return
	}
	p.daemon.roots[info.PID] = info
	p.know(info)
	h.roots[info.PID] = p
	rec := p.record()
	rec.pid, rec.start = info.PID, info.Start
	h.journal.started(rec)
	h.guard.started(rec)
	if p.told { // it was below a root that has ended since
		signalInfo(info, p.spec.StopSignal)
		signalInfo(info, project.SIGCONT)
	}
}

// rootEnded notes the end of a root of p. info is what it was when it was dead: those that
// are left of its session are known by that. Called with the lock.
func (h *Host) rootEnded(p *Process, info Info, exit project.Exit) {
	if info.SID == info.PID {
		p.daemon.sessions[info.PID] = info.Start
	}
	h.disown(p, info.PID)
	exit.OOM, _ = h.settleOOM(p, exit.Signal == project.SIGKILL && !p.killed)
	p.daemon.end = &exit
	select {
	case p.daemon.changed <- struct{}{}:
	default: // nobody has looked since the last time
	}
}

// disown forgets a root of p. Called with the lock.
func (h *Host) disown(p *Process, pid int) {
	delete(h.roots, pid)
	delete(p.daemon.roots, pid)
	h.journal.ended(pid)
	h.journal.flush()
	h.guard.ended(pid)
}

// firstLook and lastLook are when to look again at a daemon that was just launched.
const (
	firstLook = 5 * time.Millisecond
	lastLook  = 30 * time.Second
)

// attend waits until nothing of what p has launched is left, or until p is to be killed,
// and then reaps its leader.
func (h *Host) attend(p *Process) {
	var left []Info
	pause := time.Duration(firstLook)
	for ended := false; !ended; {
		if left = h.survivors(p); len(left) == 0 {
			break
		}
		if h.review(p, left) {
			continue
		}
		// A daemon is complete some time after its launch. Those of it that have nothing by
		// which they can be found later must be seen before their parents end.
		var again <-chan time.Time
		if pause <= lastLook || !h.subreaper { // else somebody tells us of the end of one
			again = time.After(min(pause, lastLook))
			pause *= 8
		}
		select {
		case <-p.daemon.changed:
		case <-again:
		case <-p.killNow:
			ended = true
		}
	}
	if len(left) > 0 {
		left = h.killAll(p)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	for pid := range p.daemon.roots {
		if !h.reapOrphan(pid) { // it may be dead, without a pass of the reaper since
			h.disown(p, pid)
		}
	}
	p.left = left
	p.byUs = p.killed
	h.release(p)
}

// review brings what is known about p's roots up to date. It returns true if they have
// changed since left was looked up.
func (h *Host) review(p *Process, left []Info) (changed bool) {
	below := make(map[int]bool, len(left))
	for _, info := range left {
		below[info.PID] = true
	}
	h.mu.Lock()
	d := p.daemon
	for _, info := range left {
		if info.SID == info.PID {
			d.sessions[info.PID] = info.Start
		}
		if below[info.PPID] {
			continue
		}
		if now, err := Inspect(info.PID); err != nil || now.Start != info.Start {
			changed = true
			continue
		}
		h.adopt(p, info)
	}
	main := 0
	for pid, info := range d.roots {
		if main == 0 || cmp.Or(cmp.Compare(info.Start, d.roots[main].Start), cmp.Compare(pid, main)) < 0 {
			main = pid
		}
	}
	tell := main != 0 && main != d.main
	if tell {
		d.main = main
	}
	h.mu.Unlock()
	if tell && p.spec.Launched != nil {
		p.spec.Launched(main)
	}
	return changed
}

// clone returns what has can be asked without the lock.
func (d *daemon) clone() *daemon {
	if d == nil {
		return nil
	}
	return &daemon{sessions: maps.Clone(d.sessions)}
}

// prune forgets descendants and sessions of which nothing is left. Called with the lock.
func (d *daemon) prune(p *Process, t *table) {
	if d == nil {
		return
	}
	maps.DeleteFunc(p.known, func(pid int, start uint64) bool { return t.byPID[pid].Start != start })
	used := make(map[int]bool)
	for _, info := range t.byPID {
		used[info.SID] = true
	}
	maps.DeleteFunc(d.sessions, func(sid int, _ uint64) bool { return !used[sid] })
}

// has reports whether a process is in a session that a descendant has made.
func (d *daemon) has(info Info, t *table) bool {
	if d == nil {
		return false
	}
	start, ok := d.sessions[info.SID]
	leader, alive := t.byPID[info.SID]
	return ok && info.Start >= start && (!alive || leader.Start == start)
}

// signalRoots sends a signal to the groups of what p has launched, or with onlyMain to the
// oldest of it. Called with the lock, under which a root that was not reaped keeps its
// number.
func (p *Process) signalRoots(sig project.Signal, onlyMain bool) error {
	d := p.daemon
	p.killed = p.killed || sig == project.SIGKILL
	if onlyMain {
		if info, ok := d.roots[d.main]; ok {
			return signalInfo(info, sig)
		}
		return ErrGone
	}
	if len(d.roots) == 0 {
		return ErrGone
	}
	unix.Kill(-p.pid, unix.Signal(sig)) // those that have stayed in the group of the program
	for pid, root := range d.roots {
		info, err := Inspect(pid) // a program changes its group once it runs
		switch {
		case err != nil || info.Start != root.Start || info.PGID == p.pid:
		case info.PGID == pid:
			unix.Kill(-pid, unix.Signal(sig))
		default:
			signalInfo(info, sig)
		}
	}
	return nil
}

// Launched reports whether the program has left a daemon running, as far as is known now.
func (p *Process) Launched() bool {
	p.host.mu.Lock()
	defer p.host.mu.Unlock()
	return p.daemon != nil && (p.daemon.main != 0 || p.daemon.end != nil)
}

// Main returns the pid of the program, or, once that has launched a daemon, that of the
// daemon's oldest process; 0 if none of the daemon's was seen.
func (p *Process) Main() int {
	p.host.mu.Lock()
	defer p.host.mu.Unlock()
	if p.daemon != nil {
		return p.daemon.main
	}
	return p.pid
}

// End waits for Done and returns how p has ended: as Exit says, or for a daemon that was
// launched how its last process without a parent among the others has ended. ok is false if
// that is not known.
func (p *Process) End() (exit project.Exit, ok bool) {
	<-p.done
	p.host.mu.Lock()
	defer p.host.mu.Unlock()
	d := p.daemon
	if d == nil || d.main == 0 && d.end == nil {
		return p.exit, true
	}
	exit = project.Exit{At: time.Now()}
	if d.end != nil {
		exit = *d.end
	}
	exit.Ran = project.Duration(exit.At.Sub(p.started))
	return exit, d.end != nil
}
