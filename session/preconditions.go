package session

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

	"nix2gpu/gpu"
	"nix2gpu/packages"
	"nix2gpu/process"
	"nix2gpu/project"
	"nix2gpu/rundir"
	"nix2gpu/stage"
	"nix2gpu/supervisor"
)

// A Machine is where a project is to run.
type Machine struct {
	Layout  rundir.Layout
	Root    string // the definition's folder
	Self    string // the path of our own binary
	Environ []string
	GPU     gpu.Ask // asks nvidia-smi; nil: nobody can

	// Trial runs the tests that servers have for their configuration; nil: none is
	// run. Without Anew that is left out for what has passed and is as it was.
	Trial  Tester
	Anew   bool
	Passed func(id project.ID, digest string)         // told of what has passed now; may be nil
	Note   func(s *project.Service, notTested string) // told why a test says nothing; may be nil
}

// Stage prepares what runs on the machine.
func (m Machine) Stage() *stage.Stage {
	return stage.New(stage.Places{Root: m.Root, State: m.Layout.State, Run: m.Layout.Run, Shipped: m.Layout.Shipped, Secrets: m.Layout.Secrets, Self: m.Self},
		provider(m.Layout, m.Layout.Packages), stage.Options{Environ: m.Environ, Container: m.inside()})
}

// A Kind is what a precondition is about.
type Kind int

// The kinds.
const (
	Unsupported    Kind = iota + 1 // the service itself, in this build
	PortTaken                      // a port that somebody else has, or that only root may have
	FolderClosed                   // a folder for data that can't be made or written to
	PackageMissing                 // software that is not on this machine
	CommandMissing                 // a program or folder that does not exist
	UserMissing                    // a user that does not exist
	LogRefused                     // a file for the log that can't be written to, or was planted
	SecretMissing                  // a secret that can't be read, or not be handed on
	GPUMissing                     // a GPU that is not here, or not as it is needed
	ConfigRejected                 // a configuration that its server does not take
	FileMissing                    // a file of the user's that a service is lent, and can't be read
)

// A Precondition is one that is not met: what would make a service fail at
// once on this machine, although the definition is right.
type Precondition struct {
	Kind    Kind
	Service project.ID // empty: the container's
	Label   string     // of the service
	Pos     project.Pos
	Msg     string
	Hint    string // the cure
	// Missing is the package, of the kind PackageMissing.
	Missing *packages.MissingError
}

// String is the message with the service that it is about.
func (u Precondition) String() string {
	if u.Service == "" {
		return u.Msg
	}
	return fmt.Sprintf("service %q: %s", u.Label, u.Msg)
}

// Reasons says in a line why each of the services can't run, with the cure.
func Reasons(unmet []Precondition) map[project.ID]string {
	why := make(map[project.ID]string)
	for _, u := range unmet {
		text := u.Msg
		if u.Hint != "" {
			text += "; " + u.Hint
		}
		if old := why[u.Service]; old != "" {
			text = old + "; " + text
		}
		why[u.Service] = text
	}
	delete(why, "")
	return why
}

// Runnable lists those of ids that can run for all that is unmet: they are not
// refused themselves and, where they wait for others, depend on none that is.
// What the container lacks, all lack.
func Runnable(p *project.Project, ids []project.ID, unmet []Precondition, noDeps bool) []project.ID {
	refused := make(map[project.ID]bool)
	for _, u := range unmet {
		refused[u.Service] = true
	}
	if refused[""] {
		return nil
	}
	return slices.DeleteFunc(slices.Clone(ids), func(id project.ID) bool {
		return slices.ContainsFunc(p.Select([]project.ID{id}, noDeps), func(dep project.ID) bool { return refused[dep] })
	})
}

// A Refusal lists what stands in the way of a start or a reload. Unlike an
// invalid definition it is the machine's fault.
type Refusal struct {
	Root  string // that places are relative to
	Unmet []Precondition
}

