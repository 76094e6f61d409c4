package process

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"nix2gpu/project"
)

// guardLink is the supervisor's end of its guard: it tells what runs, so that
// the guard knows with which signal each is to be ended. Its methods do
// nothing when nil.
type guardLink struct {
	file *os.File
	gone chan struct{} // the guard has died

	mu      sync.Mutex
	pending []byte
	wake    chan struct{} // there is something pending
	quit    chan struct{}
}

// newGuardLink talks to the guard through a descriptor of GuardMain.
func newGuardLink(fd int, grace time.Duration) (*guardLink, error) {
	if err := unix.SetNonblock(fd, true); err != nil { // so that close ends what waits for it
		return nil, fmt.Errorf("cannot reach the guard: %v", err)
	}
	g := &guardLink{
		file: os.NewFile(uintptr(fd), "guard"), gone: make(chan struct{}),
		wake: make(chan struct{}, 1), quit: make(chan struct{}),
	}
	go g.write()
	go func() {
		if n, err := g.file.Read(make([]byte, 1)); n == 0 && !errors.Is(err, os.ErrClosed) {
			close(g.gone) // it never writes: this was its end
		}
	}()
	g.send(fmt.Sprintf("grace %d\n", grace.Milliseconds()))
	return g, nil
}

// send never waits for the guard.
func (g *guardLink) send(line string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.pending = append(g.pending, line...)
	select {
	case g.wake <- struct{}{}:
	default:
	}
}

// write writes what is pending.
func (g *guardLink) write() {
	for {
		select {
		case <-g.wake:
		case <-g.quit:
			return
		}
		g.mu.Lock()
		text := g.pending
		g.pending = nil
		g.mu.Unlock()
		if _, err := g.file.Write(text); err != nil {
			return // Abandoned says so
		}
	}
}

func (g *guardLink) started(rec record) {
	if g != nil {
		g.send(rec.line())
	}
}

func (g *guardLink) ended(pid int) {
	if g != nil {
		g.send(fmt.Sprintf("- %d\n", pid))
	}
}

func (g *guardLink) close() {
	if g != nil {
		close(g.quit)
		g.file.Close()
	}
}

// Abandoned is closed when the guard has died: whoever kills it means all that
// it guards. It is nil without a guard.
func (h *Host) Abandoned() <-chan struct{} {
	if h.guard == nil {
		return nil
	}
	return h.guard.gone
}

// GuardMain runs argv, the supervisor, as its child with all descriptors that
// it was given, and with the number of one more as the last argument, which is
// [Options.Guard]. It passes signals on, waits for the supervisor's end, and
// returns its exit code. When the supervisor was killed, which is an error, the
// kernel makes everything that it ran a child of ours, however it hid: that is
// ended first.
//
// It is to be called at once, by a program that has done nothing yet.
func GuardMain(path string, argv []string) (code int, err error) {
	given := inherited()
	forward := make(chan os.Signal, 32)
	signal.Notify(forward, unix.SIGHUP, unix.SIGINT, unix.SIGQUIT, unix.SIGTERM,
		unix.SIGUSR1, unix.SIGUSR2, unix.SIGTSTP, unix.SIGCONT)
	g := &guard{}
	if unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != nil {
		return 0, errors.New("this kernel gives us no orphans")
	}
	if err := g.start(path, argv); err != nil {
		return 0, err
	}
	for _, fd := range given { // the supervisor's alone
		unix.Close(fd)
	}
	signal.Ignore(unix.SIGPIPE, unix.SIGTTIN, unix.SIGTTOU)
	os.WriteFile("/proc/self/comm", []byte("nix2gpu-guard"), 0)
	debug.FreeOSMemory()
	dropProgram()

	ended := make(chan struct{})
	go func() {
		g.await()
		close(ended)
	}()
	for {
		select {
		case s := <-forward:
			g.pass(s.(unix.Signal))
		case <-ended:
			status := g.reap()
			err := g.endOrphans()
			if !status.Signaled() {
				return status.ExitStatus(), err
			}
			exit := project.KilledBy(project.Signal(status.Signal()))
			if err == nil {
				err = fmt.Errorf("the supervisor was %v; what it ran has been ended", exit)
			}
			return exit.Code, err
		}
	}
}

// inherited lists the descriptors, from 3 on, that a program we execute gets.
func inherited() (fds []int) {
	dir, err := os.Open("/proc/self/fd")
	if err != nil {
		return nil
	}
	defer dir.Close()
	names, _ := dir.Readdirnames(-1)
	for _, name := range names {
		fd, err := strconv.Atoi(name)
		if err != nil || fd < 3 {
			continue
		}
		if flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0); err == nil && flags&unix.FD_CLOEXEC == 0 {
			fds = append(fds, fd)
		}
	}
	return fds
}

