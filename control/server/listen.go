package server

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"syscall"

	"golang.org/x/sys/unix"

	"nix2gpu/control"
)

// Listen makes the control socket. Its folder must be the caller's own, with
// mode 0700, and its lock held: a socket that is in the way is then a dead
// supervisor's, and removed, unless somebody else's program listens there.
func Listen(path string) (net.Listener, error) {
	if pid, ok := listener(path); ok {
		return nil, &control.Error{Code: control.CodeConflict,
			Msg:  fmt.Sprintf("the control socket %s is in use by another program, pid %d", path, pid),
			Hint: "name another socket with --socket"}
	}
	if err := unix.Unlink(path); err != nil && err != unix.ENOENT {
		return nil, fmt.Errorf("control socket %q: %w", path, err)
	}
	// The mode comes from the umask: between a bind and a chmod anyone could
	// connect. The umask is the whole process's, so this is done at its start.
	old := unix.Umask(0o177)
	l, err := net.Listen("unix", path)
	unix.Umask(old)
	if err != nil {
		return nil, fmt.Errorf("control socket %q: %w", path, err)
	}
	return l, nil
}

// listener finds out who listens on a socket, if anybody does. One that is too
// busy to answer listens all the same; its pid is not known then.
func listener(path string) (pid int, ok bool) {
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return 0, false
	}
	defer unix.Close(fd)
	switch err := unix.Connect(fd, &unix.SockaddrUnix{Name: path}); err {
	case nil:
		if peer, err := unix.GetsockoptUcred(fd, unix.SOL_SOCKET, unix.SO_PEERCRED); err == nil {
			pid = int(peer.Pid)
		}
		return pid, true
	case unix.EAGAIN:
		return 0, true
	}
	return 0, false
}

// peerKey is where the context of a request holds who asks.
type peerKey struct{}

// withPeer notes in the context who is at the other end of the connection.
func withPeer(ctx context.Context, c net.Conn) context.Context {
	own, ok := c.(*conn)
	if !ok {
		return ctx
	}
	ctx = context.WithValue(ctx, connKey{}, own)
	uc, ok := own.Conn.(syscall.Conn)
	if !ok {
		return ctx
	}
	raw, err := uc.SyscallConn()
	if err != nil {
		return ctx
	}
	var peer *unix.Ucred
	raw.Control(func(fd uintptr) {
		peer, err = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED)
	})
	if err != nil {
		return ctx
	}
	return context.WithValue(ctx, peerKey{}, peer)
}

// allowed reports whether the asker is root or runs as we do. The socket's
// mode says the same; this holds when somebody loosens it.
func allowed(r *http.Request) bool {
	peer, ok := r.Context().Value(peerKey{}).(*unix.Ucred)
	return ok && (peer.Uid == 0 || int(peer.Uid) == unix.Geteuid())
}
