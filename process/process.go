package process

import (
	"time"

	"golang.org/x/sys/unix"

	"nix2gpu/project"
)

// kept is what of a Spec is needed after the start. The rest is large: each of hundreds of
// services has an environment of its own.
type kept struct {
	Name          string
	User          *User
	OutOfMemory   func(kills int)
	Mode          Mode
	Success       []int
	Launched      func(pid int)
	StopSignal    project.Signal
	LeftoverGrace time.Duration
}

// A Process is a program that was started, the leader of a process group and a session,
// together with all that it starts.
type Process struct {
	host    *Host
	spec    kept
	pid     int
	cookie  string
	started time.Time
	cgroup  *cgroup    // nil: it has none of its own
	unbound *Unlimited // why a limit is not enforced
	start   uint64     // Info.Start of the leader
	pipes   [2]uint64  // see record

	exited    chan struct{} // closed when the leader is dead; exit, byUs and oomKilled are set
	done      chan struct{} // closed when nothing of it is left; left is set
	killNow   chan struct{} // closed by Kill
	after     []func()      // under host.mu: to be called when the leader is dead
	exit      project.Exit
	byUs      bool           // the leader got SIGKILL from us
	oomKilled int            // descendants that were killed for lack of memory and not reported
	left      []Info         // descendants that could not be ended
	killed    bool           // under host.mu: we have sent SIGKILL
	told      bool           // under host.mu: the group was told to stop
	mark      uint64         // see newMark; 0: it has none
	daemon    *daemon        // under host.mu; nil: it has launched none
	mourned   bool           // under host.mu: mourn was called
	givenUp   bool           // under host.mu: GiveUp was called
	struck    map[int]uint64 // under host.mu: start times, by pid, of what was sent SIGKILL first
	known     map[int]uint64 // under host.mu: start times, by pid, of descendants seen outside the group
}

// PID returns the number of the leader, which nobody else can have until Done.
func (p *Process) PID() int { return p.pid }

// Cookie returns the value of CookieVar that marks p and its descendants.
func (p *Process) Cookie() string { return p.cookie }

// Started returns when p was started.
func (p *Process) Started() time.Time { return p.started }

// Unlimited returns which limits of the Spec are not enforced, and why; nil if all are.
func (p *Process) Unlimited() *Unlimited { return p.unbound }

// Exited returns a channel that is closed when the program itself has ended.
func (p *Process) Exited() <-chan struct{} { return p.exited }

// AfterExit calls f once the program itself has ended, and Done is closed if nothing of it
// was left then. The reaper does that, so f must not wait. Unlike a goroutine that waits
// for the end, it takes no stack meanwhile.
func (p *Process) AfterExit(f func()) {
	p.host.mu.Lock()
	ended := p.hasExited()
	if !ended {
		p.after = append(p.after, f)
	}
	p.host.mu.Unlock()
	if ended {
		f()
	}
}

// Done returns a channel that is closed when nothing of the process is left; for Mode
// OnlyMain, when the program itself has ended.
func (p *Process) Done() <-chan struct{} { return p.done }

// Exit waits for the end of the program and returns how it has ended.
func (p *Process) Exit() project.Exit {
	<-p.exited
	return p.exit
}

// Left waits for Done and returns the descendants that could not be ended.
func (p *Process) Left() []Info {
	<-p.done
	return p.left
}

// Killed waits for the end of the program and reports whether it got SIGKILL from us. For
// Mode Daemon it is only valid after Done.
func (p *Process) Killed() bool {
	<-p.exited
	return p.byUs
}

// OutOfMemory waits for the end of the program and returns how many of its descendants the
// kernel has killed for lack of memory that [Spec.OutOfMemory] was not called for. It is
// only known for processes with limits.
func (p *Process) OutOfMemory() int {
	<-p.exited
	return p.oomKilled
}

func (p *Process) hasExited() bool {
	select {
	case <-p.exited:
		return true
	default:
		return false
	}
}

// released reports whether the number of the leader may be another process's by now.
// Called with the host's lock.
func (p *Process) released() bool { return p.host.procs[p.pid] != p }

// Signal sends sig to the program alone, or to the oldest process of its daemon. The error
// is ErrGone if that has ended.
func (p *Process) Signal(sig project.Signal) error {
	p.host.mu.Lock()
	defer p.host.mu.Unlock()
	if p.daemon != nil {
		return p.signalRoots(sig, true)
	}
	if p.hasExited() {
		return ErrGone
	}
	p.killed = p.killed || sig == project.SIGKILL
	return unix.Kill(p.pid, unix.Signal(sig))
}

// SignalGroup sends sig to the program and those descendants that are in its group, even
// if the program itself has ended. The error is ErrGone after Done.
func (p *Process) SignalGroup(sig project.Signal) error {
	p.host.mu.Lock()
	defer p.host.mu.Unlock()
	return p.signalGroup(sig)
}

func (p *Process) signalGroup(sig project.Signal) error {
	if p.released() {
		return ErrGone
	}
	if p.daemon != nil {
		return p.signalRoots(sig, false)
	}
	p.killed = p.killed || sig == project.SIGKILL
	return unix.Kill(-p.pid, unix.Signal(sig))
}

// Terminate asks p to end. It sends sig, or StopSignal if sig is 0, and then CONT, since a
// stopped process can't end, to the whole group, or with onlyMain to the program alone. It
// does not wait, not even for /proc, whose files the kernel has at hand: see Done. A
// descendant that ignores the signal stays until Kill, even after the program itself has
// ended.
func (p *Process) Terminate(sig project.Signal, onlyMain bool) error {
	if sig == 0 {
		sig = p.spec.StopSignal
	}
	if onlyMain || p.spec.Mode == OnlyMain {
		if err := p.Signal(sig); err != nil {
			return err
		}
		return p.Signal(project.SIGCONT)
	}
	p.host.remember(p)
	p.host.mu.Lock()
	defer p.host.mu.Unlock()
	if !p.told {
		p.told = true
		p.host.told = append(p.host.told, p)
	}
	if err := p.signalGroup(sig); err != nil {
		return err
	}
	return p.signalGroup(project.SIGCONT)
}

// Kill ends p at once with all of its descendants, including those that have left the
// group or the session. It does not wait for that: see Done.
func (p *Process) Kill() {
	h := p.host
	var strays []Info
	switch {
	case p.spec.Mode == OnlyMain:
	case p.hasExited(): // what is left has other parents by now
		strays = h.remains(p)
	default:
		strays = h.remember(p)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	select {
	case <-p.killNow:
	default:
		close(p.killNow)
	}
	if p.released() {
		return
	}
	p.killed = true
	if !p.mourned && !p.hasExited() {
		p.mourned = true
		go h.mourn(p)
	}
	p.strike(strays)
	if info, err := Inspect(p.pid); err == nil {
		p.strike([]Info{info})
	}
	p.cgroup.kill()
	if p.spec.Mode == OnlyMain {
		unix.Kill(p.pid, unix.SIGKILL)
		return
	}
	unix.Kill(-p.pid, unix.SIGKILL)
	for _, stray := range strays {
		signalInfo(stray, project.SIGKILL)
	}
}

// State returns what the kernel says about the program itself, such as why it does not
// end.
func (p *Process) State() (Info, error) {
	p.host.mu.Lock()
	defer p.host.mu.Unlock()
	if p.released() {
		return Info{}, ErrGone
	}
	return Inspect(p.pid)
}

// record returns p for the journal and the guard.
func (p *Process) record() record {
	return record{pid: p.pid, start: p.start, signal: p.spec.StopSignal, cookie: p.cookie, pipes: p.pipes, mark: p.mark}
}