// A guard is the state of GuardMain.
type guard struct {
	pid  int // of the supervisor
	told chan ledger

	grace time.Duration // after told
}

// start forks the supervisor, in a process group of its own: what a terminal
// sends to ours comes once, by way of us.
func (g *guard) start(path string, argv []string) error {
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("cannot start the supervisor: %v", err)
	}
	if _, err := unix.FcntlInt(uintptr(pair[1]), unix.F_SETFD, 0); err != nil {
		return fmt.Errorf("cannot start the supervisor: %v", err)
	}
	argv = append(append([]string(nil), argv...), strconv.Itoa(pair[1]))
	g.pid, err = syscall.ForkExec(path, argv, &syscall.ProcAttr{
		Env: os.Environ(), Files: []uintptr{0, 1, 2}, Sys: &syscall.SysProcAttr{Setpgid: true},
	})
	unix.Close(pair[1])
	if err != nil {
		return fmt.Errorf("cannot start the supervisor %s: %v", path, err)
	}
	g.told = make(chan ledger, 1)
	go g.listen(os.NewFile(uintptr(pair[0]), "supervisor"))
	return nil
}

// listen keeps the ledger until the supervisor's end of the pair is closed.
func (g *guard) listen(file *os.File) {
	live := make(ledger)
	lines := bufio.NewReaderSize(file, 1024)
	for {
		line, err := lines.ReadString('\n')
		if err != nil {
			g.told <- live
			return
		}
		if ms, ok := strings.CutPrefix(line, "grace "); ok {
			n, _ := strconv.Atoi(strings.TrimSpace(ms))
			g.grace = time.Duration(n) * time.Millisecond
			continue
		}
		live.add(line)
	}
}

// pass gives a signal to the supervisor. When a terminal stops us, both stop.
func (g *guard) pass(s unix.Signal) {
	unix.Kill(g.pid, s)
	if s == unix.SIGTSTP {
		unix.Kill(unix.Getpid(), unix.SIGSTOP)
	}
}

// await waits until the supervisor has ended, and leaves it a zombie: so pass
// never reaches a stranger.
func (g *guard) await() {
	for unix.Waitid(unix.P_PID, g.pid, nil, unix.WEXITED|unix.WNOWAIT, nil) == unix.EINTR {
	}
}

func (g *guard) reap() (status unix.WaitStatus) {
	for {
		if _, err := unix.Wait4(g.pid, &status, 0, nil); err != unix.EINTR {
			return status
		}
	}
}

// endOrphans ends everything below us, each with its service's signal first.
// An orderly supervisor has left nothing.
func (g *guard) endOrphans() error {
	live := <-g.told
	if !reapAll() {
		return nil
	}
	signals := make(map[int]project.Signal)
	_, err := sweep(func(t *table) map[int]Info {
		reapAll()
		set := make(map[int]Info)
		for _, pid := range t.children[unix.Getpid()] {
			t.below(pid, set)
		}
		for pid, rec := range live {
			if info := set[pid]; info.Start != rec.start {
				continue
			}
			mine := make(map[int]Info)
			t.below(pid, mine)
			for pid := range mine {
				signals[pid] = rec.signal
			}
		}
		return set
	}, signals, g.grace)
	reapAll()
	return err
}

// reapAll reaps every dead child; false when there is none left at all.
func reapAll() (children bool) {
	for {
		pid, err := unix.Wait4(-1, nil, unix.WNOHANG, nil)
		switch {
		case err == unix.EINTR || pid > 0:
		default:
			return err == nil
		}
	}
}

// dropProgram takes the pages of our own program out of memory: what starting
// up has touched is most of what an idle guard would occupy. The kernel reads
// those that are needed again from the file, so none that differs from it,
// such as a relocated one, may go.
func dropProgram() {
	smaps, err := readProc("/proc/self/smaps")
	if err != nil {
		return
	}
	var from, to uintptr
	for line := range strings.Lines(string(smaps)) {
		f := strings.Fields(line)
		switch {
		case len(f) >= 6 && strings.Contains(f[0], "-"): // a mapping; its counts follow
			fmt.Sscanf(f[0], "%x-%x", &from, &to)
			if f[5][0] != '/' || strings.Contains(f[1], "w") {
				from, to = 0, 0
			}
		case len(f) >= 5 && strings.Contains(f[0], "-"):
			from, to = 0, 0
		case len(f) > 1 && (f[0] == "Anonymous:" || f[0] == "Swap:") && f[1] != "0":
			from, to = 0, 0
		case len(f) > 0 && f[0] == "VmFlags:" && to > from: // the last one
			unix.Syscall(unix.SYS_MADVISE, from, to-from, unix.MADV_DONTNEED)
		}
	}
}
