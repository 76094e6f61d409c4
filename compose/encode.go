package compose

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/goccy/go-yaml"

	"nix2gpu/project"
)

// EncodeOptions says what is written, and how. The zero value is ready to use.
type EncodeOptions struct {
	// Text shows a text. Default: its String method, which puts the names of places in
	// angle brackets.
	Text func(project.Text) string
	// Services are those to write; nil means all.
	Services []project.ID
}

// Encode writes p as process-compose YAML. The result is for people, not for running:
// secrets are masked.
func Encode(p *project.Project, opts EncodeOptions) ([]byte, error) {
	if opts.Text == nil {
		opts.Text = project.Text.String
	}
	e := &encoder{p: p, text: opts.Text, shell: commonShell(p)}
	doc := mapping{{"version", "0.5"}}
	if p.Name != "" {
		doc = append(doc, entry{"name", p.Name})
	}
	if len(e.shell) > 0 {
		doc = append(doc, entry{"shell", mapping{
			{"shell_command", e.shell[0]}, {"shell_argument", strings.Join(e.shell[1:], " ")},
		}})
	}
	if env := e.environment(p.Container.Env); len(env) > 0 {
		doc = append(doc, entry{"environment", env})
	}
	commands := mapping{}
	for _, name := range slices.Sorted(maps.Keys(p.Container.EnvCommands)) {
		commands = append(commands, entry{name, e.show(p.Container.EnvCommands[name].Command.Shell)})
	}
	doc.add("env_cmds", commands)
	if l := p.Logs; l != nil {
		const mib = 1 << 20
		doc.add("log_configuration", mapping{{"project_max_total_size_mb", int((l.MaxTotal + mib - 1) / mib)}})
	}
	ids := opts.Services
	if ids == nil {
		ids = slices.Collect(maps.Keys(p.Services))
	}
	ids = slices.SortedFunc(slices.Values(ids), func(a, b project.ID) int {
		return strings.Compare(e.name(p.Services[a].Main), e.name(p.Services[b].Main))
	})
	processes := mapping{}
	for _, id := range ids {
		svc := p.Services[id]
		if svc.Schedule != nil && svc.Schedule.Of != "" {
			continue // it is part of the schedule of the first
		}
		for _, pid := range slices.Concat(svc.Init, []project.ID{svc.Main}, svc.Setup) {
			if proc := p.Processes[pid]; proc != nil {
				processes = append(processes, entry{e.name(pid), e.process(svc, proc)})
			}
		}
	}
	doc = append(doc, entry{"processes", processes})
	if x := e.projectExtra(); len(x) > 0 {
		doc = append(doc, entry{"x-nix2gpu", x})
	}
	var b bytes.Buffer
	enc := yaml.NewEncoder(&b, yaml.UseLiteralStyleIfMultiline(true), yaml.IndentSequence(true))
	if err := enc.Encode(doc.ordered()); err != nil {
		return nil, fmt.Errorf("project as YAML: %v", err)
	}
	return b.Bytes(), nil
}

// A mapping is a YAML map that keeps its order. Its method add leaves out empty
// values.
type (
	mapping []entry
	entry   struct {
		key   string
		value any
	}
)

// add appends a field unless its value is the zero one.
func (m *mapping) add(key string, value any) {
	switch v := value.(type) {
	case string:
		if v == "" {
			return
		}
	case int:
		if v == 0 {
			return
		}
	case bool:
		if !v {
			return
		}
	case mapping:
		if len(v) == 0 {
			return
		}
	case []string:
		if len(v) == 0 {
			return
		}
	case nil:
		return
	}
	*m = append(*m, entry{key, value})
}

func (m mapping) ordered() yaml.MapSlice {
	out := make(yaml.MapSlice, len(m))
	for i, e := range m {
		value := e.value
		switch v := value.(type) {
		case mapping:
			value = v.ordered()
		case []mapping:
			list := make([]yaml.MapSlice, len(v))
			for j, item := range v {
				list[j] = item.ordered()
			}
			value = list
		}
		out[i] = yaml.MapItem{Key: e.key, Value: value}
	}
	return out
}

