package compose

import (
	"fmt"
	"maps"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"nix2gpu/compose/template"
	"nix2gpu/project"
	"nix2gpu/spelling"
)

// maxReplicas catches typing errors.
const maxReplicas = 1000

// replicas reads one entry of processes, once for each of its replicas, and returns
// the services that it became.
func (l *loader) replicas(p *project.Project, fd *field, n *node, logs project.Log) []project.ID {
	f := l.fields(n, fmt.Sprintf("process %q", fd.key))
	if l.wire {
		return []project.ID{l.replica(p, fd, f, logs)}
	}
	count := f.number("replicas", 1, 0, maxReplicas)
	given, scaled := l.opts.Replicas[fd.key]
	if scaled {
		count = given
	}
	var ids []project.ID
	for i := range max(count, 1) {
		id := project.ID(fd.key)
		if count > 1 {
			id = project.ID(fmt.Sprintf("%s-%d", fd.key, i))
		}
		if p.Services[id] != nil {
			l.failHint(fd.pos, "give the process another name", "process %q and a replica have the same name", id)
			continue
		}
		ids = append(ids, id)
		svc := l.single(p, fd, f, id, i, count > 1, logs)
		if count > 1 || scaled {
			svc.Family = fd.key
		}
		if count == 0 {
			svc.Disabled, svc.Profiles = true, nil
		}
	}
	return ids
}

// single reads a process, perhaps as one of several replicas, into p.
func (l *loader) single(p *project.Project, fd *field, f *fields, id project.ID, number int, several bool, logs project.Log) *project.Service {
	f.known = nil
	r := &one{l: l, f: f, id: id, vars: maps.Clone(l.vars), several: several}
	r.vars["PC_REPLICA_NUM"] = number
	svc, proc := r.read(p, fd, logs)
	inject(proc.Env, "PC_PROC_NAME", string(id))
	inject(proc.Env, "PC_REPLICA_NUM", strconv.Itoa(number))
	if several {
		inject(proc.Env, project.ReplicaVar, strconv.Itoa(number))
	}
	p.Services[id], p.Processes[id] = svc, proc
	return svc
}

// inject sets one of process-compose's own variables, unless the user has.
func inject(env map[string]project.Value, name, value string) {
	if _, set := env[name]; !set {
		env[name] = project.Value{Text: project.Lit(value)}
	}
}

// A one reads a single process.
type one struct {
	l     *loader
	f     *fields
	id    project.ID
	vars  map[string]any
	plain bool // is_template_disabled: the command is taken as it is
	// several says that it is one of several replicas.
	several bool
}

func (r *one) read(p *project.Project, fd *field, logs project.Log) (*project.Service, *project.Process) {
	l, f := r.l, r.f
	svc := &project.Service{ID: r.id, Type: "custom", Instance: string(r.id), Label: string(r.id), Main: r.id, Pos: fd.pos}
	proc := &project.Process{ID: r.id, Service: r.id, Role: project.Main, Env: map[string]project.Value{}, Log: logs}
	maps.Copy(r.vars, l.variables(f.get("vars")))
	r.plain = f.boolean("is_template_disabled")

	svc.Description = r.render("description", f.text("description", ""))
	svc.Namespace = r.namespace()
	svc.Disabled = f.boolean("disabled")
	if f.get("is_disabled") != nil { // it wins, also to enable what another file disables
		svc.Disabled = f.boolean("is_disabled")
	}
	r.profiles(svc)
	r.command(proc, fd)
	if wd := r.render("working_dir", f.text("working_dir", "")); wd != "" {
		proc.Dir = placeText(wd)
	}
	r.environment(proc)
	r.logs(proc)
	r.dependencies(svc)
	r.availability(proc)
	r.probes(proc)
	r.shutdown(svc, proc)
	r.schedule(svc, proc)
	r.watch(svc)
	r.daemon(proc)
	if proc.Elevated = r.f.boolean("is_elevated"); proc.Elevated {
		svc.SetOption("is_elevated", r.f.pos("is_elevated"))
	}
	proc.TTY = r.f.boolean("is_tty")
	if r.f.boolean("is_interactive") {
		proc.TTY = true
		r.l.note(r.id, r.f.pos("is_interactive"), "is_interactive: \"nix2gpu attach %s\" connects a terminal; its output is also in the log", r.id)
	}
	if proc.Daemon != nil && proc.TTY {
		proc.TTY = false
		r.l.note(r.id, r.f.pos("is_daemon"), "is_daemon: a daemon has no terminal, so is_tty and is_interactive have no effect")
	}
	r.elsewhere(svc)
	for _, code := range f.texts("success_exit_codes") {
		n, err := asInt(code, 0, 255)
		if err != nil {
			l.fail(f.pos("success_exit_codes"), "success_exit_codes %v", err)
			continue
		}
		proc.SuccessCode = append(proc.SuccessCode, n)
	}
	f.ignore("replicas", "extends", "disable_ansi_colors", "truncate_log",
		"monitor_for", "monitor_silence_threshold")
	f.internal(r.id, "replica_num", "replica_name", "name", "original_config", "executable", "args")
	f.done()
	return svc, proc
}

