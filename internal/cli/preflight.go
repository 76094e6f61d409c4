package cli

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"strings"
	"syscall"

	"nix2gpu/packages"
	"nix2gpu/process"
	"nix2gpu/project"
	"nix2gpu/provision"
	"nix2gpu/rundir"
	"nix2gpu/stage"
)

// A preflight looks, before anything is started or written, for what would
// make services fail at once: that nothing has to be cleaned up after.
type preflight struct {
	env    *Env
	l      *loaded
	layout rundir.Layout
	ids    []project.ID
	faults []fault
}

func (c *preflight) fail(pos project.Pos, hint, format string, args ...any) {
	c.faults = append(c.faults, fault{pos: pos, msg: fmt.Sprintf(format, args...), hint: hint})
}

// A refusal lists what stands in the way of a start. Unlike an invalid
// definition it is the machine's fault, so the exit code is 1.
type refusal struct {
	root   string
	faults []fault
}

func (e *refusal) Error() string {
	lines := make([]string, len(e.faults))
	for i, f := range e.faults {
		lines[i] = f.msg
	}
	return strings.Join(lines, "\n")
}

// leavingNothing is run; when it refuses, folders that it made are gone.
func (c *preflight) leavingNothing(ctx context.Context, install bool) error {
	_, statErr := os.Stat(c.layout.State)
	err := c.run(ctx, install)
	if err != nil && errors.Is(statErr, os.ErrNotExist) {
		os.RemoveAll(c.layout.State)
		os.Remove(parentOf(c.layout.State)) // .nix2gpu, unless another container has something there
	}
	return err
}

// run makes all checks and reports everything that they find.
func (c *preflight) run(ctx context.Context, install bool) error {
	// What a killed supervisor left holds ports and folders: it goes first.
	// One that is alive is the lock's business.
	var alive *process.RunningError
	if _, err := process.Recover(c.layout.Journal); err != nil && !errors.As(err, &alive) {
		return err
	}
	c.unsupported()
	c.ports()
	c.folders()
	if err := c.packages(ctx, install); err != nil {
		return err
	}
	if len(c.faults) == 0 { // a command may be missing because its package is
		c.commands()
	}
	if len(c.faults) > 0 {
		return &refusal{c.l.root, c.faults}
	}
	return nil
}

func (c *preflight) services(each func(s *project.Service)) {
	for _, id := range c.ids {
		if s := c.l.project.Services[id]; s != nil {
			each(s)
		}
	}
}

func (c *preflight) unsupported() {
	c.services(func(s *project.Service) {
		if s.Unsupported != "" {
			c.fail(s.Pos, "", "service %q: not supported: %s", s.Label, strings.TrimPrefix(s.Unsupported, "not supported: "))
		}
	})
}

// ports tries to listen where services will, and names who does already.
func (c *preflight) ports() {
	c.services(func(s *project.Service) {
		for _, p := range s.Ports {
			err := tryPort(p)
			switch {
			case errors.Is(err, syscall.EADDRINUSE):
				who := "another program"
				if h, ok := process.Listener(p.Port); ok && h.PID != 0 {
					who = fmt.Sprintf("%s (pid %d)", h.Name, h.PID)
				}
				c.fail(p.Pos, "stop it, or give the service another port", "service %q: port %d is in use by %s", s.Label, p.Port, who)
			case errors.Is(err, syscall.EACCES):
				c.fail(p.Pos, "use a port from 1024 on, or run as root", "service %q: only root may listen on port %d", s.Label, p.Port)
			}
		}
	})
}

// tryPort listens for a moment.
func tryPort(p project.Port) error {
	host := p.Address
	switch host {
	case "":
		host = "127.0.0.1"
	case "*", "::", "[::]":
		host = ""
	case "localhost":
		host = "127.0.0.1"
	}
	addr := net.JoinHostPort(strings.Trim(host, "[]"), fmt.Sprint(p.Port))
	if p.Protocol == "udp" {
		l, err := net.ListenPacket("udp", addr)
		if err == nil {
			l.Close()
		}
		return err
	}
	l, err := net.Listen("tcp", addr)
	if err == nil {
		l.Close()
	}
	return err
}

