package process

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"nix2gpu/project"
)

// Start starts a process. The error is a *StartError, or ErrClosed.
func (h *Host) Start(spec Spec) (*Process, error) {
	if len(spec.Argv) == 0 {
		return nil, &StartError{Program: spec.Name, Reason: NotFound, Detail: "the command is empty"}
	}
	spec.Name = cmp.Or(spec.Name, filepath.Base(spec.Argv[0]))
	spec.StopSignal = cmp.Or(spec.StopSignal, project.SIGTERM)
	spec.LeftoverGrace = cmp.Or(spec.LeftoverGrace, 2*time.Second)

	h.mu.Lock()
	if h.closed {
		h.mu.Unlock()
		return nil, ErrClosed
	}
	h.seq++
	p := &Process{
		host: h, spec: kept{spec.Name, spec.User, spec.OutOfMemory, spec.Mode, spec.Success, spec.Launched, spec.StopSignal, spec.LeftoverGrace},
		cookie:  cmp.Or(spec.Cookie, h.opts.Run+"/"+cookieName(spec.Name)+"#"+strconv.Itoa(h.seq)),
		exited:  make(chan struct{}),
		done:    make(chan struct{}),
		killNow: make(chan struct{}),
	}
	h.mu.Unlock()
	program, err := spec.program()
	if err != nil {
		return nil, err
	}
	req, err := h.request(&spec, program, p.cookie)
	if err != nil {
		return nil, err
	}
	thread := h.plain
	if spec.NoNewPrivs {
		if thread = h.nnp; thread == nil {
			return nil, &StartError{Program: spec.Argv[0], Reason: Unsupported, Detail: "this kernel has no no_new_privs"}
		}
	}
	req.mark = newMark(spec.Limits)
	p.cgroup, p.unbound = h.cgroups.make(p.cookie, spec.Limits)
	p.cgroup.join(req)

	if err := h.fork(thread, req, p, &spec); err != nil {
		p.cgroup.remove()
		req.close()
		if req.attr.Sys.Cloneflags != 0 && !errors.Is(err, ErrClosed) { // what it executes is we
			return nil, launchFailed(spec.Argv[0], stepLoopback, err)
		}
		return nil, spec.explain(err, program)
	}
	runtime.KeepAlive(spec) // until here, its files must not be finalized
	if req.report != nil {
		if err := req.awaitLaunch(&spec); err != nil {
			<-p.done
			return nil, spec.explain(err, program)
		}
	}
	return p, nil
}

// cookieName makes a name safe for a line of the journal.
func cookieName(name string) string {
	name = strings.Map(func(r rune) rune {
		if r > ' ' && r < 0x7f {
			return r
		}
		return '_'
	}, name)
	return name[:min(len(name), 200)]
}

// fork forks and makes p known to the reaper. It tries again if the program is being
// written.
func (h *Host) fork(thread *forker, req *forkRequest, p *Process, spec *Spec) error {
	for try := 0; ; try++ {
		h.mu.Lock()
		if h.closed {
			h.mu.Unlock()
			return ErrClosed
		}
		h.forking++
		h.mu.Unlock()

		pid, err := thread.fork(req)

		h.mu.Lock()
		h.forking--
		if err == nil {
			p.pid, p.started, p.mark = pid, time.Now(), req.mark
			h.procs[pid] = p
			if p.spec.Mode == Daemon {
				h.launching++
			}
			h.noteStart(p, spec, req)
		}
		passed := h.passed
		h.passed = h.passed && h.forking > 0
		h.mu.Unlock()
		if passed { // and not each time, since the kernel then looks through all that live
			h.again()
		}
		if err != unix.ETXTBSY || try == 20 {
			return err
		}
		// Somebody is writing the file, or has just written it while another thread
		// forked: the child has the descriptor until its exec.
		time.Sleep(time.Duration(try+1) * 2 * time.Millisecond)
	}
}

