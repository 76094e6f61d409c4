package catalog

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"

	"nix2gpu/nix/module"
	"nix2gpu/project"
)

// Shorthands for the declarations of this package.
var (
	nullStr    = module.NullOr(module.String)
	filePath   = module.OneOf(module.String, module.Path)
	secretText = module.OneOf(module.String, secretRef)              // a password: as text, or better, from a secret
	keyFile    = module.OneOf(module.String, module.Path, secretRef) // a file that other users must not read
	program    = module.OneOf(module.String, module.Path, module.Package, module.ListOf(module.OneOf(module.String, module.Path, module.Package)))
	seconds    = module.Like(module.OneOf(module.Number, module.String), "5s") // 5, 0.5, "1m30s"
	envValue   = module.NullOr(module.OneOf(module.String, module.Bool, module.Number, module.Path, module.Package, secretRef))
	secretRef  = module.Submodule(module.Schema{Options: module.Options{
		"secret": {Type: module.String, Description: "The name of a secret, one of the container's secrets."},
	}})
)

// opt is an option that may be left out.
func opt(t module.Type, doc string) module.Option {
	return module.Option{Type: module.NullOr(t), Default: module.Null, Description: doc}
}

// def is an option with a default.
func def(t module.Type, value any, doc string) module.Option {
	return module.Option{Type: t, Default: value, Description: doc}
}

// inert is an option that definitions for NixOS set and that has no effect here, of
// which its users are told.
func inert(t module.Type, why string) module.Option {
	return module.Option{Type: module.NullOr(t), Default: module.Null, NoEffect: why, Description: "Without effect: " + why + "."}
}

// commonOptions returns the options that every instance of a type has.
func commonOptions(t *ServiceType) module.Options {
	typ := t.Name
	options := withSettings(module.Options{
		"enable":      module.Enable("this service"),
		"description": def(module.String, "", "What the service is for, in one line."),
		"namespace": {Type: module.String, DefaultText: `"` + typ + `.<name>"`, Description: "A group of services that the command line can name at once.",
			DefaultFrom: func(c *module.Config) any { return typ + "." + c.Name() }},
		"profiles": {Type: module.ListOf(module.String), Default: []any{}, Example: []any{"debug"},
			Description: "Start the service only with one of these profiles (--profile, NIX2GPU_PROFILES), or when it is named."},
		"dataDir": {Type: filePath, DefaultText: `"./data/` + typ + `/<name>"`, Description: "Where the service keeps its data, relative to the definition's folder.",
			DefaultFrom: func(c *module.Config) any { return "./data/" + typ + "/" + c.Name() }},
		"user": {Type: module.NullOr(module.OneOf(module.String, module.Int)), Default: module.Null,
			Description: "Who the service runs as, where nix2gpu runs as root. A name or a number; null is the type's own user, or the container's."},
		"environment": {Type: module.OneOf(module.ListOf(module.String), module.AttrsOf(envValue)), Default: map[string]any{}, Example: map[string]any{"PORT": "8080"},
			Description: "Environment variables. null leaves a variable as it is; `{ secret = \"name\"; }` takes the value from a secret of the container."},
		"credentials": {Type: module.OneOf(module.ListOf(module.String), module.AttrsOf(module.OneOf(module.String, secretRef))), Default: []any{}, Example: []any{"hf"},
			Description: "Secrets that the service finds as files in the folder $CREDENTIALS_DIRECTORY, which it alone can read: their names, or the name of each file with that of its secret."},
		"environmentFile": {Type: module.NullOr(module.OneOf(module.String, module.Path, module.ListOf(filePath))), Default: module.Null,
			Description: "Files of KEY=VALUE lines, read at each start. One that begins with \"-\" may be missing."},
		"environmentFiles": def(module.ListOf(filePath), []any{}, "Further files, as environmentFile has them."),
		"working_dir":      opt(filePath, "The folder in which the service starts, relative to the definition's folder."),
		"depends_on": {Type: module.AttrsOf(module.Like(module.OneOf(module.String, dependencySchema()), "ready")), Default: map[string]any{}, Example: map[string]any{"postgresql": "ready"},
			Description: "What to wait for before a start: a service, by its type or instance, and the condition \"started\", \"ready\", \"completed\", \"exited\" or \"log_ready\"."},

		"restart":               opt(module.String, "After which exits the service is started again: \"no\", \"on_failure\" (the default), \"always\", \"unless_stopped\" or \"exit_on_failure\"."),
		"restart_delay":         opt(seconds, "How long to wait before a restart: seconds, or text such as \"5s\". The default is half a second."),
		"restart_delay_max":     opt(seconds, "The longest wait before a restart."),
		"restart_delay_backoff": opt(module.PositiveNumber, "The factor from one wait to the next. The default is 2, but 1 when restart_delay is set."),
		"max_restarts":          opt(module.UnsignedInt, "How many restarts in a row, without a good run between them, are tried. null or 0 is no limit."),
		"availability":          opt(module.Submodule(module.Schema{Options: availability()}), "When to restart the service and when to end everything, in the words of process-compose."),

		"readiness_probe": opt(probeType(), "When the service is ready."),
		"liveness_probe":  opt(probeType(), "Whether the service is still alive; when not, it is restarted."),
		"startup_probe":   opt(probeType(), "Whether the service has started; until then the other probes wait."),
		"ready_log_line":  opt(module.String, "A part of the line of output that says the service is ready."),

		"shutdown": {Set: module.Options{
			"command":         opt(program, "Run to stop the service, before the signal."),
			"send_keys":       opt(module.Like(module.String, "q"), "Typed into its terminal to stop the service, before the signal; it needs tty. Escapes are \\r, \\n, \\t, \\e and \\x03, as in process-compose."),
			"signal":          opt(module.Like(module.OneOf(module.String, module.Int), "SIGTERM"), "The signal that stops the service; SIGTERM unless set."),
			"timeout_seconds": opt(seconds, "How long the service may take to stop before it is killed; 10 seconds unless set."),
			"parent_only":     def(module.Bool, false, "Send the signal to the process only, and not to its children."),
		}},
		"limits": {Set: module.Options{
			"memory":  opt(module.Like(module.OneOf(module.Int, module.String), "512M"), "Memory that the service may use: bytes, or text such as \"8G\"."),
			"cpus":    opt(module.Like(module.OneOf(module.Number, module.String), 1.5), "How many CPUs the service may use, such as 1.5."),
			"pids":    opt(module.PositiveInt, "How many processes the service may have."),
			"nofile":  opt(module.PositiveInt, "How many files a process may have open."),
			"io":      {Set: ioOptions()},
			"ulimits": ulimitsOption(),
		}},
		"log": {Set: logOptions()},
		"gpus": {Type: module.NullOr(module.OneOf(module.Enum("all", "none"), module.PositiveInt, module.ListOf(module.OneOf(module.UnsignedInt, module.String)))), Default: module.Null,
			Example: []any{int64(0), int64(1)},
			Description: "The GPUs that the service needs: a list of numbers or UUIDs, a number of GPUs (the first ones), \"all\" or \"none\". " +
				"It sees these only, by CUDA_VISIBLE_DEVICES. Unless set, it is taken from that variable, " +
				"and a custom service of a container with cudaPackages needs all."},
		"gpu":              {Set: needOptions()},
		"successExitCodes": def(module.ListOf(module.U8), []any{}, "Further exit codes that mean success; 0 always does."),
	})
	if t.Package != "" {
		options["package"] = module.PackageOption(t.Package)
	}
	return options
}

