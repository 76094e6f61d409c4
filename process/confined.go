package process

import (
	"bytes"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// markConfined marks this thread, and the programs that it executes, for Confined, by a
// filter that allows every call. Environment, parent and session can be changed by who is
// marked by them; a filter stays.
func markConfined() error {
	return filterCalls([]unix.SockFilter{{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ALLOW}})
}

// Confined reports whether a process is in a sandbox of ours: Landlock lets who is there
// connect to every Unix socket of its user, and by ours it would get out. A process in any
// other sandbox that we are not in counts too, and so does one that has ended, which might
// have been in one. Its pid may be another's then, but never a pidfd of it; -1 is none.
func Confined(pid, pidfd int) bool {
	filters, gains, err := restrictions(strconv.Itoa(pid))
	if pidfd >= 0 && unix.PidfdSendSignal(pidfd, 0, nil, 0) == unix.ESRCH {
		return true
	}
	if err == os.ErrProcessDone {
		return true
	}
	ours, _, blind := restrictions("self")
	if err != nil {
		// With hidepid, /proc hides the processes of others, and one of ours that wants it.
		lives := unix.Kill(pid, 0)
		return lives == unix.ESRCH || lives == nil && blind == nil
	}
	return !gains && filters > ours && blind == nil
}

// restrictions returns how many filters the calls of a process pass, and whether programs
// that it executes can gain privileges.
func restrictions(pid string) (filters int, gains bool, err error) {
	text, err := os.ReadFile("/proc/" + pid + "/status")
	if err != nil {
		return 0, false, err
	}
	if bytes.Contains(text, []byte("\nState:\tZ")) {
		return 0, false, os.ErrProcessDone
	}
	value := func(name string) int {
		_, rest, _ := bytes.Cut(text, []byte("\n"+name+":\t"))
		line, _, _ := bytes.Cut(rest, []byte("\n"))
		n, _ := strconv.Atoi(string(line)) // kernels without the line are older than Landlock
		return n
	}
	return value("Seccomp_filters"), value("NoNewPrivs") == 0, nil
}
