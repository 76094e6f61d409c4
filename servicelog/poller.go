package servicelog

import (
	"os"
	"sync"

	"golang.org/x/sys/unix"
)

// A poller tells pipes that there is something to read, or that they have ended. One
// goroutine waits for all of them: one for each pipe would keep a stack for each while
// all are quiet, which is nearly always.
type poller struct {
	fd   int
	file *os.File // the same, as something that Go's own poller can wait for
	done chan struct{}

	mu    sync.Mutex
	last  uint64
	pipes map[uint64]*pipe // by numbers that are never used again, as descriptors are
}

func newPoller() (*poller, error) {
	fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, os.NewSyscallError("epoll_create1", err)
	}
	if err := unix.SetNonblock(fd, true); err != nil { // for NewFile, which asks for it
		unix.Close(fd)
		return nil, os.NewSyscallError("fcntl", err)
	}
	p := &poller{fd: fd, file: os.NewFile(uintptr(fd), "epoll"), done: make(chan struct{}), pipes: map[uint64]*pipe{}}
	go p.run()
	return p, nil
}

// run wakes pipes until the poller is closed.
func (p *poller) run() {
	defer close(p.done)
	conn, err := p.file.SyscallConn()
	for err == nil {
		var events [64]unix.EpollEvent
		n := 0
		err = conn.Read(func(fd uintptr) bool {
			n, _ = unix.EpollWait(int(fd), events[:], 0)
			return n > 0
		})
		for _, e := range events[:max(0, n)] {
			p.mu.Lock()
			pipe := p.pipes[uint64(uint32(e.Fd))|uint64(uint32(e.Pad))<<32]
			p.mu.Unlock()
			if pipe != nil { // else it was removed after it had told
				pipe.wake(e.Events == unix.EPOLLHUP)
			}
		}
	}
}

// add makes the poller wake a pipe each time when something has come since it was
// last found empty.
func (p *poller) add(of *pipe) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.pipes == nil {
		return errClosed
	}
	p.last++
	of.number = p.last
	event := unix.EpollEvent{Events: unix.EPOLLIN | unix.EPOLLET, Fd: int32(uint32(of.number)), Pad: int32(uint32(of.number >> 32))}
	if err := unix.EpollCtl(p.fd, unix.EPOLL_CTL_ADD, of.fd, &event); err != nil {
		return os.NewSyscallError("epoll_ctl", err)
	}
	p.pipes[of.number] = of
	return nil
}

// remove forgets a pipe whose descriptor is still open. That it is closed would not be
// enough: a child that is being forked has it a moment longer.
func (p *poller) remove(of *pipe) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.pipes[of.number] == of {
		delete(p.pipes, of.number)
		_ = unix.EpollCtl(p.fd, unix.EPOLL_CTL_DEL, of.fd, nil)
	}
}

func (p *poller) close() {
	p.mu.Lock()
	p.pipes = nil // descriptors may be others' by now
	p.mu.Unlock()
	p.file.Close()
	<-p.done
}
