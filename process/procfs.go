package process

import (
	"bytes"
	"errors"
	"os"
	"sort"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Info is what the kernel says about a process.
type Info struct {
	PID, PPID  int
	PGID, SID  int
	Start      uint64 // its start, in clock ticks since boot; with PID it identifies the process
	State      byte   // 'R', 'S', 'D' (waits for a device and cannot be killed), 'T', 'Z', …
	Name       string // at most 15 bytes
	WaitingFor string // the kernel function that a process in state D sleeps in, if known
}

// dead reports whether the process has ended, even if it was not reaped.
func (i Info) dead() bool { return i.State == 'Z' || i.State == 'X' }

// Inspect returns what the kernel says about pid. The error is fs.ErrNotExist if there is
// no such process.
func Inspect(pid int) (Info, error) {
	stat, err := readProc(procDir(pid) + "/stat")
	if err != nil {
		return Info{}, err
	}
	info, ok := parseStat(stat)
	if !ok {
		return Info{}, unix.ESRCH
	}
	if info.State == 'D' {
		wchan, _ := readProc(procDir(pid) + "/wchan")
		info.WaitingFor = strings.Trim(string(wchan), "0\n")
	}
	return info, nil
}

// parseStat parses /proc/PID/stat. The name in parentheses may itself have spaces and
// parentheses in it, so it ends at the last one.
func parseStat(stat []byte) (Info, bool) {
	open, end := bytes.IndexByte(stat, '('), bytes.LastIndexByte(stat, ')')
	if open < 1 || end < open {
		return Info{}, false
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(stat[:open])))
	f := strings.Fields(string(stat[end+1:]))
	if err != nil || len(f) < 20 || len(f[0]) != 1 {
		return Info{}, false
	}
	info := Info{PID: pid, State: f[0][0], Name: string(stat[open+1 : end])}
	for i, to := range map[int]*int{1: &info.PPID, 2: &info.PGID, 3: &info.SID} {
		if *to, err = strconv.Atoi(f[i]); err != nil {
			return Info{}, false
		}
	}
	info.Start, err = strconv.ParseUint(f[19], 10, 64)
	return info, err == nil
}

// readProc reads a small file of /proc. Unlike os.ReadFile, it does not try to register the
// file with the poller: a snapshot reads thousands of files.
func readProc(path string) ([]byte, error) {
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	defer unix.Close(fd)
	buf := make([]byte, 0, 1024)
	for {
		if len(buf) == cap(buf) {
			buf = append(buf, 0)[:len(buf)]
		}
		n, err := unix.Read(fd, buf[len(buf):cap(buf)])
		switch {
		case err == unix.EINTR:
			continue
		case err != nil:
			return nil, err
		case n == 0:
			return buf, nil
		}
		buf = buf[:len(buf)+n]
	}
}

// pids returns the processes that /proc shows.
func pids() ([]int, error) {
	dir, err := os.Open("/proc")
	if err != nil {
		return nil, err
	}
	defer dir.Close()
	names, err := dir.Readdirnames(-1)
	if err != nil {
		return nil, err
	}
	out := make([]int, 0, len(names))
	for _, name := range names {
		if pid, err := strconv.Atoi(name); err == nil {
			out = append(out, pid)
		}
	}
	return out, nil
}

// cookieOf returns the cookie in the environment of a process; "" if it has none, has
// overwritten it, or if we may not read it. During an exec, the kernel shows no
// environment. We wait for its end: who takes the process for a stranger then may never
// look at it again.
func cookieOf(pid int) string {
	for begun := time.Now(); ; time.Sleep(time.Millisecond) {
		env, err := readProc(procDir(pid) + "/environ")
		if err != nil || len(env) > 0 {
			return cookieIn(env)
		}
		stat, err := readProc(procDir(pid) + "/stat")
		if err != nil || !hidesEnvironment(stat) || time.Since(begun) > execBudget {
			return ""
		}
		if own, err := readProc("/proc/self/stat"); err != nil || statField(own, endOfCode) == "0" {
			return "" // gVisor leaves the fields empty, but never shows half an exec
		}
	}
}

// execBudget is how long to wait for the end of an exec. It only takes long if the file
// system of the program is slow.
const execBudget = 2 * time.Second

// The fields of /proc/PID/stat by their numbers in proc_pid_stat(5).
const (
	processFlags  = 9
	endOfCode     = 27 // set when the environment is laid out (load_elf_binary in fs/binfmt_elf.c)
	environBegins = 50
	environEnds   = 51
)

// statField returns a field of /proc/PID/stat after the name; "" if there is none.
func statField(stat []byte, number int) string {
	f := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
	if i := number - 3; i < len(f) {
		return f[i]
	}
	return ""
}

