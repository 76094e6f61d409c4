package process

import (
	"encoding/hex"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"
)

// A Socket is where a process listens: on TCP, or bound to a port of UDP, which a
// client that has sent something is too.
type Socket struct {
	PID      int
	Protocol string // tcp or udp
	Addr     netip.AddrPort
}

// Sockets finds where the processes listen, as far as they are ours to see. Several
// that share a socket, as workers do, count once, by the first of them.
func Sockets(pids []int) []Socket {
	owners := map[string]int{} // by inode
	for _, pid := range pids {
		for _, inode := range socketsOf(pid) {
			if _, known := owners[inode]; !known {
				owners[inode] = pid
			}
		}
	}
	var out []Socket
	for _, table := range []struct{ file, protocol, state string }{
		{"tcp", "tcp", listening}, {"tcp6", "tcp", listening}, {"udp", "udp", unconnected}, {"udp6", "udp", unconnected},
	} {
		data, err := readProc("/proc/net/" + table.file)
		if err != nil {
			continue // a kernel without IPv6
		}
		for line := range strings.Lines(string(data)) {
			f := strings.Fields(line)
			if len(f) < 10 || f[3] != table.state {
				continue
			}
			addr, ok := parseSocketAddr(f[1])
			if pid, ours := owners[f[9]]; ok && ours {
				out = append(out, Socket{PID: pid, Protocol: table.protocol, Addr: addr})
			}
		}
	}
	slices.SortFunc(out, func(a, b Socket) int {
		if c := a.Addr.Compare(b.Addr); c != 0 {
			return c
		}
		return strings.Compare(a.Protocol, b.Protocol)
	})
	return out
}

// The states of sockets in the kernel's tables.
const (
	listening   = "0A"
	unconnected = "07"
)

// socketsOf are the inodes of the sockets that a process has open.
func socketsOf(pid int) (inodes []string) {
	dir, err := os.Open(procDir(pid) + "/fd")
	if err != nil {
		return nil
	}
	defer dir.Close()
	fds, _ := dir.Readdirnames(-1)
	for _, fd := range fds {
		link, err := os.Readlink(procDir(pid) + "/fd/" + fd)
		if inode, ok := strings.CutPrefix(link, "socket:["); err == nil && ok {
			inodes = append(inodes, strings.TrimSuffix(inode, "]"))
		}
	}
	return inodes
}

// parseSocketAddr reads "0100007F:1538": words of 32 bits, each in the order of the
// machine's bytes, which is little-endian on all that we run on.
func parseSocketAddr(text string) (netip.AddrPort, bool) {
	addr, port, _ := strings.Cut(text, ":")
	raw, err := hex.DecodeString(addr)
	n, portErr := strconv.ParseUint(port, 16, 16)
	if err != nil || portErr != nil || len(raw)%4 != 0 {
		return netip.AddrPort{}, false
	}
	for word := range slices.Chunk(raw, 4) {
		slices.Reverse(word)
	}
	ip, ok := netip.AddrFromSlice(raw)
	return netip.AddrPortFrom(ip.Unmap(), uint16(n)), ok
}
