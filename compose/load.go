package compose

import (
	"cmp"
	"errors"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"

	"nix2gpu/dotenv"
	"nix2gpu/project"
)

// Options says where files and variables come from.
type Options struct {
	// ReadFile returns a file by the name that was given to Load, or that a
	// file names, relative to the same folder.
	ReadFile func(name string) ([]byte, error)
	// Dir is the folder of the definition, for the project's default name.
	Dir string
	// Environ is the environment for ${VARIABLES} in the files.
	Environ []string
	// EnvFiles are read first. Default: .env, if there is one. In the files, their
	// variables win over Environ; processes get those that Environ lacks.
	EnvFiles []string
	// NoDotEnv says not to read .env by default.
	NoDotEnv bool
	// Replicas are numbers of replicas, by process, which override those in the files.
	Replicas map[string]int
}

// DiscoveryNames returns the files to look for when none is named, the most wanted
// first. See [OverrideName].
func DiscoveryNames() []string {
	return []string{"compose.yml", "compose.yaml", "process-compose.yml", "process-compose.yaml"}
}

// OverrideName returns the file that is merged into the named one if it exists.
func OverrideName(name string) string {
	ext := path.Ext(name)
	return strings.TrimSuffix(name, ext) + ".override" + ext
}

// Load reads the files and merges them, in their order, into one project. The error
// is an [Errors] with everything that is wrong.
func Load(opts Options, files ...string) (*project.Project, error) {
	l := &loader{opts: opts, sources: map[string][]string{}, circular: map[string]bool{}}
	l.environ()
	var root *node
	for _, file := range files {
		if n := l.open(file, project.Pos{}); n != nil {
			root = merge(root, l.extended(n, []string{file}), "")
		}
	}
	if root == nil || len(l.errs) > 0 {
		return nil, l.failed()
	}
	p := l.project(root)
	if len(l.errs) > 0 {
		return nil, l.failed()
	}
	p.Notes = l.notes
	return p, nil
}

// A loader reads one project.
type loader struct {
	reader
	opts    Options
	sources map[string][]string // lines of the files read, for excerpts
	dotenv  []dotenv.Variable
	vars    map[string]any
	shell   []string // nil: bash -c
	wire    bool     // it reads the wire form, in which replicas are apart and templates expanded
	// apart is set if a process does not want the .env file. Its variables then go
	// to the other processes one by one, not to the whole project.
	apart bool
	// circular are the processes of circles that were reported.
	circular map[string]bool
}

func (l *loader) failed() error {
	for _, e := range l.errs {
		if lines := l.sources[e.Pos.File]; e.Line == "" && e.Pos.Line > 0 && e.Pos.Line <= len(lines) {
			e.Line = lines[e.Pos.Line-1]
		}
	}
	return l.errs.sorted()
}

// open reads and parses a file, and expands its variables. It returns nil if that failed,
// and reports why at the position that named the file.
func (l *loader) open(file string, from project.Pos) *node {
	data, err := l.opts.ReadFile(file)
	if err != nil {
		l.fail(from, "cannot read %q: %v", file, err)
		return nil
	}
	l.sources[file] = strings.Split(string(data), "\n")
	n, err := parse(file, data)
	if errs, ok := err.(Errors); ok {
		l.errs = append(l.errs, errs...)
		return nil
	}
	if n.kind != object && n.kind != null {
		l.fail(n.pos, "must be a map with a key \"processes\", not %s", n.kind)
		return nil
	}
	if !isTrue(n.get("disable_env_expansion")) {
		l.expand(n)
	}
	return n
}

func (l *loader) environ() {
	files, asked := l.opts.EnvFiles, true
	if files == nil && !l.opts.NoDotEnv {
		files, asked = []string{".env"}, false
	}
	for _, file := range files {
		data, err := l.opts.ReadFile(file)
		switch {
		case errors.Is(err, fs.ErrNotExist) && asked:
			l.note("", project.Pos{}, "environment file %q does not exist", file)
			continue
		case err != nil && asked:
			l.fail(project.Pos{}, "cannot read %q: %v", file, err)
			continue
		case err != nil:
			continue
		}
		vars, bad := dotenv.Parse(string(data))
		l.dotenv = append(l.dotenv, vars...)
		for _, e := range bad {
			l.fail(project.Pos{File: file, Line: e.Line, Col: 1}, "%s", e.Msg)
		}
	}
}

// lookup finds a variable for expansion. Here the .env file wins over the
// environment, as in process-compose.
func (l *loader) lookup(name string) (string, bool) {
	for _, s := range slices.Backward(l.dotenv) {
		if s.Name == name {
			return s.Value, true
		}
	}
	return l.fromEnviron(name)
}

