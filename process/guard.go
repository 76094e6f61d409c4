package process

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"runtime/debug"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// guardFD is where the guard finds the pipe that ends when we die.
const guardFD = 3

// guardLink is our end of the guard. Its methods do nothing when nil.
// The Host's lock guards it.
type guardLink struct {
	proc  *Process
	pipe  int
	ready bool // the pipe took everything so far
}

// startGuard starts a guard and tells it what runs.
func (h *Host) startGuard() error {
	var pipe [2]int
	if err := unix.Pipe2(pipe[:], unix.O_CLOEXEC); err != nil {
		return fmt.Errorf("cannot start the guard: %v", err)
	}
	// A guard that does not read must never make us wait.
	unix.SetNonblock(pipe[1], true)
	read := os.NewFile(uintptr(pipe[0]), "guard")
	p := &Process{
		host: h, spec: Spec{
			Name: "guard", Argv: h.opts.Guard, Mode: OnlyMain, ExtraFiles: []*os.File{read},
			// One thread that runs Go code is enough, and so is little memory.
			Env: append(os.Environ(), "GOMAXPROCS=1", "GOGC=50"),
		},
		exited: make(chan struct{}), done: make(chan struct{}), killNow: make(chan struct{}),
		guard: true,
	}
	req, err := h.request(&p.spec, "", "")
	if err == nil {
		if req.path, err = p.spec.program(); err == nil {
			req.attr.Sys.Pdeathsig = 0 // it has work to do when we are dead
			if err = h.fork(h.plain, req, p); err != nil {
				err = p.spec.explain(err, req.path)
			}
		}
	}
	read.Close()
	if err != nil {
		unix.Close(pipe[1])
		return fmt.Errorf("cannot start the guard: %w", err)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.guardDone { // Close was faster
		unix.Write(pipe[1], []byte("bye\n"))
		unix.Close(pipe[1])
		return nil
	}
	h.guard = &guardLink{proc: p, pipe: pipe[1], ready: true}
	h.guard.send(fmt.Sprintf("run %s %d\n", h.opts.Run, h.opts.GuardGrace.Milliseconds()))
	for _, proc := range h.procs {
		if !proc.guard {
			h.guard.started(proc.record())
		}
	}
	go h.keepGuard(h.guard)
	return nil
}

// keepGuard replaces a guard that has died, unless it keeps dying.
func (h *Host) keepGuard(g *guardLink) {
	<-g.proc.done
	h.mu.Lock()
	if h.guard != g || h.guardDone {
		h.mu.Unlock()
		return
	}
	unix.Close(g.pipe)
	h.guard = nil
	h.guardDeaths++
	again := h.guardDeaths < 10
	h.mu.Unlock()
	if !again {
		h.log.Warn("the guard keeps dying; services may outlive a killed supervisor", "exit", g.proc.Exit().String())
		return
	}
	if err := h.startGuard(); err != nil && !errors.Is(err, ErrClosed) {
		h.log.Warn("no guard", "err", err)
	}
}

// stopGuard lets the guard go; there is nothing left to guard.
func (h *Host) stopGuard() {
	h.mu.Lock()
	g := h.guard
	h.guardDone = true
	if g != nil {
		g.send("bye\n")
		unix.Close(g.pipe)
	}
	h.mu.Unlock()
	if g == nil {
		return
	}
	select {
	case <-g.proc.done:
	case <-time.After(time.Second): // stopped, or out of memory
		g.proc.Kill()
		<-g.proc.done
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

// send writes one line. Lines are shorter than PIPE_BUF, so one is written
// whole or not at all; a guard that has stopped reading is replaced.
func (g *guardLink) send(line string) {
	if !g.ready {
		return
	}
	if _, err := unix.Write(g.pipe, []byte(line)); err != nil {
		g.ready = false
		unix.Kill(g.proc.pid, unix.SIGKILL)
	}
}

func (g *guardLink) pid() int {
	if g == nil {
		return 0
	}
	return g.proc.pid
}

// GuardMain is the guard: a process of its own session that holds a pipe from
// the supervisor, and ends the services when the supervisor has died without
// saying good-bye. It returns when its work is done.
func GuardMain() error {
	pipe := os.NewFile(guardFD, "guard")
	if pipe == nil {
		return errors.New("the guard is started by the supervisor, not by hand")
	}
	if st, err := pipe.Stat(); err != nil || st.Mode()&os.ModeNamedPipe == 0 {
		return errors.New("the guard is started by the supervisor, not by hand")
	}
	// Only the end of the pipe, or SIGKILL, ends the guard.
	signal.Ignore(unix.SIGHUP, unix.SIGINT, unix.SIGTERM, unix.SIGQUIT, unix.SIGPIPE,
		unix.SIGUSR1, unix.SIGUSR2, unix.SIGTSTP, unix.SIGTTIN, unix.SIGTTOU)
	os.WriteFile("/proc/self/comm", []byte("nix2gpu-guard"), 0)
	debug.FreeOSMemory()
	dropProgram()

	live := make(ledger)
	var run string
	var grace int64
	lines := bufio.NewReaderSize(pipe, 1024)
	for {
		line, err := lines.ReadString('\n')
		switch {
		case err != nil:
			return live.end(run, time.Duration(grace)*time.Millisecond)
		case line == "bye\n":
			return nil
		case strings.HasPrefix(line, "run "):
			fmt.Sscanf(line, "run %s %d", &run, &grace)
		default:
			live.add(line)
		}
	}
}

// end ends what the supervisor had running when it died, just now: so session
// and group numbers are still those of its processes.
func (l ledger) end(run string, grace time.Duration) error {
	_, err := l.sweep(run, grace, true)
	return err
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
