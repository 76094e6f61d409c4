package process

import (
	"cmp"
	"crypto/rand"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"nix2gpu/project"
)

// IsInit reports whether we are PID 1.
func IsInit() bool { return os.Getpid() == 1 }

// IsMachineInit reports whether we are the first process of a machine, perhaps a virtual
// one, and not of a container.
func IsMachineInit() bool {
	const first = "pid:[4026531836]" // the first namespace, of any kernel
	ns, err := os.Readlink("/proc/self/ns/pid")
	return IsInit() && err == nil && ns == first
}

// syncBudget is how long [PowerOff] waits for the disks.
const syncBudget = 10 * time.Second

// PowerOff writes what the kernel still holds for the disks, and powers the machine off.
// It only returns if that fails. A disk that does not answer is waited for at most 10
// seconds, and late is called.
func PowerOff(late func()) error {
	written := make(chan struct{})
	go func() {
		unix.Sync()
		close(written)
	}()
	select {
	case <-written:
	case <-time.After(syncBudget):
		late()
	}
	return unix.Reboot(unix.LINUX_REBOOT_CMD_POWER_OFF)
}

// SignalGroup signals a process group that no Host has started. Signal 0 asks whether the
// group still exists.
func SignalGroup(leader int, sig project.Signal) error { return unix.Kill(-leader, unix.Signal(sig)) }

// Options tunes a Host. The zero value is ready to use, without a guard and
// without a journal.
type Options struct {
	// Run names this project in cookies. Supervisors that must not run at the same
	// time have the same. Default: random.
	Run string
	// Journal is a file that lists what runs, so that, if we die suddenly, the next
	// Host with the same file ends it first. "": none.
	Journal string
	// Guard is the descriptor that we have from [GuardMain], after [AwaitGuard]. 0: there
	// is no guard. PID 1 needs none, since its end is the container's.
	Guard int
	// GuardGrace is how long the guard waits between StopSignal and SIGKILL. Default:
	// 800ms.
	GuardGrace time.Duration
	// OutOfMemory, unless nil, is called with the number of programs in our control
	// group that the kernel has killed for lack of memory. Leaders don't count, since
	// [project.Exit] says it, nor do descendants in groups of their own: see [Spec].
	// There is one call at a time.
	OutOfMemory func(kills int)
	// Launch is the command that runs LaunchMain, such as []string{self, "launch"}.
	// Without it, a Spec that needs it can't be started.
	Launch []string
	// Spare is the pid of a child that others have started, and that goes on after Close
	// with all below it. 0: there is none.
	Spare int

	Log *slog.Logger // nil: discard
}

func (o *Options) setDefaults() {
	o.Run = cmp.Or(o.Run, strings.ToLower(rand.Text()))
	o.GuardGrace = cmp.Or(o.GuardGrace, 800*time.Millisecond)
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
}

// A Host starts processes and waits for all children of this program. A program may only
// have one at a time: two would steal each other's statuses.
type Host struct {
	opts       Options
	log        *slog.Logger
	devNull    *os.File
	plain, nnp *forker // threads that fork; nnp has no_new_privs, and is nil if the kernel does not know that
	subreaper  bool    // we get the orphans
	ownScore   int     // our oom_score_adj
	cgroups    *cgroups
	journal    *journal
	guard      *guardLink
	tables     tableCache

	sigs    chan os.Signal
	poke    chan struct{} // asks for a pass of the reaper
	quit    chan struct{}
	stopped chan struct{} // the reaper has ended

	mu        sync.Mutex       // guards all below; it is held while reaping, so that pids stay valid under it
	procs     map[int]*Process // by pid, from the fork until the leader is reaped
	forking   int              // forks whose pid is not in procs yet
	passed    bool             // the reaper has looked meanwhile, and may have overlooked one of them
	held      int              // leaders that are kept as zombies
	launching int              // live leaders of mode Daemon
	roots     map[int]*Process // daemons, by the pids of their roots
	reaped    int              // how many orphans were reaped
	oomSeen   int64            // the number of OOM kills at the last look
	oomLooked time.Time        // when a start has looked
	oomTold   int64            // how many of them have been reported
	oomGone   int64            // how many were in groups of ours that are removed now
	oom       oomWatch
	births    birthClock
	seq       int            // of the last cookie
	lent      map[int]uint64 // start times, by pid, of what Lend has made ours; nil: it was never called
	closed    bool
	abandoned map[int]uint64 // start times, by pid, of what was killed and is waited for no more
	told      []*Process     // in this order, by Terminate; some are dead
	due       []func()       // of AfterExit, to be called without the lock
	named     map[int]uint64 // likewise, of what somebody was told that it can't be ended

	after func(time.Duration) <-chan time.Time // time.After
}

