package process

import (
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"nix2gpu/project"
)

// A guardLink is the supervisor's side of its guard. It keeps the list of what runs, which
// the guard reads once we are dead. The Host's lock guards it. The methods of nil do
// nothing.
type guardLink struct {
	file *os.File
	gone chan struct{} // the guard has died
	list *os.File      // in memory, shared with the guard, so that it outlives us
	at   map[int]int64 // the offset of each process in it, by pid
	free []int64       // offsets that are free again
}

// newGuardLink sends the guard the list and grace, through a descriptor of GuardMain.
func newGuardLink(fd int, grace time.Duration) (*guardLink, error) {
	list, err := unix.MemfdCreate("nix2gpu-running", unix.MFD_CLOEXEC)
	if err == nil {
		text := binary.NativeEndian.AppendUint64(nil, uint64(grace))
		err = unix.Sendmsg(fd, text, unix.UnixRights(list), nil, 0)
	}
	if err == nil {
		err = unix.SetNonblock(fd, true) // so that close ends the read below
	}
	if err != nil {
		return nil, fmt.Errorf("cannot reach the guard: %v", err)
	}
	g := &guardLink{
		file: os.NewFile(uintptr(fd), "guard"), gone: make(chan struct{}),
		list: os.NewFile(uintptr(list), "running"), at: make(map[int]int64),
	}
	go func() {
		if n, err := g.file.Read(make([]byte, 1)); n == 0 && !errors.Is(err, os.ErrClosed) {
			close(g.gone) // it writes no more once it listens, so it has died
		}
	}()
	return g, nil
}

func (g *guardLink) started(rec record) {
	if g == nil {
		return
	}
	g.list.WriteAt(rec.listed(), g.place(rec.pid)) // if that fails, the process just gets TERM
}

// abandoned notes that nobody waits for the end of a process any more.
func (g *guardLink) abandoned(info Info) {
	if g == nil {
		return
	}
	rec := record{pid: info.PID, start: info.Start, signal: abandonedMark}
	g.list.WriteAt(rec.listed(), g.place(info.PID)) // if that fails, the guard waits as well
}

// place returns the offset of a process in the list. It is new unless the process has one.
func (g *guardLink) place(pid int) int64 {
	place, ok := g.at[pid]
	if n := len(g.free); !ok && n > 0 {
		place, g.free = g.free[n-1], g.free[:n-1]
	} else if !ok {
		place = int64(len(g.at)) * listed
	}
	g.at[pid] = place
	return place
}

func (g *guardLink) ended(pid int) {
	if g == nil {
		return
	}
	if place, ok := g.at[pid]; ok {
		delete(g.at, pid)
		g.free = append(g.free, place)
		g.list.WriteAt(record{}.listed(), place)
	}
}

func (g *guardLink) close() {
	if g != nil {
		g.file.Close()
		g.list.Close()
	}
}

// listed is the size of a record in the list, in bytes. It is so small that a record is
// written either as a whole or not at all, however sudden our end is. All zero means
// none.
const listed = 16

// abandonedMark stands in the list for the signal of a process that is waited for no more.
const abandonedMark project.Signal = 1 << 16

func (r record) listed() []byte {
	b := binary.NativeEndian.AppendUint64(make([]byte, 0, listed), r.start)
	b = binary.NativeEndian.AppendUint32(b, uint32(r.pid))
	return binary.NativeEndian.AppendUint32(b, uint32(r.signal))
}

// readListed reads the list of what runs, and the start times of what is waited for no
// more.
func readListed(list []byte) (live ledger, abandoned map[int]uint64) {
	live, abandoned = make(ledger), make(map[int]uint64)
	for ; len(list) >= listed; list = list[listed:] {
		rec := record{
			start: binary.NativeEndian.Uint64(list), pid: int(binary.NativeEndian.Uint32(list[8:])),
			signal: project.Signal(binary.NativeEndian.Uint32(list[12:])),
		}
		switch {
		case rec.pid <= 1:
		case rec.signal == abandonedMark:
			abandoned[rec.pid] = rec.start
		case rec.signal.Valid():
			live[rec.pid] = rec
		}
	}
	return live, abandoned
}

// Abandoned returns a channel that is closed when the guard has died: whoever kills it
// wants to end all that it guards. It is nil without a guard.
func (h *Host) Abandoned() <-chan struct{} {
	if h.guard == nil {
		return nil
	}
	return h.guard.gone
}

