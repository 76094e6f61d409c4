package process

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"

	"nix2gpu/project"
)

// settings are what LaunchMain applies before it executes the program. It gets them as an
// argument.
type settings struct {
	Path     string              `json:"path"`
	User     *User               `json:"user,omitempty"`
	Rlimits  map[int]unix.Rlimit `json:"rlimits,omitempty"`
	Umask    *int                `json:"umask,omitempty"`
	Nice     *int                `json:"nice,omitempty"`
	OOMScore *int                `json:"oomScore,omitempty"`
	Spared   bool                `json:"spared,omitempty"` // the supervisor is, for lack of memory, and the program shall not be
	DropCaps bool                `json:"dropCaps,omitempty"`
	Caps     []string            `json:"caps,omitempty"`
	Read     []string            `json:"read,omitempty"`
	Write    []string            `json:"write,omitempty"`
	Network  *network            `json:"network,omitempty"`
	Signal   int                 `json:"signal"` // to get when the supervisor dies
	Parent   int                 `json:"parent"` // the supervisor
	Report   int                 `json:"report"` // descriptor to write an error to
}

// launchError is what LaunchMain reports to the supervisor.
type launchError struct {
	Step  string `json:"step"`
	Text  string `json:"text"`
	Errno int    `json:"errno"`
}

// throughLaunch makes req run LaunchMain first if spec asks for something that only the
// process itself can do.
func (h *Host) throughLaunch(spec *Spec, req *forkRequest) error {
	box := spec.Sandbox
	rlimits := spec.rlimits()
	var umask *int
	if spec.Umask != nil && !h.plain.ownFS { // a container may forbid threads to have their own
		umask, req.umask = spec.Umask, nil
	}
	// Before the exec: what the program starts at once would have our score.
	spared := spec.OOMScore == nil && h.ownScore < 0 && len(h.opts.Launch) > 0
	net := spec.network()
	if net == nil && len(rlimits) == 0 && umask == nil && spec.Nice == nil && spec.OOMScore == nil && !spared && !box.DropCaps && box.ReadOnly == nil && box.ReadWrite == nil {
		return nil
	}
	if len(h.opts.Launch) == 0 {
		return &StartError{Program: spec.Argv[0], Reason: Unsupported, Detail: "limits and sandboxes need the launch command"}
	}
	read, write, err := os.Pipe()
	if err != nil {
		return spec.explain(err, req.path)
	}
	req.report, req.reportEnd = read, write
	set := settings{
		Path: req.path, Rlimits: rlimits, Umask: umask, Nice: spec.Nice, OOMScore: spec.OOMScore, Spared: spared,
		DropCaps: box.DropCaps, Caps: box.Caps, Read: box.ReadOnly, Write: box.ReadWrite, Network: net,
		Signal: int(spec.StopSignal), Parent: unix.Getpid(), Report: len(req.attr.Files),
	}
	req.attr.Files = append(req.attr.Files, write.Fd())
	if req.attr.Sys.Credential != nil { // LaunchMain changes the user, after the limits: to raise one takes root
		set.User, req.attr.Sys.Credential = spec.User, nil
	}
	if net != nil && net.Of == 0 && unix.Geteuid() != 0 {
		net.Born = true
		inNamespaces(req.attr.Sys)
	}
	text, err := json.Marshal(set)
	if err != nil {
		return err
	}
	req.path = h.opts.Launch[0]
	req.argv = append(append(append([]string(nil), h.opts.Launch...), string(text)), req.argv...)
	return nil
}

// rlimits returns all resource limits of the process itself, by number.
func (s *Spec) rlimits() map[int]unix.Rlimit {
	out := make(map[int]unix.Rlimit, len(s.Limits.Rlimits)+1)
	maps.Copy(out, s.Limits.Rlimits)
	if n := s.Limits.NoFile; n > 0 {
		out[unix.RLIMIT_NOFILE] = unix.Rlimit{Cur: n, Max: n}
	}
	return out
}

