package cli

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"

	"golang.org/x/sys/unix"

	"nix2gpu/project"
)

// A job is what "up" hands to the program that supervises.
type job struct {
	Project    json.RawMessage `json:"project"`
	Services   []project.ID    `json:"services"` // to start, dependencies included
	NoDeps     bool            `json:"noDeps,omitempty"`
	Root       string          `json:"root"`
	Container  string          `json:"container,omitempty"` // as it was named
	Definition string          `json:"definition"`
	Socket     string          `json:"socket,omitempty"` // as it was named
	Detached   bool            `json:"detached,omitempty"`
	LogJSON    bool            `json:"logJSON,omitempty"`
	Color      string          `json:"color,omitempty"` // labels, never; empty: what services print passes
	// Reload evaluates the definition again: arguments of our own program.
	Reload []string `json:"reload,omitempty"`
}

// file writes the job where only its reader can see it: a file without a name,
// in memory, because a project can hold secrets.
func (j *job) file() (*os.File, error) {
	data, err := json.Marshal(j)
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

// readJob reads a job, and closes its file.
func readJob(f *os.File) (*job, *project.Project, error) {
	defer f.Close()
	var j job
	if err := json.NewDecoder(f).Decode(&j); err != nil {
		return nil, nil, fmt.Errorf("supervise is used by \"up\", not by hand: %v", err)
	}
	p, err := project.Decode(bytes.NewReader(j.Project))
	return &j, p, err
}
