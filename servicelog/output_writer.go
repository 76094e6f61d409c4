package servicelog

import (
	"errors"
	"io"
	"os"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// errBusy says that a write has not moved in time.
var errBusy = errors.New("stdout does not move")

// newWriter picks the way of writing. A file descriptor is written in a way
// that never blocks for long, so that movement is seen while it happens.
func newWriter(w io.Writer) writer {
	if f, ok := w.(*os.File); ok {
		if fd, ok := newFDWriter(f); ok {
			return fd
		}
	}
	return &plainWriter{w: w}
}

// plainWriter writes to something that may block for as long as it likes.
type plainWriter struct {
	w      io.Writer
	own    []byte      // what is being written
	result chan result // of the write that goes on; nil: none does
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

func (*plainWriter) last([]byte) {} // the write before it goes on

func (*plainWriter) close() {}

// fdWriter writes to a descriptor that poll(2) can wait for. Raw system calls
// are used because os.File turns EPIPE on descriptor 1 into a deadly SIGPIPE.
type fdWriter struct {
	file *os.File // keeps the descriptor open
	fd   int
	own  bool // made by us: close it
	most int  // bytes of one write that cannot block after poll said yes
	sock bool
}

// newFDWriter prepares f without changing it. The descriptor's own
// non-blocking flag is shared with every process that has it, such as the
// shell that started us, so a pipe or terminal is opened again instead.
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
		} else {
			w.most = 4096 // PIPE_BUF: a pipe that is ready takes that much at once
		}
	}
	return w, true
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
				return written, errBusy // it moved; the caller should know
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

// last makes a pipe larger: whoever reads it later, when we are no more, finds
// b behind what was there.
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
			return nil // an error condition shows at the write
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
