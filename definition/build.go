package definition

import (
	"cmp"
	"fmt"
	"maps"
	"net"
	"path/filepath"
	"slices"
	"sort"
	"strconv"
	"strings"
	"time"

	"nix2gpu/catalog"
	"nix2gpu/nix/module"
	"nix2gpu/packages"
	"nix2gpu/project"
	"nix2gpu/wheel"
)

// build makes the project of a container. What is wrong is added to the errors of
// merged, except what is wrong in other files, such as Python's requirements: that is
// in builder.wrong.
func (e *evaluation) build(merged *module.Evaluation, c *module.Config, container string) *builder {
	b := &builder{evaluation: e, Config: c, named: e.known[container]}
	dir := c.String("workingDir")
	b.place = catalog.Place{Root: e.root, WorkingDir: dir, MainProgram: mainProgram, Replicas: e.opts.Replicas, Replaced: e.services}
	b.project = &project.Project{
		Version:   project.Version,
		Name:      cmp.Or(container, filepath.Base(e.root)),
		Services:  map[project.ID]*project.Service{},
		Processes: map[project.ID]*project.Process{},
		Files:     map[string]*project.File{},
		WhenDone:  project.WhenDone(c.String("whenDone")),
		OnFailed:  project.OnFailed(c.String("onFailed")),
		Container: project.Container{User: c.String("user"), WorkingDir: dir, Tag: c.String("tag")},
	}
	for _, typ := range slices.Sorted(maps.Keys(e.services)) {
		if _, ours := catalog.Find(typ); ours {
			b.note("serviceModules", "services.%s is what the module of that name says, and not nix2gpu's own", typ)
		}
	}
	b.stopTimeout()
	b.listen()
	b.logs()
	b.secrets()
	b.checkAptSources()
	b.archives()
	b.container()
	b.requirements, b.wrong = b.python()
	b.tailscale()
	catalog.Generate(c.Get("services"), b.project, b.place)
	b.tailnet()
	for _, proc := range b.project.Processes {
		proc.Path = append(proc.Path, b.path...)
	}
	b.processes()
	b.placeServices()
	b.placeOptions()
	b.files()
	resolveJoins(b.project)
	b.gpus()
	dropUnusedFiles(b.project)
	b.exposedOnLoopback()
	for _, svc := range b.project.Services {
		if svc.Unsupported != "" {
			b.notes = append(b.notes, note{b.position(svc.Pos), "not supported: " + strings.TrimPrefix(svc.Unsupported, "not supported: ")})
		}
	}
	b.withoutEffect(merged)
	b.notes = append(b.notes, e.pkgSet(e.opts.System).notes(b.Keys("archives"), b.Keys("aptSources"))...)
	order := func(x, y note) int {
		return cmp.Or(strings.Compare(x.pos.File(), y.pos.File()), cmp.Compare(x.pos.Offset, y.pos.Offset), strings.Compare(x.text, y.text))
	}
	sort.SliceStable(b.notes, func(i, j int) bool { return order(b.notes[i], b.notes[j]) < 0 })
	return b
}

// mainProgram returns the main program of a package, of a join that of its first
// package.
func mainProgram(attr string) string {
	first, _, _ := strings.Cut(attr, joiner)
	return packages.MainProgram(first)
}

// A builder makes the project of one container.
type builder struct {
	*evaluation
	*module.Config
	place   catalog.Place
	project *project.Project
	notes   []note
	path    []project.Text          // folders of programs that every process finds
	named   map[string]knownProcess // of settings.processes

	requirements *wheel.Requirements // of Python; nil: the container has none
	wrong        project.Errors      // errors in the file of the requirements
}

func (b *builder) note(path string, format string, args ...any) {
	b.notes = append(b.notes, note{b.Pos(path), fmt.Sprintf(format, args...)})
}

func (b *builder) stopTimeout() {
	c := b.Get("stopTimeout")
	switch c.Kind() {
	case module.KindInt, module.KindFloat:
		b.project.StopTimeout = project.For(time.Duration(c.Float() * float64(time.Second)))
	case module.KindStr:
		d, err := time.ParseDuration(c.String())
		if err != nil {
			c.Errorf("stopTimeout must be a number of seconds, or text such as \"9s\", not %q", c.String())
			return
		}
		b.project.StopTimeout = project.For(d)
	}
}

