package cli

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"runtime/debug"
	"slices"
	"syscall"

	"golang.org/x/sys/unix"

	"nix2gpu/process"
	"nix2gpu/rundir"
	"nix2gpu/session"
)

// An ahead is a supervisor that waits for its job, and loads while we evaluate. The methods
// of nil do nothing.
type ahead struct {
	job     *os.File // empty; the supervisor has it as well
	args    []string // the supervisor's
	waiting *process.Guarded
}

// startAhead starts a supervisor. It returns nil where that fails: become tries again, and
// reports it. Nor is there one if we are PID 1, which becomes the supervisor itself.
func startAhead(env *Env) *ahead {
	if process.IsInit() {
		return nil
	}
	a, err := startWaiting(env)
	if err != nil {
		return nil
	}
	return a
}

func startWaiting(env *Env) (*ahead, error) {
	f, err := session.NewJobFile()
	if err != nil {
		return nil, err
	}
	a := &ahead{job: f, args: []string{"supervise", fmt.Sprint(f.Fd()), attached}}
	if err = inherit(f, true); err == nil {
		a.waiting, err = process.StartGuarded(env.Self, append([]string{env.Args[0]}, a.args...), env.Environ)
		inherit(f, false)
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return a, nil
}

// leave ends the supervisor, unless become has taken it.
func (a *ahead) leave() {
	if a != nil && a.waiting != nil {
		a.job.Close()
		a.waiting.Leave()
		a.waiting = nil
	}
}

// inherit says whether programs that we execute get f.
func inherit(f *os.File, on bool) error {
	flags := unix.FD_CLOEXEC
	if on {
		flags = 0
	}
	_, err := unix.FcntlInt(f.Fd(), unix.F_SETFD, flags)
	return err
}

// become makes this process the guard of a, which is started now if it is nil, or, if we are
// PID 1, the supervisor itself. The guard begins in Main, when the command has returned and
// nothing refers any more to what it has made: that is sooner than another exec by as long as
// an evaluation takes. Where the evaluation has taken much memory, of which gaps would stay
// with us, a new program is the guard, in place of this one. Then the supervisor waits longer.
func become(ctx context.Context, env *Env, j *session.Job, a *ahead) (err error) {
	if err := context.Cause(ctx); err != nil {
		return err
	}
	if process.IsInit() {
		return becomeSupervisor(ctx, env, j)
	}
	if a == nil {
		if a, err = startWaiting(env); err != nil {
			return err
		}
		defer a.leave()
	}
	if err := j.Write(a.job); err != nil {
		return err
	}
	if taken() < lightHeap {
		layout := layoutOf(env, j.Container, j.Root, j.Socket)
		args, started := a.args, a.waiting
		a.job.Close()
		a.waiting = nil // it is no longer a's
		env.then = func(ctx context.Context) error {
			debug.SetGCPercent(100)
			return guard(ctx, env, args, started, &layout, false)
		}
		return nil
	}
	given, err := a.waiting.Args()
	if err == nil {
		err = inherit(a.job, true)
	}
	if err == nil {
		err = handOver(ctx)
	}
	if err != nil {
		return err
	}
	err = syscall.Exec(env.Self, slices.Concat([]string{env.Args[0], "guard"}, a.args, given), env.Environ)
	return fmt.Errorf("cannot execute %s again: %v", env.Self, err)
}

// lightHeap is how much memory an evaluation may have taken for its process to be the guard.
const lightHeap = 8 << 20

// taken returns the bytes of memory that this program has for itself. Go's own figures would
// take memory that the guard would keep.
func taken() int {
	var size, resident, shared int
	data, err := os.ReadFile("/proc/self/statm")
	if err == nil {
		_, err = fmt.Sscan(string(data), &size, &resident, &shared)
	}
	if err != nil {
		return lightHeap // not known
	}
	return (resident - shared) * os.Getpagesize()
}

// becomeSupervisor replaces this process by the supervisor, and so frees the memory that the
// evaluation has used.
func becomeSupervisor(ctx context.Context, env *Env, j *session.Job) error {
	f, err := j.File()
	if err != nil {
		return err
	}
	defer f.Close() // and no earlier: a file that nothing refers to any more is closed
	if err := inherit(f, true); err != nil {
		return err
	}
	if err := handOver(ctx); err != nil {
		return err
	}
	err = syscall.Exec(env.Self, []string{env.Args[0], "supervise", fmt.Sprint(f.Fd())}, env.Environ)
	return fmt.Errorf("cannot execute %s again: %v", env.Self, err)
}

// layoutOf returns the paths of a job.
func layoutOf(env *Env, container, root, socket string) rundir.Layout {
	renv := env.rundirEnv()
	renv.Socket = cmp.Or(socket, renv.Socket)
	return rundir.Locate(renv, container, root)
}
