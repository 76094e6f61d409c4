package container

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"nix2gpu/project"
)

// ProjectFile is the path of the project that an image was built from.
const ProjectFile = "/etc/nix2gpu/project.json"

// WorkingDir is the folder in which processes start, unless the definition names
// another one.
const WorkingDir = "/workspace"

// A Machine is the container as the steps see and change it. It is for one goroutine.
type Machine struct {
	Root    string // a folder put before every absolute path; set by tests
	UID     int
	Environ []string         // "NAME=value"; before Run what we were given, after it what services get
	Project *project.Project // the image's, without the services that each container has
	CPUs    int              // how many CPUs the kernel lets us use

	// Startup runs the definition's extraStartupScript to its end.
	Startup func(ctx context.Context) error
	// Exec runs a program with an environment to its end, and returns what it printed
	// and its exit code. The error is that of ctx if ctx has ended it.
	Exec func(ctx context.Context, environ []string, argv ...string) (out string, code int, err error)
	// Tell prints a line for whoever started the container; hint is the cure, or "".
	Tell func(line, hint string)
	Log  *slog.Logger

	HasKeys bool // set by Run: there are keys to log in with by ssh
}

// A Step is one part of a boot.
type Step struct {
	Name string
	Doc  string // what it does, in a few words
	Root bool   // only root can do it
	// Always repeats it in every run: it changes this process, not the container.
	Always bool
	// Fatal ends the boot when the step fails.
	Fatal bool

	do func(ctx context.Context, m *Machine) error
}

// Steps returns what a boot does before services start, in this order.
func Steps() []Step {
	return []Step{
		{Name: "folders", Doc: "makes /run, /run/sshd, /tmp, the user's runtime folder and the working directory", Always: true, do: folders},
		{Name: "gpu", Doc: "makes programs find the host's driver: links, the loader's cache, CUDA's compatibility libraries; obeys NVIDIA_VISIBLE_DEVICES", Always: true, do: gpus},
		{Name: "tun", Doc: "looks for /dev/net/tun, if tailscale is enabled", do: tun},
		{Name: "accounts", Doc: "locks accounts without a password, adds those of services, and refuses ROOT_PASSWORD", Root: true, Always: true, do: accounts},
		{Name: "host-keys", Doc: "makes the ssh host key, or takes the one on the volume", Root: true, do: hostKeys},
		{Name: "authorized-keys", Doc: "adds the keys in SSH_PUBLIC_KEYS, SSH_PUBLIC_KEY and PUBLIC_KEY", Root: true, Always: true, do: authorizedKeys},
		{Name: "threads", Doc: "sets OMP_NUM_THREADS, GOMAXPROCS and the like to what the container may use", Always: true, do: threads},
		{Name: "environment", Doc: "gives ssh sessions the container's environment, without secrets", Root: true, do: environment},
		{Name: "startup-script", Doc: "runs extraStartupScript", Fatal: true, do: startup},
		{Name: "project", Doc: "writes what will run, with secrets masked, to /tmp/process-compose.yaml", do: writeProject},
	}
}

// A StepError says which step failed.
type StepError struct {
	Step string
	Err  error
}

func (e *StepError) Error() string { return e.Step + ": " + e.Err.Error() }
func (e *StepError) Unwrap() error { return e.Err }

// Run does the steps that have not been done in this life of the container. The error
// is a *StepError when a fatal step fails, or that of ctx. Other failures are printed,
// and these steps are tried again by the next run.
func (m *Machine) Run(ctx context.Context) error {
	stamp, err := m.openStamp(ctx)
	if err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		m.Log.Warn("what was done is not remembered", "err", err)
	}
	defer stamp.close()
	var left []string
	for _, s := range Steps() {
		if err := ctx.Err(); err != nil {
			return err
		}
		log := m.Log.With("step", s.Name)
		switch {
		case s.Root && m.UID != 0:
			left = append(left, s.Name)
			log.Info("left out: it needs root")
			continue
		case stamp.has(s.Name) && !s.Always:
			log.Debug("done before")
			continue
		}
		log.Debug("begins")
		err := s.do(ctx, m)
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err != nil && s.Fatal:
			log.Error("failed", "err", err)
			return &StepError{s.Name, err}
		case err != nil:
			log.Warn("failed, boot goes on", "err", err)
			m.Tell(fmt.Sprintf("%s: %v; boot goes on", s.Name, err), "")
			continue // not recorded: the next run tries again
		}
		log.Debug("done")
		if err := stamp.add(s.Name); err != nil {
			log.Warn("it is not remembered", "err", err)
		}
	}
	if len(left) > 0 && !stamp.has(leftOut) {
		m.Tell(fmt.Sprintf("not run as root: left out %s", strings.Join(left, ", ")), "leave out --user; services have users of their own")
		if err := stamp.add(leftOut); err != nil {
			m.Log.Warn("it is not remembered", "err", err)
		}
	}
	return nil
}

// leftOut is recorded once the message about steps that need root was printed.
const leftOut = "said-left-out"

// path returns where an absolute path of the container is.
func (m *Machine) path(p string) string { return filepath.Join("/", m.Root, p) }

// workingDir is the folder in which processes start.
func (m *Machine) workingDir() string {
	if m.Project != nil && m.Project.Container.WorkingDir != "" {
		return m.Project.Container.WorkingDir
	}
	return WorkingDir
}

func (m *Machine) lookupEnv(name string) (string, bool) {
	for i := len(m.Environ) - 1; i >= 0; i-- {
		if value, ok := strings.CutPrefix(m.Environ[i], name+"="); ok {
			return value, true
		}
	}
	return "", false
}

func (m *Machine) getenv(name string) string {
	value, _ := m.lookupEnv(name)
	return value
}

func (m *Machine) setenv(name, value string) {
	m.unsetenv(name)
	m.Environ = append(m.Environ, name+"="+value)
}

func (m *Machine) unsetenv(name string) {
	m.Environ = slices.DeleteFunc(slices.Clone(m.Environ), func(kv string) bool { return strings.HasPrefix(kv, name+"=") })
}

// readOnly reports whether err is that of a read-only file system. A read-only root
// is a choice, not a failure.
func readOnly(err error) bool { return errors.Is(err, syscall.EROFS) }

// closed reports whether err means that we lack the rights, even as root.
func closed(err error) bool { return errors.Is(err, fs.ErrPermission) }
