package catalog

import (
	"fmt"
	"hash/fnv"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"nix2gpu/nix/module"
	"nix2gpu/project"
)

// An Instance is one service that is being turned into processes: a type's Generate
// reads its Config and adds processes by Main, Before and After.
type Instance struct {
	*module.Config
	Type *ServiceType
	Name string
	ID   project.ID

	project *project.Project
	service *project.Service
	place   Place
	users   []string // that the project's processes run as, beside root

	families map[string][]int   // where custom services listen
	replicas int                // how many it is
	numbered bool               // which it says, or was given
	others   []*project.Service // the replicas beside the first
	parts    []*Instance        // the services that it consists of, before its own
}

func newInstance(t *ServiceType, c *module.Config, p *project.Project, place Place) *Instance {
	name := c.Name()
	id := project.ID(t.Name + "." + name)
	if t.Name == "custom" {
		id = project.ID(name)
	}
	return &Instance{Config: c, Type: t, Name: name, ID: id, project: p, place: place, service: &project.Service{
		ID: id, Type: t.Name, Instance: name, Main: id, Pos: place.pos(c.Pos("enable")),
	}}
}

// generate makes the processes, then applies the common options to them.
func (in *Instance) generate() {
	if wrong := project.PlainName(in.Name); wrong != "" {
		in.Get("enable").Errorf("%s", wrong)
	}
	in.service.Description = in.String("description")
	in.service.Namespace = in.String("namespace")
	for _, c := range in.List("profiles") {
		if name := c.String(); name == "" || name == project.AllProfiles || strings.ContainsAny(name, ", ") {
			c.Errorf("profile %q must be a word without spaces and commas", name)
		} else {
			in.service.Profiles, in.service.Disabled = append(in.service.Profiles, name), true
		}
	}
	in.Type.Generate(in)
	main := in.project.Processes[in.ID]
	if main == nil { // the type has said why, by Errorf or Unsupported
		main = in.Main(project.Command{})
	}
	if len(in.parts) == 0 {
		in.applyCommon(main)
		return
	}
	// The main process is a one-shot: what is said of the service is meant for its parts.
	main.Restart.Policy = project.RestartOnFailure
	in.applyLog()
	for _, part := range in.parts {
		part.applyCommon(in.project.Processes[part.ID])
	}
}

// part adds a service that in consists of, and returns it as an instance with the same
// options: what depends_on says holds for it, and in waits until it is ready.
func (in *Instance) part(name string) *Instance {
	part, service := *in, *in.service
	part.Name = in.Name + "-" + name
	part.ID = project.ID(in.Type.Name + "." + part.Name)
	service.ID, service.Instance, service.Main = part.ID, part.Name, part.ID
	part.service, part.parts = &service, nil
	if in.project.Services[part.ID] != nil {
		in.Errorf("another service has the name %q already\n  hint: give one of the two another name", part.ID)
	}
	in.project.Services[part.ID] = part.service
	in.parts = append(in.parts, &part)
	return &part
}

// Main adds the main process and returns it, to be filled in.
func (in *Instance) Main(cmd project.Command) *project.Process {
	return in.process(in.ID, project.Main, cmd)
}

// Before adds a one-shot that has to succeed before each start of the main process.
func (in *Instance) Before(cmd project.Command) *project.Process {
	id := in.ID + "-init"
	if n := len(in.service.Init); n > 0 {
		id += project.ID("-" + strconv.Itoa(n+1))
	}
	in.service.Init = append(in.service.Init, id)
	return in.process(id, project.Init, cmd)
}

// After adds a one-shot that runs each time the main process has become ready.
func (in *Instance) After(cmd project.Command) *project.Process {
	id := in.ID + "-setup"
	if n := len(in.service.Setup); n > 0 {
		id += project.ID("-" + strconv.Itoa(n+1))
	}
	in.service.Setup = append(in.service.Setup, id)
	return in.process(id, project.Setup, cmd)
}

func (in *Instance) process(id project.ID, role project.Role, cmd project.Command) *project.Process {
	proc := &project.Process{ID: id, Service: in.ID, Role: role, Command: cmd, Env: map[string]project.Value{}}
	if in.project.Processes[id] != nil {
		in.Errorf("another service has a process %q already\n  hint: give one of the two services another name", id)
	}
	if in.Type.Package != "" {
		proc.NoNewPrivs = true
		proc.User = in.userOf()
		// Named with a position, so that a message about it has one, and in PATH, so
		// that "nix2gpu exec" finds it.
		pos := in.service.Pos
		if in.IsSet("package") {
			pos = in.place.pos(in.Pos("package"))
		}
		for _, attr := range in.Text("package").Packages() {
			proc.Packages = append(proc.Packages, project.PackageRef{Attr: attr, Pos: pos})
		}
	}
	in.project.Processes[id] = proc
	return proc
}

