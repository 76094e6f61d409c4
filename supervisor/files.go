package supervisor

import (
	"errors"
	"time"

	"golang.org/x/sys/unix"

	"nix2gpu/process"
	"nix2gpu/project"
)

// How many of our descriptors a run takes: the read ends of its output and the file of its
// log, and, until its program is executed, the write ends.
const (
	filesRun   = 3
	filesBegin = 2
)

// filesPatience is how long a run waits for descriptors while nobody gives any back.
const filesPatience = 4 * time.Second

// filesOf returns how many descriptors a run of a process takes.
func filesOf(p *project.Process) int {
	n := filesRun
	if !p.Log.File.IsEmpty() {
		n++
	}
	if p.TTY {
		n += filesTerminal
	}
	for _, pr := range p.Probes() {
		if pr.Notify != nil {
			n++
		}
	}
	return n
}

// FilesNeeded returns how many descriptors the services ids take when all of them run: each
// its main process and one setup one-shot beside it.
func FilesNeeded(p *project.Project, ids []project.ID) (need int) {
	of := func(id project.ID) int {
		if q := p.Processes[id]; q != nil {
			return filesOf(q)
		}
		return 0
	}
	for _, id := range ids {
		s := p.Services[id]
		if s == nil {
			continue
		}
		most := 0
		for _, one := range s.Setup {
			most = max(most, of(one))
		}
		need += of(s.Main) + most
	}
	return need
}

// passes reports whether an error will pass: the machine lacks processes, memory or
// descriptors, which is not the fault of the program.
func passes(err error) bool {
	var refused *process.StartError
	if errors.As(err, &refused) && refused.Temporary() {
		return true
	}
	for _, no := range []error{unix.EMFILE, unix.ENFILE, unix.ENOMEM, unix.ENOBUFS} {
		if errors.Is(err, no) {
			return true
		}
	}
	return false
}

// patiently repeats a step of a start for a few seconds, while its errors are such that
// pass.
func patiently[T any](cancel <-chan struct{}, step func() (T, error)) (T, error) {
	wait := 20 * time.Millisecond
	for {
		out, err := step()
		if err == nil || !passes(err) || wait > 2*time.Second {
			return out, err
		}
		select {
		case <-time.After(wait):
			wait *= 2
		case <-cancel:
			return out, errStopped
		}
	}
}
