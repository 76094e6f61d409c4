package process

import (
	"os"
	"slices"
	"strconv"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// An ownTable is a table of descriptors that belongs to a thread that forks. A child gets a
// copy of its parent's table, and closes it by its exec: both take as long as the table is
// large, and ours has several descriptors for each service. Nor does a child have any
// descriptor of ours until its exec, such as a program that is just being written.
//
// The methods of nil do nothing: the thread shares our table.
type ownTable struct {
	mu   sync.Mutex // is held from hand until the job that takes them is in the queue, after those before it
	ours int        // hand sends here; -1 once it is closed
	its  int        // take receives here; until share, it is open in our table as well
}

// newOwnTable gives the calling thread a table of its own, with nothing in it but what the
// Go runtime uses on every thread. It returns nil if that can't be had.
//
// A trap: standard error is not in it either, so that whoever reads that until its end need
// not wait for us. A crash of this thread is silent.
func newOwnTable() *ownTable {
	keep := runtimeDescriptors()
	if keep == nil {
		return nil
	}
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil
	}
	keep = append(keep, pair[1])
	slices.Sort(keep)
	// The last gap is first: it makes the table ours, and is never empty. By this call, and
	// not by unshare, which containers forbid.
	if unix.CloseRange(uint(keep[len(keep)-1]+1), ^uint(0)>>1, unix.CLOSE_RANGE_UNSHARE) != nil {
		unix.Close(pair[0])
		unix.Close(pair[1])
		return nil
	}
	next := 0
	for _, fd := range keep {
		if fd > next {
			_ = unix.CloseRange(uint(next), uint(fd-1), 0)
		}
		next = fd + 1
	}
	// Descriptors that come in must not get these numbers.
	null, err := unix.Open(os.DevNull, unix.O_RDWR|unix.O_CLOEXEC, 0)
	for fd := null + 1; err == nil && fd <= 2; fd++ {
		if !slices.Contains(keep, fd) {
			_ = unix.Dup3(null, fd, unix.O_CLOEXEC)
		}
	}
	return &ownTable{ours: pair[0], its: pair[1]}
}

// runtimeDescriptors returns the descriptors of the runtime's poller, and perhaps others of
// their kind; nil if they can't be found.
func runtimeDescriptors() (fds []int) {
	names, err := os.ReadDir("/proc/self/fd") // opening it has started the poller
	if err != nil {
		return nil
	}
	var polls, events bool
	for _, name := range names {
		is, _ := os.Readlink("/proc/self/fd/" + name.Name())
		poll, event := is == "anon_inode:[eventpoll]", is == "anon_inode:[eventfd]"
		if fd, err := strconv.Atoi(name.Name()); err == nil && (poll || event) {
			fds = append(fds, fd)
			polls, events = polls || poll, events || event
		}
	}
	if !polls || !events {
		return nil
	}
	return fds
}

// share ends the making of a table. Called on another thread than newOwnTable.
func (t *ownTable) share() {
	if t != nil {
		unix.Close(t.its)
	}
}

// noFile stands for a descriptor that the child does not get, among others that it does.
const noFile = ^uintptr(0)

// hand sends descriptors to the thread, which takes them in this order. Nobody else can send
// any until done is called.
func (t *ownTable) hand(files []uintptr) (done func(), err error) {
	if t == nil {
		return func() {}, nil
	}
	var fds []int
	for _, f := range files {
		if f != noFile {
			fds = append(fds, int(f))
		}
	}
	t.mu.Lock()
	if t.ours < 0 {
		t.mu.Unlock()
		return nil, ErrClosed
	}
	for {
		switch err := unix.Sendmsg(t.ours, []byte{0}, unix.UnixRights(fds...), nil, unix.MSG_NOSIGNAL); err {
		case nil:
			return t.mu.Unlock, nil
		case unix.EINTR:
		default:
			t.mu.Unlock()
			return nil, err
		}
	}
}

// take returns what hand has sent, under its numbers on this thread.
func (t *ownTable) take(files []uintptr) ([]uintptr, error) {
	if t == nil {
		return files, nil
	}
	space := make([]byte, unix.CmsgSpace(len(files)*4))
	n, err := 0, error(unix.EINTR)
	for err == unix.EINTR {
		_, n, _, _, err = unix.Recvmsg(t.its, make([]byte, 1), space, unix.MSG_CMSG_CLOEXEC)
	}
	if err != nil {
		return nil, err
	}
	var fds []int
	messages, err := unix.ParseSocketControlMessage(space[:n])
	if err == nil && len(messages) == 1 {
		fds, err = unix.ParseUnixRights(&messages[0])
	}
	here := make([]uintptr, 0, len(files))
	for _, f := range files {
		switch {
		case f == noFile:
			here = append(here, noFile)
		case len(fds) > 0:
			here, fds = append(here, uintptr(fds[0])), fds[1:]
		case err == nil:
			err = unix.EMFILE // this thread may not have that many
		}
	}
	if err != nil {
		t.drop(here)
		return nil, err
	}
	return here, nil
}

// drop closes what take has returned.
func (t *ownTable) drop(files []uintptr) {
	if t == nil {
		return
	}
	for _, f := range files {
		if f != noFile {
			syscall.Close(int(f))
		}
	}
}

func (t *ownTable) close() {
	if t != nil {
		t.mu.Lock() // a fork may be in progress
		unix.Close(t.ours)
		t.ours = -1
		t.mu.Unlock()
	}
}