// container fills in what the image and its boot need.
func (b *builder) container() {
	out := &b.project.Container
	b.exposedPorts(out)
	out.Env = map[string]project.Value{}
	for _, set := range []string{"env", "extraEnv"} {
		for _, c := range b.Each(set) {
			if name := c.Name(); name == "" || strings.ContainsAny(name, "=\x00") {
				c.Errorf("the name of a variable must not be empty or hold \"=\": %q", name)
			}
			out.Env[c.Name()] = b.variable(c)
		}
	}
	out.Labels = map[string]string{}
	for _, set := range []string{"labels", "extraLabels"} {
		for _, c := range b.Each(set) {
			out.Labels[c.Name()] = c.String()
		}
	}
	if s := b.Str("extraStartupScript"); s.S != "" {
		out.Startup = b.place.Text(s)
	}
	for _, c := range b.List("systemPackages") {
		b.systemPackage(c)
	}
	out.CUDA, out.CUDAPos = b.cuda()
	b.fromImage(out)
	out.Registries = b.Strings("registries")
	if n := b.Int("maxLayers"); n != 0 && (n > 127 || n < 5) { // 0: it is not a number, which is reported already
		b.Get("maxLayers").Errorf("maxLayers must be from 5 to 127, which is what engines can mount, not %d", n)
	} else if n != 50 {
		out.MaxLayers = n
	}
	if v := b.String("variant"); v != "slim" {
		out.Variant = v
	}
	for _, name := range []string{"copyToRoot", "extraCopyToRoot"} {
		for _, c := range b.List(name) {
			b.copyToRoot(c)
		}
	}
	out.SSHDConfig = b.String("sshdConfig")
	if c := b.Get("nixConfig"); c.Kind() == module.KindAttrs || c.String() != "" {
		b.note("nixConfig", "not supported by this build, and left out: nixConfig: an image has no Nix")
	}
	if b.Has("home") {
		b.note("home", "not supported by this build, and left out: home")
	}
	if b.Has("nimiSettings") {
		b.note("nimiSettings", "not supported by this build, and left out: nimiSettings: services restart by their option restart, and the container ends by whenDone and onFailed")
	}
}

func (b *builder) exposedPorts(out *project.Container) {
	add := func(c *module.Config, s string) {
		port, err := exposedPort(s)
		if err != nil {
			c.Errorf("%v", err)
			return
		}
		out.ExposedPorts = append(out.ExposedPorts, port)
	}
	if ports := b.Get("exposedPorts"); ports.Kind() == module.KindList {
		for _, c := range ports.List() {
			if c.Kind() == module.KindInt {
				add(c, strconv.Itoa(c.Int()))
			} else {
				add(c, c.String())
			}
		}
	} else {
		for _, c := range ports.Each() {
			add(c, c.Name())
		}
	}
}

func (b *builder) systemPackage(c *module.Config) {
	text := b.place.Text(c.Str())
	for _, attr := range text.Packages() {
		b.project.Container.SystemPkgs = append(b.project.Container.SystemPkgs,
			project.PackageRef{Attr: attr, Pos: b.projectPos(b.Pos("systemPackages"))})
	}
	if len(text.Packages()) == 0 && !text.IsEmpty() { // a generated program
		b.path = append(b.path, project.Join(text, project.Lit("/bin")))
	}
}

// copyToRoot adds what one value puts at the root of the image; for a join of packages,
// all of them.
func (b *builder) copyToRoot(c *module.Config) {
	text := b.place.Path(c.Str())
	out := &b.project.Container.CopyToRoot
	if len(text) == 0 || text[0].Package == nil {
		if left := c.LeftOut(); slices.Contains(left, ".") {
			c.Errorf("%s is left out by a filter of its source; make that take it, or copy something else", c.String())
		} else if len(text) > 0 {
			text[0].Without = left
		}
		*out = append(*out, text)
		return
	}
	for _, attr := range strings.Split(text[0].Package.Attr, joiner) {
		*out = append(*out, project.PackagePath(attr, ""))
	}
}

// processes reports what the definition says of processes, and no service can do.
func (b *builder) processes() {
	made := map[string]bool{}
	for _, typ := range slices.Sorted(maps.Keys(b.services)) {
		for _, in := range b.Each("services", typ) {
			if !in.Bool("enable") {
				continue
			}
			for _, p := range in.Each("outputs", "settings", "processes") {
				made[p.Name()] = true
				understood(p)
			}
		}
	}
	for _, p := range b.Each("settings", "processes") {
		known, ok := b.named[p.Name()]
		if known.part {
			for _, c := range p.Each() {
				switch {
				case c.Name() == "depends_on" || !c.Has():
				case known.node != "" && slices.Contains(processWords[:], c.Name()) && !slices.Contains(known.lacks, c.Name()):
					c.Errorf("not supported: %s of process %q alone: nodes of a cluster have what the others have\n  hint: set %s of %s, or this node's lines of redis.conf in nodes.%s.extraConfig",
						c.Name(), p.Name(), optionOf(c.Name()), known.label(), known.node)
				default:
					c.Errorf("not supported: %s of process %q, which is a part of service %q; set it there", c.Name(), p.Name(), known.instance)
				}
			}
			continue
		}
		if ok && made[p.Name()] {
			p.Errorf("process %q is of %s and of a service of serviceModules; give one of them another name", p.Name(), known.label())
		}
		if !ok && !made[p.Name()] && !p.Has("command") {
			p.Errorf("process %q needs a command, since no service has a process of that name", p.Name())
		}
		for _, word := range known.lacks {
			if p.Has(word) {
				p.Get(word).Errorf("not supported: %s of process %q, which is %s", word, p.Name(), known.label())
			}
		}
		understood(p)
	}
}

