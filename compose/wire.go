package compose

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"nix2gpu/dotenv"
	"nix2gpu/project"
)

// The wire form is the JSON in which process-compose's clients send and get projects and
// processes: its types Project and ProcessConfig (src/types of 1.122.0). Its names are those
// of the files in camel case, except for these. Replicas are processes of their own there,
// variables and templates are expanded, and some words are numbers.
var wireNames = [...]struct{ file, wire string }{
	{"availability", "restartPolicy"},
	{"log_configuration", "loggerConfig"},
	{"shutdown", "shutDownParams"},
	{"command", "shutDownCommand"},
	{"timeout_seconds", "shutDownTimeout"},
	{"launch_timeout_seconds", "launchTimeout"},
	{"is_dotenv_disabled", "disableDotEnv"},
	{"is_template_disabled", "disableCommandRendering"},
	{"initial_delay_seconds", "initialDelay"},
	{"disable_json", "disableJSON"},
	{"max_size_mb", "maxSize"},
	{"max_age_days", "maxAge"},
	{"shell", "shellConfig"},
	{"extends", "extendsProject"},
	{"env_cmds", "envCommands"},
	{"ordered_shutdown", "isOrderedShutdown"},
	{"mcp_server", "mcpServer"},
	{"elevated_shell_command", "elevatedShellCmd"},
	{"elevated_shell_argument", "elevatedShellArg"},
}

// The words that are numbers, in their order.
var (
	wireRestarts   = []string{"no", "always", "on_failure", "exit_on_failure"}
	wireConditions = []string{"process_completed", "process_completed_successfully", "process_healthy", "process_started", "process_log_ready"}
)

// What clients set in every process. It means nothing by itself.
const (
	wireLaunchTimeout = "5"
	wireSignal        = "15"
	wireNamespace     = "default"
)

// userNamed are keys of maps whose keys are names of the user's.
func userNamed(key string) bool {
	return slices.Contains([]string{"processes", "depends_on", "vars", "headers", "env_cmds", "dot_env_vars"}, key)
}

// wireName is the name of a field of a file, in the part of it named at.
func wireName(key, at string) string {
	for _, n := range wireNames {
		if n.file == key && (at == "shutdown" || !strings.HasPrefix(n.wire, "shutDown") || key == "shutdown") {
			return n.wire
		}
	}
	if at == "schedule" || at == "watch" || at == "paths" {
		return key
	}
	words := strings.Split(key, "_")
	for i, w := range words[1:] {
		words[i+1] = strings.ToUpper(w[:1]) + w[1:]
	}
	return strings.Join(words, "")
}

// fileName is the name in a file of a field of the wire form. As for Go's decoder, the case of
// a letter does not matter, unless it begins a word.
func fileName(key string) string {
	for _, n := range wireNames {
		if strings.EqualFold(n.wire, key) {
			return n.file
		}
	}
	var b strings.Builder
	for i, c := range key {
		if c >= 'A' && c <= 'Z' {
			if c += 'a' - 'A'; i > 0 {
				b.WriteByte('_')
			}
		}
		b.WriteRune(c)
	}
	return b.String()
}

// fromWire makes a tree of the wire form one of a file.
func fromWire(n *node) {
	n.fields = slices.DeleteFunc(n.fields, func(f *field) bool { return strings.EqualFold(f.key, "extensions") })
	for _, item := range n.items {
		fromWire(item)
	}
	for _, f := range n.fields {
		f.key = fileName(f.key)
		v := f.value
		switch {
		case f.key == "restart":
			v.word(wireRestarts)
		case f.key == "condition":
			v.word(wireConditions)
		case f.key == "processes" || f.key == "depends_on":
			for _, named := range v.fields {
				fromWire(named.value)
			}
		case !userNamed(f.key):
			fromWire(v)
		}
	}
}

// word replaces the number of a word by it.
func (n *node) word(words []string) {
	if i, err := strconv.Atoi(n.text); err == nil && i >= 0 && i < len(words) {
		n.text = words[i]
	}
}

// drop removes a field if it has that value.
func (n *node) drop(key, value string) {
	if v := n.get(key); v != nil && v.kind == scalar && v.text == value {
		n.fields = slices.DeleteFunc(n.fields, func(f *field) bool { return f.key == key })
	}
}