// note adds a note for the reader of the definition, with the option's position.
func (in *Instance) note(c *module.Config, format string, args ...any) {
	in.project.Notes = append(in.project.Notes, project.Note{Service: in.ID, Pos: in.place.pos(c.Pos()), Text: fmt.Sprintf(format, args...)})
}

// literalFolders notes folders whose names begin as those of a shell do, which would be made under just that name.
func (in *Instance) literalFolders() {
	at := in.Get("dataDir")
	if text := at.String(); in.IsSet("dataDir") && text != "" && (text[0] == '~' || text[0] == '$') {
		first, _, _ := strings.Cut(text, "/")
		in.note(at, "dataDir begins with %q, which is not replaced: the folder is called that, in that of the definition; write an absolute path, such as \"/srv/data\"", first)
	}
}

// background reports that a setting would have the server leave for the background.
func (in *Instance) background(c *module.Config) {
	c.Errorf("a server that goes to the background cannot be watched, restarted or stopped\n  hint: leave that setting out: %s stays in the foreground", in.Type.Name)
}

// elsewhere notes that settings have no effect, because the server is told otherwise on its command line.
func (in *Instance) elsewhere(path []string, option string) {
	if c := in.Get(path...); c.Has() {
		in.note(c, "%s has no effect: %s", c.Name(), option)
	}
}

// whole notes that options have no effect because the given one replaces the whole
// configuration of the server. Those in used still have an effect beside it.
func (in *Instance) whole(option string, used ...string) {
	own := in.Type.Options()
	for _, name := range sortedKeys(own) {
		o := own[name]
		if name != option && !slices.Contains(used, name) && in.IsSet(name) && in.Origin(name).IsOption && o.NoEffect == "" && o.AliasOf == nil {
			in.note(in.Get(name), "%s has no effect: %s is the whole configuration", name, option)
		}
	}
}

// listensByFile returns the listener of which a configuration of the user's own can't tell:
// on all addresses, at the option port if that is set, else none, with a note.
func (in *Instance) listensByFile() []listener {
	if !in.IsSet("port") {
		in.note(in.Get("configFile"), "nothing says where the server listens by configFile, so it counts as ready once it runs: set port, and it is asked there")
		return nil
	}
	return []listener{{"*", in.Int("port"), []string{"port"}}}
}

// unusedPort notes that the option port is set but nothing listens on it, because
// every listener names its own.
func (in *Instance) unusedPort(listens []listener) {
	port := in.Int("port")
	if in.IsSet("port") && !slices.ContainsFunc(listens, func(l listener) bool { return l.port == port }) {
		in.note(in.Get("port"), "port has no effect: everything that listens names its own port")
	}
}

// userOf returns the user that the main process runs as.
func (in *Instance) userOf() string {
	if user := in.configuredUser(); user != "" {
		return user
	}
	if in.Type.User != "" {
		return in.Type.User
	}
	return in.project.Container.User
}

func (in *Instance) configuredUser() string {
	option := "user"
	if in.Type.runAs != "" {
		option = in.Type.runAs
	}
	if in.Kind(option) == module.KindInt {
		return strconv.Itoa(in.Int(option))
	}
	return in.String(option)
}

// Listen declares a TCP port of the service, so that two services on one port are
// found before they start. path is the option that sets it; its position is reported.
func (in *Instance) Listen(port int, address string, path ...string) {
	in.listen(port, "", address, path...)
}

// listen is Listen for any protocol; "" is TCP. Port 0 declares nothing.
func (in *Instance) listen(port int, protocol, address string, path ...string) {
	if port > 0 {
		in.service.Ports = append(in.service.Ports, project.Port{Port: port, Protocol: protocol, Address: address, Pos: in.place.pos(in.Pos(path...))})
	}
}

// slowStart is the period of probes of servers that take seconds to start. The pauses
// between the first attempts grow up to it; the default of 10 s would add to the start.
const slowStart = project.Duration(2 * time.Second)

// Text returns the string option at path as text that holds on any machine.
func (in *Instance) Text(path ...string) project.Text { return in.place.Text(in.Str(path...)) }

// Path returns the path option at path likewise; a relative one is below the root.
func (in *Instance) Path(path ...string) project.Text { return in.place.Path(in.Str(path...)) }

// DataDir returns the folder of the instance's data.
func (in *Instance) DataDir() project.Text { return in.Path("dataDir") }

// KeptData returns DataDir as a folder of that mode whose content outlives the
// container.
func (in *Instance) KeptData(mode string) project.Dir {
	return project.Dir{Path: in.DataDir(), Mode: mode, Keep: true}
}

// Data returns a path below DataDir; sub is "" or starts with a slash.
func (in *Instance) Data(sub string) project.Text {
	if sub == "" {
		return in.DataDir()
	}
	return project.Join(in.DataDir(), project.Lit(sub))
}

