package process

import (
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"nix2gpu/project"
)

// run is the reaper. Nothing else waits for children.
func (h *Host) run() {
	defer close(h.stopped)
	for {
		h.reap()
		select {
		case <-h.sigs:
		case <-h.poke:
		case <-h.quit:
			h.reap()
			return
		}
	}
}

// again asks the reaper for another pass.
func (h *Host) again() {
	select {
	case h.poke <- struct{}{}:
	default: // somebody has asked already
	}
}

// reap handles all children that have died: one SIGCHLD may stand for several. Then it
// calls what was to be called after that.
func (h *Host) reap() {
	h.mu.Lock()
	h.reapAll()
	due := h.due
	h.due = nil
	h.mu.Unlock()
	for _, f := range due {
		f()
	}
}

// reapAll is reap without what comes after. Called with the lock.
func (h *Host) reapAll() {
	defer h.journal.flush()
	// It may be a service that has died before Start could note its pid.
	h.passed = h.passed || h.forking > 0
	for h.held == 0 && h.launching == 0 {
		pid, exit, ok := peek(unix.P_ALL, 0)
		if !ok {
			return
		}
		if p := h.procs[pid]; p != nil {
			h.leadersExited(p, exit)
			continue
		}
		if h.forking > 0 {
			// It may be such a service, or the child of an exec that has failed, for
			// which ForkExec waits itself. Whoever is forking asks for another pass.
			break
		}
		if !h.reapOrphan(pid) {
			return
		}
	}
	h.reapAround()
}

// reapAround is reap while a zombie is held, which waitid(P_ALL) would find each time, or
// while the end of a launching program has to be seen before that of an orphan of its.
func (h *Host) reapAround() {
	for pid, p := range h.procs {
		if p.hasExited() {
			continue
		}
		if _, exit, ok := peek(unix.P_PID, pid); ok {
			h.leaderExited(p, exit, h.noOrphans())
		}
	}
	for _, pid := range h.orphans() {
		if h.procs[pid] == nil {
			h.reapOrphan(pid)
		}
	}
}

// orphans returns the children that we have not forked. If the kernel does not tell them
// apart, leaders may be among them, but never one that is still being forked.
func (h *Host) orphans() []int {
	if list, ok := ownOrphans(); ok {
		return list
	}
	if h.forking > 0 {
		return nil
	}
	t, err := readTable()
	if err != nil {
		return nil
	}
	return t.children[unix.Getpid()]
}

// ownOrphans returns the children of our main thread, which we have not forked.
func ownOrphans() (children []int, ok bool) {
	// By "self": in the /proc of another pid namespace, we have no thread of that
	// number, so it fails there.
	return childrenAt("/proc/self", unix.Getpid())
}

func (h *Host) reapOrphan(pid int) bool {
	root := h.roots[pid]
	var exit project.Exit
	var info Info
	if root != nil {
		var dead bool
		if _, exit, dead = peek(unix.P_PID, pid); !dead {
			return false
		}
		info, _ = Inspect(pid)
	}
	ok := wait(pid)
	if ok {
		h.reaped++
	}
	if ok && root != nil {
		h.rootEnded(root, info, exit)
	}
	return ok
}

// wait reaps the dead child pid.
func wait(pid int) bool {
	for {
		got, err := unix.Wait4(pid, nil, unix.WNOHANG, nil)
		if err != unix.EINTR {
			return got == pid
		}
	}
}

// siginfo is siginfo_t as waitid fills it in. The union after the first three numbers is
// aligned like a pointer.
type siginfo struct {
	_, _   int32
	code   int32
	_      [unsafe.Sizeof(uintptr(0))/4 - 1]int32
	pid    int32
	_      uint32 // uid
	status int32
	_      [128 - 28]byte
}

// The values of siginfo.code.
const (
	cldExited = 1
	cldKilled = 2
	cldDumped = 3
)