func (e *Refusal) Error() string {
	var b strings.Builder
	for i, u := range e.Unmet {
		if i > 0 {
			b.WriteByte('\n')
		}
		if pos := u.Pos.String(); pos != "" {
			b.WriteString(pos + ": ")
		}
		b.WriteString(u.String())
		if u.Hint != "" {
			b.WriteString("\n  hint: " + u.Hint)
		}
	}
	return b.String()
}

// Preconditions looks, before anything is started or written, for what would
// make the services ids fail at once, and returns everything that it finds,
// sorted by place: nothing has to be cleaned up after. The ports in held are
// ours already.
func (m Machine) Preconditions(ctx context.Context, p *project.Project, ids []project.ID, held []project.Port) ([]Precondition, error) {
	c := &check{Machine: m, project: p, ids: ids}
	if scratch, err := os.MkdirTemp("", "nix2gpu-"); err == nil {
		defer os.RemoveAll(scratch)
		if err := os.Chmod(scratch, 0o755); err != nil { // users of services look too
			return nil, err
		}
		c.scratch = scratch
	}
	await := c.trials(ctx)
	c.unsupported()
	c.ports(held)
	c.folders()
	c.lent()
	c.logFiles()
	c.secrets()
	c.gpus()
	c.packages()
	c.modules(ctx)
	c.commands()
	await()
	slices.SortStableFunc(c.unmet, func(a, b Precondition) int { return a.Pos.Compare(b.Pos) })
	return c.unmet, nil
}

// Recover ends what a killed supervisor has left: it holds ports and folders.
// One that is alive is the lock's business.
func (m Machine) Recover() error {
	if err := m.Layout.CheckState(); err != nil {
		return err
	}
	var alive *process.RunningError
	if _, err := process.Recover(m.Layout.Journal); err != nil && !errors.As(err, &alive) {
		return err
	}
	return nil
}

// A check is one look at the machine.
type check struct {
	Machine
	project *project.Project
	ids     []project.ID
	unmet   []Precondition

	// scratch has what looking writes: a refusal leaves nothing behind.
	scratch string
}

func (c *check) fail(kind Kind, s *project.Service, pos project.Pos, hint, format string, args ...any) *Precondition {
	u := Precondition{Kind: kind, Pos: pos, Hint: hint, Msg: fmt.Sprintf(format, args...)}
	if s != nil {
		u.Service, u.Label = s.ID, s.Label
	}
	c.unmet = append(c.unmet, u)
	return &c.unmet[len(c.unmet)-1]
}

func (c *check) services(each func(s *project.Service)) {
	for _, id := range c.ids {
		if s := c.project.Services[id]; s != nil {
			each(s)
		}
	}
}

func (c *check) unsupported() {
	c.services(func(s *project.Service) {
		if s.Unsupported != "" {
			c.fail(Unsupported, s, s.Pos, "leave it out, or name the services that are to run",
				"not supported: %s", strings.TrimPrefix(s.Unsupported, "not supported: "))
		}
	})
}

