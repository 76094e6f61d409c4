package process

import (
	"time"

	"golang.org/x/sys/unix"

	"nix2gpu/project"
)

// A Process is one started program, the leader of its group and session, and
// everything that it starts.
type Process struct {
	host    *Host
	spec    Spec
	pid     int
	cookie  string
	started time.Time
	cgroup  *cgroup   // nil: none of its own
	unbound error     // a limit that is not kept
	start   uint64    // of the leader, as Info has it
	pipes   [2]uint64 // the inodes of its stdout and stderr, where they are pipes

	exited  chan struct{} // the leader is dead; exit and byUs are set
	done    chan struct{} // and nothing of it is left; left is set
	killNow chan struct{} // Kill was called
	exit    project.Exit
	byUs    bool           // it had our SIGKILL
	starved int            // of its descendants, killed for lack of memory, that nobody was told of
	left    []Info         // what could not be ended
	killed  bool           // under host.mu: we sent SIGKILL
	told    bool           // under host.mu: the group was told to stop
	known   map[int]uint64 // under host.mu: descendants seen outside the group, pid to start time
}

// PID is the leader's number. It stays ours until Done.
func (p *Process) PID() int { return p.pid }

// Cookie is the value of CookieVar that marks p and its descendants.
func (p *Process) Cookie() string { return p.cookie }

// Started is when p was started.
func (p *Process) Started() time.Time { return p.started }

// Unlimited says which limit of the Spec is not kept, and why; nil when all are.
func (p *Process) Unlimited() error { return p.unbound }

// Exited is closed when the program itself has ended: Exit is known.
func (p *Process) Exited() <-chan struct{} { return p.exited }

// Done is closed when nothing of the process is left; for Mode OnlyMain, when
// the program has ended.
func (p *Process) Done() <-chan struct{} { return p.done }

// Exit is how the program ended. It waits for that.
func (p *Process) Exit() project.Exit {
	<-p.exited
	return p.exit
}

// Left lists the descendants that could not be ended. It waits for Done.
func (p *Process) Left() []Info {
	<-p.done
	return p.left
}

// Killed reports whether the program had SIGKILL from us. It waits for its end.
func (p *Process) Killed() bool {
	<-p.exited
	return p.byUs
}

// OutOfMemory is how many of its descendants the kernel has killed for lack of
// memory and the Spec's function was not told of. It waits for the program's end.
// Only a process with limits knows of any.
func (p *Process) OutOfMemory() int {
	<-p.exited
	return p.starved
}

func (p *Process) hasExited() bool {
	select {
	case <-p.exited:
		return true
	default:
		return false
	}
}

// released reports whether the leader's number may be a stranger's by now.
// Called with the host's lock.
func (p *Process) released() bool { return p.host.procs[p.pid] != p }

// Signal sends sig to the program alone; ErrGone when it has ended.
func (p *Process) Signal(sig project.Signal) error {
	p.host.mu.Lock()
	defer p.host.mu.Unlock()
	if p.hasExited() {
		return ErrGone
	}
	p.killed = p.killed || sig == project.SIGKILL
	return unix.Kill(p.pid, unix.Signal(sig))
}

// SignalGroup sends sig to the program and those descendants that stayed in
// its group, also when the program itself has ended; ErrGone after Done.
func (p *Process) SignalGroup(sig project.Signal) error {
	p.host.mu.Lock()
	defer p.host.mu.Unlock()
	return p.signalGroup(sig)
}

func (p *Process) signalGroup(sig project.Signal) error {
	if p.released() {
		return ErrGone
	}
	p.killed = p.killed || sig == project.SIGKILL
	return unix.Kill(-p.pid, unix.Signal(sig))
}

// Terminate asks p to end: sig, or the Spec's StopSignal when sig is 0, and
// CONT for what is stopped. They go to the whole group, or with onlyMain to
// the program alone. It does not wait; see Done. What ignores the group's signal
// is there until Kill, also when the program itself has ended.
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
	p.told = true
	if err := p.signalGroup(sig); err != nil {
		return err
	}
	return p.signalGroup(project.SIGCONT)
}

// Kill ends p and every descendant, also those that left the group or the
// session, at once. It does not wait for their end; see Done.
func (p *Process) Kill() {
	h := p.host
	var strays []Info
	if p.spec.Mode == Group {
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

// State is what the kernel says of the program itself: useful to tell why it
// does not end.
func (p *Process) State() (Info, error) {
	p.host.mu.Lock()
	defer p.host.mu.Unlock()
	if p.released() {
		return Info{}, ErrGone
	}
	return Inspect(p.pid)
}

// record is p as the journal and the guard know it.
func (p *Process) record() record {
	return record{pid: p.pid, start: p.start, signal: p.spec.StopSignal, cookie: p.cookie, pipes: p.pipes}
}
