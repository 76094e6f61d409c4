package session

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net"
	"os"
	"path/filepath"
	"slices"
	"sort"
	"strings"
	"sync"
	"syscall"

	"nix2gpu/gpu"
	"nix2gpu/packages"
	"nix2gpu/process"
	"nix2gpu/project"
	"nix2gpu/rundir"
	"nix2gpu/stage"
	"nix2gpu/supervisor"
)

// A Machine describes where a project is to run.
type Machine struct {
	Layout  rundir.Layout
	Root    string // the definition's folder
	Self    string // the path of our own binary
	Environ []string
	GPU     gpu.Ask // runs nvidia-smi; nil: GPUs are not looked for
	NoDeps  bool    // services wait for no others

	// Trial runs servers' tests of their own configuration; nil: none is run. Unless
	// Anew is set, a test that has passed is not repeated while nothing has changed.
	// Later leaves them to the session, which runs them beside the start of the services.
	Trial  Tester
	Anew   bool
	Later  bool
	Passed func(id project.ID, digest string)         // called for each test that passes; may be nil
	Note   func(s *project.Service, notTested string) // called with the reason when a test was inconclusive; may be nil
	Shared func(why string)                           // called with the reason if tests had no network of their own; may be nil
}

// Stage returns the stage that prepares what runs on the machine.
func (m Machine) Stage() *stage.Stage {
	return stage.New(m.places(), provider(m.Layout, m.Layout.Packages), stage.Options{Environ: m.Environ, Container: m.inside()})
}

// Aside calls try with a stage that puts a run's files into a folder of its own, which is
// removed afterwards. So something can be prepared and tried without the lock: those of
// the run belong to whoever has it, who may be removing what an earlier run has left.
// Where no folder can be made it does not try.
func (m Machine) Aside(try func(*stage.Stage) error) error {
	c := &check{Machine: m}
	remove, err := c.makeScratch()
	if err != nil {
		return err
	}
	defer remove()
	if c.scratch == "" {
		return nil
	}
	at := m.places()
	at.Run = filepath.Join(c.scratch, "run")
	return try(stage.New(at, c.provider(), stage.Options{Environ: m.Environ, Container: m.inside()}))
}

func (m Machine) places() stage.Places {
	return stage.Places{Root: m.Root, State: m.Layout.State, Run: m.Layout.Run, Shipped: m.Layout.Shipped, Secrets: m.Layout.Secrets, Self: m.Self}
}

// A Kind tells what a precondition is about.
type Kind int

// The kinds of preconditions that are not met.
const (
	Unsupported    Kind = iota + 1 // this build does not support the service
	PortTaken                      // a port is taken, or only root may open it
	FolderClosed                   // a folder for data can't be made or written to
	PackageMissing                 // software is not installed
	CommandMissing                 // a program or a folder does not exist
	UserMissing                    // a user or a group does not exist, or is root, and we are not
	LogRefused                     // a file for the log can't be written to, or somebody has planted it
	SecretMissing                  // a secret can't be read, or not be handed on
	GPUMissing                     // there is no GPU as the service needs it
	ConfigRejected                 // the server rejects its configuration
	FileMissing                    // a file of the user's for a service can't be read
	ZoneUnknown                    // a time zone of a schedule is not known
	NeedDisabled                   // it depends on a service that is disabled
)

// A Precondition is one that is not met: a service would fail at once on this
// machine, although the definition is right.
type Precondition struct {
	Kind    Kind
	Service project.ID // "" for the container's
	Label   string     // of the service
	Pos     project.Pos
	Msg     string
	Hint    string // the cure
	// Missing is the package, for the kind PackageMissing.
	Missing *packages.MissingError
}

// String returns the message, with the service that it is about.
func (u Precondition) String() string {
	if u.Service == "" {
		return u.Msg
	}
	return fmt.Sprintf("service %q: %s", u.Label, u.Msg)
}

