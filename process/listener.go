package process

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

// A Holder is who listens on a port.
type Holder struct {
	PID  int    // 0: we may not see it
	Name string // of the program
}

// String names the holder for people.
func (h Holder) String() string {
	if h.PID == 0 {
		return "another program"
	}
	return fmt.Sprintf("%s (pid %d)", h.Name, h.PID)
}

// Listener finds who listens on a TCP port so that nobody else can at an address, for
// messages about a port in use. An address that is empty, "*" or a name may be any. ok is
// false if nobody does.
func Listener(port int, address string) (holder Holder, ok bool) {
	for _, file := range []string{"/proc/net/tcp", "/proc/net/tcp6"} {
		data, err := readProc(file)
		if err != nil {
			continue
		}
		if inode, found := listenerIn(string(data), port, address); found {
			h := Holder{PID: socketOwner(inode)}
			if info, err := Inspect(h.PID); err == nil {
				h.Name = info.Name
			}
			return h, true
		}
	}
	return Holder{}, false
}

// listenerIn finds the listener's socket in a table such as /proc/net/tcp.
func listenerIn(table string, port int, address string) (inode string, ok bool) {
	for line := range strings.Lines(table) {
		f := strings.Fields(line)
		if len(f) < 10 || f[3] != listening {
			continue
		}
		if at, ok := parseSocketAddr(f[1]); ok && int(at.Port()) == port && clash(at.Addr(), address) {
			return f[9], true
		}
	}
	return "", false
}

// clash reports whether nobody can listen at an address, as Listener takes it, while
// somebody listens at another on the same port.
func clash(taken netip.Addr, address string) bool {
	if address == "localhost" {
		address = "127.0.0.1"
	}
	want, err := netip.ParseAddr(strings.Trim(address, "[]"))
	if err != nil || want.IsUnspecified() {
		return true
	}
	want = want.Unmap()
	if taken.IsUnspecified() {
		return taken.Is6() || want.Is4() // a socket of IPv6 mostly takes IPv4 as well
	}
	return taken == want
}

// socketOwner returns a process that has the socket open; 0 if we may see none.
func socketOwner(inode string) int {
	all, _ := pids()
	for _, pid := range all {
		if slices.Contains(socketsOf(pid), inode) {
			return pid
		}
	}
	return 0
}
