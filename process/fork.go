package process

import (
	"os"
	"runtime"
	"syscall"

	"golang.org/x/sys/unix"
)

// A forker is a locked thread that forks. Its children live as long as it
// does, since the kernel's parent-death signal watches the thread.
type forker struct {
	jobs  chan func()
	ownFS bool // umask is this thread's own
}

// startForker starts the thread; nil when it cannot have no_new_privs.
func startForker(noNewPrivs bool) *forker {
	f := &forker{jobs: make(chan func())}
	ready := make(chan bool)
	go onOwnThread(func() {
		f.ownFS = unix.Unshare(unix.CLONE_FS) == nil
		ok := !noNewPrivs || unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == nil
		ready <- ok
		for job := range f.jobs {
			job()
		}
	})
	if !<-ready {
		close(f.jobs)
		return nil
	}
	return f
}

// onOwnThread runs f on a thread that ends with it and is not the main one:
// orphans come to the main thread, which must stay as it is.
func onOwnThread(f func()) {
	runtime.LockOSThread()
	if unix.Gettid() == unix.Getpid() {
		elsewhere := make(chan struct{})
		go func() {
			close(elsewhere) // runs on another thread, as this one is locked to us
			onOwnThread(f)
		}()
		<-elsewhere
		runtime.UnlockOSThread()
		return
	}
	f() // never unlocked, so the runtime ends the thread
}

func (f *forker) stop() {
	if f != nil {
		close(f.jobs)
	}
}

// A forkRequest is all that the kernel needs.
type forkRequest struct {
	path  string
	argv  []string
	attr  syscall.ProcAttr
	umask *int         // only where ownFS
	enter func() error // joins a cgroup as a thread; nil: none
	leave func()

	report, reportEnd *os.File // of LaunchMain; nil when it is not needed
}

// fork runs r on the forker's thread.
func (f *forker) fork(r *forkRequest) (pid int, err error) {
	done := make(chan struct{})
	f.jobs <- func() {
		defer close(done)
		if r.enter != nil {
			if err = r.enter(); err != nil {
				return
			}
			defer r.leave()
		}
		if r.umask != nil {
			defer unix.Umask(unix.Umask(*r.umask))
		}
		pid, err = syscall.ForkExec(r.path, r.argv, &r.attr)
	}
	<-done
	return pid, err
}