// profiles reads our extension of the format, which docker compose has by that name.
func (r *one) profiles(svc *project.Service) {
	names := r.f.texts("profiles")
	for _, name := range names {
		if name == "" || name == project.AllProfiles || strings.ContainsAny(name, ", ") {
			r.l.fail(r.f.pos("profiles"), "profile %q must be a word without spaces and commas", name)
		}
	}
	switch {
	case len(names) == 0:
	case svc.Disabled:
		r.l.note(r.id, r.f.pos("profiles"), "profiles has no effect: the process is disabled")
	default:
		svc.Profiles, svc.Disabled = names, true
	}
}

// daemon reads whether what the command leaves is the process. Without a time that is set,
// the command may take any, since pulling an image may.
func (r *one) daemon(proc *project.Process) {
	timeout := r.f.number("launch_timeout_seconds", 0, 0, 1<<20)
	switch set := r.f.pos("launch_timeout_seconds"); {
	case r.f.boolean("is_daemon"):
		proc.Daemon = &project.Daemon{}
		if timeout > 0 {
			proc.Daemon.LaunchTimeout = project.For(time.Duration(timeout) * time.Second)
		}
	case r.f.get("launch_timeout_seconds") != nil:
		r.l.note(r.id, set, "launch_timeout_seconds has no effect without is_daemon")
	}
}

// elsewhere reads what only process-compose itself can do.
func (r *one) elsewhere(svc *project.Service) {
	if r.f.get("mcp") != nil {
		r.unsupported(svc, "mcp")
	}
	if r.f.boolean("is_foreground") {
		svc.Disabled = true
		r.l.note(r.id, r.f.pos("is_foreground"), "is_foreground: not started with the others; start it by name")
	}
}

// unsupported marks the service: the rest of the file can run without it.
func (r *one) unsupported(svc *project.Service, key string) {
	if svc.Unsupported == "" {
		svc.Unsupported = key
		svc.Pos = r.f.pos(key)
	}
}

func (r *one) namespace() string {
	n := r.f.get("namespace")
	if n == nil {
		return ""
	}
	if n.kind == list {
		return strings.Join(r.f.texts("namespace"), ",")
	}
	return r.f.text("namespace", "")
}

func (r *one) command(proc *project.Process, fd *field) {
	line := r.render("command", r.f.text("command", ""))
	argv := r.f.texts("entrypoint")
	switch {
	case line != "":
		if len(argv) > 0 {
			r.l.note(r.id, r.f.pos("entrypoint"), "entrypoint has no effect, since command is set")
		}
		proc.Command = r.l.shellCommand(line)
	case len(argv) > 0:
		for _, arg := range argv {
			proc.Command.Exec = append(proc.Command.Exec, project.Lit(arg))
		}
	case r.f.n.get("command") == nil && r.f.n.get("entrypoint") == nil:
		r.l.failHint(fd.pos, "write \"command: …\"", "process %q has no command", fd.key)
	case len(r.l.errs) == 0: // it is there, but empty
		r.l.failHint(fd.pos, "write \"command: …\"", "the command of process %q is empty", fd.key)
	}
}

func (l *loader) shellCommand(line string) project.Command {
	return project.Command{Shell: project.Lit(line), ShellArgv: slices.Clone(l.shell)}
}

func (r *one) environment(proc *project.Process) {
	if disabled := r.f.boolean("is_dotenv_disabled"); r.l.apart && !disabled {
		r.l.addDotEnv(proc.Env)
	}
	for name, value := range r.f.environment("environment") {
		value = r.render("environment", value)
		proc.Env[name] = project.Value{Text: project.Lit(value), Secret: r.l.holdsDotEnv(value)}
	}
	if file := r.f.text("env_file", ""); file != "" {
		at := placeText(file)
		if !path.IsAbs(file) && len(proc.Dir) > 0 { // relative to working_dir
			at = project.Join(proc.Dir, project.Lit("/"+path.Clean(file)))
		}
		proc.EnvFiles = append(proc.EnvFiles, at)
	}
}

