package process

import (
	"path/filepath"
	"runtime"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"

	"nix2gpu/project"
)

// Exec executes the program of spec in place of ours, with the environment, folder, user,
// rlimits and sandbox of spec, and with our descriptors 0 to 2 and our terminal. It only
// returns if that fails. The error is a *StartError.
func Exec(spec Spec) error {
	if len(spec.Argv) == 0 {
		return &StartError{Reason: NotFound, Detail: "the command is empty"}
	}
	program, err := spec.program()
	if err != nil {
		return err
	}
	set := settings{Path: program, Rlimits: spec.rlimits(), Umask: spec.Umask, Nice: spec.Nice, OOMScore: spec.OOMScore,
		DropCaps: spec.Sandbox.DropCaps, Caps: spec.Sandbox.Caps, Read: spec.Sandbox.ReadOnly, Write: spec.Sandbox.ReadWrite, Network: spec.network()}
	if spec.User != nil && !spec.User.isUs() {
		set.User = spec.User
	}
	// What follows changes this thread alone, which is the one that survives the exec.
	runtime.LockOSThread()
	if spec.NoNewPrivs {
		if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
			return &StartError{Program: spec.Argv[0], Reason: Unsupported, Detail: "this kernel has no no_new_privs"}
		}
	}
	if step, err := set.apply(); err != nil {
		return launchFailed(spec.Argv[0], step, err)
	}
	if spec.Dir != "" {
		if err := unix.Chdir(spec.Dir); err != nil {
			return spec.explain(err, program)
		}
	}
	return spec.explain(syscall.Exec(program, spec.Argv, spec.Env), program)
}

// JoinGroups moves our own process into cgroups, in which a program that it executes
// stays. After an error, not all of their limits hold for it.
func JoinGroups(dirs []string) error {
	for _, dir := range dirs {
		if err := put(dir, "cgroup.procs", unix.Getpid()); err != nil {
			return err
		}
	}
	return nil
}

// Lend makes a process that is not our child, and will execute some program, count as
// one of ours: it should have the cookie in its environment, and ends with the Host. dirs
// are the cgroups of the running process of that name, which it may join. From Close on,
// nobody would end it: the error is ErrClosed.
func (h *Host) Lend(name string, pid int) (cookie string, dirs []string, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		return "", nil, ErrClosed
	}
	h.seq++
	if h.lent == nil {
		h.lent = make(map[int]uint64)
	}
	for old, start := range h.lent {
		if info, err := Inspect(old); err != nil || info.Start != start {
			delete(h.lent, old)
		}
	}
	if info, err := Inspect(pid); err == nil {
		h.lent[pid] = info.Start
	}
	for _, p := range h.procs {
		if p.spec.Name == name && p.cgroup != nil {
			dirs = append(dirs, p.cgroup.dirs...)
		}
	}
	return CookieVar + "=" + h.opts.Run + "/" + cookieName(filepath.Base(name)) + "-exec#" + strconv.Itoa(h.seq), dirs, nil
}

// TakeBack makes a process of [Host.Lend] count as one of ours no more, because what it was
// lent for has ended. What it has started, and has the cookie, still does.
func (h *Host) TakeBack(pid int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.lent, pid)
}

// SignalLent sends a signal to a process of [Host.Lend], or to a child of one. Whoever asks
// has just looked whether it still is that process.
func SignalLent(pid int, sig project.Signal) error { return unix.Kill(pid, unix.Signal(sig)) }