// noteStart records a start for after our death. Called with the lock, so that the pid is
// still the process's.
func (h *Host) noteStart(p *Process, spec *Spec, req *forkRequest) {
	// A kill before this start is not this process's. Whether it came just before can't be
	// told from the count anyway, which is that of many.
	if time.Since(h.oomLooked) > oomCalm {
		h.oomLooked = time.Now()
		h.oomSeen = max(h.oomSeen, h.looseOOM())
	}
	if mem := p.cgroup.memory(); mem != "" && p.spec.OutOfMemory != nil {
		p.cgroup.mute = !h.watchOOM(mem, p.cgroup.v2)
	}
	if spec.OOMScore == nil && h.ownScore < 0 && req.report == nil { // else it does that itself
		_ = setOOMScore(strconv.Itoa(p.pid), 0)
	}
	if h.journal == nil && h.guard == nil {
		return
	}
	p.start = h.births.start(p.pid, req.born)
	for i, f := range []*os.File{spec.Stdout, spec.Stderr} {
		var st unix.Stat_t
		if f != nil && unix.Fstat(int(f.Fd()), &st) == nil && st.Mode&unix.S_IFMT == unix.S_IFIFO {
			p.pipes[i] = st.Ino
		}
	}
	h.journal.started(p.record())
	h.guard.started(p.record())
}

// setOOMScore sets the score of a process, which takes privileges if it lowers it.
func setOOMScore(pid string, score int) error {
	return os.WriteFile("/proc/"+pid+"/oom_score_adj", []byte(strconv.Itoa(score)), 0)
}

// request makes of a spec what the kernel needs.
func (h *Host) request(spec *Spec, program, cookie string) (*forkRequest, error) {
	env := make([]string, 0, len(spec.Env)+1)
	for _, kv := range spec.Env {
		if !strings.HasPrefix(kv, CookieVar+"=") {
			env = append(env, kv)
		}
	}
	if cookie != "" {
		env = append(env, CookieVar+"="+cookie)
	}
	req := &forkRequest{path: program, argv: spec.Argv, umask: spec.Umask}
	req.attr = syscall.ProcAttr{
		Dir:   spec.Dir,
		Env:   env,
		Files: []uintptr{h.fd(spec.Stdin), h.fd(spec.Stdout), h.fd(spec.Stderr)},
		Sys:   &syscall.SysProcAttr{Pdeathsig: syscall.Signal(spec.StopSignal)},
	}
	for _, f := range spec.ExtraFiles {
		req.attr.Files = append(req.attr.Files, f.Fd())
	}
	sys := req.attr.Sys
	switch spec.Terminal {
	case NoTerminal:
		sys.Setsid = true
	case OwnTerminal:
		sys.Setsid, sys.Setctty, sys.Ctty = true, true, 0
	}
	if u := spec.User; u != nil && !u.isUs() {
		sys.Credential = &syscall.Credential{Uid: uint32(u.UID), Gid: uint32(u.GID)}
		for _, g := range u.Groups {
			sys.Credential.Groups = append(sys.Credential.Groups, uint32(g))
		}
	}
	if err := h.throughLaunch(spec, req); err != nil {
		return nil, err
	}
	return req, nil
}

// fd returns the descriptor of f, in blocking mode, as programs expect it.
func (h *Host) fd(f *os.File) uintptr {
	if f == nil {
		f = h.devNull
	}
	return f.Fd()
}

// isUs reports whether we are u already, so that there is nothing to change.
func (u *User) isUs() bool {
	if u.UID != unix.Geteuid() || u.GID != unix.Getegid() {
		return false
	}
	return u.UID != 0 || len(u.Groups) == 0
}

