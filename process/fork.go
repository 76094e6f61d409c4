package process

import (
	"os"
	"runtime"
	"slices"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// A forker is a locked thread that forks. It must live as long as its children: when it
// ends, the kernel sends them their parent-death signal.
type forker struct {
	// jobs has room, so that the thread goes from one fork to the next. Where it waited for
	// each job, it went to sleep after each, and the runtime looked for other work for its
	// processor.
	jobs  chan func()
	quit  chan struct{} // closed by stop
	over  chan struct{} // closed when no job runs any more
	ownFS bool          // the thread has a umask of its own
	limit *sync.Mutex   // is held while we have a limit that is a child's
	table *ownTable     // nil: the thread shares our descriptors
}

// forkQueue is how many starts wait for the thread. Their descriptors are in flight, of
// which a user may not have more than files.
const forkQueue = 16

func newForker(limit *sync.Mutex) *forker {
	return &forker{jobs: make(chan func(), forkQueue), quit: make(chan struct{}), over: make(chan struct{}), limit: limit}
}

// startForker starts the thread. It returns nil if no_new_privs can't be set.
func startForker(noNewPrivs bool, limit *sync.Mutex) *forker {
	f := newForker(limit)
	ready := make(chan bool)
	go onOwnThread(func() {
		f.ownFS = unix.Unshare(unix.CLONE_FS) == nil
		ok := !noNewPrivs || unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == nil
		f.table = newOwnTable()
		ready <- ok
		f.serve()
	})
	ok := <-ready
	f.table.share()
	if !ok {
		f.stop()
		return nil
	}
	return f
}

// serve does jobs until stop; those that wait then are never done. Then the thread ends,
// and the kernel closes what is in its table.
func (f *forker) serve() {
	defer close(f.over)
	for {
		select {
		case job := <-f.jobs:
			job()
		case <-f.quit:
			return
		}
	}
}

// onOwnThread runs f on a thread that ends with f and is not the main one, which never
// ends: it gets the orphans, so must not have other children, and /proc/self and /proc/net
// show its namespaces and descriptors.
func onOwnThread(f func()) {
	runtime.LockOSThread()
	if unix.Gettid() == unix.Getpid() {
		elsewhere := make(chan struct{})
		go func() {
			close(elsewhere) // this is another thread, since that one is locked
			onOwnThread(f)
		}()
		<-elsewhere
		runtime.UnlockOSThread()
		return
	}
	f() // it is never unlocked, so the runtime ends the thread
}

func (f *forker) stop() {
	if f != nil {
		close(f.quit)
		f.table.close()
	}
}

// A forkRequest is all that the kernel needs to start a process.
type forkRequest struct {
	path  string
	argv  []string
	attr  syscall.ProcAttr
	umask *int         // set only if ownFS is
	enter func() error // moves the thread into a cgroup; nil: none
	leave func()
	mark  uint64 // see newMark; 0 when the process has got none
	born  uint64 // see bornIn

	report, reportEnd *os.File // for the error of LaunchMain; nil if that is not needed
}

// fork runs r on the forker's thread. A probe may ask for it while the Host closes: then
// nothing is started any more.
func (f *forker) fork(r *forkRequest) (pid int, err error) {
	done := make(chan struct{})
	attr := r.attr
	files := attr.Files
	if attr.Sys != nil && attr.Sys.UseCgroupFD { // the kernel looks for it in the thread's table, too
		files = append(slices.Clip(files), uintptr(attr.Sys.CgroupFD))
	}
	job := func() {
		defer close(done)
		var here []uintptr
		if here, err = f.table.take(files); err != nil {
			return
		}
		defer f.table.drop(here)
		if n := len(attr.Files); n < len(files) {
			sys := *attr.Sys
			sys.CgroupFD, attr.Sys = int(here[n]), &sys
		}
		attr.Files = here[:len(attr.Files)]
		if r.enter != nil {
			if err = r.enter(); err != nil {
				return
			}
			defer r.leave()
		}
		if r.umask != nil {
			defer unix.Umask(unix.Umask(*r.umask))
		}
		f.limit.Lock() // limits are those of all our threads
		defer f.limit.Unlock()
		defer r.putMark()()
		before := bootTime()
		pid, err = syscall.ForkExec(r.path, r.argv, &attr)
		r.born = bornIn(before, bootTime())
	}
	if err := f.enqueue(files, job); err != nil {
		return 0, err
	}
	select {
	case <-done:
	case <-f.over:
		select {
		case <-done: // it was the last one
		default:
			return 0, ErrClosed
		}
	}
	return pid, err
}

// enqueue hands descriptors over to the thread, and the job that takes them.
func (f *forker) enqueue(files []uintptr, job func()) error {
	handed, err := f.table.hand(files)
	if err != nil {
		return err
	}
	defer handed()
	select {
	case f.jobs <- job:
		return nil
	case <-f.quit:
		return ErrClosed
	}
}