type encoder struct {
	p     *project.Project
	text  func(project.Text) string
	shell []string // of the whole file; nil: bash -c
}

// commonShell returns the shell of all command lines of p, for the head of the file;
// nil if they differ or use the default.
func commonShell(p *project.Project) []string {
	var common []string
	for _, id := range slices.Sorted(maps.Keys(p.Processes)) {
		c := p.Processes[id].Command
		if c.Shell.IsEmpty() {
			continue
		}
		if len(c.ShellArgv) == 0 || common != nil && !slices.Equal(common, c.ShellArgv) {
			return nil
		}
		common = c.ShellArgv
	}
	return common
}

// name returns what a process is called in the file: the label of its service, with
// the suffix of a one-shot.
func (e *encoder) name(id project.ID) string {
	proc := e.p.Processes[id]
	if proc == nil {
		return string(id)
	}
	svc := e.p.Services[proc.Service]
	if svc == nil || svc.Label == "" {
		return string(id)
	}
	return svc.Label + strings.TrimPrefix(string(id), string(proc.Service))
}

func (e *encoder) show(t project.Text) string { return dollars(e.text(t)) }

// dollars escapes what a reader of the file would expand.
func dollars(s string) string { return strings.ReplaceAll(s, "$", "$$") }

func (e *encoder) environment(env map[string]project.Value) []string {
	var out []string
	for _, name := range slices.Sorted(maps.Keys(env)) {
		value := project.Mask
		if !env[name].Secret {
			value = e.show(env[name].Text)
		}
		out = append(out, name+"="+value)
	}
	return out
}

func (e *encoder) process(svc *project.Service, proc *project.Process) mapping {
	m, x := mapping{}, mapping{}
	if proc.Role == project.Main {
		m.add("description", dollars(svc.Description))
	}
	if len(proc.Command.Exec) > 0 {
		argv := make([]string, len(proc.Command.Exec))
		for i, arg := range proc.Command.Exec {
			argv[i] = e.show(arg)
		}
		m.add("entrypoint", argv)
	} else {
		m.add("command", e.show(proc.Command.Shell))
		if !slices.Equal(proc.Command.ShellArgv, e.shell) {
			x.add("shell", proc.Command.ShellArgv)
		}
	}
	m.add("working_dir", e.show(proc.Dir))
	m.add("environment", e.environment(proc.Env))
	for i, file := range proc.EnvFiles {
		if i == 0 {
			m.add("env_file", e.show(file))
			continue
		}
		x.add(fmt.Sprintf("env_file_%d", i+1), e.show(file))
	}
	m.add("namespace", svc.Namespace)
	if svc.Disabled && len(svc.Profiles) > 0 {
		m.add("profiles", svc.Profiles)
	} else {
		m.add("disabled", svc.Disabled)
	}
	if proc.Role == project.Main {
		m.add("schedule", schedule(svc.Schedule))
		m.add("watch", e.watch(svc.Watch))
	}
	m.add("depends_on", e.dependencies(svc, proc))
	m.add("availability", availability(proc, &x))
	m.add("success_exit_codes", ints(proc.SuccessCode))
	e.readiness(proc, &m, &x)
	m.add("liveness_probe", e.probe(proc.Liveness, &x, "liveness_probe"))
	if proc.Startup != nil {
		if p := e.probe(proc.Startup, &x, "startup_probe"); len(p) > 0 {
			x.add("startup_probe", p)
		}
	}
	m.add("shutdown", e.shutdown(proc))
	m.add("log_location", e.show(proc.Log.File))
	m.add("log_configuration", logConfiguration(proc.Log))
	if d := proc.Daemon; d != nil {
		m.add("is_daemon", true)
		if t := d.LaunchTimeout; t != nil {
			m.add("launch_timeout_seconds", int((time.Duration(*t)+time.Second-1)/time.Second))
		}
	}
	m.add("is_elevated", proc.Elevated)
	m.add("is_tty", proc.TTY)
	e.extra(svc, proc, &x)
	m.add("x-nix2gpu", x)
	return m
}

func ints(list []int) any {
	if len(list) == 0 {
		return nil
	}
	return list
}