// RunDir returns a path below the instance's folder for sockets and configuration; sub
// is "" or starts with a slash. It is short whatever the instance's name is, because
// the path of a unix socket must be shorter than 108 bytes (unix(7)).
func (in *Instance) RunDir(sub string) project.Text {
	name := string(in.ID)
	if len(name) > 30 {
		h := fnv.New32a()
		h.Write([]byte(name))
		name = fmt.Sprintf("%s-%08x", name[:20], h.Sum32())
	}
	return project.RunPath("/" + name + sub)
}

// Program returns the path of a program of the instance's package.
func (in *Instance) Program(name string) project.Text {
	pkg := in.Text("package")
	if pkg.IsEmpty() {
		return project.PackagePath(in.Type.Package, "/bin/"+name)
	}
	if n := len(pkg) - 1; pkg[n].Package != nil {
		at := *pkg[n].Package
		at.Sub = strings.TrimSuffix(at.Sub, "/") + "/bin/" + name
		return append(slices.Clone(pkg[:n]), project.Part{Package: &at})
	}
	return project.Join(pkg, project.Lit("/bin/"+name))
}

// Generated adds a file of the project under a name of this instance, for
// text that a program is to read from a path.
func (in *Instance) Generated(name string, content project.Text) project.Text {
	full := strings.ReplaceAll(string(in.ID), "/", "-") + "/" + name
	in.project.Files[full] = &project.File{Content: content}
	return project.FilePath(full)
}

// Lend gives a process a readable copy of a user's file that perhaps only root can
// read, and returns its path. kind is a word for what the file is.
func (in *Instance) Lend(proc *project.Process, kind string, source project.Text) project.Text {
	lent := 0
	for _, f := range proc.Files {
		if len(f.Source) == 0 {
			continue
		}
		if lent++; f.Source.String() == source.String() { // several hosts may share a certificate
			return f.Path
		}
	}
	path := in.RunDir(fmt.Sprintf("/%s.%d", kind, lent+1))
	proc.Files = append(proc.Files, project.File{Path: path, Source: source, Mode: "0400"})
	return path
}

// quotes are the characters that need a backslash inside double quotes.
const quotes = `"\`

// resolveDependencies turns the names of depends_on into services.
func (in *Instance) resolveDependencies(disabled map[project.ID]bool) {
	for _, dep := range in.Each("depends_on") {
		d, ok := in.dependency(dep)
		if !ok {
			continue
		}
		ids, err := in.project.Resolve(dep.Name())
		if err != nil {
			if id, off := in.findDisabled(dep.Name(), disabled); off {
				dep.Errorf("%q depends on %q, which is disabled\n  hint: set enable = true there, or remove the dependency", in.ID, id)
			} else {
				dep.Errorf("%q depends on %q: %v", in.ID, dep.Name(), err)
			}
			continue
		}
		for _, id := range ids {
			if id == in.ID && len(ids) > 1 {
				continue // "postgresql", from one of several instances of it
			}
			if in.service.DependsOn == nil {
				in.service.DependsOn = map[project.ID]project.Dependency{}
			}
			own, svc := d, in.project.Services[id]
			if ended := own.Condition == project.Completed || own.Condition == project.Exited; ended && string(id) != dep.Name() && project.SetUpName(svc.Type, svc.Instance) == dep.Name() {
				own.Condition = setUpEnded(svc.Type)
			}
			if own.Condition == project.Ready && svc.Completes { // it has no other readiness
				own.Condition = project.Completed
			}
			// Beside a name that means all of them, that of one adds nothing.
			was, twice := in.service.DependsOn[id]
			own.Replica = svc.Family != "" && string(id) == dep.Name() && (!twice || was.Replica)
			in.service.DependsOn[id] = own
		}
	}
}

func (in *Instance) findDisabled(name string, disabled map[project.ID]bool) (project.ID, bool) {
	for _, id := range slices.Sorted(maps.Keys(disabled)) {
		typ, instance, _ := strings.Cut(string(id), ".")
		if string(id) == name || instance == name || project.SetUpName(typ, instance) == name || typ == project.CanonicalType(name) {
			return id, true
		}
	}
	return "", false
}

func (in *Instance) dependency(c *module.Config) (project.Dependency, bool) {
	d := project.Dependency{Pos: in.place.pos(c.Pos())}
	word := c
	if c.Kind() == module.KindAttrs {
		word = c.Get("condition")
		d.Restart = c.Bool("restart")
		if !word.Has() {
			d.Condition = project.Ready
			return d, true
		}
	}
	condition, err := project.ParseCondition(word.String())
	if err != nil {
		word.Errorf("condition %v", err)
	}
	d.Condition = condition
	return d, err == nil
}

// pos is a place of a definition as a project has it: relative to the root.
func (p Place) pos(at module.Pos) project.Pos {
	if !at.IsValid() {
		return project.Pos{}
	}
	line, col := at.LineCol()
	file := at.File()
	if below, ok := strings.CutPrefix(file, strings.TrimSuffix(p.Root, "/")+"/"); ok {
		file = below
	}
	return project.Pos{File: file, Line: line, Col: col}
}