// replica reads a process of the wire form, which may be one of several replicas.
func (l *loader) replica(p *project.Project, fd *field, f *fields, logs project.Log) project.ID {
	f.n.fields = slices.DeleteFunc(f.n.fields, func(f *field) bool { return f.key == "extends" }) // it was done
	f.n.drop("launch_timeout_seconds", wireLaunchTimeout)
	f.n.get("shutdown").drop("signal", wireSignal)
	if n := f.n.get("namespace"); n != nil && slices.Equal(f.texts("namespace"), []string{wireNamespace}) {
		n.kind = null
	}
	for _, key := range []string{"readiness_probe", "liveness_probe"} {
		f.n.get(key).get("exec").drop("working_dir", f.text("working_dir", ""))
	}
	id, number, count := project.ID(fd.key), f.number("replica_num", 0, 0, maxReplicas), f.number("replicas", 1, 0, maxReplicas)
	family := cmp.Or(f.text("name", ""), fd.key)
	if count > 1 {
		id = project.ID(fmt.Sprintf("%s-%d", family, number))
	}
	if p.Services[id] != nil {
		l.failHint(fd.pos, "give the process another name", "process %q and a replica have the same name", id)
		return id
	}
	if svc := l.single(p, fd, f, id, number, count > 1, logs); count > 1 {
		svc.Family = family
	}
	return id
}

// DecodeProject reads a project in the wire form, which is to follow now in its folder.
// What EncodeProcess has masked stays as it is now. Of opts, Dir and Environ count.
func DecodeProject(now *project.Project, opts Options, data []byte) (*project.Project, error) {
	l, root, err := readWire(opts, data)
	if err != nil {
		return nil, err
	}
	if n := root.get("dot_env_vars"); n != nil {
		for _, f := range n.fields {
			l.dotenv = append(l.dotenv, dotenv.Variable{Name: f.key, Value: f.value.text})
		}
	}
	said := l.project(root)
	if len(l.errs) > 0 {
		return nil, l.failed()
	}
	next := *now // what the wire form has no word for stays
	next.Name, next.Services, next.Processes, next.Logs = said.Name, said.Services, said.Processes, cmp.Or(said.Logs, now.Logs)
	next.Container.Env, next.Container.EnvCommands = said.Container.Env, said.Container.EnvCommands
	for id, svc := range now.Services { // the container's own
		if svc.System && next.Services[id] == nil {
			next.Services[id] = svc
			for _, pid := range svc.ProcessIDs() {
				next.Processes[pid] = now.Processes[pid]
			}
		}
	}
	return &next, keepMasked(now, &next)
}

// DecodeProcess is DecodeProject for one process of now: the others stay.
func DecodeProcess(now *project.Project, opts Options, data []byte) (*project.Project, project.ID, error) {
	l, root, err := readWire(opts, data)
	if err != nil {
		return nil, "", err
	}
	f := l.fields(root, "the process")
	name := cmp.Or(f.text("replica_name", ""), f.text("name", ""))
	next := *now
	next.Services, next.Processes = maps.Clone(now.Services), maps.Clone(now.Processes)
	l.shell = commonShell(now)
	fd := &field{key: name, pos: root.pos, value: root}
	id := project.ID(name)
	old := now.Services[id]
	if name == "" || old == nil {
		l.failHint(root.pos, "GET /processes lists them", "no process %q", name)
		return nil, "", l.failed()
	}
	groups, count := map[string][]project.ID{}, 0
	for other, svc := range now.Services {
		groups[cmp.Or(svc.Family, string(other))] = append(groups[cmp.Or(svc.Family, string(other))], other)
		if svc.Family != "" && svc.Family == old.Family {
			count++
		}
	}
	if n := f.number("replicas", 0, 0, maxReplicas); n > 0 && n != max(count, 1) {
		l.failHint(f.pos("replicas"), "PATCH /process/scale/NAME/NUMBER", "the number of replicas is changed by scaling, not with a process")
	}
	delete(next.Services, id)
	switch name := l.replica(&next, fd, f, project.Log{}); {
	case name == id:
		l.resolve(&next, next.Services[id], groups)
	case now.Services[name] == nil && len(l.errs) == 0: // what its name and replicaNum mean
		l.failHint(root.pos, "GET /processes lists them", "no process %q", name)
	}
	if len(l.errs) > 0 {
		return nil, "", l.failed()
	}
	return &next, id, keepMasked(now, &next)
}

// readWire parses the wire form.
func readWire(opts Options, data []byte) (*loader, *node, error) {
	l := &loader{opts: Options{Dir: opts.Dir, Environ: opts.Environ}, vars: map[string]any{}, circular: map[string]bool{}, wire: true}
	if !json.Valid(data) {
		l.failHint(project.Pos{}, "send an object, as GET /process/info/NAME answers it for one process", "the body is not valid JSON")
		return nil, nil, l.failed()
	}
	root, err := parse("body", bytes.ReplaceAll(data, []byte("\t"), []byte(" "))) // YAML allows no tabs; in texts of JSON they are escaped
	if err != nil {
		return nil, nil, err
	}
	if root.kind != object {
		l.fail(root.pos, "the body must be a JSON object, not %s", root.kind)
		return nil, nil, l.failed()
	}
	fromWire(root)
	return l, root, nil
}

