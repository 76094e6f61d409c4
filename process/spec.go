package process

import (
	"os"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"nix2gpu/project"
)

// CookieVar is the environment variable that marks every process we start,
// and by inheritance everything that those start.
const CookieVar = "NIX2GPU_COOKIE"

// A Mode says what becomes of descendants when a process has ended.
type Mode int

// The modes.
const (
	Group    Mode = iota // all descendants are ended before the process is done
	OnlyMain             // descendants may live on, until the Host closes
	// Daemon is for a program that launches something and ends, with success: the
	// process is then what it has left running, and done when nothing of that is left.
	Daemon
)

// A Terminal says how a process relates to a terminal.
type Terminal int

// The relations.
const (
	NoTerminal  Terminal = iota // a session of its own without a terminal
	OwnTerminal                 // a session of its own, controlled by the terminal on stdin
)

// A Spec says what to start, and how. Only Argv is required.
type Spec struct {
	Name string // in cookies, messages and the journal; default: the base name of Argv[0]

	Path string   // what to execute; default: Argv[0], looked up in the PATH of Env
	Argv []string // the whole argument vector
	Env  []string // the whole environment, to which the cookie is added
	// Cookie marks the process instead of a cookie of our own. It comes from another
	// Host: see [Host.Lend].
	Cookie string
	Dir    string // default: ours

	Stdin, Stdout, Stderr *os.File // nil: /dev/null
	ExtraFiles            []*os.File
	Terminal              Terminal

	User       *User // nil: ours
	NoNewPrivs bool
	Umask      *int // nil: ours
	Nice       *int // nil: ours
	OOMScore   *int // oom_score_adj; nil: ours, but at least 0

	Limits  Limits
	Sandbox Sandbox
	// Loopback gives the process a network of its own that has nothing but a loopback. As
	// another user than root it then is in a user namespace, too.
	Loopback bool
	// NetworkOf is the pid of a process whose network is used instead; it takes root. 0: none.
	NetworkOf int
	// OutOfMemory, unless nil, is called with the number of descendants that the kernel
	// has killed for lack of memory while the program itself lives. That is only known
	// if Limits make a group for them. There is one call at a time.
	OutOfMemory func(kills int)

	Mode Mode
	// Success has the exit codes, beside 0, of a program that has launched its daemon.
	Success []int
	// Launched, unless nil, is called when the program has left a daemon running, with
	// the pid of its oldest process, and again when that is another one.
	Launched func(pid int)
	// StopSignal ends the group: it is the default of Terminate, and is sent when we die
	// and when the program has ended before its descendants. Default: SIGTERM.
	StopSignal project.Signal
	// LeftoverGrace is how long descendants have between StopSignal and SIGKILL if the
	// program ends without Terminate. Default: 2s, negative: none.
	LeftoverGrace time.Duration
}

// A User is who a process runs as. Only root can name another one.
type User struct {
	UID, GID int
	Groups   []int // supplementary
}

// Limits bound what a process and its descendants may use; zero: no bound.
// All but NoFile and Rlimits need a writable cgroup: see [Process.Unlimited].
type Limits struct {
	Memory int64   // bytes
	CPUs   float64 // of one core
	Pids   int64
	NoFile uint64 // open files, of each process
	IO     IO

	// Rlimits are set as they are, by number (unix.RLIMIT_CORE, …).
	Rlimits map[int]unix.Rlimit
}

// IO bounds the use of disks.
type IO struct {
	Weight int // beside others at a busy disk: 1 to 10000; the others have 100
	Max    []IOMax
}

// An IOMax is how much may go to and from one disk in a second; zero: no bound.
type IOMax struct {
	Path              string // the device of the disk, or anything that is on it
	ReadBytes         int64
	WriteBytes        int64
	ReadOps, WriteOps int64
	Where             string // who says so, for messages; may be empty
}

// LimitsOf are the limits of a project's process whose paths are resolved.
func LimitsOf(l project.Limits) Limits {
	out := Limits{Memory: l.Memory, CPUs: l.CPUs, Pids: l.Pids, NoFile: l.NoFile, IO: IO{Weight: l.IO.Weight}}
	names := project.RlimitNames()
	for name, limit := range l.Rlimits {
		if out.Rlimits == nil {
			out.Rlimits = map[int]unix.Rlimit{}
		}
		out.Rlimits[slices.Index(names, name)] = unix.Rlimit{Cur: limit.Soft, Max: limit.Hard}
	}
	for _, m := range l.IO.Max {
		out.IO.Max = append(out.IO.Max, IOMax{Path: m.Path.String(), ReadBytes: m.ReadBytes, WriteBytes: m.WriteBytes,
			ReadOps: m.ReadOps, WriteOps: m.WriteOps, Where: m.Pos.String()})
	}
	return out
}

// Set makes a process have settings, which belong to a project that was checked. Caps
// are what it keeps as another user where they say nothing of capabilities; read and
// write are all that it may see of the file system, in a sandbox.
func (s *Spec) Set(o project.Settings, caps, read, write []string) {
	s.Nice, s.OOMScore = o.Nice, o.OOMScoreAdjust
	s.Umask, _ = o.UmaskBits()
	switch {
	case o.Capabilities != nil:
		s.Sandbox.DropCaps, s.Sandbox.Caps = true, *o.Capabilities
	case len(caps) > 0 || o.Sandbox != "":
		s.Sandbox.DropCaps, s.Sandbox.Caps = true, caps
	}
	s.Loopback = o.Network == project.Loopback
	if o.Sandbox != "" {
		s.NoNewPrivs = true
		s.Sandbox.ReadOnly, s.Sandbox.ReadWrite = read, write
	}
}

// A Sandbox takes privileges away before the program starts.
// The zero value takes nothing.
type Sandbox struct {
	DropCaps bool     // keep only Caps, of what we have
	Caps     []string // "net_bind_service", as capabilities(7) names them

	// ReadOnly and ReadWrite, when one is set, are all that the process may
	// see of the file system (Landlock; where the kernel has none, Start fails).
	ReadOnly, ReadWrite []string
}
