package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
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

	// scratch has what looking writes: a refusal leaves nothing behind.
	scratch string
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

// run makes all checks and reports everything that they find.
func (c *preflight) run(ctx context.Context, install bool) error {
	// What a killed supervisor left holds ports and folders: it goes first.
	// One that is alive is the lock's business.
	var alive *process.RunningError
	if _, err := process.Recover(c.layout.Journal); err != nil && !errors.As(err, &alive) {
		return err
	}
	if scratch, err := os.MkdirTemp("", "nix2gpu-"); err == nil {
		defer os.RemoveAll(scratch)
		if err := os.Chmod(scratch, 0o755); err != nil { // users of services look too
			return err
		}
		c.scratch = scratch
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
		slices.SortStableFunc(c.faults, func(a, b fault) int {
			return cmp.Or(cmp.Compare(a.pos.File, b.pos.File), cmp.Compare(a.pos.Line, b.pos.Line), cmp.Compare(a.pos.Col, b.pos.Col))
		})
		return &refusal{c.l.root, c.faults}
	}
	return nil
}

// at is where an option of a service was set; else where the service was
// enabled.
func (c *preflight) at(s *project.Service, option string) project.Pos {
	if c.l.config == nil {
		return s.Pos
	}
	pos := c.l.config.Pos("services", s.Type, s.Instance, option)
	if !pos.IsValid() || strings.HasPrefix(pos.File(), "<") {
		return s.Pos
	}
	line, col := pos.LineCol()
	return project.Pos{File: within(c.l.root, pos.File()), Line: line, Col: col}
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
			c.fail(s.Pos, "leave it out, or name the services that are to run", "service %q: not supported: %s", s.Label, strings.TrimPrefix(s.Unsupported, "not supported: "))
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
					cure := "set dataDir to a folder that can be written to"
					if errors.Is(why, fs.ErrPermission) {
						cure = "change its owner, or " + cure
					}
					c.fail(c.at(s, "dataDir"), cure, "service %q: cannot write to folder %q: %v", s.Label, path, why)
				}
			}
		}
	})
}

// notWritable says why files can't be made in a folder, or the folder itself
// can't be made. It is tried: root may write everywhere, but not to a file
// system that takes nothing.
func notWritable(path string) error {
	missing := "" // the first folder that would have to be made
	for dir := path; ; {
		info, err := os.Stat(dir)
		switch {
		case err == nil && !info.IsDir():
			return fmt.Errorf("%q is not a folder", dir)
		case err == nil:
			if dir == path && os.Geteuid() != 0 && !ownedByUs(info) {
				return nil // it exists, and its owner is the service's affair
			}
			if err := accessible(dir); err != nil || missing == "" {
				return err
			}
			return tryFolder(missing)
		case !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, syscall.ENOTDIR):
			return errors.Unwrap(err)
		}
		parent := parentOf(dir)
		if parent == dir {
			return nil
		}
		dir, missing = parent, dir
	}
}

// tryFolder makes a folder for a moment.
func tryFolder(dir string) error {
	err := os.Mkdir(dir, 0o700)
	switch {
	case err == nil:
		return os.Remove(dir)
	case errors.Is(err, fs.ErrExist):
		return nil // somebody was faster
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("%q takes no new folders", parentOf(dir)) // as /proc says it
	}
	return errors.Unwrap(err)
}

// stage is a stage that writes nothing where a run would.
func (c *preflight) stage() *stage.Stage {
	self, _ := c.env.selfPath()
	at := stage.Places{Root: c.l.root, State: c.layout.State, Run: c.layout.Run, Self: self}
	if c.scratch != "" {
		at.Run, at.Secrets = filepath.Join(c.scratch, "run"), filepath.Join(c.layout.Run, "secrets")
	}
	return stage.New(at, c.provider(), stage.Options{Environ: c.env.Environ})
}

// provider finds packages with what an earlier run has left for this one, so
// that nothing has to be written; on the first run, in the scratch folder.
func (c *preflight) provider() packages.Provider {
	info, err := os.Stat(c.layout.Packages)
	if kept := err == nil && info.IsDir(); c.scratch != "" && !kept {
		return &packages.Host{Dir: filepath.Join(c.scratch, "packages")}
	}
	return &packages.Host{Dir: c.layout.Packages}
}

// packages finds what is not installed, and installs it when asked to.
func (c *preflight) packages(ctx context.Context, install bool) error {
	missing, err := packages.Missing(c.provider(), packages.Needed(c.l.project, c.ids...))
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
		pos := m.Pos
		m.Pos = project.Pos{} // the fault says it
		text, cure, _ := strings.Cut(m.Error(), "\nhint: ")
		if user := c.user(m.Attr); user != nil {
			if pos == (project.Pos{}) {
				pos = c.at(user, "command")
			}
			text = fmt.Sprintf("service %q: %s", user.Label, text)
		}
		c.fail(pos, cure, "%s", text)
	}
	return nil
}

// user is the first service that needs a package; nil when none does.
func (c *preflight) user(attr string) *project.Service {
	names := func(refs []project.PackageRef) bool {
		return slices.ContainsFunc(refs, func(r project.PackageRef) bool { return r.Attr == attr })
	}
	if names(packages.Needed(c.l.project)) {
		return nil // the container itself
	}
	for _, id := range c.ids {
		if names(packages.Needed(c.l.project, id)) {
			return c.l.project.Services[id]
		}
	}
	return nil
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
			_, err := st.PrepareExec(c.l.project, proc, proc.Command, nil)
			var e *stage.Error
			if !errors.As(err, &e) {
				continue
			}
			option, later := "command", len(s.DependsOn)+len(proc.Dirs)+len(proc.Files) > 0 || proc.Role != project.Init && len(s.Init) > 0
			switch {
			case e.Kind == stage.BadPackage:
			case later && strings.Contains(e.Msg, "/"): // another may make it
				continue
			case e.Kind == stage.BadFolder && errors.Is(e, fs.ErrNotExist):
				option = "working_dir"
			case e.Kind != stage.NoCommand:
				continue
			}
			c.fail(c.at(s, option), cmp.Or(e.Hint, "make it, or correct its path"), "service %q: %s", s.Label, e.Msg)
		}
	})
}
