package stage

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"nix2gpu/project"
)

// systemFolders returns what a service in a sandbox may read: programs, their data, and how
// this machine is set up; no home folder, and no data of others.
func systemFolders() []string {
	return []string{"/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/opt", "/nix/store", "/etc", "/proc", "/sys", "/dev",
		"/run/systemd/resolve", "/run/resolvconf"}
}

// devices returns the devices that a service in a sandbox may use, where they exist: those
// that are nobody's, and GPUs.
func devices() []string {
	paths := []string{"/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom", "/dev/tty", "/dev/ptmx", "/dev/pts", "/dev/shm",
		"/dev/dri", "/dev/kfd"}
	gpus, _ := filepath.Glob("/dev/nvidia*") // the pattern is well-formed
	return append(paths, gpus...)
}

// confine sets what a process in a sandbox may read and write.
func (s *Stage) confine(p *project.Project, proc *project.Process, l *Launch) error {
	if proc.Settings.Sandbox == "" {
		return nil
	}
	l.NoNewPrivs = true
	l.Read = append(systemFolders(), s.at.Root, s.at.State, s.at.Run, s.at.Secrets, s.at.Self)
	l.Read = append(l.Read, s.beside...)
	l.Write = devices()
	steps := []project.ID{proc.ID}
	if service := p.Services[proc.Service]; service != nil {
		steps = service.ProcessIDs() // what makes its data has the folder for it
	}
	for _, id := range steps {
		step := p.Processes[id]
		if id == proc.ID {
			step = proc
		}
		for _, d := range step.Dirs {
			path, err := s.path(p, d.Path)
			if err != nil {
				return err
			}
			l.Write = append(l.Write, path)
		}
	}
	for _, text := range proc.Settings.Writable {
		path, err := s.path(p, text)
		if err != nil {
			return err
		}
		if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
			return &Error{Kind: BadSandbox, Path: path, Msg: fmt.Sprintf("%q, which readWritePaths names, does not exist", path), Hint: "mkdir -p " + path}
		}
		l.Write = append(l.Write, path)
	}
	var read []string
	for _, path := range l.Read {
		if path != "" {
			read = append(read, path)
		}
	}
	l.Read = read
	return nil
}