// ports tries to listen where services will, and names who does already.
func (c *check) ports(held []project.Port) {
	c.services(func(s *project.Service) {
		for _, p := range s.Ports {
			if slices.ContainsFunc(held, func(h project.Port) bool { return h.Port == p.Port && h.Protocol == p.Protocol }) {
				continue
			}
			err := tryPort(p)
			switch {
			case errors.Is(err, syscall.EADDRINUSE):
				who := "another program"
				if h, ok := process.Listener(p.Port); ok && h.PID != 0 && p.Protocol != "udp" { // it knows TCP
					who = fmt.Sprintf("%s (pid %d)", h.Name, h.PID)
				}
				c.fail(PortTaken, s, p.Pos, "stop it, or give the service another port", "port %d is in use by %s", p.Port, who)
			case errors.Is(err, syscall.EACCES):
				c.fail(PortTaken, s, p.Pos, "use a port from 1024 on, or run as root", "only root may listen on port %d", p.Port)
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
func (c *check) folders() {
	st := c.stage()
	seen := map[string]bool{}
	c.services(func(s *project.Service) {
		for _, id := range s.ProcessIDs() {
			for _, d := range c.project.Processes[id].Dirs {
				path, err := st.Resolve(c.project, d.Path)
				if err != nil || seen[path] {
					continue
				}
				seen[path] = true
				var e *stage.Error
				if errors.As(st.CheckDir(c.project, c.project.Processes[id], d), &e) {
					c.fail(FolderClosed, s, s.OptionPos("dataDir"), e.Hint, "%s", e.Msg)
					continue
				}
				if why := notWritable(path); why != nil {
					cure := "set dataDir to a folder that can be written to"
					if errors.Is(why, fs.ErrPermission) {
						cure = "change its owner, or " + cure
					}
					c.fail(FolderClosed, s, s.OptionPos("dataDir"), cure, "cannot write to folder %q: %v", path, why)
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
		parent := filepath.Dir(dir)
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
		return fmt.Errorf("%q takes no new folders", filepath.Dir(dir)) // as /proc says it
	}
	return errors.Unwrap(err)
}

// lent finds files of the user's that a service is to find, such as the key of a
// certificate, and that can't be read. One that a service makes which must have
// ended before is left to the start.
func (c *check) lent() {
	st := c.stage()
	c.services(func(s *project.Service) {
		for _, d := range s.DependsOn {
			if d.Condition == project.Completed || d.Condition == project.Exited {
				return
			}
		}
		for _, id := range s.ProcessIDs() {
			for _, f := range c.project.Processes[id].Files {
				if len(f.Source) == 0 {
					continue
				}
				path, err := st.Resolve(c.project, f.Source)
				if err != nil {
					continue // the start says it
				}
				file, err := os.Open(path)
				if err == nil {
					file.Close()
					continue
				}
				cure := "make it readable, or correct its path"
				if errors.Is(err, fs.ErrNotExist) {
					cure = "make it, or correct its path"
				}
				pos := s.Pos
				if at, ok := c.origin(s, filepath.Base(path)); ok {
					pos = at
				}
				c.fail(FileMissing, s, pos, cure, "cannot read file %q: %v", path, errors.Unwrap(err))
			}
		}
	})
}

// stage is a stage that writes nothing where a run would.
func (c *check) stage() *stage.Stage {
	at := stage.Places{Root: c.Root, State: c.Layout.State, Run: c.Layout.Run, Shipped: c.Layout.Shipped, Secrets: c.Layout.Secrets, Self: c.Self}
	if c.scratch != "" {
		at.Run = filepath.Join(c.scratch, "run")
	}
	return stage.New(at, c.provider(), stage.Options{Environ: c.Environ, Looking: true, Container: c.inside()})
}

// provider finds packages with what an earlier run has left for this one, so
// that nothing has to be written; on the first run, in the scratch folder.
func (c *check) provider() packages.Provider {
	info, err := os.Stat(c.Layout.Packages)
	if kept := err == nil && info.IsDir(); c.scratch != "" && !kept {
		return provider(c.Layout, filepath.Join(c.scratch, "packages"))
	}
	return provider(c.Layout, c.Layout.Packages)
}

// provider finds packages in what the image brings, where there is one, and on
// the machine, with links in the folder dir.
func provider(l rundir.Layout, dir string) packages.Provider {
	host := &packages.Host{Dir: dir}
	if l.Baked == "" {
		return host
	}
	return &packages.Baked{Dir: l.Baked, Next: host}
}

// secrets finds those that can't be read, or not be written to where no disk
// keeps them. One that a service makes which must have ended before is left to
// the start.
func (c *check) secrets() {
	st := c.stage()
	why := map[string]error{}
	c.services(func(s *project.Service) {
		later := false
		for _, d := range s.DependsOn {
			later = later || d.Condition == project.Completed || d.Condition == project.Exited
		}
		seen := map[string]bool{}
		for _, id := range s.ProcessIDs() {
			for _, use := range c.project.SecretUses(c.project.Processes[id]) {
				own, ok := c.project.Secrets[use.Secret]
				if !ok || seen[use.Secret] {
					continue
				}
				seen[use.Secret] = true
				if _, looked := why[use.Secret]; !looked {
					why[use.Secret] = st.CheckSecret(c.project, use.Secret)
				}
				err := why[use.Secret]
				if err == nil && (use.Path || use.Field == "files") {
					err = st.CheckMemory()
				}
				var e *stage.Error
				if !errors.As(err, &e) || (later || own.Optional) && errors.Is(err, fs.ErrNotExist) {
					continue
				}
				pos := own.Pos
				if pos == (project.Pos{}) {
					pos = s.Pos
				}
				c.fail(SecretMissing, s, pos, e.Hint, "%s", e.Msg)
			}
		}
	})
}

// logFiles finds the copies of logs that can't be written, or would be written
// where somebody else has led us.
func (c *check) logFiles() {
	st := c.stage()
	c.services(func(s *project.Service) {
		for _, id := range s.ProcessIDs() {
			err := supervisor.CheckLogFile(st, c.project, c.project.Processes[id])
			var e *supervisor.LogFileError
			if errors.As(err, &e) {
				c.fail(LogRefused, s, s.OptionPos("log_location"), e.Hint, "%s", e.Error())
				return
			}
		}
	})
}

// packages finds what is not installed.
func (c *check) packages() {
	missing, err := packages.Missing(c.provider(), packages.Needed(c.project, c.ids...))
	if err != nil {
		c.fail(FolderClosed, nil, project.Pos{}, "", "%v", err)
		return
	}
	for _, m := range missing {
		m.Archive = c.project.Container.HasArchive(m.Attr)
		if _, ok := names(packages.Needed(c.project), m.Attr); ok { // the container itself
			c.fail(PackageMissing, nil, m.Pos, m.Cure(), "%s", m.Reason()).Missing = m
			continue
		}
		c.services(func(s *project.Service) {
			ref, ok := names(packages.Needed(c.project, s.ID), m.Attr)
			if !ok {
				return
			}
			if ref.Pos == (project.Pos{}) {
				ref.Pos = s.OptionPos("command")
			}
			c.fail(PackageMissing, s, ref.Pos, m.Cure(), "%s", m.Reason()).Missing = m
		})
	}
}

// names finds a package among those that are named.
func names(refs []project.PackageRef, attr string) (project.PackageRef, bool) {
	for _, r := range refs {
		if r.Attr == attr {
			return r, true
		}
	}
	return project.PackageRef{}, false
}

// commands finds users and programs that do not exist. A program that is named
// by a path may be made by a service that runs before, so it is left to the
// start. It may also be missing because its package is, which is known then.
func (c *check) commands() {
	st := c.stage()
	known := make(map[project.ID]bool)
	for _, u := range c.unmet {
		known[u.Service] = true
	}
	c.services(func(s *project.Service) {
		if known[s.ID] || known[""] {
			return
		}
		for _, id := range s.ProcessIDs() {
			proc := c.project.Processes[id]
			_, err := st.PrepareExec(c.project, proc, proc.Command, nil)
			var e *stage.Error
			if !errors.As(err, &e) {
				continue
			}
			kind, option, later := CommandMissing, "command", len(s.DependsOn)+len(proc.Dirs)+len(proc.Files) > 0 || proc.Role != project.Init && len(s.Init) > 0
			switch {
			case e.Kind == stage.BadPackage:
			case e.Kind == stage.NoGPU && c.inside():
				continue // the service is there to fail then, and says so
			case e.Kind == stage.NoGPU:
				kind = GPUMissing
			case e.Kind == stage.BadUser:
				kind, option = UserMissing, "user"
			case later && e.Path != "": // another may make it
				continue
			case e.Kind == stage.BadFolder && errors.Is(e, fs.ErrNotExist):
				option = "working_dir"
			case e.Kind != stage.NoCommand:
				continue
			}
			c.fail(kind, s, s.OptionPos(option), cmp.Or(e.Hint, "make it, or correct its path"), "%s", e.Msg)
		}
	})
}