// program returns what to execute, as execvp would find it with the spec's own PATH.
func (s *Spec) program() (string, error) {
	name := cmp.Or(s.Path, s.Argv[0])
	if strings.Contains(name, "/") {
		if !filepath.IsAbs(name) && s.Dir != "" {
			name = filepath.Join(s.Dir, name)
		}
		return name, nil
	}
	path := "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
	for _, kv := range s.Env { // the last one counts
		if v, ok := strings.CutPrefix(kv, "PATH="); ok {
			path = v
		}
	}
	var denied string
	for _, dir := range filepath.SplitList(path) {
		if !filepath.IsAbs(dir) {
			dir = filepath.Join(s.Dir, dir)
		}
		file := filepath.Join(dir, name)
		st, err := os.Stat(file)
		switch {
		case err != nil || st.IsDir():
		case st.Mode()&0o111 == 0:
			denied = cmp.Or(denied, file)
		default:
			return file, nil
		}
	}
	if denied != "" {
		return denied, nil // the kernel will refuse it, and explain says why
	}
	return "", &StartError{
		Program: name, Reason: NotFound, Errno: unix.ENOENT,
		Detail: fmt.Sprintf("not found in PATH (%s)", path),
	}
}

// explain puts the error of a start into words. The kernel's number does not say which
// step has failed, so explain looks for one that can't have worked.
func (s *Spec) explain(err error, program string) error {
	var known *StartError
	if errors.As(err, &known) || errors.Is(err, ErrClosed) {
		return err
	}
	var errno unix.Errno
	if !errors.As(err, &errno) {
		return &StartError{Program: s.Argv[0], Reason: Failed, Detail: err.Error()}
	}
	e := &StartError{Program: cmp.Or(s.Path, s.Argv[0]), Errno: errno, Reason: Failed, Detail: errno.Error()}
	if s.Dir != "" {
		if st, err := os.Stat(s.Dir); errors.Is(err, fs.ErrNotExist) {
			e.Reason, e.Detail = BadDir, fmt.Sprintf("the working directory %s does not exist", s.Dir)
			return e
		} else if err == nil && !st.IsDir() {
			e.Reason, e.Detail = BadDir, fmt.Sprintf("the working directory %s is not a directory", s.Dir)
			return e
		}
	}
	switch errno {
	case unix.ENOENT, unix.ENOTDIR, unix.ELOOP:
		e.Reason, e.Detail = NotFound, program+" does not exist"
		if interp := interpreterOf(program); interp != "" {
			e.Reason = NoInterpreter
			e.Detail = fmt.Sprintf("%s needs %s, which does not exist", program, interp)
		}
	case unix.EACCES:
		e.Reason, e.Detail = NotExecutable, "no permission to execute "+program
		if st, err := os.Stat(program); err == nil && st.IsDir() {
			e.Detail = program + " is a directory"
		} else if err == nil && st.Mode()&0o111 == 0 {
			e.Detail, e.Hint = program+" is not executable", "chmod +x "+program
		} else if s.User != nil && !s.User.isUs() {
			e.Detail = fmt.Sprintf("user %d may not execute %s", s.User.UID, program)
			if s.Dir != "" {
				e.Detail += " or may not enter " + s.Dir
			}
		}
	case unix.ENOEXEC:
		e.Reason, e.Detail = BadFormat, program+" is neither a script with a #! line nor a program for this machine"
	case unix.ETXTBSY:
		e.Reason, e.Detail = Busy, program+" is still open for writing"
	case unix.E2BIG:
		e.Reason, e.Detail = TooBig, "its arguments and environment are too long"
	case unix.EPERM:
		e.Reason, e.Detail = NotExecutable, "not permitted to execute "+program
		if s.User != nil && !s.User.isUs() {
			e.Reason = BadUser
			e.Detail = fmt.Sprintf("not permitted to run it as user %d", s.User.UID)
			e.Hint = "start nix2gpu as root, or leave out the user"
		}
	case unix.EAGAIN:
		e.Reason, e.Detail = Exhausted, "no more processes are allowed here"
		e.Hint = "the limit is that of the user (ulimit -u) or of the container (pids)"
	case unix.ENOMEM:
		e.Reason, e.Detail = Exhausted, "not enough memory for another process"
	case unix.EMFILE, unix.ENFILE:
		e.Reason, e.Detail = Exhausted, "too many open files"
		if errno == unix.EMFILE { // else the whole machine has no more
			e.Hint = FileHint(1)
		}
	}
	return e
}
