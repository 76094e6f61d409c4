package session

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"nix2gpu/control"
	"nix2gpu/project"
)

// A Job is a project with all that decides how it is run. The process that has
// evaluated the definition hands it to the one that supervises.
type Job struct {
	Project    project.Valid         `json:"-"`
	Services   []project.ID          // to start, dependencies included
	Named      bool                  // the user named them: those that have completed run again
	NoDeps     bool                  // start without waiting for dependencies
	Refused    map[project.ID]string // those of Services that can't run here, and why
	Stay       bool                  // go on when no service runs any more, whatever the definition says
	For        int                   // the pid of who begins it to run copies; it ends with the last of them; 0: it is for itself
	Ending                           // how else it ends
	Root       string                // the definition's folder
	Container  string                // its name, or ""
	Definition string                // what messages call it: "flake.nix#web"
	Files      []string              // the files of a definition that is several
	Socket     string                // its path, if the user gave one
	Listen     *project.Listen       // where the control API is served over TCP; nil: as the project says
	Token      string                // of the control API over TCP; empty: that of its file
	Detached   bool                  // nobody reads our stdout
	// TruncateLogs says to remove first what services have printed in earlier runs.
	TruncateLogs bool
	Once         bool // if another supervisor has the lock, end instead of following it
	LogJSON      bool
	Color        string // "labels", "never", or "" to pass on what services print
	Terminal     bool   // stdout is a terminal: padded labels, coloured states, and times
	// Reload holds the arguments by which our own program evaluates the definition
	// again and prints the project, beside what has changed since the start.
	Reload []string
	Given  *control.Given // what of them the user gave beside the definition; nil: nothing

	// Untested says that servers have not tested their configurations: the session lets
	// them, beside the start. Tested holds, by service, the digest of one that has passed.
	Untested bool
	Tested   map[project.ID]string
}

// An Ending is when a project ends, and how, beside what its definition says. The
// fields are those of supervisor.Options.
type Ending struct {
	Leave        bool
	AbortOnExit  bool
	ExitCodeFrom project.ID
	StopGrace    *time.Duration
}

// File writes the job to a file of [NewJobFile].
func (j *Job) File() (*os.File, error) {
	f, err := NewJobFile()
	if err != nil {
		return nil, err
	}
	if err := j.Write(f); err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// NewJobFile makes a file in memory that has no name, because a project can hold secrets.
// The descriptor is the only way to it.
func NewJobFile() (*os.File, error) {
	fd, err := unix.MemfdCreate("nix2gpu-job", unix.MFD_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("cannot hand over the project: %v", err)
	}
	return os.NewFile(uintptr(fd), "job"), nil
}

// Write writes the job to f, whose position stays at its beginning, also for those who have
// f already. The project comes last, so that [PeekJob] need not read it.
func (j *Job) Write(f *os.File) error {
	var data bytes.Buffer
	enc := json.NewEncoder(&data)
	if err := cmp.Or(enc.Encode(j), enc.Encode(j.Project.Project())); err != nil {
		return err
	}
	if _, err := f.WriteAt(data.Bytes(), 0); err != nil {
		return fmt.Errorf("cannot hand over the project: %v", err)
	}
	return nil
}

// PeekJob returns where the job in f runs, without moving the file's position: the
// supervisor reads it afterwards.
func PeekJob(f io.ReaderAt) (container, root, socket string, err error) {
	var j struct{ Container, Root, Socket string }
	err = json.NewDecoder(io.NewSectionReader(f, 0, 1<<40)).Decode(&j)
	return j.Container, j.Root, j.Socket, err
}

// ErrNotAJob is for people who type a verb that only "up" may use.
var ErrNotAJob = errors.New("supervise is used by \"up\", not by hand")

// ReadJob reads what [Job.File] wrote, and closes f.
func ReadJob(f *os.File) (*Job, error) {
	defer f.Close()
	var j Job
	dec := json.NewDecoder(f)
	if err := dec.Decode(&j); err != nil {
		return nil, fmt.Errorf("%w: %v", ErrNotAJob, err)
	}
	p, err := project.Decode(io.MultiReader(dec.Buffered(), f))
	if err != nil {
		return nil, err
	}
	j.Project = project.TakenAsValid(p)
	return &j, nil
}
