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

// A peer is the process at the other end of a connection to the socket, as it was when it
// connected.
type peer struct {
	*unix.Ucred
	confined bool // it is in a sandbox
}

// peerKey is the key of the client's *peer in the context of a request.
type peerKey struct{}

// withPeer puts the connection, and the user and process at its other end, into the
// context of its requests.
func (s *Server) withPeer(ctx context.Context, c net.Conn) context.Context {
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
	p := &peer{}
	raw.Control(func(fd uintptr) {
		if p.Ucred, err = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED); err == nil {
			p.confined = s.isConfined(int(fd), int(p.Pid))
		}
	})
	if err != nil {
		return ctx
	}
	return context.WithValue(ctx, peerKey{}, p)
}

// isConfined reports whether the process at the other end of a socket is in a sandbox. One
// outside of our pid namespace has no pid here; our sandboxes are inside.
func (s *Server) isConfined(fd, pid int) bool {
	if s.opts.Confined == nil || pid == 0 {
		return false
	}
	pidfd, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_PEERPIDFD)
	switch err {
	case nil:
		defer unix.Close(pidfd)
	case unix.ENOPROTOOPT: // Linux before 6.5
		pidfd = -1
	default: // it has ended, or we lack descriptors; by its pid alone it could be another one
		return true
	}
	return s.opts.Confined(pid, pidfd)
}

// peerOf is the process that sent a request, or nil.
func peerOf(r *http.Request) *peer {
	p, _ := r.Context().Value(peerKey{}).(*peer)
	return p
}

// isOwner reports whether the client runs as we do.
func isOwner(r *http.Request) bool {
	p := peerOf(r)
	return p != nil && int(p.Uid) == unix.Geteuid()
}

// refused returns why the client may not ask: only root and our own user may, and nobody
// in a sandbox, which would leave it by what we start. The socket's mode admits no other
// users anyway; this still holds when somebody loosens the mode.
func refused(r *http.Request) error {
	switch p := peerOf(r); {
	case p == nil || p.Uid != 0 && int(p.Uid) != unix.Geteuid():
		return &control.Error{Code: control.CodeForbidden, Msg: "only root and the user who runs the project may ask", Hint: "ask as one of them"}
	case p.confined:
		return &control.Error{Code: control.CodeForbidden, Msg: "a process in a sandbox may not ask", Hint: "ask from outside, or leave sandbox out of the service that asks"}
	}
	return nil
}
