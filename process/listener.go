package process

import (
	"slices"
	"strconv"
	"strings"
)

// A Holder is who listens on a port.
type Holder struct {
	PID  int    // 0 when it is not ours to see
	Name string // the program's name
	Addr string // the local address as the kernel writes it, in hex
	UID  int
}

// Listener finds who listens on a TCP port, for messages about a port in use.
// ok is false when nobody does.
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

// listenerIn reads a table of /proc/net/tcp.
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

// socketOwner finds a process that has the socket open; 0 when none is ours
// to see.
func socketOwner(inode string) int {
	all, _ := pids()
	for _, pid := range all {
		if slices.Contains(socketsOf(pid), inode) {
			return pid
		}
	}
	return 0
}
