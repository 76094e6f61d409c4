package definition

import (
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
)

//go:embed service.nix
var serviceSource string

// ContainerOptions declares every option of a container. The result belongs to the
// caller.
func ContainerOptions() module.Options {
	text := module.OneOf(module.String, module.Bool, module.Number)
	envOf := module.Option{Type: module.AttrsOf(module.OneOf(text, catalog.SecretRef())), Default: map[string]any{}, Example: map[string]any{"TZ": "UTC"},
		Description: "Environment variables of every process of the container; `{ secret = \"name\"; }` takes the value from a secret."}
	labelsOf := module.Option{Type: module.AttrsOf(module.String), Default: map[string]any{},
		Description: "Labels of the image."}
	packagesOf := func(doc string) module.Option {
		return module.Option{Type: module.ListOf(module.Package), Default: []any{}, Example: module.Expr("[ pkgs.git pkgs.htop ]"), Description: doc}
	}
	copyOf := func(doc string) module.Option {
		one := module.OneOf(module.Package, module.Path)
		return module.Option{Type: module.Coerced(one, func(v any) (any, error) { return []any{v}, nil }, module.ListOf(one)),
			Default: []any{}, Example: module.Expr("[ ./rootfs pkgs.htop ]"), Description: doc}
	}
	return module.Options{
		"services": {Set: catalog.Options()},
		"exposedPorts": {Type: module.OneOf(module.AttrsOf(module.Anything), module.ListOf(module.OneOf(module.Port, module.String))),
			Default: map[string]any{}, Example: map[string]any{"8080/tcp": map[string]any{}},
			Description: "Ports that the container offers to the outside, as \"8080/tcp\"."},
		"cudaPackages": {Type: module.NullOr(module.Raw), Default: module.Null, Example: module.Expr("pkgs.cudaPackages_12_8"),
			Description: "The set of CUDA packages that the container uses: its image has the libraries that programs load, of NVIDIA's apt repository, and asks the host for GPUs. A part by name, such as pkgs.cudaPackages_12_8.cuda_nvcc in systemPackages, brings what compiles."},
		"cuda": {Set: module.Options{
			"enable":   {Type: module.NullOr(module.Bool), Default: module.Null, Description: "Whether the container has CUDA; false overrules the other options."},
			"packages": {Type: module.NullOr(module.Raw), Default: module.Null, Description: "The set of CUDA packages; the same as cudaPackages."},
			"version":  {Type: module.NullOr(module.String), Default: module.Null, Example: "12.8", Description: "The version of CUDA, instead of a set of packages."},
		}},
		"tailscale":          {Set: catalog.TailscaleOptions()},
		"env":                envOf,
		"extraEnv":           envOf,
		"labels":             labelsOf,
		"extraLabels":        labelsOf,
		"extraStartupScript": {Type: module.Lines, Default: "", Description: "Shell commands that run before the services."},
		"sshdConfig":         {Type: module.NullOr(module.String), Default: module.Null, Description: "The configuration of sshd, instead of our own."},
		"systemPackages":     packagesOf("Packages whose programs every process and shell finds in its PATH."),
		"aptSources": {Type: module.AttrsOf(module.Submodule(module.Schema{Options: aptSourceOptions()})), Default: map[string]any{},
			Example:     map[string]any{"grafana": map[string]any{"url": "https://apt.example.org", "suite": "stable", "components": []any{"main"}, "key": module.Expr("./grafana.asc")}},
			Description: "Signed apt repositories beyond Debian's that images take packages from, by name."},
		"archives": {Type: module.AttrsOf(module.Submodule(module.Schema{Options: archiveOptions()})), Default: map[string]any{},
			Example:     map[string]any{"tool": map[string]any{"url": "https://example.org/tool-1.2.tar.gz", "bin": []any{"tool"}}},
			Description: "Software that its vendor publishes as a file, by the attribute of pkgs that it stands for in images. It is fetched when something names that attribute."},
		"python":          {Set: pythonOptions()},
		"copyToRoot":      copyOf("Packages, generated files and paths that the image has at its root: of a folder its content; a program lies in /usr/local/bin."),
		"extraCopyToRoot": copyOf("Further packages, files and paths, as copyToRoot has them."),
		"user":            {Type: module.String, Default: "root", Description: "Who custom services and shells run as."},
		"workingDir":      {Type: module.Path, Default: "/workspace", Description: "The folder that processes start in. On a laptop it stands for the folder of the definition."},
		"fromImage": {Type: module.NullOr(module.String), Default: module.Null, Example: "docker.io/nvidia/cuda:12.8.1-runtime-ubuntu24.04@sha256:…",
			Description: "An image that this one is put on, of Debian or Ubuntu, with its digest. Packages are then those of its release; what it has already is not brought again, and its layers are named and not copied."},
		"tag":            {Type: module.String, Default: "latest", Description: "The tag of the image."},
		"registries":     {Type: module.ListOf(module.String), Default: []any{}, Example: []any{"ghcr.io/me"}, Description: "Where the image is pushed to. The container's name and tag are added, unless an entry ends in that name or has a tag."},
		"maxLayers":      {Type: module.PositiveInt, Default: 50, Description: "How many layers the image may have, at most 127."},
		"variant":        {Type: module.Enum("slim", "full", "minimal"), Default: "slim", Description: "How much of its packages the image has. slim leaves out manuals, translations, documentation other than licences, and large parts that few need, such as the compiler of queries of PostgreSQL. full is everything. minimal is the programs that the definition names, and what they need."},
		"serviceModules": {Type: module.ListOf(module.Raw), Default: []any{}, Example: module.Expr("[ ./my-server.nix ]"), Description: "Modules in the style of services-flake, each a type of service called as its file."},
		"settings": {Set: module.Options{"processes": {
			Type:        module.AttrsOf(module.Submodule(module.Schema{Freeform: module.Anything})),
			Default:     map[string]any{},
			Example:     map[string]any{"migrate": map[string]any{"command": "./migrate.sh", "depends_on": map[string]any{"db": map[string]any{"condition": "process_healthy"}}}},
			Description: "Processes in the words of services-flake and process-compose. One that a service has, by its name there, such as db or db-init, says more of that service; any other is a custom service. One named test starts with `--profile test` only.",
		}}},
		"secrets":      {Type: module.AttrsOf(module.Submodule(module.Schema{Options: secretOptions()})), Default: map[string]any{}, Example: map[string]any{"hf": map[string]any{"file": "/run/secrets/hf"}}, Description: "Secrets by name, each with one source: file, age or env. A service gets those that it names."},
		"age":          {Set: ageOptions()},
		"home":         {Type: module.NullOr(module.Raw), Default: module.Null, Description: "A home-manager configuration. Accepted, and not used by this build."},
		"nimiSettings": {Type: module.NullOr(module.Raw), Default: module.Null, Description: "Settings of nimi, another supervisor. Accepted, and not used: restart, availability and whenDone say the same."},
		"nixConfig":    {Type: module.OneOf(module.String, module.AttrsOf(module.Anything)), Default: "", Description: "The configuration of Nix inside the container."},
		"whenDone":     {Type: module.Enum("exit", "stay"), Default: "exit", Description: "What happens when nothing runs and nothing can start any more."},
		"onFailed":     {Type: module.Enum("continue", "exit"), Default: "continue", Description: "What happens to the other services once one has failed for good: they go on, or everything ends."},
		"listen":       {Set: listenOptions()},
		"metrics":      {Set: module.Options{"listen": {Type: module.NullOr(module.String), Default: module.Null, Example: "0.0.0.0:9464", Description: "The address and port on which /metrics alone is served, without a token, for Prometheus."}}},
		"stopTimeout":  {Type: module.NullOr(module.Like(module.OneOf(module.Number, module.String), "9s")), Default: module.Null, Example: "9s", Description: "The time that stopping everything may take."},
	}
}

// schema returns what a container declares: our options, those of the definition's own
// types of services, and the modules that the caller merges into it.
func (e *evaluation) schema() module.Schema {
	options := ContainerOptions()
	out := module.Schema{Options: options}
	for _, file := range e.opts.Modules {
		out.Modules = append(out.Modules, module.FromFile(file))
	}
	if len(e.services) == 0 && e.known == nil {
		return out
	}
	types := slices.Sorted(maps.Keys(e.services))
	fn := eval.Lazy(func(t *eval.Thread) eval.Value {
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
			eval.NewAttrs(2).Set("types", eval.StringList(types...)).Set("known", known.Done()).Done())
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

// A knownProcess is one that a service has, by the name that services-flake gives it.
type knownProcess struct {
	typ, instance string
	part          bool     // of its set-up
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
	for _, typ := range catalog.Types() {
		if _, replaced := e.services[typ.Name]; replaced {
			continue
		}
		for _, instance := range c.Keys("services", typ.Name) {
			end, ok := strings.CutPrefix(process, instance)
			if !ok || end != "" && end != catalog.UpstreamPart(typ.Name) {
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
				of = append(of, knownProcess{typ.Name, instance, end != "", lacking(typ)})
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
