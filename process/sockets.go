package process

import (
	"encoding/hex"
	"net/netip"
	"os"
	"slices"
	"sort"
	"strconv"
	"strings"
)

// A Socket is one on which a process listens: on TCP, or bound to a port of UDP, as a
// client that has sent something also is.
type Socket struct {
	PID      int
	Protocol string // tcp or udp
	Addr     netip.AddrPort
	Apart    bool // in a network of its own, and not in ours
}

// Sockets returns the sockets on which processes listen, as far as we may see them. A
// socket that several share, as workers do, is listed once, for the first of them.
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
	for i, network := range networks(pids) {
		for _, table := range []struct{ file, protocol, state string }{
			{"tcp", "tcp", listening}, {"tcp6", "tcp", listening}, {"udp", "udp", unconnected}, {"udp6", "udp", unconnected},
		} {
			data, err := readProc(network + table.file)
			if err != nil {
				continue // the kernel has no IPv6, or the process has ended
			}
			for line := range strings.Lines(string(data)) {
				f := strings.Fields(line)
				if len(f) < 10 || f[3] != table.state {
					continue
				}
				addr, ok := parseSocketAddr(f[1])
				if pid, ours := owners[f[9]]; ok && ours {
					out = append(out, Socket{PID: pid, Protocol: table.protocol, Addr: addr, Apart: i > 0})
				}
			}
		}
	}
	order := func(a, b Socket) int {
		if c := a.Addr.Compare(b.Addr); c != 0 {
			return c
		}
		return strings.Compare(a.Protocol, b.Protocol)
	}
	sort.SliceStable(out, func(i, j int) bool { return order(out[i], out[j]) < 0 })
	return out
}

// networks returns the folders with the tables of our network, and then of those that
// processes have for themselves.
func networks(pids []int) []string {
	folders := []string{"/proc/net/"}
	own, err := os.Readlink("/proc/self/ns/net")
	if err != nil {
		return folders
	}
	known := map[string]bool{own: true}
	for _, pid := range pids {
		if network, err := os.Readlink(procDir(pid) + "/ns/net"); err == nil && !known[network] {
			known[network] = true
			folders = append(folders, procDir(pid)+"/net/")
		}
	}
	return folders
}

// States of sockets in the kernel's tables.
const (
	listening   = "0A"
	unconnected = "07"
)

// socketsOf returns the inodes of the sockets that a process has open.
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

// parseSocketAddr parses "0100007F:1538". The address consists of words of 32 bits in the
// byte order of the machine, which is little-endian wherever we run.
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
