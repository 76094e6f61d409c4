package definition

import (
	"context"
	_ "embed"
	"fmt"
	"maps"
	"path"
	"slices"
	"strconv"
	"strings"

	"nix2gpu/catalog"
	"nix2gpu/nix/eval"
	"nix2gpu/nix/module"
	"nix2gpu/project"
)

//go:embed service.nix
var serviceSource string

// schema returns what a container declares: our options, those of the definition's own
// types of services, and the modules that the caller merges into it.
func (e *evaluation) schema() module.Schema {
	options := ContainerOptions()
	out := module.Schema{Options: options}
	for _, file := range e.opts.Modules {
		out.Modules = append(out.Modules, module.FromFile(file))
	}
	for _, typ := range e.replaced {
		options["services"].Set[typ] = module.Option{Type: module.LazyAttrsOf(module.Raw), Default: map[string]any{}}
	}
	if len(e.replaced) > 0 || len(e.services) == 0 && e.known == nil && e.modular == nil {
		return out
	}
	types := slices.Sorted(maps.Keys(e.services))
	fn := eval.Lazy(func(t *eval.Thread) eval.Value {
		users := slices.DeleteFunc(slices.Clone(types), func(typ string) bool { return e.declaresUser(t, e.services[typ]) })
		known := eval.NewAttrs(len(e.known))
		for container, processes := range e.known {
			here := eval.NewAttrs(len(processes))
			for name, p := range processes {
				here.Set(name, eval.NewAttrs(4).Set("type", eval.Str(p.typ)).Set("instance", eval.Str(p.instance)).
					Set("part", eval.Bool(p.part)).Set("lacks", eval.StringList(p.lacks...)).Done())
			}
			known.Set(container, here.Done())
		}
		return t.Call(t.EvalText("<nix2gpu/service.nix>", serviceSource, "/", nil),
			eval.NewAttrs(4).Set("types", eval.StringList(types...)).Set("users", eval.StringList(users...)).
				Set("known", known.Done()).Set("modular", eval.StringList(e.modular...)).Done())
	})
	services := options["services"].Set
	for _, typ := range types {
		instance := eval.Lazy(func(t *eval.Thread) eval.Value { return t.Call(t.Select(fn, "instance"), eval.Str(typ)) })
		services[typ] = module.Option{
			Type: module.AttrsOf(module.Submodule(module.Schema{
				Modules: []module.Module{module.FromValue(instance, ""), module.FromFile(e.services[typ])},
			})),
			Default: map[string]any{},
		}
	}
	bridge := eval.Lazy(func(t *eval.Thread) eval.Value { return t.Select(fn, "bridge") })
	out.Modules = append(out.Modules, module.FromValue(bridge, ""))
	return out
}

// perSystemOptions returns the option that perSystem has for us.
func (e *evaluation) perSystemOptions() module.Options {
	return module.Options{
		"nix2gpu": {Type: module.LazyAttrsOf(module.Submodule(e.schema())),
			Default: map[string]any{}, Description: "The containers, by name."},
	}
}

// serviceModules returns the files that declare types of services, by the name of the
// type: the name of the file up to its first dot.
func serviceModules(found *containers) (map[string]string, error) {
	services := map[string]string{}
	var wrong Errors
	for _, name := range found.names {
		_, c := found.at(name)
		for _, m := range c.List("serviceModules") {
			file := m.Str().S
			if file == "" {
				wrong = append(wrong, &Error{Pos: c.Pos("serviceModules"), Msg: "serviceModules must be a list of files"})
				continue
			}
			typ, _, _ := strings.Cut(path.Base(file), ".")
			if typ == "custom" {
				wrong = append(wrong, &Error{Pos: c.Pos("serviceModules"), Msg: "a type of service must not be named \"custom\"; give the file another name"})
			}
			services[typ] = file
		}
	}
	return services, wrong.sorted()
}

// declaresUser reports whether the module in a file declares an option user, whose meaning
// is then its own: a user of the database, for instance.
func (e *evaluation) declaresUser(t *eval.Thread, file string) (declares bool) {
	err := t.Try(func() {
		v := t.Force(e.importModule(t, file))
		if eval.IsFunction(v) {
			v = t.Call(v, e.probeArgs(t, v))
		}
		_, declares = t.Lookup(v, "options", "user")
	})
	return declares || err != nil
}

// modularServices returns the names below services that are no types, but services in the
// form of nixpkgs' modular services.
func (e *evaluation) modularServices(ctx context.Context, found *containers) (names []string, err error) {
	for _, container := range found.names {
		_, c := found.at(container)
		for name, assigned := range c.Get("services").Undeclared() {
			if err := e.ev.Do(ctx, func(t *eval.Thread) {
				if slices.ContainsFunc(assigned, func(v eval.Value) bool { return isModular(t, v) }) && !slices.Contains(names, name) {
					names = append(names, name)
				}
			}); err != nil {
				return nil, err
			}
		}
	}
	slices.Sort(names)
	return names, nil
}

// isModular reports whether a value below services is a module, and no set of instances.
func isModular(t *eval.Thread, v eval.Value) bool {
	set, ok := t.Force(v).(*eval.Attrs)
	if !ok {
		return eval.IsFunction(t.Force(v))
	}
	if content, ok := set.Get("content"); ok && set.Has("_type") { // mkIf, mkForce
		return isModular(t, content)
	}
	if all, ok := set.Get("contents"); ok && set.Has("_type") {
		return slices.ContainsFunc(t.List(all).Elems(), func(v eval.Value) bool { return isModular(t, v) })
	}
	return set.Has("process") || set.Has("configData") || set.Has("imports")
}