// keepMasked gives next what now has where a client has sent back the mask of a secret,
// and what only files can say.
func keepMasked(now, next *project.Project) error {
	masked := now.Masked()
	for id, proc := range next.Processes {
		old, shown := now.Processes[id], masked.Processes[id]
		if old == nil || old == proc {
			continue
		}
		if old.Restart.Policy == project.RestartUnlessStopped && proc.Restart.Policy == project.RestartAlways {
			proc.Restart.Policy = old.Restart.Policy // there is one word for both
		}
		if svc, was := next.Services[id], now.Services[id]; svc != nil && was != nil {
			svc.Pos = was.Pos
			for name, dep := range svc.DependsOn { // that it restarts with it is a word of ours
				dep.Restart = was.DependsOn[name].Restart
				svc.DependsOn[name] = dep
			}
		}
		var before, seen []project.Text
		old.EachText(func(_ project.Owner, t *project.Text) { before = append(before, *t) })
		shown.EachText(func(_ project.Owner, t *project.Text) { seen = append(seen, *t) })
		proc.EachText(func(o project.Owner, t *project.Text) {
			if !strings.Contains(t.String(), project.Mask) {
				return
			}
			for i := range seen {
				if seen[i].String() == t.String() && (o.Field != "env" || old.Env[o.Name].Text.String() == before[i].String()) {
					*t = before[i]
					return
				}
			}
		})
		for name, v := range proc.Env {
			v.Secret = v.Secret || old.Env[name].Secret
			proc.Env[name] = v
		}
	}
	var left error
	next.EachText(func(o project.Owner, t *project.Text) {
		if left == nil && strings.Contains(t.String(), project.Mask) {
			left = Errors{{Msg: fmt.Sprintf("%s of %q has %s where a secret is", o.Field, o.Process, project.Mask), Hint: "send the secret itself, or leave what has it as it was"}}
		}
	})
	return left
}

// EncodeProcess is the wire form of a process, with secrets masked.
func EncodeProcess(p *project.Project, id project.ID) map[string]any {
	svc := p.Services[id]
	if svc == nil || p.Processes[svc.Main] == nil {
		return nil
	}
	p = p.Masked()
	svc = p.Services[id]
	proc := p.Processes[svc.Main]
	e := &encoder{p: p, text: project.Text.String, shell: commonShell(p)}
	out := toWire(e.process(svc, proc), "")
	for _, key := range []string{"restartPolicy", "shutDownParams"} { // which clients expect
		if out[key] == nil {
			out[key] = map[string]any{}
		}
	}
	if file, ok := out["envFile"].(string); ok { // it is relative to workingDir
		out["envFile"] = strings.TrimPrefix(file, e.text(proc.Dir)+"/")
	}
	out["namespace"] = strings.Split(cmp.Or(svc.Namespace, wireNamespace), ",")
	number, replicas := 0, 0
	for _, other := range p.Services {
		if svc.Family != "" && other.Family == svc.Family {
			replicas++
		}
	}
	if replicas > 1 {
		number, _ = strconv.Atoi(strings.TrimPrefix(string(id), svc.Family+"-"))
	}
	out["name"], out["replicaName"], out["replicas"], out["replicaNum"] = cmp.Or(svc.Family, svc.Label), svc.Label, max(replicas, 1), number
	return out
}

// ours is the key of what their format has no word for.
const ours = "x-nix2gpu"

// toWire renames the fields of a part of a file. That part had its dollars doubled.
func toWire(m mapping, at string) map[string]any {
	out := map[string]any{}
	for _, e := range m {
		key := e.key
		switch {
		case at == ours:
			out[key] = toWireValue(e.value, at)
		case key == ours:
			out["extensions"] = map[string]any{key: toWireValue(e.value, ours)}
		case at == "depends_on":
			word, _ := e.value.(mapping)[0].value.(string)
			out[key] = map[string]any{"condition": slices.Index(wireConditions, word)}
		case userNamed(at):
			out[key] = toWireValue(e.value, key)
		case key == "restart":
			out[key] = slices.Index(wireRestarts, e.value.(string))
		default:
			out[wireName(key, at)] = toWireValue(e.value, key)
		}
	}
	return out
}

func toWireValue(v any, at string) any {
	single := func(s string) string { return strings.ReplaceAll(s, "$$", "$") }
	switch v := v.(type) {
	case string:
		return single(v)
	case []string:
		out := make([]string, len(v))
		for i, s := range v {
			out[i] = single(s)
		}
		return out
	case mapping:
		return toWire(v, at)
	case []mapping:
		var out []any
		for _, item := range v {
			out = append(out, toWire(item, at))
		}
		return out
	}
	return v
}