// AwaitGuard waits in a supervisor until its guard listens, at the other end of fd: until
// then nothing may be started. It returns false if the guard has died before that.
func AwaitGuard(fd int) bool {
	for {
		n, err := unix.Read(fd, make([]byte, 1))
		if err != unix.EINTR {
			return n == 1
		}
	}
}

// A Guarded is a supervisor that was started before its guard.
type Guarded struct{ g guard }

// StartGuarded starts argv, the supervisor, with the environment env, for a guard that this
// process becomes by [GuardMain], here or in a program that takes our place by exec. So it
// loads while we have other work; then it waits: see [AwaitGuard]. If we never become its
// guard, it ends and has done nothing.
func StartGuarded(path string, argv, env []string) (*Guarded, error) {
	var s Guarded
	if err := s.g.start(path, argv, env); err != nil {
		return nil, err
	}
	return &s, nil
}

// Args returns what a program that takes our place by exec gives to [TakeGuarded].
func (s *Guarded) Args() ([]string, error) {
	if _, err := unix.FcntlInt(uintptr(s.g.link), unix.F_SETFD, 0); err != nil {
		return nil, fmt.Errorf("cannot start the supervisor: %v", err)
	}
	return []string{strconv.Itoa(s.g.pid), strconv.Itoa(s.g.link)}, nil
}

// TakeGuarded takes over the supervisor of which args come from [Guarded.Args]; without any
// it returns nil.
func TakeGuarded(args []string) (s *Guarded, err error) {
	if len(args) != 2 {
		return nil, nil
	}
	s = &Guarded{}
	if s.g.pid, err = strconv.Atoi(args[0]); err == nil {
		s.g.link, err = strconv.Atoi(args[1])
	}
	if err == nil {
		_, err = unix.FcntlInt(uintptr(s.g.link), unix.F_SETFD, unix.FD_CLOEXEC)
	}
	return s, err
}

// Leave ends the supervisor, which has done nothing, and waits for its end.
func (s *Guarded) Leave() {
	unix.Close(s.g.link)
	unix.Kill(s.g.pid, unix.SIGKILL) // not reaped yet, so it is no other process
	s.g.reap()
}

// GuardMain runs argv, the supervisor, as its child, unless it was started before. The
// child gets all descriptors that we were given and one more, whose number is its last
// argument: see [Options.Guard] and [AwaitGuard].
// GuardMain passes signals on, waits for the end of the supervisor, and returns its exit
// code. If the supervisor is killed, the kernel makes all that it ran our children,
// however it hides. GuardMain ends that first, and then returns an error. The code of an
// error is never 0.
//
// Once it handles signals, and before it runs anything, it calls listening, for who has
// handled them until then; an error of that is GuardMain's. If nobody listened in between, a
// signal could end the guard at any later moment: the thread that is to die of it may be
// kept waiting, while another has started the supervisor.
//
// From then on all children are its own, and no other part of the program may wait for any.
// light says that the program has done nothing else before, so has no memory to give back.
func GuardMain(path string, argv []string, started *Guarded, light bool, listening func() error) (code int, err error) {
	g := &guard{}
	if started != nil {
		g = &started.g
	}
	given := inherited()
	forward, child := make(chan os.Signal, 32), make(chan os.Signal, 1)
	signal.Notify(forward, unix.SIGHUP, unix.SIGINT, unix.SIGQUIT, unix.SIGTERM,
		unix.SIGUSR1, unix.SIGUSR2, unix.SIGTSTP, unix.SIGCONT)
	signal.Notify(child, unix.SIGCHLD)
	if err := listening(); err != nil {
		return 1, err
	}
	if unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != nil {
		return 1, errors.New("this kernel does not let us adopt orphaned processes")
	}
	if g.pid == 0 {
		if err := g.start(path, argv, os.Environ()); err != nil {
			return 1, err
		}
	}
	unix.Send(g.link, []byte{0}, unix.MSG_NOSIGNAL) // see AwaitGuard; a dead one is found below
	select {
	case child <- unix.SIGCHLD: // it may have died before we listened
	default:
	}
	for _, fd := range given { // only the supervisor may have them
		unix.Close(fd)
	}
	signal.Ignore(unix.SIGPIPE, unix.SIGTTIN, unix.SIGTTOU)
	os.WriteFile("/proc/self/comm", []byte("nix2gpu-guard"), 0)

	quiet := time.After(settled)
	for {
		select {
		case s := <-forward:
			g.pass(s.(unix.Signal))
			quiet = time.After(settled)
		case <-quiet:
			if light {
				DropProgram()
				continue
			}
			debug.FreeOSMemory() // which runs much of the program once more
			light, quiet = true, time.After(settled)
		case <-child:
			// We have not reaped it until now, so pass can't have hit another process.
			if _, _, ended := peek(unix.P_PID, g.pid); !ended {
				continue
			}
			status := g.reap()
			stuck, err := g.endOrphans()
			if !status.Signaled() {
				if code = status.ExitStatus(); err != nil {
					code = cmp.Or(code, 1)
				}
				return code, err // the supervisor has named what is stuck
			}
			if err == nil && len(stuck) > 0 {
				err = &SurvivorError{Left: stuck}
			}
			exit := project.KilledBy(project.Signal(status.Signal()))
			if err == nil {
				err = fmt.Errorf("the supervisor was %v; what it ran has been ended", exit)
			}
			return exit.Code, err
		}
	}
}

