package session

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"golang.org/x/sys/unix"

	"nix2gpu/project"
)

// A Job is a project with all that decides how it is run. It travels from the
// program that has evaluated the definition to the one that supervises.
type Job struct {
	Project    project.Valid
	Services   []project.ID          // to start, dependencies included
	Named      bool                  // they were named: those that have completed run again
	NoDeps     bool                  // what is started waits for nothing
	Refused    map[project.ID]string // those of Services that can't run here, and why
	Stay       bool                  // go on when nothing runs any more, whatever the definition says
	Root       string                // the definition's folder
	Container  string                // as it was named
	Definition string                // as messages call it
	Socket     string                // as it was named
	Detached   bool                  // nobody reads our stdout
	Once       bool                  // one that was faster is enough: nobody follows it
	LogJSON    bool
	Color      string // labels, never; empty: what services print passes
	Terminal   bool   // a person watches: labels in columns, colours of states, and times
	// Reload evaluates the definition again: arguments of our own program that
	// make it print a project. None: it is not known how.
	Reload []string

	// Tested are digests of configurations that have passed their servers' own tests.
	Tested map[project.ID]string
}

// wireJob is a Job as it travels.
type wireJob struct {
	Job
	Project json.RawMessage
}

// File writes the job where only its reader can see it: a file without a name,
// in memory, because a project can hold secrets.
func (j *Job) File() (*os.File, error) {
	data, err := j.Project.Project().Encode()
	if err != nil {
		return nil, err
	}
	data, err = json.Marshal(wireJob{*j, data})
	if err != nil {
		return nil, err
	}
	fd, err := unix.MemfdCreate("nix2gpu-job", unix.MFD_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("cannot hand over the project: %v", err)
	}
	f := os.NewFile(uintptr(fd), "job")
	if _, err := f.Write(data); err != nil {
		f.Close()
		return nil, fmt.Errorf("cannot hand over the project: %v", err)
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// PeekJob says where the job in a file runs, and leaves it to its reader.
func PeekJob(f io.ReaderAt) (container, root, socket string, err error) {
	var j struct{ Container, Root, Socket string }
	err = json.NewDecoder(io.NewSectionReader(f, 0, 1<<40)).Decode(&j)
	return j.Container, j.Root, j.Socket, err
}

// ErrNotAJob is for a person who has tried a verb that is not theirs.
var ErrNotAJob = errors.New("supervise is used by \"up\", not by hand")

// ReadJob reads what File wrote, and closes f.
func ReadJob(f *os.File) (*Job, error) {
	defer f.Close()
	var w wireJob
	if err := json.NewDecoder(f).Decode(&w); err != nil {
		return nil, fmt.Errorf("%w: %v", ErrNotAJob, err)
	}
	p, err := project.Decode(bytes.NewReader(w.Project))
	if err != nil {
		return nil, err
	}
	w.Job.Project = project.TakenAsValid(p)
	return &w.Job, nil
}
