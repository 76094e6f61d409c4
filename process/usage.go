package process

import (
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// A Usage is what a process and its living descendants use at a moment.
type Usage struct {
	Name  string // of its Spec
	PIDs  []int
	Procs []Proc        // of PIDs
	CPU   time.Duration // user and system time, without that of dead descendants
	// Waited is that of dead descendants which a living one has waited for.
	Waited time.Duration
	Memory int64 // resident, in bytes; shared memory counts for each that shares it
	// Threads and Files are how many threads and open file descriptors they have. Files
	// is -1 if one of them is another user's, whom we may not look at.
	Threads, Files int
}

// A Proc is one process of a Usage.
type Proc struct {
	PID, Parent int
	Command     string // its arguments; without any, its name in brackets
}

// Usage returns what all processes of the Host use now.
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

// clockTicks is the number of ticks in a second, in which the kernel counts for programs.
const clockTicks = 100

func (u *Usage) add(pid int) {
	stat, err := readProc(procDir(pid) + "/stat")
	if err != nil {
		return // it has ended meanwhile
	}
	text := string(stat)
	f := strings.Fields(text[strings.LastIndexByte(text, ')')+1:])
	if len(f) < 22 || f[0] == "Z" || f[0] == "X" {
		return
	}
	number := func(i int) int64 {
		n, _ := strconv.ParseInt(f[i], 10, 64) // the kernel writes numbers
		return n
	}
	u.PIDs = append(u.PIDs, pid)
	u.Procs = append(u.Procs, Proc{PID: pid, Parent: int(number(1)), Command: commandOf(pid, text)})
	u.CPU += time.Duration(number(11)+number(12)) * time.Second / clockTicks
	u.Waited += time.Duration(number(13)+number(14)) * time.Second / clockTicks
	u.Memory += number(21) * int64(unix.Getpagesize())
	u.Threads += int(number(17))
	if fds, err := os.ReadDir(procDir(pid) + "/fd"); err != nil || u.Files < 0 {
		u.Files = -1
	} else {
		u.Files += len(fds)
	}
}

// commandOf returns the arguments of a process. stat has its name.
func commandOf(pid int, stat string) string {
	data, err := readProc(procDir(pid) + "/cmdline")
	if words := strings.Fields(strings.ReplaceAll(string(data), "\x00", " ")); err == nil && len(words) > 0 {
		return strings.Join(words, " ")
	}
	_, name, _ := strings.Cut(stat[:strings.LastIndexByte(stat, ')')], "(")
	return "[" + name + "]"
}

// initialPIDs is the kernel's name of the first pid namespace.
const initialPIDs = "pid:[4026531836]"

// HostPIDs reports whether our pids are those of the host, by which drivers speak of
// processes.
func HostPIDs() bool {
	ns, err := os.Readlink("/proc/self/ns/pid")
	return err == nil && ns == initialPIDs
}

// StartedAt is when a process was started, by the kernel's clock of the time since boot;
// zero where that is not known.
func StartedAt(pid int) time.Time {
	stat, err := readProc(procDir(pid) + "/stat")
	if err != nil {
		return time.Time{}
	}
	f := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+1:]))
	var boot unix.Timespec
	if len(f) < 20 || unix.ClockGettime(unix.CLOCK_BOOTTIME, &boot) != nil {
		return time.Time{}
	}
	ticks, err := strconv.ParseInt(f[19], 10, 64)
	if err != nil {
		return time.Time{}
	}
	return time.Now().Add(-time.Duration(boot.Nano()) + time.Duration(ticks)*time.Second/clockTicks)
}

// HasOpen reports whether a process has a file open whose path begins with prefix. It
// returns false if we may not look.
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