// New makes us the reaper of all that we start, and ends what an earlier Host with the
// same journal has left running.
func New(opts Options) (*Host, error) {
	opts.setDefaults()
	h := &Host{
		opts: opts, log: opts.Log,
		procs: make(map[int]*Process),
		roots: make(map[int]*Process),
		named: make(map[int]uint64), abandoned: make(map[int]uint64), after: time.After,
		sigs:    make(chan os.Signal, 1),
		poke:    make(chan struct{}, 1),
		quit:    make(chan struct{}),
		stopped: make(chan struct{}),
	}
	closeOnExec()
	if IsInit() {
		h.subreaper = true
	} else if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err == nil {
		h.subreaper = true
	} else {
		h.log.Warn("orphans will not come to us", "err", err)
	}
	h.ownScore = ownOOMScore()
	h.cgroups = newCgroups(opts.Run)
	h.oomSeen = h.looseOOM()
	h.oomTold, h.oom.wake = h.oomSeen, make(chan struct{}, 1)

	var err error
	if h.devNull, err = os.OpenFile(os.DevNull, os.O_RDWR, 0); err != nil {
		return nil, fmt.Errorf("cannot open %s for the services' input: %v", os.DevNull, err)
	}
	if opts.Guard != 0 {
		// We are in the background of our terminal, and "stty tostop" makes it stop
		// background processes that print.
		signal.Ignore(unix.SIGTTOU)
		if h.guard, err = newGuardLink(opts.Guard, opts.GuardGrace); err != nil {
			h.devNull.Close()
			return nil, err
		}
	}
	if h.journal, err = openJournal(opts); err != nil {
		h.guard.close()
		h.devNull.Close()
		return nil, err
	}
	limit := new(sync.Mutex)
	h.plain = startForker(false, limit)
	h.nnp = startForker(true, limit)

	signal.Notify(h.sigs, unix.SIGCHLD)
	go h.run()
	if file := h.cgroups.memory; opts.OutOfMemory != nil && file != machineOOM {
		h.oom.mute = !h.watchOOM(file, h.cgroups.nested)
	}
	go h.runOOM()
	return h, nil
}

// Run returns the name of this run: all of its cookies begin with Run + "/".
func (h *Host) Run() string { return h.opts.Run }

// Reaped returns how many orphans were reaped so far.
func (h *Host) Reaped() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.reaped
}

// Close kills what still runs, waits for its end, and releases all resources. A
// *SurvivorError says what could not be ended. It is wrapped in a *ToldError if all of
// that was named before: see [Process.GiveUp] and [Host.Named].
func (h *Host) Close() error {
	h.mu.Lock()
	if h.closed {
		h.mu.Unlock()
		<-h.stopped
		return nil
	}
	h.closed = true
	running := make([]*Process, 0, len(h.procs))
	for _, p := range h.procs {
		running = append(running, p)
	}
	h.mu.Unlock()

	for _, p := range running {
		p.Kill()
	}
	h.await(running)
	left := h.sweepOwn()
	err := h.unended(left)
	h.guard.close()
	signal.Stop(h.sigs)
	close(h.quit)
	<-h.stopped
	h.plain.stop()
	h.nnp.stop()
	h.cgroups.close()
	if h.oom.notify != nil {
		h.oom.notify.Close()
	}
	h.devNull.Close()
	if err != nil {
		return err // the journal stays: the next Host tries again
	}
	return h.journal.remove()
}

// closeOnExec keeps the descriptors that we have inherited from our children.
func closeOnExec() {
	if unix.CloseRange(3, ^uint(0)>>1, unix.CLOSE_RANGE_CLOEXEC) == nil {
		return
	}
	dir, err := os.Open("/proc/self/fd")
	if err != nil {
		return
	}
	defer dir.Close()
	names, _ := dir.Readdirnames(-1)
	for _, name := range names {
		if fd, err := strconv.Atoi(name); err == nil && fd > 2 {
			unix.CloseOnExec(fd)
		}
	}
}

func ownOOMScore() int {
	data, _ := readProc("/proc/self/oom_score_adj")
	n, _ := strconv.Atoi(strings.TrimSpace(string(data)))
	return n
}