// awaitLaunch waits until the program runs, or returns why it can't.
func (r *forkRequest) awaitLaunch(spec *Spec) error {
	r.reportEnd.Close()
	data, _ := io.ReadAll(r.report)
	r.report.Close()
	if len(data) == 0 {
		return nil // the exec has closed the pipe
	}
	var failed launchError
	if err := json.Unmarshal(data, &failed); err != nil {
		return &StartError{Program: spec.Argv[0], Reason: Failed, Detail: string(data)}
	}
	if failed.Step == "" {
		return unix.Errno(failed.Errno) // the exec itself has failed
	}
	var cause error = errors.New(failed.Text)
	if failed.Errno != 0 {
		cause = unix.Errno(failed.Errno)
	}
	return launchFailed(spec.Argv[0], failed.Step, cause)
}

// launchFailed returns an error about a step before the exec.
func launchFailed(program, step string, err error) *StartError {
	e := &StartError{Program: program, Reason: Failed, Detail: fmt.Sprintf("cannot %s: %v", step, err)}
	if errors.As(err, &e.Errno) && (e.Errno == unix.ENOSYS || e.Errno == unix.EOPNOTSUPP) {
		e.Reason = Unsupported
	}
	if step == stepLoopback || step == stepJoin {
		e.Reason, e.Hint = Unsupported, LoopbackHint
		if step == stepJoin {
			e.Hint = "use it as root"
		}
	}
	if strings.HasPrefix(step, "set ") && (errors.Is(err, unix.EPERM) || errors.Is(err, unix.EACCES)) {
		e.Hint = "that takes root, with the rights that a container mostly lacks (CAP_SYS_NICE, CAP_SYS_RESOURCE): leave it out, or ask for less"
	}
	return e
}

func (r *forkRequest) close() {
	if r.report != nil {
		r.report.Close()
		r.reportEnd.Close()
	}
}

// LaunchMain applies settings to its own process and executes the program. Host.Start has
// given it the arguments: the settings, and the argument vector of the program. It only
// returns if that fails, mostly with a *ToldError.
func LaunchMain(args []string) error {
	var set settings
	if len(args) < 2 || json.Unmarshal([]byte(args[0]), &set) != nil || set.Report < 3 {
		return errors.New("this command is used by the supervisor, not by hand")
	}
	unix.CloseOnExec(set.Report)
	// Credentials and rules are those of a thread, and this one survives the exec.
	runtime.LockOSThread()
	step, err := set.apply()
	if err == nil {
		step, err = "start", set.tie()
	}
	if err == nil {
		step = ""
		err = syscall.Exec(set.Path, args[1:], os.Environ())
	}
	failed := launchError{Step: step, Text: err.Error()}
	var errno unix.Errno
	if errors.As(err, &errno) {
		failed.Errno = int(errno)
	}
	text, _ := json.Marshal(failed)
	unix.Write(set.Report, text)
	return &ToldError{err}
}

// A ToldError is one that somebody has heard of: nobody else needs to be told.
type ToldError struct{ Err error }

func (e *ToldError) Error() string { return e.Err.Error() }
func (e *ToldError) Unwrap() error { return e.Err }

// apply applies the settings, those that need privileges first. If it fails, it returns
// what could not be done, to follow "cannot".
func (s *settings) apply() (step string, err error) {
	if s.Network != nil {
		if step, err := s.Network.enter(); err != nil {
			return step, err
		}
	}
	if s.Umask != nil {
		unix.Umask(*s.Umask)
	}
	if s.Nice != nil { // of this thread, which is the one that survives
		if err := unix.Setpriority(unix.PRIO_PROCESS, 0, *s.Nice); err != nil {
			return fmt.Sprintf("set nice to %d", *s.Nice), err
		}
	}
	if s.OOMScore != nil {
		if err := setOOMScore("self", *s.OOMScore); err != nil {
			return fmt.Sprintf("set oomScoreAdjust to %d", *s.OOMScore), err
		}
	}
	if s.Spared {
		_ = setOOMScore("self", 0) // where it stays, the program is only as safe as we are
	}
	for which, limit := range s.Rlimits {
		// By the syscall package: else that would restore, at the exec, the original
		// limit of open files, which Go has raised.
		err := syscall.Setrlimit(which, &syscall.Rlimit{Cur: limit.Cur, Max: limit.Max})
		if err != nil {
			name := strconv.Itoa(which)
			if names := project.RlimitNames(); which < len(names) {
				name = names[which]
			}
			return "set the limit " + name, err
		}
	}
	if s.DropCaps {
		if err := dropBounding(s.Caps); err != nil {
			return "drop capabilities", err
		}
	}
	if s.User != nil {
		if s.DropCaps && len(s.Caps) > 0 {
			unix.Prctl(unix.PR_SET_KEEPCAPS, 1, 0, 0, 0)
			// Without this, access(2) ignores the capabilities that are kept, and
			// programs that call it first believe that they have no rights.
			unix.Prctl(unix.PR_SET_SECUREBITS, noSetuidFixup, 0, 0, 0)
		}
		if err := s.User.become(); err != nil {
			return fmt.Sprintf("become user %d", s.User.UID), err
		}
	}
	if s.DropCaps {
		if err := keepCaps(s.Caps); err != nil {
			return "drop capabilities", err
		}
	}
	if s.Read != nil || s.Write != nil {
		if err := landlock(s.Read, s.Write); err != nil {
			return "restrict its view of the file system", err
		}
	}
	return "", nil
}

