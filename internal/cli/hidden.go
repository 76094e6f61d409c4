package cli

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"strconv"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"nix2gpu/control"
	"nix2gpu/process"
	"nix2gpu/project"
	"nix2gpu/provision"
	"nix2gpu/rundir"
	"nix2gpu/session"
)

// runHidden runs the verb that args name, if it is one of those that the program
// uses for itself.
func runHidden(ctx context.Context, env *Env, args []string) (ran bool, err error) {
	if len(args) == 0 {
		return false, nil
	}
	// Started by /proc/self/exe, we would be "exe" to ps, top and pgrep. If this
	// fails, only the name is lost.
	os.WriteFile("/proc/self/comm", []byte("nix2gpu"), 0)
	switch args[0] {
	case "supervise":
		return true, runSupervise(ctx, env, args[1:])
	case "detached": // what follows is a command line of ours
		f, err := descriptor(args, 1)
		if err != nil {
			return true, err
		}
		env.handshake, env.Args = f, append([]string{env.Args[0]}, args[2:]...)
		return false, nil
	case "guard":
		return true, runGuard(ctx, env, args[1:])
	case "launch":
		err := process.LaunchMain(args[1:])
		if errors.As(err, new(*process.ToldError)) {
			err = &exitError{code: exitFailed}
		}
		return true, err
	case "trial":
		code, err := process.TrialMain(args[1:])
		if code == 0 && err == nil {
			return true, nil
		}
		return true, &exitError{code, err}
	case "provision":
		err := provision.Main(ctx, args[1:], provision.Stdio{Out: env.Stdout, Err: env.Stderr})
		var lasting *provision.LastingError
		if errors.As(err, &lasting) {
			err = &exitError{project.CannotPass, err}
		}
		return true, err
	}
	return false, nil
}

// attached stands in place of a descriptor: nobody waits for a handshake.
const attached = "-"

// runGuard runs our own program with args as the supervisor, and returns its
// exit code as an error. After args may come those of [process.Guarded.Args].
func runGuard(ctx context.Context, env *Env, args []string) error {
	if len(args) < 2 || args[0] != "supervise" {
		return errors.New("guard is used by \"up\", not by hand")
	}
	started, err := process.TakeGuarded(args[min(3, len(args)):])
	if err != nil {
		return err
	}
	return guard(ctx, env, args[:min(3, len(args))], started, guarded(env, args[1]), true)
}

// guard is runGuard with the paths of the job, nil if there is none. light says that we have
// done nothing else before.
func guard(ctx context.Context, env *Env, args []string, started *process.Guarded, layout *rundir.Layout, light bool) error {
	code, err := process.GuardMain(env.Self, append([]string{env.Args[0]}, args...), started, light, func() error { return handOver(ctx) })
	if err == nil && code == 0 || errors.As(err, new(*interruption)) {
		return err
	}
	if err != nil && layout != nil { // it was killed: clear up in its place, unless another has begun already
		if lock, err := layout.Lock(); err == nil {
			layout.Clear()
			lock.Release()
		}
	}
	return &exitError{code: code, err: err}
}

// guarded returns the paths of the job in the descriptor fd. It does not move the
// descriptor's position, because the supervisor reads it too. It returns nil where
// there is no job: the supervisor reports that.
func guarded(env *Env, fd string) *rundir.Layout {
	n, err := strconv.Atoi(fd)
	if err != nil || n < 3 {
		return nil
	}
	dup, err := unix.FcntlInt(uintptr(n), unix.F_DUPFD_CLOEXEC, 3)
	if err != nil {
		return nil
	}
	f := os.NewFile(uintptr(dup), "job")
	defer f.Close()
	container, root, socket, err := session.PeekJob(f)
	if err != nil {
		return nil
	}
	layout := layoutOf(env, container, root, socket)
	return &layout
}