// dependencies translates dependencies between services into those between
// processes: each process of a service waits for the one before it, the first also
// for other services. To wait for a ready service is to wait for its last set-up
// one-shot.
func (e *encoder) dependencies(svc *project.Service, proc *project.Process) mapping {
	m := mapping{}
	on := func(id project.ID, word string) {
		m = append(m, entry{e.name(id), mapping{{"condition", word}}})
	}
	chain := svc.ProcessIDs()
	at := slices.Index(chain, proc.ID)
	if at > 0 {
		word := project.Completed.ProcessCompose()
		if chain[at-1] == svc.Main {
			word = project.Started.ProcessCompose()
			if main := e.p.Processes[svc.Main]; main != nil && main.Readiness != nil {
				word = project.Ready.ProcessCompose()
			}
		}
		on(chain[at-1], word)
	}
	if at != 0 { // only the first waits for other services
		return m
	}
	for _, id := range slices.Sorted(maps.Keys(svc.DependsOn)) {
		dep, target := svc.DependsOn[id], e.p.Services[id]
		switch {
		case target == nil:
		case dep.Condition == project.Ready && len(target.Setup) > 0:
			on(target.Setup[len(target.Setup)-1], project.Completed.ProcessCompose())
		case dep.Condition == project.Ready && e.p.Processes[target.Main] != nil && e.p.Processes[target.Main].Readiness == nil:
			on(target.Main, project.Started.ProcessCompose())
		default:
			on(target.Main, dep.Condition.ProcessCompose())
		}
	}
	return m
}

func availability(proc *project.Process, x *mapping) mapping {
	m := mapping{}
	policy := proc.Restart.Policy
	if policy == project.RestartUnlessStopped {
		policy = project.RestartAlways
		x.add("restart", string(proc.Restart.Policy))
	}
	if policy != project.RestartNo {
		m.add("restart", string(policy))
	}
	if delay := proc.Restart.Delay; delay != nil {
		d := time.Duration(*delay)
		m.add("backoff_seconds", int((d+time.Second-1)/time.Second))
		if d%time.Second != 0 {
			x.add("restart_delay", d.String())
		}
	}
	if limit := proc.Restart.DelayMax; limit != nil {
		x.add("restart_delay_max", time.Duration(*limit).String())
	}
	if proc.Restart.Backoff != 0 {
		x.add("restart_delay_backoff", proc.Restart.Backoff)
	}
	m.add("max_restarts", proc.Restart.Max)
	m.add("exit_on_end", proc.ExitOnEnd)
	m.add("exit_on_skipped", proc.ExitOnSkipped)
	return m
}

func (e *encoder) readiness(proc *project.Process, m, x *mapping) {
	if p := proc.Readiness; p != nil && p.Log != nil && p.Log.Contains != "" {
		m.add("ready_log_line", dollars(p.Log.Contains))
		return
	}
	m.add("readiness_probe", e.probe(proc.Readiness, x, "readiness_probe"))
}

// probe returns a probe that the format knows. For any other it returns nil and says
// under x-nix2gpu what that checks.
func (e *encoder) probe(p *project.Probe, x *mapping, key string) mapping {
	if p == nil {
		return nil
	}
	m := mapping{}
	switch {
	case p.Exec != nil:
		exec := mapping{}
		exec.add("command", e.commandLine(p.Exec.Command))
		exec.add("working_dir", e.show(p.Exec.Dir))
		m.add("exec", exec)
	case p.HTTP != nil:
		get := mapping{}
		get.add("host", p.HTTP.Host)
		get.add("scheme", p.HTTP.Scheme)
		get.add("path", dollars(p.HTTP.Path))
		get.add("port", fmt.Sprint(p.HTTP.Port))
		headers := mapping{}
		for _, name := range slices.Sorted(maps.Keys(p.HTTP.Headers)) {
			headers.add(name, dollars(p.HTTP.Headers[name]))
		}
		get.add("headers", headers)
		get.add("status_code", p.HTTP.Status)
		m.add("http_get", get)
	default:
		x.add(key, e.otherCheck(p))
		return nil
	}
	seconds := func(key string, d time.Duration) {
		if d > 0 {
			m.add(key, int(max((d+time.Second-1)/time.Second, 1)))
		}
	}
	if p.InitialDelay != nil {
		seconds("initial_delay_seconds", time.Duration(*p.InitialDelay))
	}
	seconds("period_seconds", time.Duration(p.Period))
	seconds("timeout_seconds", time.Duration(p.Timeout))
	m.add("success_threshold", p.SuccessThreshold)
	m.add("failure_threshold", p.FailureThreshold)
	return m
}