// understood reports what a process says that no service does.
func understood(p *module.Config) {
	for _, c := range p.Each() {
		switch name := c.Name(); {
		case !slices.Contains(processWords[:], name):
			if c.Has() && (c.Kind() != module.KindAttrs || len(c.Keys()) > 0) {
				c.Errorf("not supported: %s of process %q", name, p.Name())
			}
		case optionOf(name) == "enable" && c.Has() && c.Kind() != module.KindBool:
			word := ""
			if c.Kind() == module.KindStr {
				word = strings.ToLower(c.String())
			}
			switch word {
			case "true", "yes", "on", "false", "no", "off": // as process-compose has them
			default:
				c.Errorf("%s of process %q must be true or false, not %s", name, p.Name(), c.Show())
			}
		}
	}
}

// placeServices gives the services that serviceModules make the position of their
// instance in the definition, and those of settings.processes that of their process.
func (b *builder) placeServices() {
	for _, process := range b.Each("settings", "processes") {
		if svc := b.project.Services[project.ID(process.Name())]; svc != nil && strings.HasPrefix(svc.Pos.File, "<") {
			svc.Pos = b.projectPos(process.Pos())
		}
	}
	for id, svc := range b.project.Services {
		for _, name := range slices.Backward(b.modular) { // web-log before web
			if below, ok := strings.CutPrefix(string(id), name); ok && (below == "" || below[0] == '-') && strings.HasPrefix(svc.Pos.File, "<") && b.Has("services", name) {
				svc.Pos = b.projectPos(b.Pos("services", name))
			}
		}
	}
	for typ := range b.services {
		for _, in := range b.Each("services", typ) {
			for _, name := range in.Keys("outputs", "settings", "processes") {
				if svc := b.project.Services[project.ID(name)]; svc != nil && strings.HasPrefix(svc.Pos.File, "<") {
					svc.Pos = b.projectPos(in.Pos("enable"))
				}
			}
		}
	}
}

// machineOptions are the options whose values a machine may fail to meet.
var machineOptions = [...]string{"command", "dataDir", "gpu.count", "gpu.memory", "gpu.uuid", "gpus", "network", "package", "readWritePaths", "sandbox", "supplementaryGroups", "user", "working_dir"}

// placeOptions notes where each service sets one of machineOptions.
func (b *builder) placeOptions() {
	var paths [len(machineOptions)][]string
	for i, option := range machineOptions {
		paths[i] = strings.Split(option, ".")
	}
	for _, svc := range b.project.Services {
		in := b.Get("services", svc.Type, svc.Instance)
		for i, option := range machineOptions {
			pos := in.Pos(paths[i]...)
			if !pos.IsValid() || strings.HasPrefix(pos.File(), "<") {
				continue // not set, or set by a default
			}
			if svc.Options == nil {
				svc.Options = map[string]project.Pos{}
			}
			svc.Options[option] = b.projectPos(pos)
		}
	}
}

// dropUnusedFiles removes generated files that no process names: an evaluation makes
// files that it does not use.
func dropUnusedFiles(p *project.Project) {
	walks := []func(project.TextVisitor){p.Container.EachText}
	for _, proc := range p.Processes {
		walks = append(walks, proc.EachText)
	}
	used := p.Uses(walks...)
	maps.DeleteFunc(p.Files, func(name string, _ *project.File) bool { return !slices.Contains(used, name) })
}

// files adds the files that the evaluation has generated.
func (b *builder) files() {
	for _, h := range b.pkgSets {
		for name, f := range h.files {
			switch {
			case f.folder:
				b.project.Files[name] = &project.File{Folder: true}
			case f.link:
				b.project.Files[name] = &project.File{Link: b.place.Path(f.text)}
			default:
				b.project.Files[name] = &project.File{Content: b.place.Text(f.text), Mode: f.mode}
			}
		}
	}
}