// runSupervise runs the job in the descriptor args[0], and returns its exit code as
// an error. With a descriptor in args[1] it is detached, and writes its handshake
// there; otherwise, if another supervisor has the lock, it joins that one's project.
// The descriptor args[2] leads to the guard.
func runSupervise(ctx context.Context, env *Env, args []string) error {
	in, err := descriptor(args, 0)
	if err != nil {
		return err
	}
	guard := 0
	if len(args) > 2 {
		if guard, err = strconv.Atoi(args[2]); err != nil {
			return err
		}
	}
	if len(args) > 1 && args[1] != attached {
		out, err := descriptor(args, 1)
		if err != nil {
			return err
		}
		h := reporter{out: out}
		if !guardListens(guard) {
			return &exitError{code: exitFailed}
		}
		j, err := session.ReadJob(in)
		if err == nil {
			err = supervise(ctx, env, j, session.Options{Guard: guard, Up: func() { h.tell(nil) }, Heard: func() { awaitReader(out) }})
		}
		h.tell(err)
		return err
	}
	if !guardListens(guard) {
		return &exitError{code: exitFailed}
	}
	j, err := session.ReadJob(in)
	if err != nil {
		return err
	}
	layout := layoutOf(env, j.Container, j.Root, j.Socket)
	return untilOurs(ctx, layout,
		func(ctx context.Context) error {
			if j.Once {
				say(env.Stdout, "already running as pid %d", layout.Holder())
				return nil
			}
			return followHere(ctx, env, j, layout)
		},
		func(ctx context.Context) error { return supervise(ctx, env, j, session.Options{Guard: guard}) })
}

// guardListens waits for the guard, if there is one, and so for the job, which may be written
// until then. Without a guard that lives, the supervisor ends in silence: whoever killed it
// wants nothing to run.
func guardListens(fd int) bool { return fd == 0 || process.AwaitGuard(fd) }

// supervise runs a job. The error is a *takenError when another supervisor has the
// lock.
func supervise(ctx context.Context, env *Env, j *session.Job, opts session.Options) error {
	self, err := env.selfPath()
	if err != nil {
		return err
	}
	opts.RunDir, opts.Environ, opts.Self, opts.Stdout, opts.Version = env.rundirEnv(), env.Environ, self, env.Stdout, Version
	opts.Wire = newPCWire(env, j)
	code, err := session.Run(ctx, opts, j)
	var locked *rundir.LockedError
	switch {
	case errors.As(err, &locked) && locked.Socket == "":
		return &takenError{err}
	case err == nil && code != 0:
		return &exitError{code: code}
	}
	return err
}

// A reporter sends the handshake of a detached supervisor, once.
type reporter struct {
	out  *os.File
	once sync.Once
}

func (h *reporter) tell(err error) {
	h.once.Do(func() {
		var said handshake
		if err != nil {
			said = handshake{Error: err.Error(), Code: exitCode(err)}
			var taken *takenError
			said.Taken = errors.As(err, &taken)
			var ce *control.Error
			if errors.As(err, &ce) {
				said.Hint = ce.Hint
			}
		}
		json.NewEncoder(h.out).Encode(said)
	})
}

func descriptor(args []string, i int) (*os.File, error) {
	if i < len(args) {
		if fd, err := strconv.Atoi(args[i]); err == nil && fd > 2 {
			syscall.CloseOnExec(fd)
			return os.NewFile(uintptr(fd), "handover"), nil
		}
	}
	return nil, session.ErrNotAJob
}

// awaitReader waits until the other end of a pipe is closed, for two seconds at
// most. It lets whoever started us see how a project ended that ran only for a
// moment.
func awaitReader(out *os.File) {
	fds := []unix.PollFd{{Fd: int32(out.Fd())}}
	for end := time.Now().Add(2 * time.Second); time.Now().Before(end); {
		n, err := unix.Poll(fds, int(time.Until(end).Milliseconds())+1)
		if n > 0 || err != nil && err != unix.EINTR {
			return
		}
	}
}
