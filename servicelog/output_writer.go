package servicelog

import (
	"errors"
	"io"
	"os"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// errBusy says that a write has made no progress in time.
var errBusy = errors.New("stdout does not move")

// newWriter picks how to write. Writes to a file descriptor never block for long, so
// that progress is noticed while it is made.
func newWriter(w io.Writer) writer {
	if f, ok := w.(*os.File); ok {
		if fd, ok := newFDWriter(f); ok {
			return fd
		}
	}
	return &plainWriter{w: w}
}

// plainWriter writes to something that may block for any time, in a goroutine that may
// outlive the call.
type plainWriter struct {
	w      io.Writer
	own    []byte      // our copy of what is being written
	result chan result // of the write that is going on; nil: none is
}

type result struct {
	n   int
	err error
}

func (p *plainWriter) write(b []byte, patience time.Duration) (int, error) {
	if p.result == nil {
		p.result = make(chan result, 1)
		p.own = append(p.own[:0], b...)
		go func(own []byte, done chan<- result) {
			n, err := p.w.Write(own)
			if n < len(own) && err == nil {
				err = io.ErrShortWrite
			}
			done <- result{n, err}
		}(p.own, p.result)
	}
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case r := <-p.result:
		p.result = nil
		return r.n, r.err
	case <-timer.C:
		return 0, errBusy
	}
}

func (*plainWriter) last([]byte) {} // another write is still going on

func (*plainWriter) close() {}

// fdWriter writes to a descriptor that poll(2) can wait for. It uses raw system calls,
// because os.File raises SIGPIPE for an EPIPE on descriptor 1, which would kill us.
type fdWriter struct {
	file *os.File // keeps the descriptor open
	fd   int
	own  bool // we have opened fd, and must close it
	most int  // bytes that one write can take without blocking once poll allows it
	sock bool
}

// newFDWriter prepares to write to f without changing it: all processes that have the
// descriptor, such as the shell that started us, share its O_NONBLOCK. So a pipe or a
// terminal is opened a second time.
func newFDWriter(f *os.File) (*fdWriter, bool) {
	conn, err := f.SyscallConn()
	if err != nil {
		return nil, false
	}
	w := &fdWriter{file: f, most: 1 << 30}
	var st unix.Stat_t
	var flags int
	err = conn.Control(func(fd uintptr) {
		w.fd = int(fd)
		_ = unix.Fstat(w.fd, &st)
		flags, _ = unix.FcntlInt(fd, unix.F_GETFL, 0)
	})
	if err != nil {
		return nil, false
	}
	switch kind := st.Mode & unix.S_IFMT; {
	case flags&unix.O_NONBLOCK != 0:
	case kind == unix.S_IFSOCK:
		w.sock = true
	case kind == unix.S_IFIFO || kind == unix.S_IFCHR:
		path := "/proc/self/fd/" + strconv.Itoa(w.fd)
		fd, err := unix.Open(path, unix.O_WRONLY|unix.O_NONBLOCK|unix.O_NOCTTY|unix.O_CLOEXEC, 0)
		if err == nil {
			w.fd, w.own = fd, true
			widen(fd)
		} else {
			w.most = 4096 // PIPE_BUF: a pipe that is ready takes that much at once
		}
	}
	return w, true
}

// widen makes a pipe hold more, if it may: each time it is full, we and its reader have to
// be woken.
func widen(fd int) {
	if size, err := unix.FcntlInt(uintptr(fd), unix.F_GETPIPE_SZ, 0); err == nil && size < pipeSize {
		_, _ = unix.FcntlInt(uintptr(fd), unix.F_SETPIPE_SZ, pipeSize)
	}
}

func (w *fdWriter) write(b []byte, patience time.Duration) (int, error) {
	written := 0
	for written < len(b) {
		part := b[written:min(len(b), written+w.most)]
		if w.most < 1<<30 {
			if err := w.wait(patience); err != nil {
				return written, err
			}
		}
		n, err := w.once(part)
		switch {
		case err == nil:
			written += n
		case err == unix.EINTR:
		case err == unix.EAGAIN:
			if written > 0 {
				return written, errBusy // the caller must see the progress
			}
			if err := w.wait(patience); err != nil {
				return 0, err
			}
		default:
			return written, os.NewSyscallError("write", err)
		}
	}
	return written, nil
}

// last enlarges a pipe, so that b fits behind what is in it: whoever reads the pipe
// after our end finds it there.
func (w *fdWriter) last(b []byte) {
	if size, err := unix.FcntlInt(uintptr(w.fd), unix.F_GETPIPE_SZ, 0); err == nil {
		_, _ = unix.FcntlInt(uintptr(w.fd), unix.F_SETPIPE_SZ, 2*size)
	}
	if w.most < 1<<30 && w.wait(0) != nil {
		return // a write would block
	}
	_, _ = w.once(b)
}

func (w *fdWriter) once(b []byte) (int, error) {
	if w.sock {
		return unix.SendmsgN(w.fd, b, nil, nil, unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL)
	}
	return unix.Write(w.fd, b)
}

// wait waits until something can be written.
func (w *fdWriter) wait(patience time.Duration) error {
	deadline := time.Now().Add(patience)
	for {
		left := max(0, time.Until(deadline))
		fds := []unix.PollFd{{Fd: int32(w.fd), Events: unix.POLLOUT}}
		n, err := unix.Poll(fds, int((left+time.Millisecond-1)/time.Millisecond))
		switch {
		case err == unix.EINTR:
		case err != nil:
			return os.NewSyscallError("poll", err)
		case n > 0:
			return nil // if there is an error, the write returns it
		case left == 0:
			return errBusy
		}
	}
}

func (w *fdWriter) close() {
	if w.own {
		unix.Close(w.fd)
	}
}
