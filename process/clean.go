package process

import (
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"nix2gpu/project"
)

// killBudget is how long we go on killing what does not die. Only a process that waits
// for a device can survive that.
const killBudget = 2 * time.Second

// clean ends the descendants of p, whose leader is dead, and then reaps the leader.
func (h *Host) clean(p *Process) {
	left := h.remains(p)
	if grace := p.spec.LeftoverGrace; grace > 0 && len(left) > 0 {
		// Whoever has asked the process to end also decides when to kill it: a shell
		// dies of TERM at once, while its command may still be saving.
		var deadline <-chan time.Time
		if told := h.askLeftovers(p, left); !told {
			timer := time.NewTimer(grace)
			defer timer.Stop()
			deadline = timer.C
		}
		left = h.watch(p, p.killNow, func([]Info) bool {
			select {
			case <-p.killNow:
				return true
			case <-deadline:
				return true
			default:
				return false
			}
		})
	}
	if len(left) > 0 {
		left = h.killAll(p)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	p.left = left
	h.release(p)
}

// killAll kills the descendants of p, whose leader is dead, and returns those that can't be
// ended.
func (h *Host) killAll(p *Process) []Info {
	begun, first := time.Now(), true
	left := h.watch(p, nil, func(left []Info) bool {
		p.killLeftovers(left)
		if first { // those that appear later have not been waited for so long
			h.mu.Lock()
			p.strike(left)
			h.mu.Unlock()
		}
		first = false
		return time.Since(begun) > killBudget
	})
	if left = renew(left); len(left) > 0 {
		h.log.Warn("descendants cannot be ended", "process", p.spec.Name, "err", &SurvivorError{Left: left})
	}
	return left
}

// watch waits until p has no descendants left, or enough returns true, which it calls
// before each pause. It returns the descendants that are left.
func (h *Host) watch(p *Process, wake <-chan struct{}, enough func(left []Info) bool) []Info {
	pause := time.Millisecond
	for {
		left := h.survivors(p)
		if len(left) == 0 || enough(left) {
			return left
		}
		select {
		case <-time.After(pause):
		case <-wake:
		}
		pause = min(2*pause, 50*time.Millisecond)
	}
}

// askLeftovers sends the stop signal to descendants that have not got it. It reports
// whether somebody has asked the process to end.
func (h *Host) askLeftovers(p *Process, left []Info) (told bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, info := range left {
		if p.told && info.PGID == p.pid {
			continue // it has got it with the group
		}
		signalInfo(info, p.spec.StopSignal)
		signalInfo(info, project.SIGCONT)
	}
	return p.told
}

// killLeftovers sends SIGKILL to the descendants of p.
func (p *Process) killLeftovers(left []Info) {
	p.host.mu.Lock()
	defer p.host.mu.Unlock()
	p.cgroup.kill()
	unix.Kill(-p.pid, unix.SIGKILL) // the group is ours: its leader is held
	for _, info := range left {
		signalInfo(info, project.SIGKILL)
	}
}

// remember returns the living descendants of p, without its leader, and notes those that
// have left the group: while they are not orphans, their parents still show whose they
// are.
func (h *Host) remember(p *Process) []Info {
	set := make(map[int]Info)
	if !walkBelow(p.pid, set) {
		if t, err := h.tables.since(time.Now()); err == nil {
			clear(set)
			t.below(p.pid, set)
		}
	}
	delete(set, p.pid)
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, info := range set {
		p.know(info)
	}
	return slices.Collect(maps.Values(set))
}

// know notes a descendant that has left the group. One that is found by its cookie has
// none any more once it is exiting, when it may still have a port open. Called with the
// host's lock.
func (p *Process) know(info Info) {
	if info.PGID == p.pid && p.spec.Mode != Daemon { // which may leave it any moment
		return
	}
	if p.known == nil {
		p.known = make(map[int]uint64)
	}
	p.known[info.PID] = info.Start
}

// walk adds pid and its living descendants to set, by the kernel's lists of children. It
// returns false if the kernel has no such lists.
func walk(pid int, set map[int]Info) bool {
	info, err := Inspect(pid)
	if _, seen := set[pid]; err != nil || seen {
		return true
	}
	set[pid] = info
	return walkBelow(pid, set)
}

// walkBelow is walk without pid itself: of most, all that there is to see is that they
// have no children.
func walkBelow(pid int, set map[int]Info) bool {
	children, ok := childrenOf(pid)
	for _, child := range children {
		ok = ok && walk(child, set)
	}
	return ok
}

// remains returns the living descendants of p.
func (h *Host) remains(p *Process) []Info {
	t, err := h.tables.since(time.Now())
	if err != nil {
		return h.remainsBlind(p)
	}
	h.mu.Lock()
	leaders := make(map[int]bool, len(h.procs))
	var groups []*cgroup // of others
	for pid, q := range h.procs {
		leaders[pid] = true
		if q != p && q.cgroup != nil {
			groups = append(groups, q.cgroup)
		}
	}
	for pid, q := range h.roots {
		if q != p {
			leaders[pid] = true
		}
	}
	known, own := maps.Clone(p.known), p.daemon.clone()
	h.mu.Unlock()
	others := make(map[int]bool)
	for _, g := range groups {
		for _, pid := range g.pids() {
			others[pid] = true
		}
	}

	set := make(map[int]Info)
	if !p.hasExited() {
		t.below(p.pid, set)
	}
	for pid, info := range t.byPID {
		if info.SID == p.pid || info.PGID == p.pid || known[pid] == info.Start || own.has(info, t) {
			t.below(pid, set)
		}
	}
	for _, pid := range p.cgroup.pids() {
		t.below(pid, set)
	}
	leader := t.byPID[p.pid]
	for _, root := range h.strayRoots(t) {
		if _, seen := set[root]; leaders[root] || seen || others[root] {
			continue
		}
		stray := make(map[int]Info)
		t.below(root, stray)
		if p.owns(leader, stray) {
			maps.Copy(set, stray)
		}
	}
	delete(set, p.pid)
	ended := p.hasExited()
	var left []Info
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, info := range set {
		if info.dead() || leaders[info.PID] {
			continue
		}
		left = append(left, info)
		if ended { // until then, this is only about what they use
			p.know(info)
		}
	}
	p.daemon.prune(p, t)
	sortByPID(left)
	return left
}

// survivors returns the living descendants of p, whose leader is dead. If it finds none, none
// are left: a process that forks while we look, and ends, hides its child only once.
func (h *Host) survivors(p *Process) []Info {
	left := h.remains(p)
	if len(left) > 0 {
		return left
	}
	h.mu.Lock()
	nothing := h.leftNothing(p)
	h.mu.Unlock()
	if nothing {
		return nil
	}
	return h.remains(p)
}

// strayRoots returns the processes below which lost descendants may be: our orphans, or
// all processes if orphans do not come to us.
func (h *Host) strayRoots(t *table) []int {
	if h.subreaper {
		return t.children[unix.Getpid()]
	}
	return slices.Collect(maps.Keys(t.byPID))
}

// owns reports whether a tree of orphans comes from p, as the cookie says. A program that
// overwrites its environment to show a title, as postgres and nginx do, has no cookie:
// it must have the leader's name and user, and have started later.
func (p *Process) owns(leader Info, tree map[int]Info) bool {
	marked := false
	for pid := range tree {
		if p.marked(pid) {
			return true
		}
		switch cookieOf(pid) {
		case p.cookie:
			return true
		case "":
		default:
			marked = true
		}
	}
	if marked || leader.PID == 0 || p.cgroup != nil || p.mark != 0 { // a cgroup has all that is p's in it
		return false
	}
	for pid, info := range tree {
		if info.Name == leader.Name && info.Start >= leader.Start && p.runsAs(pid) {
			return true
		}
	}
	return false
}

// runsAs reports whether pid runs as the user that p was started as.
func (p *Process) runsAs(pid int) bool {
	want := uint32(unix.Geteuid())
	if p.spec.User != nil {
		want = uint32(p.spec.User.UID)
	}
	var st unix.Stat_t
	return unix.Stat(procDir(pid), &st) == nil && st.Uid == want
}

// remainsBlind is remains without /proc. Nothing shows whether the group has members
// beside its dead leader, so it is killed.
func (h *Host) remainsBlind(p *Process) []Info {
	if p.hasExited() {
		h.mu.Lock()
		defer h.mu.Unlock()
		unix.Kill(-p.pid, unix.SIGKILL)
		return nil
	}
	return []Info{{PID: p.pid, Name: p.spec.Name, State: '?'}}
}

// signalInfo signals a process that is not our child, or may have ended. The descriptor
// keeps referring to one process, and the start time shows that it is the right one.
func signalInfo(info Info, sig project.Signal) error {
	fd, err := unix.PidfdOpen(info.PID, 0)
	if err == nil {
		defer unix.Close(fd)
	}
	if now, inspectErr := Inspect(info.PID); inspectErr != nil || now.Start != info.Start || now.dead() {
		return ErrGone
	}
	if err == nil {
		return unix.PidfdSendSignal(fd, unix.Signal(sig), nil, 0)
	}
	return unix.Kill(info.PID, unix.Signal(sig)) // kernels before 5.3, and sandboxes
}

// SignalServer signals the process of that number, which a file has told, if its command line
// contains word: after a server was killed, its number may be another's. The error is
// [ErrGone] if it is none with that word.
func SignalServer(pid int, word string, sig project.Signal) error {
	info, err := Inspect(pid)
	if err != nil {
		return ErrGone
	}
	line, err := readProc(procDir(pid) + "/cmdline")
	if err != nil || !strings.Contains(string(line), word) {
		return ErrGone
	}
	return signalInfo(info, sig)
}

// A tableCache shares snapshots among goroutines that want one at the same time: with
// many services, each snapshot reads thousands of files.
type tableCache struct {
	mu    sync.Mutex
	last  *table
	began time.Time
}

// since returns a snapshot that was begun no earlier than t.
func (c *tableCache) since(t time.Time) (*table, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.last != nil && !c.began.Before(t) {
		return c.last, nil
	}
	began := time.Now()
	table, err := readTable()
	if err != nil {
		return nil, err
	}
	c.last, c.began = table, began
	time.AfterFunc(time.Second, c.forget)
	return table, nil
}

// forget frees a snapshot that is too old for anybody.
func (c *tableCache) forget() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if time.Since(c.began) >= time.Second {
		c.last = nil
	}
}
