package probe

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// Notify is a notification socket of one process, in the protocol of
// sd_notify(3).
type Notify struct {
	Path string // for $NOTIFY_SOCKET; starts with @ when abstract

	conn  *net.UnixConn
	ready latch
	done  chan struct{}

	mu   sync.Mutex
	ping time.Time // the last WATCHDOG=1, or the opening
}

// ListenNotify opens a notification socket. A path that starts with @ is
// abstract. Any other socket is made anew, and everybody may write to it, since
// the process may run as another user: its folder decides who can reach it.
func ListenNotify(path string) (*Notify, error) {
	if path == "" {
		return nil, errors.New("a notification socket must have a path")
	}
	if path[0] != '@' {
		if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
			return nil, err
		}
	}
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		return nil, err
	}
	if path[0] != '@' {
		if err := os.Chmod(path, 0o777); err != nil {
			conn.Close()
			return nil, err
		}
	}
	n := &Notify{Path: path, conn: conn, done: make(chan struct{}), ping: time.Now()}
	go n.listen()
	return n, nil
}

// listen reads messages until the socket is closed.
func (n *Notify) listen() {
	defer close(n.done)
	buf := make([]byte, 4096)
	control := make([]byte, 1024)
	for {
		size, controls, _, _, err := n.conn.ReadMsgUnix(buf, control)
		if err != nil {
			return
		}
		// sd_notify_barrier waits until we have closed the descriptor it sent.
		closeDescriptors(control[:controls])
		ready, watchdog := parseNotification(buf[:size])
		if ready || watchdog {
			n.mu.Lock()
			n.ping = time.Now()
			n.mu.Unlock()
		}
		if ready {
			n.ready.fire("notified: ready")
		}
	}
}

func closeDescriptors(control []byte) {
	messages, err := unix.ParseSocketControlMessage(control)
	if err != nil {
		return
	}
	for _, m := range messages {
		fds, err := unix.ParseUnixRights(&m)
		if err != nil {
			continue
		}
		for _, fd := range fds {
			unix.Close(fd)
		}
	}
}

// parseNotification parses a message. It ignores all other assignments, such as
// MAINPID: we know the main process.
func parseNotification(b []byte) (ready, watchdog bool) {
	for l := range bytes.SplitSeq(b, []byte("\n")) {
		switch string(l) {
		case "READY=1":
			ready = true
		case "WATCHDOG=1":
			watchdog = true
		}
	}
	return ready, watchdog
}

// Close removes the socket.
func (n *Notify) Close() error {
	err := n.conn.Close()
	<-n.done
	if n.Path[0] != '@' {
		err = errors.Join(err, os.Remove(n.Path))
	}
	return err
}

// ReadyFD is a notification descriptor like that of s6: a process writes a
// newline to it when it is ready.
type ReadyFD struct {
	Child *os.File // the end that the process gets
	r     *os.File
	ready latch
	done  chan struct{}
}

// NewReadyFD makes the pipe. Close Child after the process has started.
func NewReadyFD() (*ReadyFD, error) {
	r, w, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	fd := &ReadyFD{Child: w, r: r, done: make(chan struct{})}
	go fd.read()
	return fd, nil
}

func (f *ReadyFD) read() {
	defer close(f.done)
	buf := make([]byte, 512)
	for {
		n, err := f.r.Read(buf)
		if bytes.IndexByte(buf[:n], '\n') >= 0 {
			f.ready.fire("notified: ready")
		}
		if err != nil {
			return
		}
	}
}

// Close closes both ends.
func (f *ReadyFD) Close() error {
	f.Child.Close()
	err := f.r.Close()
	<-f.done
	return err
}

// watchdog is a liveness check of a process that promised to send WATCHDOG=1.
type watchdog struct {
	n      *Notify
	period time.Duration
}

func (w watchdog) Check(context.Context) error {
	w.n.mu.Lock()
	since := time.Since(w.n.ping)
	w.n.mu.Unlock()
	if w.n.ready.fired() && since > w.period {
		return fmt.Errorf("has not sent WATCHDOG=1 for %v", since.Round(time.Millisecond))
	}
	return nil
}