// peek returns how a child has ended, and leaves it a zombie. ok is false if none has.
func peek(idType, id int) (pid int, exit project.Exit, ok bool) {
	var info siginfo
	var usage unix.Rusage
	const flags = unix.WEXITED | unix.WNOHANG | unix.WNOWAIT
	for {
		err := unix.Waitid(idType, id, (*unix.Siginfo)(unsafe.Pointer(&info)), flags, &usage)
		if err == unix.EINTR {
			continue
		}
		if err != nil || info.pid == 0 { // ECHILD: there are none; 0: none has ended
			return 0, project.Exit{}, false
		}
		break
	}
	switch info.code {
	case cldExited:
		exit.Code = int(info.status)
	case cldKilled, cldDumped:
		exit = project.KilledBy(project.Signal(info.status))
		exit.Core = info.code == cldDumped
	}
	exit.At = time.Now()
	exit.CPU = project.Duration(usage.Utime.Nano() + usage.Stime.Nano())
	exit.Memory = beyondOurs(usage.Maxrss) * 1024
	return int(info.pid), exit, true
}

// beyondOurs returns the most that a child had resident, in KiB, or 0 if that isn't known:
// between fork and exec it had our memory, and the kernel counts that as the child's.
func beyondOurs(most int64) int64 {
	const inexact = 1024 // of the kernel's counters, in KiB
	var own unix.Rusage
	if unix.Getrusage(unix.RUSAGE_SELF, &own) != nil || most <= own.Maxrss+inexact {
		return 0
	}
	return most
}

// leadersExited is leaderExited for p and for those that were told to end and have died by
// now: what they have left is seen by one look. Called with the lock.
func (h *Host) leadersExited(p *Process, exit project.Exit) {
	dead, exits := []*Process{p}, []project.Exit{exit}
	rest, alive := h.told[:0], 0
	for i, q := range h.told {
		if alive == 2 || len(dead) == 64 {
			rest = append(rest, h.told[i:]...)
			break
		}
		if q == p || q.released() || q.hasExited() {
			continue
		}
		if _, exit, ok := peek(unix.P_PID, q.pid); ok {
			dead, exits = append(dead, q), append(exits, exit)
			continue
		}
		rest = append(rest, q)
		alive++ // they die nearly in this order
	}
	clear(h.told[len(rest):])
	h.told = rest
	if len(rest) == 0 {
		h.told = nil
	}
	nothing := h.noOrphans()
	for i, q := range dead {
		h.leaderExited(q, exits[i], nothing)
	}
}

// leaderExited notes that the leader of p has ended, and begins to end what it has left.
// nothing is what noOrphans has returned since. Called with the lock.
func (h *Host) leaderExited(p *Process, exit project.Exit, nothing bool) {
	exit.Ran = project.Duration(exit.At.Sub(p.started))
	p.byUs = p.killed
	exit.OOM, p.oomKilled = h.settleOOM(p, exit.Signal == project.SIGKILL && !p.killed)
	p.exit = exit
	close(p.exited)
	h.due, p.after = append(h.due, p.after...), nil
	h.held++
	if p.spec.Mode == Daemon {
		h.launching--
	}
	if p.launches(exit) {
		h.launched(p)
		go h.attend(p)
		return
	}
	if p.spec.Mode == OnlyMain || nothing && p.cgroup.empty() {
		h.release(p)
		return
	}
	go h.clean(p)
}

// leftNothing is a cheap way to see that p, whose leader is dead, has no living
// descendants. If in doubt, it returns false. Called with the lock.
func (h *Host) leftNothing(p *Process) bool { return h.noOrphans() && p.cgroup.empty() }

// noOrphans reports whether no leader that is dead has living descendants: they would be
// orphans of ours, or below one. If in doubt, it returns false. Called with the lock.
func (h *Host) noOrphans() bool {
	if !h.subreaper {
		return false
	}
	list, ok := ownOrphans()
	if !ok {
		return false
	}
	for _, pid := range list {
		if h.procs[pid] != nil || h.roots[pid] != nil {
			continue
		}
		if info, err := Inspect(pid); err == nil && !info.dead() {
			return false
		}
	}
	return true
}

// release reaps the leader of p. Its number may then be given to another process. Called
// with the lock.
func (h *Host) release(p *Process) {
	h.journal.ended(p.pid)
	h.guard.ended(p.pid)
	for _, info := range p.left {
		h.abandon(p, info)
	}
	wait(p.pid)
	h.held--
	delete(h.procs, p.pid)
	if mem := p.cgroup.memory(); mem != "" {
		h.oomGone += oomKills(mem)
		if h.oom.notify != nil {
			_ = h.oom.notify.Remove(mem) // it fails if that is not watched
		}
	}
	p.cgroup.remove()
	close(p.done)
	h.again()
}
