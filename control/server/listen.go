package server

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"syscall"

	"golang.org/x/sys/unix"

	"nix2gpu/control"
)

// Listen makes the control socket. Its folder must belong to the caller, with mode
// 0700, and the caller must hold the project's lock: a socket that is there already is
// then left by a dead supervisor, and Listen removes it. If a program listens on it all
// the same, the error is a conflict. Listen changes the umask for a moment, so no other
// goroutine may be making files.
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

// listener reports whether a program listens on a socket, and its pid, which is 0 if
// the program is too busy to take the connection.
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

// peerKey is the key of the client's *unix.Ucred in the context of a request.
type peerKey struct{}

// withPeer puts the connection, and the user and process at its other end, into the
// context of its requests.
func withPeer(ctx context.Context, c net.Conn) context.Context {
	if secure, ok := c.(*tls.Conn); ok {
		c = secure.NetConn()
	}
	own, ok := c.(*conn)
	if !ok {
		return ctx
	}
	ctx = context.WithValue(ctx, connKey{}, own)
	uc, ok := own.Conn.(syscall.Conn)
	if !ok || own.peer.IsValid() { // TCP: nobody's user is known
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

// isOwner reports whether the client runs as we do.
func isOwner(r *http.Request) bool {
	peer, ok := r.Context().Value(peerKey{}).(*unix.Ucred)
	return ok && int(peer.Uid) == unix.Geteuid()
}

// allowed reports whether the client is root or our own user. The socket's mode admits
// nobody else anyway; this still holds when somebody loosens the mode.
func allowed(r *http.Request) bool {
	peer, ok := r.Context().Value(peerKey{}).(*unix.Ucred)
	return ok && (peer.Uid == 0 || int(peer.Uid) == unix.Geteuid())
}