func (r *one) dependencies(svc *project.Service) {
	n := r.f.get("depends_on")
	if n == nil {
		return
	}
	if n.kind != object {
		r.l.failHint(n.pos, "write \"depends_on: { db: { condition: process_healthy } }\"", "depends_on must be a map, not %s", n.kind)
		return
	}
	svc.DependsOn = map[project.ID]project.Dependency{}
	for _, fd := range n.fields {
		dep := project.Dependency{Condition: project.Exited, Pos: fd.pos}
		f := r.l.fields(fd.value, fmt.Sprintf("depends_on.%s", fd.key))
		if word := f.get("condition"); word != nil {
			c, err := project.ParseCondition(word.text)
			if err != nil {
				var names []string // of process-compose, whose files these are
				for _, c := range project.Conditions() {
					names = append(names, c.ProcessCompose())
				}
				hint := "must be one of " + strings.Join(names, ", ")
				for _, c := range project.Conditions() {
					names = append(names, string(c))
				}
				if near := spelling.Nearest(word.text, names); near != "" {
					hint = fmt.Sprintf("did you mean %q?", near)
				}
				r.l.failHint(word.pos, hint, "unknown condition %q", word.text)
			}
			dep.Condition = c
		} else {
			r.l.note(r.id, fd.pos, "depends_on.%s has no condition: %q waits until it has ended, as process-compose does (process_completed)", fd.key, r.id)
		}
		dep.Restart = f.boolean("restart")
		f.done()
		svc.DependsOn[project.ID(fd.key)] = dep
	}
}

func (r *one) availability(proc *project.Process) {
	f := r.l.fields(r.f.get("availability"), "availability")
	proc.Restart.Policy = project.RestartNo
	if n := f.get("restart"); n != nil {
		switch policy := project.RestartPolicy(strings.ReplaceAll(n.text, "-", "_")); policy {
		case project.RestartNo, project.RestartOnFailure, project.RestartAlways, project.RestartExitOnFailure, project.RestartUnlessStopped:
			proc.Restart.Policy = policy
		case "false": // "no" as another writer of YAML spells it
		default:
			r.l.fail(n.pos, "restart must be no, on_failure, always, exit_on_failure or unless_stopped, not %q", n.text)
		}
	}
	backoff := f.number("backoff_seconds", 1, 0, 1<<20)
	if proc.Restart.Policy != project.RestartNo {
		proc.Restart.Delay = project.For(time.Duration(max(backoff, 1)) * time.Second) // 0 means the least that there is
	}
	proc.Restart.Max = f.number("max_restarts", 0, 0, 1<<30)
	proc.ExitOnEnd = f.boolean("exit_on_end")
	proc.ExitOnSkipped = f.boolean("exit_on_skipped")
	f.done()
}

func (r *one) probes(proc *project.Process) {
	proc.Readiness = r.probe("readiness_probe")
	if proc.Readiness != nil {
		proc.Readiness.RestartOnFailure = true // as process-compose does
	}
	proc.Liveness = r.probe("liveness_probe")
	line := r.render("ready_log_line", r.f.text("ready_log_line", ""))
	if line == "" {
		return
	}
	if proc.Readiness != nil {
		r.l.fail(r.f.pos("ready_log_line"), "ready_log_line and readiness_probe exclude each other")
		return
	}
	proc.Readiness = &project.Probe{Log: &project.LogCheck{Contains: line}}
}

func (r *one) probe(key string) *project.Probe {
	n := r.f.get(key)
	if n == nil {
		return nil
	}
	f := r.l.fields(n, key)
	p := &project.Probe{
		Period:           project.Duration(time.Duration(f.number("period_seconds", 10, 1, 1<<20)) * time.Second),
		Timeout:          project.Duration(time.Duration(f.number("timeout_seconds", 1, 1, 1<<20)) * time.Second),
		SuccessThreshold: f.number("success_threshold", 1, 1, 1<<20),
		FailureThreshold: f.number("failure_threshold", 3, 1, 1<<20),
	}
	if f.get("initial_delay_seconds") != nil {
		p.InitialDelay = project.For(time.Duration(f.number("initial_delay_seconds", 0, 0, 1<<20)) * time.Second)
	}
	exec, http := f.get("exec"), f.get("http_get")
	switch {
	case exec != nil && http != nil:
		r.l.fail(n.pos, "%s has both exec and http_get", key)
	case exec != nil:
		p.Exec = r.execCheck(exec)
	case http != nil:
		p.HTTP = r.httpCheck(http)
	default:
		r.l.fail(n.pos, "%s must have exec or http_get", key)
	}
	f.done()
	return p
}