// settled is how long a guard has something to do after a start or a signal. After that,
// it may have nothing to do for days.
const settled = time.Second

// inherited returns the descriptors from 3 on that our children would inherit.
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
	link int // our end of the socket pair, in which its message waits
}

// start starts the supervisor in a process group of its own. So a signal from the terminal
// reaches it once, through us.
func (g *guard) start(path string, argv, env []string) error {
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("cannot start the supervisor: %v", err)
	}
	if _, err := unix.FcntlInt(uintptr(pair[1]), unix.F_SETFD, 0); err != nil {
		return fmt.Errorf("cannot start the supervisor: %v", err)
	}
	argv = append(append([]string(nil), argv...), strconv.Itoa(pair[1]))
	g.pid, err = syscall.ForkExec(path, argv, &syscall.ProcAttr{
		Env: env, Files: []uintptr{0, 1, 2}, Sys: &syscall.SysProcAttr{Setpgid: true},
	})
	unix.Close(pair[1])
	if err != nil {
		return fmt.Errorf("cannot start the supervisor %s: %v", path, err)
	}
	g.link = pair[0]
	return nil
}

// told returns what the dead supervisor has told us: what ran, how long that may take
// to end, and what it waited for no more.
func (g *guard) told() (live ledger, abandoned map[int]uint64, grace time.Duration) {
	text, rights := make([]byte, 8), make([]byte, unix.CmsgSpace(4))
	n, rightsLen, _, _, err := unix.Recvmsg(g.link, text, rights, unix.MSG_DONTWAIT|unix.MSG_CMSG_CLOEXEC)
	if err != nil || n < len(text) {
		return nil, nil, 0 // it died before it could start anything
	}
	grace = time.Duration(binary.NativeEndian.Uint64(text))
	messages, err := unix.ParseSocketControlMessage(rights[:rightsLen])
	if err != nil || len(messages) == 0 {
		return nil, nil, grace
	}
	fds, err := unix.ParseUnixRights(&messages[0])
	if err != nil || len(fds) == 0 {
		return nil, nil, grace
	}
	file := os.NewFile(uintptr(fds[0]), "running")
	defer file.Close()
	list, _ := io.ReadAll(file)
	live, abandoned = readListed(list)
	return live, abandoned, grace
}

// pass passes a signal on to the supervisor. If a terminal stops us, both stop.
func (g *guard) pass(s unix.Signal) {
	unix.Kill(g.pid, s)
	if s == unix.SIGTSTP {
		unix.Kill(unix.Getpid(), unix.SIGSTOP)
	}
}

func (g *guard) reap() (status unix.WaitStatus) {
	for {
		if _, err := unix.Wait4(g.pid, &status, 0, nil); err != unix.EINTR {
			return status
		}
	}
}

// endOrphans ends all that is below us, by the stop signals of services first. A
// supervisor that was not killed has left nothing but what is stuck.
func (g *guard) endOrphans() (stuck []Info, err error) {
	if !reapAll() {
		return nil, nil
	}
	live, abandoned, grace := g.told()
	signals := make(map[int]project.Signal)
	_, stuck, err = sweep(func(t *table) map[int]Info {
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
	}, signals, grace, abandoned)
	reapAll()
	return stuck, err
}

// reapAll reaps all dead children. It returns false if no children are left.
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