// Reasons returns for each service, in one line, why it can't run, with the cure. If
// the user's own text is wrong, the line begins with its position.
func Reasons(unmet []Precondition) map[project.ID]string {
	why := make(map[project.ID]string)
	for _, u := range unmet {
		text := u.Msg
		if pos := u.Pos.String(); u.Kind == ConfigRejected && pos != "" {
			text = pos + ": " + text
		}
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

// Runnable returns those of ids that can run although unmet are not met: neither they
// nor, unless noDeps, what they depend on is refused. What the container lacks
// refuses all.
func Runnable(p *project.Project, ids []project.ID, unmet []Precondition, noDeps bool) []project.ID {
	refused := make(map[project.ID]bool)
	for _, u := range unmet {
		refused[u.Service] = true
	}
	if refused[""] {
		return nil
	}
	return slices.DeleteFunc(slices.Clone(ids), func(id project.ID) bool {
		for dep := range p.Needs([]project.ID{id}, noDeps) { // not what comes with it, and it runs without
			if refused[dep] {
				return true
			}
		}
		return false
	})
}

// A Refusal is the error of a start or a reload that this machine does not allow. The
// definition is valid.
type Refusal struct {
	Root  string // the folder that positions are relative to
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

// Preconditions looks for what would make the services ids fail at once, and returns
// all of it, sorted by position. It runs before anything is started or written, so
// nothing has to be cleaned up when it finds something. The ports in held are ours
// already. The error says why looking was not possible.
func (m Machine) Preconditions(ctx context.Context, p *project.Project, ids []project.ID, held []project.Port) ([]Precondition, error) {
	ids = slices.DeleteFunc(slices.Clone(ids), func(id project.ID) bool { // it needs what the first run does
		s := p.Services[id]
		return s != nil && s.Schedule != nil && s.Schedule.Of != ""
	})
	c := &check{Machine: m, project: p, ids: ids}
	remove, err := c.makeScratch()
	if err != nil {
		return nil, err
	}
	defer remove()
	var trials []*attempt
	if !m.Later {
		trials = c.trials(ctx, nil)
	}
	c.unsupported()
	c.disabled()
	c.ports(held)
	c.folders()
	c.lent()
	c.logFiles()
	c.secrets()
	c.gpus()
	c.zones()
	c.packages()
	c.modules(ctx)
	c.commands()
	c.sandboxes()
	c.networks()
	c.verdicts(trials)
	sort.SliceStable(c.unmet, func(i, j int) bool { return c.unmet[i].Pos.Compare(c.unmet[j].Pos) < 0 })
	return c.unmet, nil
}

// Recover ends what a killed supervisor has left running, since it holds ports and
// folders. It leaves a supervisor that is alive alone: that one has the lock.
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

	// scratch is the folder for all that looking writes. It is removed afterwards.
	scratch string
}

// makeScratch makes the scratch folder, if that is possible, and returns what removes
// it.
func (c *check) makeScratch() (remove func(), err error) {
	scratch, err := os.MkdirTemp("", "nix2gpu-")
	if err != nil {
		return func() {}, nil
	}
	remove = func() { os.RemoveAll(scratch) }
	if err := os.Chmod(scratch, 0o755); err != nil { // a server's test runs as the service's user
		remove()
		return nil, err
	}
	c.scratch = scratch
	return remove, nil
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

// disabled finds services that would wait for ever. Only files of process-compose can
// have them: see [project.Project.Compose].
func (c *check) disabled() {
	c.services(func(s *project.Service) {
		for _, id := range slices.Sorted(maps.Keys(s.DependsOn)) {
			dep, d := s.DependsOn[id], c.project.Services[id]
			if c.NoDeps || !c.project.Compose || s.Disabled || d == nil || !d.Disabled || slices.Contains(c.ids, id) {
				continue
			}
			hint := fmt.Sprintf("enable %q, name both, or remove the dependency", d.Label)
			if len(d.Profiles) > 0 {
				hint = fmt.Sprintf("--profile %s, or remove the dependency", d.Profiles[0])
			}
			c.fail(NeedDisabled, s, dep.Pos, hint, "it depends on %q, which is disabled", d.Label)
		}
	})
}

func (c *check) unsupported() {
	c.services(func(s *project.Service) {
		if s.Unsupported != "" {
			c.fail(Unsupported, s, s.Pos, "leave it out, or name the services that are to run",
				"not supported: %s", strings.TrimPrefix(s.Unsupported, "not supported: "))
		}
	})
}

// ports tries to listen on the ports of services, and names the process that has a
// port already.
func (c *check) ports(held []project.Port) {
	c.services(func(s *project.Service) {
		for _, p := range s.Ports {
			if slices.ContainsFunc(held, func(h project.Port) bool { return h.Port == p.Port && h.Protocol == p.Protocol }) {
				continue
			}
			err := tryPort(p)
			switch {
			case errors.Is(err, syscall.EADDRINUSE) && c.project.Apart(s): // not in its network
			case errors.Is(err, syscall.EADDRINUSE):
				var who process.Holder
				if p.Protocol != "udp" { // Listener knows TCP only
					who, _ = process.Listener(p.Port, p.Address)
				}
				c.fail(PortTaken, s, p.Pos, "stop it, or give the service another port", "port %d is in use by %s", p.Port, who)
			case errors.Is(err, syscall.EACCES):
				c.fail(PortTaken, s, p.Pos, "use a port from 1024 on, or run as root", "only root may listen on port %d", p.Port)
			}
		}
	})
}

// tryPort opens a port and closes it again.
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

// folders finds folders for data that can't be made.
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

// notWritable returns why files can't be made in a folder, or why the folder itself
// can't. It tries, because permissions don't tell: root may write anywhere, but not
// to a read-only file system.
func notWritable(path string) error {
	missing := "" // the topmost folder that would have to be made
	for dir := path; ; {
		info, err := os.Stat(dir)
		switch {
		case err == nil && !info.IsDir():
			return fmt.Errorf("%q is not a folder", dir)
		case err == nil:
			if dir == path && os.Geteuid() != 0 && !ownedByUs(info) {
				return nil // it exists; the service checks its owner
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

// tryFolder finds out whether a folder that does not exist can be made. It makes one of
// another name beside it: another boot of the same container may look at the same moment,
// and would find ours, which is closed to everybody.
func tryFolder(dir string) error {
	try, err := os.MkdirTemp(filepath.Dir(dir), ".nix2gpu-")
	switch {
	case err == nil:
		return os.Remove(try)
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("no folder can be made in %q", filepath.Dir(dir)) // as /proc says it
	}
	return errors.Unwrap(err)
}

// lent finds files of the user's that a service is lent, such as the key of a
// certificate, and that can't be read. A file may be made by a service that has to
// end first, or that has its folder; then the start reports it.
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
					continue // the start reports it
				}
				file, err := os.Open(path)
				if err == nil {
					file.Close()
					continue
				}
				cure := "make it readable, or correct its path"
				if errors.Is(err, fs.ErrNotExist) {
					if c.madeFirst(st, s, f.Source) {
						continue
					}
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

// madeFirst reports whether a file is below a folder of a service that s waits for.
func (c *check) madeFirst(st *stage.Stage, s *project.Service, file project.Text) bool {
	path, err := st.Resolve(c.project, file)
	if err != nil {
		return false
	}
	first := []*project.Service{s}
	for i := 0; i < len(first); i++ {
		for id := range first[i].DependsOn {
			if d := c.project.Services[id]; d != nil && !slices.Contains(first, d) {
				first = append(first, d)
			}
		}
	}
	for _, d := range first[1:] {
		for _, id := range d.ProcessIDs() {
			for _, own := range c.project.Processes[id].Dirs {
				if dir, err := st.Resolve(c.project, own.Path); err == nil && strings.HasPrefix(path, strings.TrimSuffix(dir, "/")+"/") {
					return true
				}
			}
		}
	}
	return false
}

// stage returns a stage that writes nothing outside the scratch folder.
func (c *check) stage() *stage.Stage {
	at := c.places()
	if c.scratch != "" {
		at.Run = filepath.Join(c.scratch, "run")
	}
	return stage.New(at, c.provider(), stage.Options{Environ: c.Environ, Looking: true, Container: c.inside()})
}

// provider finds packages by the links that an earlier run has left, so that nothing
// has to be written. Before the first run it makes links in the scratch folder.
func (c *check) provider() packages.Provider {
	info, err := os.Stat(c.Layout.Packages)
	if kept := err == nil && info.IsDir(); c.scratch != "" && !kept {
		return provider(c.Layout, filepath.Join(c.scratch, "packages"))
	}
	return provider(c.Layout, c.Layout.Packages)
}

// provider finds packages in the image, if we run in one, and on the machine. It makes
// its links in the folder dir.
func provider(l rundir.Layout, dir string) packages.Provider {
	host := &packages.Host{Dir: dir}
	if l.Baked == "" {
		return host
	}
	return &packages.Baked{Dir: l.Baked, Next: host}
}

// secrets finds secrets that can't be read, or that can't be handed on because there
// is no folder in memory. A secret may be made by a service that has to end first, or
// that has its folder; then the start reports it.
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
				if !errors.As(err, &e) || errors.Is(err, fs.ErrNotExist) && (later || own.Optional || c.madeFirst(st, s, own.File)) {
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

// logFiles finds copies of logs that can't be written, or where somebody else has
// planted a link.
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

// packages finds packages that are not installed.
func (c *check) packages() {
	missing, err := packages.Missing(c.provider(), packages.Needed(c.project, c.ids...))
	if err != nil {
		c.fail(FolderClosed, nil, project.Pos{}, "", "%v", err)
		return
	}
	for _, m := range missing {
		m.Archive = c.project.Container.HasArchive(m.Attr)
		if _, ok := names(packages.Needed(c.project), m.Attr); ok { // the container needs it, and not a service
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

// names finds the reference to a package.
func names(refs []project.PackageRef, attr string) (project.PackageRef, bool) {
	for _, r := range refs {
		if r.Attr == attr {
			return r, true
		}
	}
	return project.PackageRef{}, false
}

// sandboxes finds services that this kernel can't confine.
func (c *check) sandboxes() {
	if process.HasLandlock() {
		return
	}
	c.services(func(s *project.Service) {
		if c.project.Processes[s.Main].Settings.Sandbox != "" {
			c.fail(Unsupported, s, s.OptionPos("sandbox"), "start a kernel with Landlock (Linux 5.13 or newer, with landlock in lsm=), in a container under an engine whose seccomp profile allows it, or leave sandbox out here",
				"sandbox = %q takes Landlock, which there is not here", c.project.Processes[s.Main].Settings.Sandbox)
		}
	})
}

// networks finds services that can't have a network of their own here, and those that need
// commands in it, which only root can run there.
func (c *check) networks() {
	refused := sync.OnceValue(process.HasLoopback)
	c.services(func(s *project.Service) {
		main := c.project.Processes[s.Main]
		if main.Settings.Network == "" {
			return
		}
		if err := refused(); err != nil {
			c.fail(Unsupported, s, s.OptionPos("network"), process.LoopbackHint, "network = %q takes a network of its own, which the kernel does not grant here: %v", main.Settings.Network, err)
			return
		}
		if os.Geteuid() == 0 {
			return
		}
		var what, instead string
		for role, probe := range main.Probes() {
			if probe.Exec != nil {
				what, instead = fmt.Sprintf("the command of its %s probe", role), "use log_line, or notify with a number, as the probe"
			}
		}
		switch {
		case len(s.Setup) > 0:
			what, instead = "what sets it up", "leave out the network"
		case main.Shutdown.Command != nil:
			what, instead = "its shutdown command", "stop it by a signal"
		}
		if what != "" {
			c.fail(Unsupported, s, s.OptionPos("network"), "run nix2gpu as root, or "+instead, "network = %q: only root can run %s in the network of the service", main.Settings.Network, what)
		}
	})
}

// commands finds users and programs that do not exist. A program that is named by a
// path may be made by a service that runs first; then the start reports it. A program
// whose package is missing is not reported a second time.
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
				continue // it exists to fail in that case, with a message of its own
			case e.Kind == stage.NoGPU:
				kind = GPUMissing
			case e.Kind == stage.BadUser:
				kind, option = UserMissing, "user"
			case e.Kind == stage.NotRoot:
				kind, option = UserMissing, "is_elevated"
			case e.Kind == stage.BadGroup:
				kind, option = UserMissing, "supplementaryGroups"
			case e.Kind == stage.BadSandbox && len(s.DependsOn)+len(s.Init) == 0: // else what runs first may make it
				kind, option = FolderClosed, "readWritePaths"
			case later && e.Path != "": // a service that runs first may make it
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