// needOptions are the options that ask for GPUs.
func needOptions() module.Options {
	return module.Options{
		"count":  opt(module.PositiveInt, "How many GPUs there must be."),
		"memory": opt(module.Like(module.OneOf(module.PositiveInt, module.String), "24G"), "How much memory each of them must have, used or not: bytes, or text such as \"24G\"."),
		"uuid":   opt(module.OneOf(module.String, module.ListOf(module.String)), "The UUIDs of certain GPUs or MIG devices, as nvidia-smi -L shows them."),
	}
}

var dependencySchema = sync.OnceValue(func() module.Type {
	return module.Submodule(module.Schema{Options: module.Options{
		"condition": opt(module.Like(module.String, "ready"), "What to wait for; \"ready\" unless set."),
		"restart":   def(module.Bool, false, "Restart this service when the other one restarts."),
	}})
})

var availability = sync.OnceValue(func() module.Options {
	return module.Options{
		"restart":         opt(module.String, "As restart of the service."),
		"backoff_seconds": opt(seconds, "As restart_delay of the service."),
		"max_restarts":    opt(module.UnsignedInt, "As max_restarts of the service."),
		"exit_on_end":     def(module.Bool, false, "End everything when this service has ended."),
		"exit_on_skipped": def(module.Bool, false, "End everything when this service cannot be started."),
	}
})

