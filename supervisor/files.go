package supervisor

import (
	"errors"
	"time"

	"golang.org/x/sys/unix"

	"nix2gpu/process"
	"nix2gpu/project"
)

// What a run holds of our descriptors: the read ends of its output and the
// file of its log, and until its program was executed the other ends too.
const (
	filesRun   = 3
	filesBegin = 2
)

// filesPatience is how long a run waits for descriptors while nothing else
// gives any back.
const filesPatience = 4 * time.Second

// filesOf is how many descriptors a run of a process holds.
func filesOf(p *project.Process) int {
	n := filesRun
	if !p.Log.File.IsEmpty() {
		n++
	}
	for _, pr := range p.Probes() {
		if pr.Notify != nil {
			n++
		}
	}
	return n
}

// FilesNeeded is how many descriptors the services ids take when all of them
// run: of each its main process, and beside it one of its setup.
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

// passes reports whether an error says that the machine lacks something just
// now: processes, memory or descriptors. That is not the program's fault.
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

// patiently does a step of a start again for a few seconds, while what hinders
// it passes.
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