// tie makes this process end with the supervisor. It comes last, since a change of user
// clears the parent-death signal.
func (s *settings) tie() error {
	unix.Prctl(unix.PR_SET_PDEATHSIG, uintptr(s.Signal), 0, 0, 0)
	if unix.Getppid() != s.Parent && s.Parent != 1 {
		return errors.New("the supervisor has died")
	}
	return nil
}

// noSetuidFixup is SECBIT_NO_SETUID_FIXUP of linux/securebits.h.
const noSetuidFixup = 1 << 2

// become changes the user of this thread.
func (u *User) become() error {
	groups := make([]uint32, len(u.Groups))
	for i, g := range u.Groups {
		groups[i] = uint32(g)
	}
	var first unsafe.Pointer
	if len(groups) > 0 {
		first = unsafe.Pointer(&groups[0])
	}
	if _, _, errno := unix.RawSyscall(unix.SYS_SETGROUPS, uintptr(len(groups)), uintptr(first), 0); errno != 0 {
		return errno
	}
	if _, _, errno := unix.RawSyscall(unix.SYS_SETRESGID, uintptr(u.GID), uintptr(u.GID), uintptr(u.GID)); errno != 0 {
		return errno
	}
	if _, _, errno := unix.RawSyscall(unix.SYS_SETRESUID, uintptr(u.UID), uintptr(u.UID), uintptr(u.UID)); errno != 0 {
		return errno
	}
	return nil
}

// capMask returns the bits of capabilities, whose names may begin with "cap_".
func capMask(names []string) (mask uint64, err error) {
	for _, name := range names {
		name = strings.TrimPrefix(strings.ToLower(name), "cap_")
		found := false
		for i, known := range project.CapabilityNames() {
			if name == known {
				mask, found = mask|1<<i, true
			}
		}
		if !found {
			return 0, fmt.Errorf("unknown capability %q", name)
		}
	}
	return mask, nil
}

// dropBounding removes all capabilities but keep from the bounding set.
func dropBounding(keep []string) error {
	mask, err := capMask(keep)
	if err != nil {
		return err
	}
	for i := range 64 {
		if mask&(1<<i) != 0 {
			continue
		}
		err := unix.Prctl(unix.PR_CAPBSET_DROP, uintptr(i), 0, 0, 0)
		if err == unix.EINVAL {
			return nil // the kernel does not have that many
		}
		if err == unix.EPERM {
			return nil // we are not root, and have none to drop
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// keepCaps drops all capabilities of this thread but keep, which the program then
// inherits.
func keepCaps(keep []string) error {
	mask, err := capMask(keep)
	if err != nil {
		return err
	}
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	if err := unix.Capget(&header, &data[0]); err != nil {
		return err
	}
	for i := range data {
		part := uint32(mask >> (32 * i))
		data[i].Permitted &= part
		data[i].Effective = data[i].Permitted
		data[i].Inheritable = data[i].Permitted
	}
	if err := unix.Capset(&header, &data[0]); err != nil {
		return err
	}
	for i := range project.CapabilityNames() {
		if data[i/32].Inheritable&(1<<(i%32)) != 0 {
			if err := unix.Prctl(unix.PR_CAP_AMBIENT, unix.PR_CAP_AMBIENT_RAISE, uintptr(i), 0, 0); err != nil {
				return err
			}
		}
	}
	return nil
}