func (l *loader) fromEnviron(name string) (string, bool) {
	for _, e := range slices.Backward(l.opts.Environ) {
		if value, ok := strings.CutPrefix(e, name+"="); ok {
			return value, true
		}
	}
	return "", false
}

// expand expands the variables of every key and value below n.
func (l *loader) expand(n *node) {
	commands := n.get("env_cmds")
	seen := map[*node]bool{} // aliases share nodes, and "$$" must not be expanded twice
	named := map[*field]bool{}
	var walk func(n *node, command bool)
	walk = func(n *node, command bool) {
		if n == nil || seen[n] {
			return
		}
		seen[n] = true
		for _, i := range n.items {
			walk(i, command)
		}
		for _, f := range slices.Clone(n.fields) { // rename may take some away
			if !named[f] && strings.Contains(f.key, "$") {
				named[f] = true
				l.rename(n, f)
			}
			if f.key == "entrypoint" && f.value != nil && f.value.kind == list {
				l.unexpanded(f.value, seen)
				continue
			}
			walk(f.value, f.key == "command" || n == commands)
		}
		if n.kind != scalar {
			return
		}
		n.text = l.expanded(n.text, n.pos, command)
	}
	walk(n, false)
}

// expanded is a text with its variables expanded. In a command, those that are not set are
// left: the shell may know them.
func (l *loader) expanded(s string, pos project.Pos, command bool) string {
	text, err := expand(s, l.lookup, func(name, source string) string {
		if command {
			return source
		}
		l.note("", pos, "variable %s is not set, so it is empty here", name)
		return ""
	})
	if err != nil {
		l.fail(pos, "%v", err)
		return s
	}
	return text
}

// rename expands a key of n. Where another one is the same then, "<<" has its rule.
func (l *loader) rename(n *node, f *field) {
	key := l.expanded(f.key, f.pos, false)
	other := slices.IndexFunc(n.fields, func(o *field) bool { return o != f && o.key == key })
	switch {
	case key == "":
		l.failHint(f.pos, "set its variables", "the key %q is empty: its variables are", f.key)
	case other >= 0 && f.brought && (!n.fields[other].brought || other < slices.Index(n.fields, f)):
		n.fields = slices.DeleteFunc(n.fields, func(o *field) bool { return o == f })
	case other >= 0 && n.fields[other].brought:
		n.fields = slices.Delete(n.fields, other, other+1)
		f.key = key
	case other >= 0:
		l.failHint(f.pos, "take one of them out", "the key %q is there already: %q means the same", key, f.key)
	default:
		f.key = key
	}
}

// unexpanded leaves the words of an entrypoint as they are: no shell reads them. Only "$$"
// becomes "$", as everywhere.
func (l *loader) unexpanded(n *node, seen map[*node]bool) {
	for _, word := range n.items {
		if word.kind != scalar || seen[word] {
			continue
		}
		seen[word] = true
		_, _ = expand(word.text, func(name string) (string, bool) {
			value, set := l.lookup(name)
			if set {
				l.note("", word.pos, "an entrypoint is not expanded: the program gets %q itself; a command is expanded", word.text)
			}
			return value, set
		}, func(_, source string) string { return source })
		word.text = strings.ReplaceAll(word.text, "$$", "$")
	}
}

func isTrue(n *node) bool {
	if n == nil || n.kind != scalar {
		return false
	}
	v, _ := asBool(n.text)
	return v
}

// project makes a project of the merged files.
func (l *loader) project(root *node) *project.Project {
	p := &project.Project{
		Version:   project.Version,
		Compose:   true,
		Services:  map[project.ID]*project.Service{},
		Processes: map[project.ID]*project.Process{},
	}
	f := l.fields(root, "the file")
	p.Name = cmp.Or(f.text("name", ""), path.Base(l.opts.Dir))
	f.internal("", "file_names", "env_file_names", "dot_env_vars")
	f.ignore("version", "is_strict", "disable_env_expansion", "extends", "log_level", "log_length", "log_format",
		"is_tui_disabled", "ordered_shutdown")
	if n := f.get("mcp_server"); n != nil {
		l.fail(n.pos, "not supported: mcp_server")
	}
	l.vars = l.variables(f.get("vars"))
	l.shellOf(f.get("shell"))
	logs, all := l.logDefaults(f)
	p.Logs = all
	environment := f.environment("environment")
	p.Container.EnvCommands = l.envCommands(f.get("env_cmds"))
	processes := f.get("processes")
	if n := root.get("services"); n != nil && processes == nil {
		f.known = append(f.known, "services")
		l.failHint(f.keyPos("services"), "a file for docker compose can't be run; the key here is \"processes\"", "unknown key \"services\"")
	}
	f.done()
	if processes == nil {
		if root.get("services") == nil && root.get("processes") == nil { // as null it is a map without entries
			l.fail(root.pos, "has no key \"processes\"")
		}
		return p
	}
	if processes.kind != object {
		l.fail(processes.pos, "processes must be a map, not %s", processes.kind)
		return p
	}

	for _, fd := range processes.fields {
		if n := l.inherited(processes, fd.key, []string{fd.key}); n != nil && isTrue(n.get("is_dotenv_disabled")) {
			l.apart = true
		}
	}
	p.Container.Env = map[string]project.Value{}
	if !l.apart {
		l.addDotEnv(p.Container.Env)
	}
	for name, value := range environment {
		p.Container.Env[name] = project.Value{Text: project.Lit(value), Secret: l.holdsDotEnv(value)}
	}
	groups := map[string][]project.ID{}
	for _, fd := range processes.fields {
		n := l.inherited(processes, fd.key, []string{fd.key})
		groups[fd.key] = l.replicas(p, fd, n, logs)
	}
	for _, svc := range p.Services {
		l.resolve(p, svc, groups)
	}
	return p
}

