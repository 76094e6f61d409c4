package testkit

import (
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

const (
	firstPort = 20000 // the kernel gives those from 32768 on to whoever asks for any
	ports     = 3000
)

// Port returns a port on which nobody listens. Until the end of the test no other test gets
// it, of this or of another package that is tested at the same time: what is to listen
// there finds it free, however late it comes.
func Port(t testing.TB) int {
	t.Helper()
	f := openPorts(t)
	for _, i := range rand.Perm(ports) {
		port := firstPort + i
		if !lockPort(f, port) {
			continue
		}
		if isFree(port) {
			return port
		}
		unlockPort(f, port)
	}
	t.Fatalf("no port from %d to %d is free", firstPort, firstPort+ports-1)
	return 0
}

// openPorts opens the file whose bytes stand for ports. At the end of the test it is
// closed, which unlocks those that were locked by it.
func openPorts(t testing.TB) *os.File {
	t.Helper()
	path := filepath.Join(os.TempDir(), fmt.Sprintf("nix2gpu-test-ports-%d", os.Getuid()))
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

func lockPort(f *os.File, port int) bool { return setPort(f, port, unix.F_WRLCK) == nil }

func unlockPort(f *os.File, port int) { _ = setPort(f, port, unix.F_UNLCK) }

func setPort(f *os.File, port int, kind int16) error {
	return unix.FcntlFlock(f.Fd(), unix.F_OFD_SETLK, &unix.Flock_t{Type: kind, Start: int64(port), Len: 1})
}

// isFree reports whether nobody listens on a port, at any address.
func isFree(port int) bool {
	address := fmt.Sprintf(":%d", port)
	l, err := net.Listen("tcp", address)
	if err != nil {
		return false
	}
	l.Close()
	c, err := net.ListenPacket("udp", address)
	if err != nil {
		return false
	}
	c.Close()
	return true
}
