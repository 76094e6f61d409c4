package process

import (
	"slices"
	"strconv"
	"strings"
)

// A Holder is who listens on a port.
type Holder struct {
	PID  int    // 0: we may not see it
	Name string // of the program
	Addr string // the local address in hex, as the kernel writes it
	UID  int
}

// Listener finds who listens on a TCP port, for messages about a port in use. ok is false
// if nobody does.
func Listener(port int) (holder Holder, ok bool) {
	for _, file := range []string{"/proc/net/tcp", "/proc/net/tcp6"} {
		data, err := readProc(file)
		if err != nil {
			continue
		}
		if h, inode, found := listenerIn(string(data), port); found {
			h.PID = socketOwner(inode)
			if info, err := Inspect(h.PID); err == nil {
				h.Name = info.Name
			}
			return h, true
		}
	}
	return Holder{}, false
}

// listenerIn finds the listener on a port in a table such as /proc/net/tcp.
func listenerIn(table string, port int) (h Holder, inode string, ok bool) {
	for line := range strings.Lines(table) {
		f := strings.Fields(line)
		if len(f) < 10 || f[3] != listening {
			continue
		}
		addr, hex, _ := strings.Cut(f[1], ":")
		if n, err := strconv.ParseUint(hex, 16, 16); err != nil || int(n) != port {
			continue
		}
		uid, _ := strconv.Atoi(f[7])
		return Holder{Addr: addr, UID: uid}, f[9], true
	}
	return Holder{}, "", false
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