func (r *one) execCheck(n *node) *project.ExecCheck {
	f := r.l.fields(n, "exec")
	check := &project.ExecCheck{Command: r.l.shellCommand(r.render("command", f.text("command", "")))}
	if check.Command.Shell.IsEmpty() {
		r.l.failHint(n.pos, "write \"exec: { command: … }\"", "exec has no command")
	}
	if wd := f.text("working_dir", ""); wd != "" {
		check.Dir = placeText(r.render("working_dir", wd))
	}
	f.done()
	return check
}

func (r *one) httpCheck(n *node) *project.HTTPCheck {
	f := r.l.fields(n, "http_get")
	check := &project.HTTPCheck{
		Host:   r.render("host", f.text("host", "")),
		Scheme: r.render("scheme", f.text("scheme", "")),
		Path:   r.render("path", f.text("path", "")),
		Status: f.number("status_code", 200, 100, 599),
		Port:   f.number("num_port", 0, 0, 65535),
	}
	if s := strings.ToLower(check.Scheme); s != "" && s != "http" && s != "https" {
		r.l.fail(f.pos("scheme"), "scheme must be http or https, not %q", check.Scheme)
	}
	if f.get("port") != nil {
		port, err := asIntOf(10, r.render("port", f.text("port", "")), 1, 65535) // a text, so 08080 is 8080
		if err != nil {
			r.l.fail(f.pos("port"), "port %v", err)
		}
		check.Port = port
	}
	if check.Port == 0 {
		check.Port = 80
		if strings.EqualFold(check.Scheme, "https") {
			check.Port = 443
		}
	}
	if h := f.get("headers"); h != nil {
		check.Headers = map[string]string{}
		if h.kind != object {
			r.l.fail(h.pos, "headers must be a map, not %s", h.kind)
		}
		for _, fd := range h.fields {
			check.Headers[fd.key] = r.render("headers", fd.value.text)
		}
	}
	f.done()
	return check
}

func (r *one) shutdown(svc *project.Service, proc *project.Process) {
	f := r.l.fields(r.f.get("shutdown"), "shutdown")
	if line := r.render("command", f.text("command", "")); line != "" {
		c := r.l.shellCommand(line)
		proc.Shutdown.Command = &c
	}
	if f.get("timeout_seconds") != nil {
		proc.Shutdown.Timeout = project.For(time.Duration(f.number("timeout_seconds", 10, 0, 1<<20)) * time.Second)
	}
	if n := f.get("signal"); n != nil {
		text := n.text
		if number, err := asInt(text, 1, 64); err == nil {
			text = strconv.Itoa(number) // 017 is 15 in YAML, and 17 as a signal's name
		}
		sig, err := project.ParseSignal(text)
		if err != nil {
			r.l.fail(n.pos, "signal %v", err)
		}
		proc.Shutdown.Signal = sig
	}
	proc.Shutdown.ParentOnly = f.boolean("parent_only")
	if proc.Shutdown.Keys = f.text("send_keys", ""); proc.Shutdown.Keys != "" {
		svc.SetOption("send_keys", f.pos("send_keys"))
	}
	f.done()
}

// render expands s if it is a template.
func (r *one) render(key, s string) string {
	if r.plain && key == "command" || r.l.wire || !strings.Contains(s, "{{") {
		return s
	}
	text, err := template.Expand(key, s, r.vars)
	if err != nil {
		r.l.fail(r.f.pos(key), "template of %s: %s", key, strings.TrimPrefix(err.Error(), "template: "))
		return s
	}
	return text
}

// resolve turns the names in depends_on of a service into services. The name of a process
// means all of its replicas, its group.
func (l *loader) resolve(p *project.Project, svc *project.Service, groups map[string][]project.ID) {
	resolved := map[project.ID]project.Dependency{}
	for name, dep := range svc.DependsOn {
		ids, ok := groups[string(name)]
		if !ok && p.Services[name] != nil { // one replica by its own name
			ids, ok, dep.Replica = []project.ID{name}, true, p.Services[name].Family != ""
		}
		if !ok {
			hint := ""
			others := slices.DeleteFunc(slices.Sorted(maps.Keys(groups)), func(n string) bool { return n == string(svc.ID) })
			if near := spelling.Nearest(string(name), others); near != "" {
				hint = fmt.Sprintf("did you mean %q?", near)
			}
			l.failHint(dep.Pos, hint, "process %q depends on %q, which does not exist", svc.ID, name)
			continue
		}
		for _, target := range ids {
			if _, own := svc.DependsOn[target]; own && target != name {
				continue // what is said of one replica wins over what is said of all
			}
			resolved[target] = dep
		}
	}
	svc.DependsOn = resolved
	if len(resolved) == 0 {
		svc.DependsOn = nil
	}
}