var probeType = sync.OnceValue(func() module.Type {
	return module.Submodule(module.Schema{Options: module.Options{
		"exec": opt(module.Submodule(module.Schema{Options: module.Options{
			"command":     {Type: program, Description: "Succeeds when it exits with 0."},
			"working_dir": opt(filePath, "Where it runs; as the service unless set."),
		}}), "Run a command."),
		"http_get": opt(module.Submodule(module.Schema{Options: module.Options{
			"host":        def(module.String, "127.0.0.1", "The host to ask."),
			"scheme":      def(module.Enum("http", "https", "HTTP", "HTTPS"), "http", "How to ask."),
			"path":        def(module.String, "/", "The path to ask for."),
			"port":        {Type: module.OneOf(module.Port, module.String), Description: "The port to ask."},
			"headers":     def(module.NullOr(module.AttrsOf(module.String)), map[string]any{}, "Headers of the request."),
			"status_code": opt(module.Int, "The status that is a success; any 2xx or 3xx unless set."),
		}}), "Ask a web server."),
		"tcp_socket": opt(tcpType(), "Another name of tcp, in the words of Kubernetes."),
		"tcp":        opt(tcpType(), "Connect to a port."),
		"grpc": opt(module.Submodule(module.Schema{Options: module.Options{
			"host":    def(module.String, "127.0.0.1", "The host to ask."),
			"port":    {Type: module.OneOf(module.Port, module.String), Description: "The port to ask."},
			"service": def(module.String, "", "The service to ask about."),
		}}), "Ask the health service of a gRPC server."),
		"log_line": opt(module.String, "Succeeds once a line of output contains this."),
		"log":      opt(module.String, "Succeeds once a line of output matches this regular expression."),
		"gpu":      opt(module.Submodule(module.Schema{Options: needOptions()}), "Succeeds when nvidia-smi shows these GPUs, by count, memory and uuid; one GPU, if none of them is set. An attempt may take 20 seconds unless timeout_seconds is set."),
		"notify":   opt(module.OneOf(module.Bool, module.Int), "Succeeds when the service says so: true for sd_notify, a number for a newline on that descriptor."),

		"initial_delay_seconds": opt(seconds, "How long to wait before the first attempt. With 0, and unless set, attempts begin at once and in quick succession."),
		"period_seconds":        opt(seconds, "The time between two attempts; 10 seconds unless set."),
		"timeout_seconds":       opt(seconds, "How long one attempt may take; 1 second unless set."),
		"success_threshold":     opt(module.PositiveInt, "After how many successes in a row the probe has succeeded; 1 unless set."),
		"failure_threshold":     opt(module.PositiveInt, "After how many failures in a row the probe has failed; 3 unless set."),
	}})
})

var tcpType = sync.OnceValue(func() module.Type {
	return module.Submodule(module.Schema{Options: module.Options{
		"host": def(module.String, "127.0.0.1", "The host to connect to."),
		"port": {Type: module.OneOf(module.Port, module.String), Description: "The port to connect to."},
	}})
})

// applyCommon applies the common options that the user has set to the processes that
// the type has made.
func (in *Instance) applyCommon(main *project.Process) {
	for _, id := range in.service.ProcessIDs() {
		proc := in.project.Processes[id]
		in.addEnvironment(proc)
		if in.Has("working_dir") {
			proc.Dir = in.Path("working_dir")
		}
	}
	in.applyGPUs()
	in.applyRestart(main)
	if p := in.probe("readiness_probe"); p != nil {
		main.Readiness = p
	}
	if in.Has("ready_log_line") {
		if in.Has("readiness_probe") {
			in.Get("ready_log_line").Errorf("ready_log_line and readiness_probe must not both be set")
		}
		main.Readiness = &project.Probe{Log: &project.LogCheck{Contains: in.String("ready_log_line")}}
	}
	if p := in.probe("liveness_probe"); p != nil {
		main.Liveness = p
	}
	if p := in.probe("startup_probe"); p != nil {
		main.Startup = p
	}
	in.applyShutdown(main)
	in.applyLimits(main)
	in.applySettings(main)
	in.applyLog()
	for _, c := range in.List("successExitCodes") {
		main.SuccessCode = append(main.SuccessCode, c.Int())
	}
}

func (in *Instance) addEnvironment(proc *project.Process) {
	switch in.Kind("environment") {
	case module.KindList:
		for _, c := range in.List("environment") {
			text := in.place.Text(c.Str())
			name, value, ok := strings.Cut(text[0].Literal, "=")
			if !ok {
				c.Errorf("must be \"NAME=VALUE\", not %q", c.String())
				continue
			}
			proc.Env[name] = project.Value{Text: project.Join(project.Lit(value), text[1:])}
		}
	default:
		for _, c := range in.Each("environment") {
			if c.Kind() == module.KindAttrs {
				if name := in.secretName(c.Get("secret")); name != "" {
					proc.Env[c.Name()] = project.Value{Text: project.SecretContent(name), Secret: true}
				}
			} else if c.Has() {
				proc.Env[c.Name()] = project.Value{Text: in.scalar(c)}
			}
		}
	}
	in.addCredentials(proc)
	files := in.Get("environmentFile")
	list := in.List("environmentFiles")
	if files.Kind() == module.KindList {
		list = append(files.List(), list...)
	} else if files.Has() {
		list = append([]*module.Config{files}, list...)
	}
	for _, c := range list {
		s := c.Str()
		if rest, optional := strings.CutPrefix(s.S, "-"); optional {
			s.S = rest
			proc.EnvFiles = append(proc.EnvFiles, project.Join(project.Lit("-"), in.place.Path(s)))
			continue
		}
		proc.EnvFiles = append(proc.EnvFiles, in.place.Path(s))
	}
}

