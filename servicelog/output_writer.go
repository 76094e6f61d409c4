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
// that never blocks for long, so that movement is seen while it happens; for
// any other writer, stuck is called when one call takes too long.
func newWriter(w io.Writer, stuck func()) writer {
	if f, ok := w.(*os.File); ok {
		if fd, ok := newFDWriter(f); ok {
			return fd
		}
	}
	return plainWriter{w, stuck}
}

// plainWriter writes to something that may block for as long as it likes.
type plainWriter struct {
	w     io.Writer
	stuck func()
}

func (p plainWriter) write(b []byte, patience time.Duration) (int, error) {
	timer := time.AfterFunc(patience, p.stuck)
	defer timer.Stop()
	n, err := p.w.Write(b)
	if n < len(b) && err == nil {
		err = io.ErrShortWrite
	}
	return n, err
}

func (plainWriter) close() {}

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
// shell that started us, so a pipe or terminal is opened anew instead.
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
		left := time.Until(deadline)
		if left <= 0 {
			return errBusy
		}
		fds := []unix.PollFd{{Fd: int32(w.fd), Events: unix.POLLOUT}}
		n, err := unix.Poll(fds, int(left.Milliseconds())+1)
		switch {
		case err == unix.EINTR:
		case err != nil:
			return os.NewSyscallError("poll", err)
		case n > 0:
			return nil // an error condition shows at the write
		}
	}
}

func (w *fdWriter) close() {
	if w.own {
		unix.Close(w.fd)
	}
}
