package process

import (
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// A Usage is what a process and its living descendants use at one moment.
type Usage struct {
	Name   string // of its Spec
	PIDs   []int
	Procs  []Proc        // of PIDs
	CPU    time.Duration // user and system time of those that live
	Memory int64         // resident, in bytes; what several share counts for each
}

// A Proc is one process as others see it.
type Proc struct {
	PID, Parent int
	Command     string // its arguments, or its name in brackets
}

// Usage looks at everything that runs.
func (h *Host) Usage() []Usage {
	h.mu.Lock()
	running := make([]*Process, 0, len(h.procs))
	for _, p := range h.procs {
		running = append(running, p)
	}
	h.mu.Unlock()
	all := make([]Usage, 0, len(running))
	for _, p := range running {
		u := Usage{Name: p.spec.Name}
		if !p.hasExited() {
			u.add(p.pid)
		}
		for _, info := range h.remains(p) {
			u.add(info.PID)
		}
		if len(u.PIDs) > 0 {
			all = append(all, u)
		}
	}
	return all
}

// clockTicks are those of a second, as the kernel shows times to programs.
const clockTicks = 100

func (u *Usage) add(pid int) {
	stat, err := readProc(procDir(pid) + "/stat")
	if err != nil {
		return // it ended meanwhile
	}
	text := string(stat)
	f := strings.Fields(text[strings.LastIndexByte(text, ')')+1:])
	if len(f) < 22 || f[0] == "Z" || f[0] == "X" {
		return
	}
	number := func(i int) int64 {
		n, _ := strconv.ParseInt(f[i], 10, 64) // the kernel's own
		return n
	}
	u.PIDs = append(u.PIDs, pid)
	u.Procs = append(u.Procs, Proc{PID: pid, Parent: int(number(1)), Command: commandOf(pid, text)})
	u.CPU += time.Duration(number(11)+number(12)) * time.Second / clockTicks
	u.Memory += number(21) * int64(unix.Getpagesize())
}

// commandOf is what a process was started with; stat has its name.
func commandOf(pid int, stat string) string {
	data, err := readProc(procDir(pid) + "/cmdline")
	if words := strings.Fields(strings.ReplaceAll(string(data), "\x00", " ")); err == nil && len(words) > 0 {
		return strings.Join(words, " ")
	}
	_, name, _ := strings.Cut(stat[:strings.LastIndexByte(stat, ')')], "(")
	return "[" + name + "]"
}

// initialPIDs is the kernel's number of the first namespace of processes.
const initialPIDs = "pid:[4026531836]"

// HostPIDs reports whether our process numbers are those of the host: what a
// driver tells of processes is by these.
func HostPIDs() bool {
	ns, err := os.Readlink("/proc/self/ns/pid")
	return err == nil && ns == initialPIDs
}

// HasOpen reports whether a process has a file open whose path begins with
// prefix. One that we may not look at has none.
func HasOpen(pid int, prefix string) bool {
	dir := procDir(pid) + "/fd"
	fds, err := os.ReadDir(dir)
	if err != nil {
		return false
	}
	for _, fd := range fds {
		if to, err := os.Readlink(dir + "/" + fd.Name()); err == nil && strings.HasPrefix(to, prefix) {
			return true
		}
	}
	return false
}
