package testkit

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

// A Net is a network namespace with its own loopback, made for one test.
type Net struct {
	file  *os.File
	inode uint64
}

// NewNet makes a namespace. The test fails if a process is still in it at the end. It
// skips the test if namespaces can't be made.
func NewNet(t testing.TB) *Net {
	t.Helper()
	n, err := OpenNet()
	if err != nil {
		t.Skipf("needs a network namespace of its own (run as root): %v", err)
	}
	t.Cleanup(n.Close)
	return n
}

// OpenNet makes a namespace. It lasts until Close and until its last process has ended.
func OpenNet() (*Net, error) {
	n := &Net{}
	err := OnOwnThread(func() error {
		if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
			return fmt.Errorf("unshare: %w", err)
		}
		f, err := os.Open("/proc/thread-self/ns/net")
		if err != nil {
			return err
		}
		n.file = f
		return loopbackUp()
	})
	if err != nil {
		return nil, err
	}
	var st unix.Stat_t
	if err := unix.Fstat(int(n.file.Fd()), &st); err != nil {
		return nil, err
	}
	n.inode = st.Ino
	return n, nil
}

// Close releases the namespace.
func (n *Net) Close() { n.file.Close() }

// Do runs f on a thread inside the namespace. A process that f starts stays
// in it.
func (n *Net) Do(f func() error) error {
	return OnOwnThread(func() error {
		if err := n.Enter(); err != nil {
			return err
		}
		return f()
	})
}

// Enter takes the calling thread, which must be locked, into the namespace.
func (n *Net) Enter() error {
	if err := unix.Setns(int(n.file.Fd()), unix.CLONE_NEWNET); err != nil {
		return fmt.Errorf("setns: %w", err)
	}
	return nil
}

// Client returns an HTTP client whose connections are made inside the namespace.
func (n *Net) Client() *http.Client {
	return &http.Client{
		Timeout: Patience / 5, // so that a lost request can be made again
		Transport: &http.Transport{
			DisableKeepAlives: true,
			DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
				return n.Dial(ctx, network, addr)
			},
		},
	}
}

// Dial connects from inside the namespace. The address must be an IP.
func (n *Net) Dial(ctx context.Context, network, addr string) (conn net.Conn, err error) {
	err = n.Do(func() error {
		var d net.Dialer
		conn, err = d.DialContext(ctx, network, addr)
		return err
	})
	return conn, err
}

// Processes lists the processes inside the namespace, as "pid command".
func (n *Net) Processes() []string {
	var found []string
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil
	}
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil || pid == os.Getpid() {
			continue
		}
		var st unix.Stat_t
		if unix.Stat(filepath.Join("/proc", e.Name(), "ns/net"), &st) != nil || st.Ino != n.inode {
			continue
		}
		cmdline, _ := os.ReadFile(filepath.Join("/proc", e.Name(), "cmdline"))
		found = append(found, fmt.Sprintf("%d %s", pid, strings.ReplaceAll(strings.TrimRight(string(cmdline), "\x00"), "\x00", " ")))
	}
	return found
}

// OnOwnThread runs f on a thread that is thrown away afterwards: its namespace must not
// leak into other goroutines. It is not the main thread, which Go keeps, and whose
// namespaces /proc/self and /proc/net show.
func OnOwnThread(f func() error) error {
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		if unix.Gettid() == unix.Getpid() {
			done <- OnOwnThread(f) // it gets another thread, since this one is locked
			runtime.UnlockOSThread()
			return
		}
		done <- f() // never unlocked: the thread ends with the goroutine
	}()
	return <-done
}

// loopbackUp does "ip link set lo up" in the calling thread's network namespace.
func loopbackUp() error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	var req struct {
		name  [unix.IFNAMSIZ]byte
		flags uint16
		_     [22]byte
	}
	copy(req.name[:], "lo")
	req.flags = unix.IFF_UP | unix.IFF_RUNNING
	if _, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), unix.SIOCSIFFLAGS, uintptr(unsafe.Pointer(&req))); errno != 0 {
		return fmt.Errorf("bring up loopback: %w", errno)
	}
	return nil
}