// exposedOnLoopback warns of ports that the container exposes while their service
// listens on loopback only.
func (b *builder) exposedOnLoopback() {
	for _, exposed := range b.project.Container.ExposedPorts {
		first, last := portRange(exposed)
		type listener struct {
			svc *project.Service
			pos project.Pos
		}
		closed, open := map[int]listener{}, map[int]bool{}
		for _, id := range slices.Sorted(maps.Keys(b.project.Services)) {
			svc := b.project.Services[id]
			for _, port := range svc.Ports {
				switch {
				case port.Port < first || port.Port > last || svc.Disabled:
				case onLoopback(port.Address):
					closed[port.Port] = listener{svc, cmp.Or(port.Pos, svc.Pos)}
				default:
					open[port.Port] = true
				}
			}
		}
		for _, number := range slices.Sorted(maps.Keys(closed)) {
			if at := closed[number]; !open[number] {
				b.notes = append(b.notes, note{b.position(at.pos), fmt.Sprintf("port %d is exposed, but %s listens on 127.0.0.1 only; set %s", number, at.svc.Label, listenOption(at.svc))})
			}
		}
	}
}

// portRange returns the first and the last port of one that is exposed: "80/tcp",
// "3000-3010/udp". The option has checked its form.
func portRange(exposed string) (first, last int) {
	ports, _, _ := strings.Cut(exposed, "/")
	from, to, many := strings.Cut(ports, "-")
	first, _ = strconv.Atoi(from)
	if !many {
		return first, first
	}
	last, _ = strconv.Atoi(to)
	return first, last
}

// onLoopback reports whether only this machine reaches a service that listens on
// address.
func onLoopback(address string) bool {
	return address == "" || address == "localhost" || net.ParseIP(strings.Trim(address, "[]")).IsLoopback()
}

// listenOption says what to set so that a service listens on all addresses.
func listenOption(svc *project.Service) string {
	at := "services." + svc.Type + "." + strconv.Quote(svc.Instance) + "."
	switch svc.Type {
	case "postgresql":
		return at + `listen_addresses = "*"`
	case "nginx":
		return `the addr of its listen to "0.0.0.0"`
	}
	if t, ok := catalog.Find(svc.Type); ok {
		for _, name := range []string{"bind", "bind_address", "listenAddress", "listen_address", "address", "host", "listen"} {
			if _, ok := t.Options()[name]; ok {
				return at + name + ` = "0.0.0.0"`
			}
		}
	}
	return "it to listen on 0.0.0.0"
}

// resolveJoins splits joins of packages: a path becomes one in the package that has the
// program, and a list gets all packages.
func resolveJoins(p *project.Project) {
	split := func(refs []project.PackageRef) []project.PackageRef {
		var out []project.PackageRef
		for _, ref := range refs {
			for _, attr := range strings.Split(ref.Attr, joiner) {
				out = append(out, project.PackageRef{Attr: attr, Pos: ref.Pos})
			}
		}
		return out
	}
	p.Container.SystemPkgs = split(p.Container.SystemPkgs)
	for _, proc := range p.Processes {
		// A path in a join names one of its packages; the process needs the others too,
		// as Python's interpreter needs its modules.
		proc.EachText(func(_ project.Owner, t *project.Text) {
			for _, attr := range t.Packages() {
				if strings.Contains(attr, joiner) {
					proc.Packages = append(proc.Packages, project.PackageRef{Attr: attr})
				}
			}
		})
		proc.Packages = split(proc.Packages)
	}
	p.EachText(func(_ project.Owner, t *project.Text) {
		for i, part := range *t {
			if part.Package == nil || !strings.Contains(part.Package.Attr, joiner) {
				continue
			}
			attrs := strings.Split(part.Package.Attr, joiner)
			program, _ := strings.CutPrefix(part.Package.Sub, "/bin/")
			chosen := attrs[0]
			for _, attr := range attrs {
				if _, ok := packages.Lookup(attr).Programs[program]; ok {
					chosen = attr
					break
				}
			}
			(*t)[i].Package = &project.PackagePart{Attr: chosen, Sub: part.Package.Sub}
		}
	})
}

// withoutEffect notes the options that the definition sets in vain, and takes over the
// notes of the catalog.
func (b *builder) withoutEffect(merged *module.Evaluation) {
	merged.EachSet(b.Config, func(o *module.Config, decl *module.Option) {
		if decl.NoEffect != "" {
			b.notes = append(b.notes, note{o.Pos(), o.Name() + " has no effect: " + decl.NoEffect})
		}
	})
	for _, n := range b.project.Notes {
		b.notes = append(b.notes, note{b.position(n.Pos), n.Text})
	}
	b.project.Notes = nil // load sets it to all notes, in order
}
