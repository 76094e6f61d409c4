package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// clockTick is the unit of times in /proc/PID/stat. It is 100 on each Linux that Go
// supports.
const clockTick = time.Second / 100

// A procStat is what /proc/PID/stat says.
type procStat struct {
	pid, ppid int
	comm      string
	waited    time.Duration // processor time of children that it has waited for
}

func readStat(pid int) (s procStat, ok bool) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	open, end := strings.IndexByte(string(text), '('), strings.LastIndexByte(string(text), ')')
	if err != nil || open < 0 || end < open {
		return s, false
	}
	f := strings.Fields(string(text[end+1:]))
	if len(f) < 15 || f[0] == "Z" {
		return s, false
	}
	s.pid, s.comm = pid, string(text[open+1:end])
	s.ppid, _ = strconv.Atoi(f[1])
	user, _ := strconv.Atoi(f[13])
	system, _ := strconv.Atoi(f[14])
	s.waited = time.Duration(user+system) * clockTick
	return s, true
}

// processes returns a process and its descendants.
func processes(root int) []procStat {
	children := map[int][]procStat{}
	var found []procStat
	entries, _ := os.ReadDir("/proc")
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		if s, ok := readStat(pid); ok {
			children[s.ppid] = append(children[s.ppid], s)
			if pid == root {
				found = append(found, s)
			}
		}
	}
	for i := 0; i < len(found); i++ {
		found = append(found, children[found[i].pid]...)
	}
	return found
}

// tree returns the pids of a process and its descendants.
func tree(root int) (pids []int) {
	for _, s := range processes(root) {
		pids = append(pids, s.pid)
	}
	return pids
}

// supervising returns the processes of a supervisor: what is below root without the
// services, which are called pw-something, or run under s6.
func supervising(root int) (own []procStat) {
	for _, s := range processes(root) {
		if !strings.HasPrefix(s.comm, "pw-") && s.comm != "run" {
			own = append(own, s)
		}
	}
	return own
}

// cpu returns the processor time that a supervisor has used: that of its own threads to
// the nanosecond, and that of the processes that it has waited for, to the clock tick.
func cpu(root int) (sum time.Duration) {
	for _, s := range supervising(root) {
		sum += s.waited
		tasks, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", s.pid))
		for _, task := range tasks {
			text, _ := os.ReadFile(task) // of a thread that has just ended
			ns, _, _ := strings.Cut(string(text), " ")
			n, _ := strconv.ParseInt(ns, 10, 64)
			sum += time.Duration(n)
		}
	}
	return sum
}

// pss returns the memory of a supervisor in KiB: its share of what it has in common with
// other processes (PSS).
func pss(root int) (sum int) {
	for _, s := range supervising(root) {
		sum += field(fmt.Sprintf("/proc/%d/smaps_rollup", s.pid), "Pss:")
	}
	return sum
}

// peak returns the most memory that the processes of a supervisor have had, in KiB (RSS).
func peak(root int) (sum int) {
	for _, s := range supervising(root) {
		sum += field(fmt.Sprintf("/proc/%d/status", s.pid), "VmHWM:")
	}
	return sum
}

// field returns the number behind a name in a file of /proc.
func field(path, name string) int {
	text, _ := os.ReadFile(path)
	for line := range strings.Lines(string(text)) {
		if f := strings.Fields(line); len(f) > 1 && f[0] == name {
			n, _ := strconv.Atoi(f[1])
			return n
		}
	}
	return 0
}