func (e *encoder) otherCheck(p *project.Probe) string {
	at := func(host string, port int) string {
		if host == "" {
			host = "127.0.0.1"
		}
		return fmt.Sprintf("%s:%d", host, port)
	}
	switch {
	case p.TCP != nil:
		return "tcp " + at(p.TCP.Host, p.TCP.Port)
	case p.GRPC != nil:
		return "grpc " + at(p.GRPC.Host, p.GRPC.Port)
	case p.Server != nil && len(p.Server.Socket) > 0:
		return p.Server.Protocol + " " + e.show(p.Server.Socket)
	case p.Server != nil:
		return p.Server.Protocol + " " + at(p.Server.Host, p.Server.Port)
	case p.Log != nil:
		return "log line matching " + dollars(p.Log.Pattern)
	case p.Notify != nil && p.Notify.Socket:
		return "notify socket"
	case p.Notify != nil:
		return fmt.Sprintf("notify descriptor %d", p.Notify.FD)
	case p.GPU != nil:
		return "gpu"
	}
	return "none"
}

// commandLine returns a command as one shell line, where the format takes no list.
func (e *encoder) commandLine(c project.Command) string {
	if len(c.Exec) == 0 {
		return e.show(c.Shell)
	}
	words := make([]string, len(c.Exec))
	for i, arg := range c.Exec {
		words[i] = e.show(arg)
		if words[i] == "" || strings.ContainsAny(words[i], " \t\n'\"\\;&|<>()*?[]#~`") {
			words[i] = "'" + strings.ReplaceAll(words[i], "'", `'\''`) + "'"
		}
	}
	return strings.Join(words, " ")
}

func (e *encoder) shutdown(proc *project.Process) mapping {
	m, s := mapping{}, proc.Shutdown
	if s.Command != nil {
		m.add("command", e.commandLine(*s.Command))
	}
	m.add("send_keys", dollars(s.Keys))
	if s.Signal != project.SIGTERM { // add leaves out 0, which means that none is set
		m.add("signal", int(s.Signal))
	}
	if s.Timeout != nil {
		m.add("timeout_seconds", int((time.Duration(*s.Timeout)+time.Second-1)/time.Second))
	}
	m.add("parent_only", s.ParentOnly)
	return m
}

// extra adds to x what the format can't say about a process.
func (e *encoder) extra(svc *project.Service, proc *project.Process, x *mapping) {
	if svc.Type != "custom" {
		x.add("service", string(svc.ID))
	}
	x.add("not_supported", svc.Unsupported)
	x.add("user", proc.User)
	x.add("kill_mode", string(proc.KillMode))
	var dirs, keep []string
	for _, d := range proc.Dirs {
		dirs = append(dirs, e.show(d.Path))
		if d.Keep {
			keep = append(keep, e.show(d.Path))
		}
	}
	x.add("dirs", dirs)
	x.add("keep", keep)
	files, lent := mapping{}, mapping{}
	for _, f := range proc.Files {
		if len(f.Source) > 0 {
			lent.add(e.show(f.Path), e.show(f.Source))
		} else {
			files.add(e.show(f.Path), e.show(f.Content))
		}
	}
	x.add("files", files)
	x.add("lent", lent)
	credentials := mapping{}
	for _, file := range slices.Sorted(maps.Keys(proc.Credentials)) {
		credentials.add(file, proc.Credentials[file])
	}
	x.add("credentials", credentials)
	var packages []string
	for _, p := range proc.Packages {
		packages = append(packages, p.Attr)
	}
	x.add("packages", packages)
	limits := mapping{}
	limits.add("memory", int(proc.Limits.Memory))
	if proc.Limits.CPUs != 0 {
		limits.add("cpus", proc.Limits.CPUs)
	}
	limits.add("pids", int(proc.Limits.Pids))
	limits.add("nofile", int(proc.Limits.NoFile))
	limits.add("io", e.io(&proc.Limits.IO))
	limits.add("ulimits", ulimits(proc.Limits.Rlimits))
	x.add("limits", limits)
	settings(x, &proc.Settings)
	e.sandbox(x, &proc.Settings)
	if proc.Role == project.Main {
		var ports []string
		for _, p := range svc.Ports {
			ports = append(ports, fmt.Sprint(p.Port))
		}
		x.add("ports", ports)
		if g := svc.GPUs; g != nil {
			gpus := mapping{}
			if g.All {
				gpus.add("all", true)
			}
			gpus.add("count", g.Count)
			gpus.add("devices", g.Devices)
			x.add("gpus", gpus)
		}
	}
}

