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
	jobs  chan func()
	quit  chan struct{} // closed by stop
	turn  sync.Mutex    // is held during a fork, so that the descriptors sent are its own
	ownFS bool          // the thread has a umask of its own
	limit *sync.Mutex   // is held while we have a limit that is a child's

	// The thread has descriptors of its own, and is sent those of each child: post is in our
	// table, inbox in its. inbox is -1 if it shares ours.
	post, inbox int
}

// startForker starts the thread. It returns nil if no_new_privs can't be set.
func startForker(noNewPrivs bool, limit *sync.Mutex) *forker {
	f := &forker{jobs: make(chan func()), quit: make(chan struct{}), limit: limit, post: -1, inbox: -1}
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	ready := make(chan bool)
	go onOwnThread(func() {
		f.ownFS = unix.Unshare(unix.CLONE_FS) == nil
		if err == nil && ownFiles() == nil {
			f.post, f.inbox = pair[0], pair[1]
			defer unix.Close(f.inbox)
		}
		ok := !noNewPrivs || unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == nil
		ready <- ok
		for {
			select {
			case job := <-f.jobs:
				job()
			case <-f.quit:
				return
			}
		}
	})
	ok := <-ready
	if err == nil {
		unix.Close(pair[1])
	}
	if err == nil && f.inbox < 0 {
		unix.Close(pair[0])
	}
	if !ok {
		f.stop()
		return nil
	}
	return f
}

// ownFiles gives this thread a table of descriptors of its own. A child begins with a copy
// of it, which its exec closes one by one: with the pipes and logs of a thousand services
// in it, that took longer than all else that the kernel does for a start.
//
// What is open now stays open in both tables. That must be true of the poller of Go's
// runtime: whoever ends a pause of the garbage collector asks it, on any thread.
func ownFiles() error {
	const none = 1 << 30 // what is closed: no descriptor has such a number
	return unix.CloseRange(none, none, unix.CLOSE_RANGE_UNSHARE)
}

// onOwnThread runs f on a thread that ends with f and is not the main one: the main thread
// gets the orphans, and must not have other children.
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
		f.turn.Lock()
		defer f.turn.Unlock()
		if f.post >= 0 {
			unix.Close(f.post)
			f.post = -1
		}
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

	report, reportEnd *os.File // for the error of LaunchMain; nil if that is not needed
}

// fork runs r on the forker's thread. A probe may ask for it while the Host closes: then
// nothing is started any more.
func (f *forker) fork(r *forkRequest) (pid int, err error) {
	f.turn.Lock()
	defer f.turn.Unlock()
	if err := f.send(r); err != nil {
		return 0, err
	}
	done := make(chan struct{})
	job := func() {
		defer close(done)
		var attr *syscall.ProcAttr
		var release func()
		if attr, release, err = f.receive(r); err != nil {
			return
		}
		defer release()
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
		pid, err = syscall.ForkExec(r.path, r.argv, attr)
	}
	select {
	case f.jobs <- job:
		<-done
		return pid, err
	case <-f.quit:
		return 0, ErrClosed
	}
}

// send sends the thread the descriptors that the child of r gets.
func (f *forker) send(r *forkRequest) error {
	if f.inbox < 0 {
		return nil
	}
	if f.post < 0 {
		return ErrClosed
	}
	var fds []int
	for _, fd := range r.attr.Files {
		if int(fd) >= 0 { // else the child gets none of this number
			fds = append(fds, int(fd))
		}
	}
	if sys := r.attr.Sys; sys.UseCgroupFD {
		fds = append(fds, sys.CgroupFD)
	}
	return unix.Sendmsg(f.post, []byte{0}, unix.UnixRights(fds...), nil, 0)
}

// receive returns the attributes of the child of r, with what send has sent. release closes
// that again. Both are called on the thread.
func (f *forker) receive(r *forkRequest) (attr *syscall.ProcAttr, release func(), err error) {
	if f.inbox < 0 {
		return &r.attr, func() {}, nil
	}
	got := make([]byte, unix.CmsgSpace(4*(len(r.attr.Files)+1)))
	_, n, flags, _, err := unix.Recvmsg(f.inbox, make([]byte, 1), got, unix.MSG_CMSG_CLOEXEC)
	if err != nil {
		return nil, nil, err
	}
	var fds []int
	if messages, err := unix.ParseSocketControlMessage(got[:n]); err == nil && len(messages) > 0 {
		fds, _ = unix.ParseUnixRights(&messages[0])
	}
	release = func() {
		for _, fd := range fds {
			unix.Close(fd)
		}
	}
	if flags&unix.MSG_CTRUNC != 0 { // there was no room for another one
		release()
		return nil, nil, unix.EMFILE
	}
	own, sys, next := r.attr, *r.attr.Sys, 0
	own.Files, own.Sys = slices.Clone(own.Files), &sys
	for i, fd := range own.Files {
		if int(fd) >= 0 {
			own.Files[i] = uintptr(fds[next])
			next++
		}
	}
	if sys.UseCgroupFD {
		sys.CgroupFD = fds[next]
	}
	return &own, release, nil
}