// A knownProcess is one that a service has, by the name that services-flake gives it.
type knownProcess struct {
	typ, instance string
	part          bool     // of its set-up, or a node
	node          string   // of a cluster, which it is
	lacks         []string // of processWords
}

// label names the service of the process as a definition does.
func (p *knownProcess) label() string { return "services." + p.typ + "." + strconv.Quote(p.instance) }

// processWords are what a process can say that a custom service does too.
var processWords = [...]string{"command", "depends_on", "availability", "shutdown", "working_dir", "readiness_probe", "liveness_probe", "ready_log_line",
	"namespace", "environment", "description", "replicas", "is_tty", "is_daemon", "launch_timeout_seconds", "disabled", "is_disabled"}

// optionOf returns the option of services that says what a word of a process says.
func optionOf(word string) string {
	switch word {
	case "is_tty":
		return "tty"
	case "is_daemon":
		return "daemon"
	case "launch_timeout_seconds":
		return "launch_timeout"
	case "disabled", "is_disabled":
		return "enable"
	}
	return word
}

// knownProcesses returns, by container and name, the processes of services that
// settings.processes names; nil when no container has any such settings.
func (e *evaluation) knownProcesses(found *containers) (map[string]map[string]knownProcess, error) {
	var known map[string]map[string]knownProcess
	var wrong Errors
	for _, name := range found.names {
		_, c := found.at(name)
		for _, process := range c.Keys("settings", "processes") {
			if known == nil {
				known = map[string]map[string]knownProcess{}
			}
			if known[name] == nil {
				known[name] = map[string]knownProcess{}
			}
			switch of := e.servicesOf(c, process); len(of) {
			case 0:
			case 1:
				known[name][process] = of[0]
			default:
				wrong = append(wrong, &Error{Pos: c.Pos("settings", "processes", process), Msg: fmt.Sprintf("process %q is of %s and of %s; give one of them another name", process, of[0].label(), of[1].label())})
			}
		}
	}
	return known, wrong.sorted()
}

// servicesOf returns the services of a container that have a process. A service of that
// name comes before one that has it as a part. Those that are not enabled count only where
// no other has it, and the process is not said to be one of its own, by a command.
func (e *evaluation) servicesOf(c *module.Config, process string) (of []knownProcess) {
	best := 0
	if slices.Contains(e.modular, process) {
		best, of = 3, []knownProcess{{typ: "custom", instance: process}}
	}
	for _, typ := range catalog.Types() {
		if _, replaced := e.services[typ.Name]; replaced {
			continue
		}
		for _, instance := range c.Keys("services", typ.Name) {
			end, ok := strings.CutPrefix(process, instance)
			node := strings.TrimPrefix(end, "-")
			if typ.Name != "redis-cluster" || !slices.Contains(c.Keys("services", typ.Name, instance, "nodes"), node) {
				node = ""
			}
			if !ok || end != "" && process != project.SetUpName(typ.Name, instance) && node == "" {
				continue
			}
			rank := 1
			if end == "" {
				rank++
			}
			if c.Bool("services", typ.Name, instance, "enable") {
				rank += 2
			} else if typ.Name != "custom" && c.Has("settings", "processes", process, "command") {
				continue
			}
			if rank > best {
				best, of = rank, nil
			}
			if rank == best && (rank > 2 || of == nil) {
				of = append(of, knownProcess{typ.Name, instance, end != "", node, lacking(typ)})
			}
		}
	}
	return of
}

// lacking returns the words of a process that no option of a type stands for.
func lacking(typ *catalog.ServiceType) (lacks []string) {
	options := typ.Schema().Options
	for _, word := range processWords {
		if _, ok := options[optionOf(word)]; !ok {
			lacks = append(lacks, word)
		}
	}
	return lacks
}

const nameRule = "must have 2 to 254 characters of a-z, 0-9, \"_\", \".\" and \"-\", and begin and end with a letter or digit"

// checkName reports what is wrong with the name of a container, by the rules for names
// of OCI images.
func checkName(name string) error {
	plain := func(c byte) bool { return c >= 'a' && c <= 'z' || c >= '0' && c <= '9' }
	if len(name) < 2 || len(name) > 254 {
		return fmt.Errorf("container name %q %s", name, nameRule)
	}
	for i := range len(name) {
		if plain(name[i]) || i > 0 && i < len(name)-1 && strings.IndexByte("_.-", name[i]) >= 0 {
			continue
		}
		return fmt.Errorf("container name %q %s", name, nameRule)
	}
	return nil
}

// exposedPort parses "8080/tcp", "8080" or a range such as "3000-3010/udp".
func exposedPort(s string) (string, error) {
	number, protocol, has := strings.Cut(s, "/")
	if !has {
		protocol = "tcp"
	}
	low, high, isRange := strings.Cut(number, "-")
	if !isRange {
		high = low
	}
	a, err1 := strconv.Atoi(low)
	b, err2 := strconv.Atoi(high)
	if err1 != nil || err2 != nil || a < 1 || b > 65535 || b < a || protocol != "tcp" && protocol != "udp" && protocol != "sctp" {
		return "", fmt.Errorf("exposed port %q must be like \"8080/tcp\"", s)
	}
	if number = strconv.Itoa(a); isRange {
		number += "-" + strconv.Itoa(b)
	}
	return number + "/" + protocol, nil
}