// secret returns where a secret comes from, never its content.
func (e *encoder) secret(s project.Secret) mapping {
	m := mapping{}
	m.add("file", e.show(s.File))
	m.add("age", e.show(s.Age))
	m.add("env", s.Env)
	var identities []string
	for _, file := range s.Identities {
		identities = append(identities, e.show(file))
	}
	m.add("identities", identities)
	m.add("owner", s.Owner)
	m.add("mode", s.Mode)
	m.add("link", e.show(s.Link))
	return m
}

// projectExtra returns what the format can't say about a project.
func (e *encoder) projectExtra() mapping {
	x, p := mapping{}, e.p
	x.add("when_done", string(p.WhenDone))
	x.add("on_failed", string(p.OnFailed))
	if p.StopTimeout != nil {
		x.add("stop_timeout", time.Duration(*p.StopTimeout).String())
	}
	if l := p.Listen; l != nil {
		m := mapping{}
		m.add("address", l.Address)
		m.add("token_file", l.TokenFile)
		m.add("cert_file", l.CertFile)
		m.add("key_file", l.KeyFile)
		m.add("allow", l.Allow)
		m.add("hosts", l.Hosts)
		x.add("listen", m)
	}
	if p.Metrics != nil {
		x.add("metrics_listen", p.Metrics.Listen)
	}
	x.add("exposed_ports", p.Container.ExposedPorts)
	x.add("user", p.Container.User)
	x.add("working_dir", p.Container.WorkingDir)
	x.add("cuda", p.Container.CUDA)
	files, links := mapping{}, mapping{}
	for _, name := range slices.Sorted(maps.Keys(p.Files)) {
		switch f := p.Files[name]; {
		case f.Folder:
			files.add(name+"/", "")
		case len(f.Link) > 0:
			links.add(name, e.show(f.Link))
		default:
			files.add(name, e.show(f.Content))
		}
	}
	x.add("files", files)
	x.add("links", links)
	secrets := mapping{}
	for _, name := range slices.Sorted(maps.Keys(p.Secrets)) {
		secrets.add(name, e.secret(p.Secrets[name]))
	}
	x.add("secrets", secrets)
	users := mapping{}
	for _, name := range slices.Sorted(maps.Keys(p.Users)) {
		u := p.Users[name]
		users.add(name, fmt.Sprintf("%d:%d:%s", u.UID, u.GID, u.Home))
	}
	x.add("users", users)
	return x
}

// io is what limits say of disks, in the words of a definition.
func (e *encoder) io(io *project.IO) (m mapping) {
	m.add("weight", io.Weight)
	each := func(option string, of func(*project.IOMax) int64) {
		var paths mapping
		for i := range io.Max {
			paths.add(e.show(io.Max[i].Path), int(of(&io.Max[i])))
		}
		m.add(option, paths)
	}
	each("readBandwidthMax", func(m *project.IOMax) int64 { return m.ReadBytes })
	each("writeBandwidthMax", func(m *project.IOMax) int64 { return m.WriteBytes })
	each("readIOPSMax", func(m *project.IOMax) int64 { return m.ReadOps })
	each("writeIOPSMax", func(m *project.IOMax) int64 { return m.WriteOps })
	return m
}