// envCommands reads the commands that print variables of every process.
func (l *loader) envCommands(n *node) map[string]*project.EnvCommand {
	if n == nil {
		return nil
	}
	if n.kind != object {
		l.fail(n.pos, "env_cmds must be a map from variables to commands, not %s", n.kind)
		return nil
	}
	out := map[string]*project.EnvCommand{}
	for _, fd := range n.fields {
		switch {
		case fd.key == "" || strings.ContainsAny(fd.key, "=\x00"):
			l.fail(fd.pos, "env_cmds %q must be the name of a variable", fd.key)
		case fd.value.kind != scalar || strings.TrimSpace(fd.value.text) == "":
			l.failHint(fd.pos, "write \"NAME: command\"", "env_cmds.%s must be a command", fd.key)
		default:
			out[fd.key] = &project.EnvCommand{Command: l.shellCommand(fd.value.text), Pos: fd.pos}
		}
	}
	return out
}

// addDotEnv adds the variables of .env that the environment does not set. They are
// never shown, because people keep passwords there.
func (l *loader) addDotEnv(env map[string]project.Value) {
	for _, s := range l.dotenv {
		if _, ok := l.fromEnviron(s.Name); !ok {
			env[s.Name] = project.Value{Text: project.Lit(s.Value), Secret: true}
		}
	}
}

// holdsDotEnv reports whether text contains a value of .env. Short values don't count:
// they would be found by chance.
func (l *loader) holdsDotEnv(value string) bool {
	return slices.ContainsFunc(l.dotenv, func(s dotenv.Variable) bool {
		return len(s.Value) >= 6 && strings.Contains(value, s.Value)
	})
}

func (l *loader) shellOf(n *node) {
	if shell, ok := l.fromEnviron("COMPOSE_SHELL"); ok && shell != "" {
		l.shell = []string{shell, "-c"}
	}
	if n == nil {
		return
	}
	f := l.fields(n, "shell")
	command := f.text("shell_command", "bash")
	argument := f.text("shell_argument", "-c")
	f.ignore("elevated_shell_command", "elevated_shell_argument")
	f.done()
	l.shell = append([]string{command}, strings.Fields(argument)...)
	if slices.Equal(l.shell, []string{"bash", "-c"}) {
		l.shell = nil // as it is without a word of it
	}
}

// placeText turns a path of a file into a text. It is relative to the definition's
// folder unless it is absolute.
func placeText(p string) project.Text {
	if path.IsAbs(p) || strings.HasPrefix(p, "~") {
		return project.Lit(p)
	}
	p = path.Clean(p)
	if p == "." {
		return project.RootPath("")
	}
	return project.RootPath("/" + p)
}

// variables reads a vars map into the values that templates see.
func (l *loader) variables(n *node) map[string]any {
	out := map[string]any{}
	if n == nil {
		return out
	}
	if n.kind != object {
		l.fail(n.pos, "vars must be a map, not %s", n.kind)
		return out
	}
	for _, f := range n.fields {
		out[f.key] = plain(f.value)
	}
	return out
}

// plain returns a node as templates see it.
func plain(n *node) any {
	switch n.kind {
	case list:
		out := make([]any, len(n.items))
		for i, item := range n.items {
			out[i] = plain(item)
		}
		return out
	case object:
		out := map[string]any{}
		for _, f := range n.fields {
			out[f.key] = plain(f.value)
		}
		return out
	case null:
		return ""
	}
	if n.quoted {
		return n.text
	}
	if i, err := strconv.Atoi(n.text); err == nil {
		return i
	}
	if b, err := strconv.ParseBool(n.text); err == nil {
		return b
	}
	return n.text
}

// Is reports whether data looks like a file for [Load]: a map with the key
// "processes". It also does for a file that can't be parsed, since Load says why.
func Is(data []byte) bool {
	n, err := parse("", data)
	return err != nil || n.get("processes") != nil
}