// hidesEnvironment reports whether a process whose environment reads as empty does have
// one: it is executing a program, or has just done so.
func hidesEnvironment(stat []byte) bool {
	const (
		exiting = 0x4      // PF_EXITING in include/linux/sched.h
		kernel  = 0x200000 // PF_KTHREAD
	)
	info, ok := parseStat(stat)
	flags, err := strconv.ParseUint(statField(stat, processFlags), 10, 64)
	if !ok || info.dead() || err != nil || flags&(exiting|kernel) != 0 {
		return false
	}
	return statField(stat, endOfCode) == "0" || statField(stat, environBegins) != statField(stat, environEnds)
}

func cookieIn(env []byte) string {
	key := []byte(CookieVar + "=")
	for len(env) > 0 {
		entry, rest, _ := bytes.Cut(env, []byte{0})
		if v, ok := bytes.CutPrefix(entry, key); ok {
			return string(v)
		}
		env = rest
	}
	return ""
}

// childrenOf returns the children of a process, by the kernel's lists. ok is false if the
// kernel has none of one that lives.
func childrenOf(pid int) (children []int, ok bool) {
	for _, tid := range threadsOf(pid) {
		more, ok := childrenAt(procDir(pid), tid)
		if !ok {
			_, err := Inspect(pid)
			return children, err != nil // it has ended meanwhile
		}
		children = append(children, more...)
	}
	return children, true
}

// childrenAt returns the children of a thread of the process with the folder dir.
func childrenAt(dir string, tid int) (children []int, ok bool) {
	data, err := readProc(dir + "/task/" + strconv.Itoa(tid) + "/children")
	if err != nil {
		return nil, false
	}
	for _, f := range bytes.Fields(data) {
		if child, err := strconv.Atoi(string(f)); err == nil {
			children = append(children, child)
		}
	}
	return children, true
}

// FirstChild returns the pid of the oldest child of a process, except for one; 0 if it has
// no other.
func FirstChild(pid, except int) int {
	all, ok := childrenOf(pid)
	if !ok {
		t, err := readTable()
		if err != nil {
			return 0
		}
		all = t.children[pid]
	}
	first, start := 0, uint64(0)
	for _, child := range all {
		if info, err := Inspect(child); err == nil && child != except && !info.dead() && (first == 0 || info.Start < start) {
			first, start = child, info.Start
		}
	}
	return first
}

var errNoProc = errors.New("there is no /proc of this pid namespace")

// A table is a snapshot of all processes.
type table struct {
	byPID    map[int]Info
	children map[int][]int
}

// readTable takes a snapshot. It fails if /proc is that of another pid namespace, whose
// numbers mean other processes.
func readTable() (*table, error) {
	if self, err := os.Readlink("/proc/self"); err != nil || self != strconv.Itoa(unix.Getpid()) {
		return nil, errNoProc
	}
	all, err := pids()
	if err != nil {
		return nil, err
	}
	t := &table{byPID: make(map[int]Info, len(all)), children: make(map[int][]int)}
	for _, pid := range all {
		stat, err := readProc(procDir(pid) + "/stat")
		if err != nil {
			continue // it has ended meanwhile
		}
		if info, ok := parseStat(stat); ok {
			t.byPID[pid] = info
			t.children[info.PPID] = append(t.children[info.PPID], pid)
		}
	}
	return t, nil
}

// below adds pid and all of its living descendants to set.
func (t *table) below(pid int, set map[int]Info) {
	info, ok := t.byPID[pid]
	if _, seen := set[pid]; !ok || seen {
		return
	}
	set[pid] = info
	for _, child := range t.children[pid] {
		t.below(child, set)
	}
}

func procDir(pid int) string { return "/proc/" + strconv.Itoa(pid) }

// threadsOf returns the threads of a process. Most have one, which has the number of the
// process: the links of the folder tell (proc_task_getattr in fs/proc/base.c), without
// the nine calls of reading it.
func threadsOf(pid int) []int {
	const single = 2 + 1 // itself, its parent, and one thread
	path := procDir(pid) + "/task"
	var st unix.Stat_t
	if unix.Stat(path, &st) == nil && st.Nlink == single {
		return []int{pid}
	}
	dir, err := os.Open(path)
	if err != nil {
		return nil
	}
	defer dir.Close()
	names, _ := dir.Readdirnames(-1)
	tids := make([]int, 0, len(names))
	for _, name := range names {
		if tid, err := strconv.Atoi(name); err == nil {
			tids = append(tids, tid)
		}
	}
	return tids
}

func sortByPID(list []Info) {
	sort.Slice(list, func(i, j int) bool { return list[i].PID < list[j].PID })
}