// scalar is a string, number or truth value as a program is given it.
func (in *Instance) scalar(c *module.Config) project.Text { return in.place.Scalar(c) }

// policies are the words of restart: nix2gpu's, systemd's and docker's.
var policies = map[string]project.RestartPolicy{
	"no": project.RestartNo, "never": project.RestartNo, "none": project.RestartNo,
	"on_failure": project.RestartOnFailure, "on-failure": project.RestartOnFailure, "on_abnormal": project.RestartOnFailure,
	"always":         project.RestartAlways,
	"unless_stopped": project.RestartUnlessStopped, "unless-stopped": project.RestartUnlessStopped,
	"exit_on_failure": project.RestartExitOnFailure, "exit-on-failure": project.RestartExitOnFailure,
}

func (in *Instance) applyRestart(main *project.Process) {
	r := &main.Restart
	r.Policy = project.RestartOnFailure
	if in.service.Schedule != nil {
		r.Policy = project.RestartNo
	}
	word := in.Get("restart")
	if !word.Has() {
		word = in.Get("availability", "restart")
	}
	if word.Has() {
		policy, ok := policies[word.String()]
		if !ok {
			var words []string // one word for each meaning
			for _, p := range policies {
				words = append(words, string(p))
			}
			slices.Sort(words)
			word.Errorf("restart must be one of %s, not %q", wordList(slices.Compact(words)), word.String())
		}
		r.Policy = policy
	}
	r.Delay = in.pause("restart_delay")
	if r.Delay == nil {
		r.Delay = in.pause("availability", "backoff_seconds")
	}
	r.DelayMax = in.pause("restart_delay_max")
	if in.Has("restart_delay_backoff") {
		r.Backoff = in.Float("restart_delay_backoff")
	}
	r.Max = in.Int("max_restarts")
	if !in.Has("max_restarts") {
		r.Max = in.Int("availability", "max_restarts")
	}
	main.ExitOnEnd = in.Bool("availability", "exit_on_end")
	main.ExitOnSkipped = in.Bool("availability", "exit_on_skipped")
}

func (in *Instance) applyShutdown(main *project.Process) {
	if in.Has("shutdown", "command") {
		cmd := in.command(in.Get("shutdown", "command"))
		main.Shutdown.Command = &cmd
	}
	if keys := in.Get("shutdown", "send_keys"); keys.Has() {
		main.Shutdown.Keys = keys.String()
		in.service.SetOption("send_keys", in.place.pos(keys.Pos()))
	}
	switch sig := in.Get("shutdown", "signal"); sig.Kind() {
	case module.KindInt:
		main.Shutdown.Signal = readSignal(sig, strconv.Itoa(sig.Int()))
	case module.KindStr:
		main.Shutdown.Signal = readSignal(sig, sig.String())
	}
	if t := in.pause("shutdown", "timeout_seconds"); t != nil {
		main.Shutdown.Timeout = t
	}
	if in.Bool("shutdown", "parent_only") {
		main.Shutdown.ParentOnly = true
	}
}

func readSignal(sig *module.Config, text string) project.Signal {
	s, err := project.ParseSignal(text)
	if err != nil {
		sig.Errorf("signal %v", err)
	}
	return s
}

func (in *Instance) applyLimits(main *project.Process) {
	main.Limits.Memory = in.bytes("limits", "memory")
	cpus := in.Get("limits", "cpus")
	switch cpus.Kind() {
	case module.KindInt, module.KindFloat:
		main.Limits.CPUs = cpus.Float()
	case module.KindStr:
		n, err := strconv.ParseFloat(cpus.String(), 64)
		if err != nil || n <= 0 {
			cpus.Errorf("cpus must be a number such as 1.5, not %q", cpus.String())
		}
		main.Limits.CPUs = n
	}
	main.Limits.Pids = int64(in.Int("limits", "pids"))
	main.Limits.NoFile = uint64(in.Int("limits", "nofile"))
	in.applyIO(&main.Limits.IO)
}

func wordList(words []string) string {
	slices.Sort(words)
	quoted := make([]string, len(words))
	for i, w := range words {
		quoted[i] = fmt.Sprintf("%q", w)
	}
	return strings.Join(quoted, ", ")
}