// folders finds the folders for data that we could not make.
func (c *preflight) folders() {
	st := c.stage()
	seen := map[string]bool{}
	c.services(func(s *project.Service) {
		for _, id := range s.ProcessIDs() {
			for _, d := range c.l.project.Processes[id].Dirs {
				path, err := st.Resolve(c.l.project, d.Path)
				if err != nil || seen[path] {
					continue
				}
				seen[path] = true
				if why := notWritable(path); why != nil {
					c.fail(s.Pos, "change its owner, or set dataDir to a folder that you may write to",
						"service %q: cannot write to folder %q: %v", s.Label, path, why)
				}
			}
		}
	})
}

// notWritable says why files can't be made in a folder, or the folder itself
// can't be made.
func notWritable(path string) error {
	for dir := path; ; {
		info, err := os.Stat(dir)
		switch {
		case err == nil && !info.IsDir():
			return fmt.Errorf("%q is not a folder", dir)
		case err == nil:
			if dir == path && os.Geteuid() != 0 && !ownedByUs(info) {
				return nil // it exists, and its owner is the service's affair
			}
			return accessible(dir)
		case !errors.Is(err, os.ErrNotExist):
			return errors.Unwrap(err)
		}
		parent := parentOf(dir)
		if parent == dir {
			return nil
		}
		dir = parent
	}
}

func (c *preflight) stage() *stage.Stage {
	self, _ := c.env.selfPath()
	return stage.New(stage.Places{Root: c.l.root, State: c.layout.State, Run: c.layout.Run, Self: self},
		&packages.Host{Dir: c.layout.Packages}, stage.Options{Environ: c.env.Environ})
}

// packages finds what is not installed, and installs it when asked to.
func (c *preflight) packages(ctx context.Context, install bool) error {
	missing, err := packages.Missing(&packages.Host{Dir: c.layout.Packages}, c.needed())
	if err != nil {
		c.fail(project.Pos{}, "", "%v", err)
		return nil
	}
	if len(missing) == 0 {
		return nil
	}
	if install {
		return c.install(ctx, missing)
	}
	for _, m := range missing {
		text, cure, _ := strings.Cut(m.Error(), "\nhint: ")
		if place := m.Pos.String(); place != "" {
			text = strings.TrimPrefix(text, place+": ")
		}
		c.fail(m.Pos, cure, "%s", text)
	}
	return nil
}

// needed are the packages of the services that are to run.
func (c *preflight) needed() []project.PackageRef {
	part := *c.l.project
	part.Processes = map[project.ID]*project.Process{}
	c.services(func(s *project.Service) {
		for _, id := range s.ProcessIDs() {
			part.Processes[id] = c.l.project.Processes[id]
		}
	})
	return packages.Needed(&part)
}

// install lets apt install what is missing. It is the user's wish, so its
// output is shown.
func (c *preflight) install(ctx context.Context, missing []*packages.MissingError) error {
	var names []string
	for _, m := range missing {
		if len(m.Debian) == 0 {
			return fmt.Errorf("cannot install package %q: no Debian package is known for it", m.Attr)
		}
		names = append(names, m.Debian...)
	}
	slices.Sort(names)
	fmt.Fprintf(c.env.Stderr, "installing %s\n", strings.Join(slices.Compact(names), " "))
	return provision.Install(ctx, slices.Compact(names), provision.Stdio{Out: c.env.Stderr, Err: c.env.Stderr})
}

// commands finds programs that do not exist. One that is named by a path may
// be made by a service that runs before, so it is left to the start.
func (c *preflight) commands() {
	st := c.stage()
	c.services(func(s *project.Service) {
		for _, id := range s.ProcessIDs() {
			proc := c.l.project.Processes[id]
			_, err := st.PrepareExec(c.l.project, proc, proc.Command, project.RootPath(""))
			var e *stage.Error
			if !errors.As(err, &e) || e.Kind != stage.NoCommand {
				continue
			}
			if strings.Contains(e.Msg, "/") && len(s.DependsOn) > 0 {
				continue
			}
			c.fail(s.Pos, e.Hint, "service %q: %s", s.Label, e.Msg)
		}
	})
}
