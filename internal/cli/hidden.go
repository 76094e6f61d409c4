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
	"nix2gpu/provision"
	"nix2gpu/rundir"
	"nix2gpu/session"
)

// runHidden runs the verbs that the program uses itself, if args name one.
func runHidden(ctx context.Context, env *Env, args []string) (ran bool, err error) {
	if len(args) == 0 {
		return false, nil
	}
	// Executed anew by way of /proc/self/exe, we would be "exe" to ps, top and
	// pgrep. Where it can't be written, that is all that is lost.
	os.WriteFile("/proc/self/comm", []byte("nix2gpu"), 0)
	switch args[0] {
	case "supervise":
		return true, runSupervise(ctx, env, args[1:])
	case "guard":
		return true, runGuard(env, args[1:])
	case "launch":
		return true, process.LaunchMain(args[1:])
	case "provision":
		return true, provision.Main(ctx, args[1:], provision.Stdio{Out: env.Stdout, Err: env.Stderr})
	}
	return false, nil
}

// attached stands for the descriptor that nobody waits at.
const attached = "-"

// runGuard runs our own program with args as the supervisor, and returns its
// exit code as an error.
func runGuard(env *Env, args []string) error {
	if len(args) < 2 || args[0] != "supervise" {
		return errors.New("guard is used by \"up\", not by hand")
	}
	code, err := process.GuardMain(env.Self, append([]string{env.Args[0]}, args...))
	if err == nil && code == 0 {
		return nil
	}
	return &exitError{code: code, err: err}
}

// runSupervise runs the job in the descriptor args[0], and returns its exit
// code as an error. With args[1] it is detached, and says there when it is up.
// The descriptor args[2] leads to the guard.
func runSupervise(ctx context.Context, env *Env, args []string) error {
	in, err := descriptor(args, 0)
	if err != nil {
		return err
	}
	told, heard := func(error) {}, func() {}
	if len(args) > 1 && args[1] != attached {
		out, err := descriptor(args, 1)
		if err != nil {
			return err
		}
		var once sync.Once
		told = func(err error) {
			once.Do(func() {
				var h handshake
				if err != nil {
					var locked *rundir.LockedError
					h = handshake{Error: err.Error(), Code: exitCode(err)}
					h.Taken = errors.As(err, &locked) && locked.Socket == ""
					var ce *control.Error
					if errors.As(err, &ce) {
						h.Hint = ce.Hint
					}
				}
				json.NewEncoder(out).Encode(h)
			})
		}
		heard = func() { awaitReader(out) }
	}
	guard := 0
	if len(args) > 2 {
		if guard, err = strconv.Atoi(args[2]); err != nil {
			return err
		}
	}
	err = supervise(ctx, env, in, guard, func() { told(nil) }, heard)
	told(err)
	return err
}

func supervise(ctx context.Context, env *Env, in *os.File, guard int, up, heard func()) error {
	j, err := session.ReadJob(in)
	if err != nil {
		return err
	}
	self, err := env.selfPath()
	if err != nil {
		return err
	}
	code, err := session.Run(ctx, session.Options{
		RunDir: env.rundirEnv(), Environ: env.Environ, Self: self, Stdout: env.Stdout, Version: Version, Guard: guard,
		Up: up, Heard: heard,
	}, j)
	if err == nil && code != 0 {
		err = &exitError{code: code}
	}
	return err
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

// awaitReader waits until the other end of a pipe is closed, though not for
// long: whoever started us has then seen what the project has become, however
// short its life was.
func awaitReader(out *os.File) {
	fds := []unix.PollFd{{Fd: int32(out.Fd())}}
	for end := time.Now().Add(2 * time.Second); time.Now().Before(end); {
		n, err := unix.Poll(fds, int(time.Until(end).Milliseconds())+1)
		if n > 0 || err != nil && err != unix.EINTR {
			return
		}
	}
}
