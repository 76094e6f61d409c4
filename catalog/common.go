package catalog

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"nix2gpu/nix/module"
	"nix2gpu/project"
)

// Words returns the types that rows of options name, beside those of the module system.
func Words(word string) module.Type {
	switch word {
	case "ref": // a secret, in place of a text
		return module.Submodule(module.Schema{Options: options([]row{
			{"secret", "required string", "The name of a secret, one of the container's secrets."},
		})})
	case "secret": // a password: as text, or better, from a secret
		return module.OneOf(module.String, Words("ref"))
	case "key": // a file that other users must not read
		return module.OneOf(module.String, module.Path, Words("ref"))
	case "program":
		return module.OneOf(module.String, module.Path, module.Package, module.ListOf(module.OneOf(module.String, module.Path, module.Package)))
	case "seconds": // 5, 0.5, "1m30s"
		return module.Like(module.OneOf(module.Number, module.String), "5s")
	case "factor":
		return module.PositiveNumber
	case "bucket":
		return module.Matching("[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]", "name of a bucket")
	case "tag":
		return module.Matching("tag:[a-zA-Z][a-zA-Z0-9-]*", "tag such as tag:api")
	case "probe":
		return module.Later(probeType)
	}
	return nil
}

// A row declares one option of a type, or of what is inside one.
type row = module.Row

// options declares what rows say.
func options(rows []row) module.Options { return module.Rows(rows, Words) }

// commonOptions returns the options that every instance of a type has.
func commonOptions(t *ServiceType) module.Options {
	all := options(commonRows)
	for name, where := range map[string]string{"namespace": t.Name + ".", "dataDir": "./data/" + t.Name + "/"} {
		o := all[name]
		o.DefaultText = `"` + where + `<name>"`
		o.DefaultFrom = func(c *module.Config) any { return where + c.Name() }
		all[name] = o
	}
	all["limits"].Set["ulimits"] = ulimitsOption()
	all["gpu"] = module.Option{Set: options(gpuRows)}
	if t.Package != "" {
		all["package"] = module.PackageOption(t.Package)
		maps.Copy(all, options(nixosRows))
	}
	return all
}

// nixosRows are what nearly every module of NixOS has beside these.
var nixosRows = []row{
	{"group", "inert string", "the group is that of the user"},
	{"openFirewall", "inert bool", "nothing is closed here, and exposedPorts says what the container offers"},
}

var commonRows = []row{
	{"enable", "bool e.g. true", "Whether to enable this service."},
	{"description", "string", "What the service is for, in one line."},
	{"namespace", "required string", "A group of services that the command line can name at once."},
	{"profiles", "list string e.g. [ \"debug\" ]", "Start the service only with one of these profiles (--profile, NIX2GPU_PROFILES), or when it is named."},
	{"dataDir", "required file", "Where the service keeps its data, relative to the definition's folder."},
	{"user", "null string | int", "Who the service runs as, where nix2gpu runs as root. A name or a number; null is the type's own user, or the container's."},
	{"environment", "(list string) | attrs null string | bool | number | path | package | ref = { } e.g. { PORT = \"8080\"; }", "Environment variables. null leaves a variable as it is; `{ secret = \"name\"; }` takes the value from a secret of the container."},
	{"credentials", "(list string) | attrs string | ref = [ ] e.g. [ \"hf\" ]", "Secrets that the service finds as files in the folder $CREDENTIALS_DIRECTORY, which it alone can read: their names, or the name of each file with that of its secret."},
	{"environmentFile", "null string | path | list file", "Files of KEY=VALUE lines, read at each start. One that begins with \"-\" may be missing."},
	{"environmentFiles", "list file", "Further files, as environmentFile has them."},
	{"working_dir", "null file", "The folder in which the service starts, relative to the definition's folder."},
	{"depends_on", "attrs string | {} ~ ready e.g. { postgresql = \"ready\"; }", "What to wait for before a start: a service, by its type or instance, and the condition \"started\", \"ready\", \"completed\", \"exited\" or \"log_ready\"."},
	{"  condition", "null string ~ ready", "What to wait for; \"ready\" unless set."},
	{"  restart", "bool", "Restart this service when the other one restarts."},

	{"watch", "null {}", "Files whose change restarts the service, once nothing more changes for a moment."},
	{"  paths", "required list string | path | {}", "Which folders and files: the path alone, or with patterns."},
	{"    path", "required file", "A folder, with all that is below, or a file; relative to the definition's folder."},
	{"    include", "null list string e.g. [ \"*.py\" \"templates/**\" ]", "What counts; all does unless set. A pattern with a slash is about the path below the folder, another one about the name."},
	{"    exclude", "null list string e.g. [ \"*.tmp\" ]", "What does not count. Folders that it names are not looked into."},
	{"  cascade", "bool", "Restart what depends on the service, too, and what depends on that."},
	{"  debounce", "null seconds", "For how long nothing more must change before the restart: seconds, or text such as \"1s\"; 0.3 seconds unless set."},
	{"  max_entries", "null positive", "How many folders may be watched; 8192 unless set."},
	{"  disable_default_excludes", "bool", "Watch also what nobody edits, such as .git and node_modules."},

	{"restart", "null string", "After which exits the service is started again: \"no\", \"on_failure\" (the default), \"always\", \"unless_stopped\" or \"exit_on_failure\"."},
	{"restart_delay", "null seconds", "How long to wait before a restart: seconds, or text such as \"5s\". The default is half a second."},
	{"restart_delay_max", "null seconds", "The longest wait before a restart."},
	{"restart_delay_backoff", "null factor", "The factor from one wait to the next. The default is 2, but 1 when restart_delay is set."},
	{"max_restarts", "null unsigned", "How many restarts in a row, without a good run between them, are tried. null or 0 is no limit."},
	{"availability", "null {}", "When to restart the service and when to end everything, in the words of process-compose."},
	{"  restart", "null string", "As restart of the service."},
	{"  backoff_seconds", "null seconds", "As restart_delay of the service."},
	{"  max_restarts", "null unsigned", "As max_restarts of the service."},
	{"  exit_on_end", "bool", "End everything when this service has ended."},
	{"  exit_on_skipped", "bool", "End everything when this service cannot be started."},

	{"readiness_probe", "null probe", "When the service is ready."},
	{"liveness_probe", "null probe", "Whether the service is still alive; when not, it is restarted."},
	{"startup_probe", "null probe", "Whether the service has started; until then the other probes wait."},
	{"ready_log_line", "null string", "A part of the line of output that says the service is ready."},

	{"shutdown", "set"},
	{"  command", "null program", "Run to stop the service, before the signal."},
	{"  send_keys", "null string ~ q", "Typed into its terminal to stop the service, before the signal; it needs tty. Escapes are \\r, \\n, \\t, \\e and \\x03, as in process-compose."},
	{"  signal", "null string | int ~ SIGTERM", "The signal that stops the service; SIGTERM unless set."},
	{"  timeout_seconds", "null seconds", "How long the service may take to stop before it is killed; 10 seconds unless set."},
	{"  parent_only", "bool", "Send the signal to the process only, and not to its children."},
	{"limits", "set"},
	{"  memory", "null int | string ~ 512M", "Memory that the service may use: bytes, or text such as \"8G\"."},
	{"  cpus", "null number | string ~ 1.5", "How many CPUs the service may use, such as 1.5."},
	{"  pids", "null positive", "How many processes the service may have."},
	{"  nofile", "null positive", "How many files a process may have open."},
	{"  io", "set"}, // in systemd's words
	{"    weight", "null 1..10000", "The part of a busy disk's time that the service gets, compared with others, which have 100. Only a disk with the scheduler bfq, or with io.cost, heeds it."},
	{"    readBandwidthMax", "attrs positive | string ~ 50M e.g. { \"/srv\" = \"50M\"; }", "How many bytes a second the service may read: a number, or text such as \"50M\". The name of each is the device of a disk, or a path on it, relative to the definition's folder."},
	{"    writeBandwidthMax", "attrs positive | string ~ 20M e.g. { \"/srv\" = \"20M\"; }", "How many bytes a second the service may write: a number, or text such as \"20M\". The name of each is the device of a disk, or a path on it, relative to the definition's folder."},
	{"    readIOPSMax", "attrs positive ~ 1000 e.g. { \"/dev/sda\" = 1000; }", "How many times a second the service may read. The name of each is the device of a disk, or a path on it, relative to the definition's folder."},
	{"    writeIOPSMax", "attrs positive ~ 500 e.g. { \"/dev/sda\" = 500; }", "How many times a second the service may write. The name of each is the device of a disk, or a path on it, relative to the definition's folder."},
	{"log", "set"},
	{"  maxFileSize", "null positive | string ~ 10M", "How large a log file may become before a new one is begun: bytes, or text such as \"10M\", which it is unless set."},
	{"  maxFiles", "null unsigned", "How many older log files of each process are kept; 5 unless set."},
	{"  maxTotalSize", "null positive | string ~ 100M", "How many bytes all log files of each process may take, the current one included: a number, or text such as \"100M\". The oldest go first. It also decides how many files there may be, and how large each is, unless that is set."},
	{"  maxAge", "null number | string ~ 7d", "How long a line is kept at most: seconds, or text such as \"7d\". A file goes when its first line is so old, also while the service prints nothing; a new file is begun every sixth of that time."},
	{"  compress", "null bool", "Whether older log files are compressed, with zstd, once they have rested for a minute; true unless set. \"zstdcat\" prints them."},
	{"  rateLimit", "set"},
	{"    lines", "null positive ~ 1000", "How many lines a second of each process are kept, on average over the interval. What comes beyond is dropped until the interval ends, and counted: the service does not wait for it."},
	{"    bytes", "null positive | string ~ 1M", "How many bytes a second of each process are kept, in the same way: a number, or text such as \"1M\"."},
	{"    interval", "null seconds", "The time in which lines and bytes are counted, so that bursts pass that are shorter: seconds, or text such as \"30s\"; 10 seconds unless set."},
	{"gpus", "null enum all none | positive | list unsigned | string e.g. [ 0 1 ]", "The GPUs that the service needs: a list of numbers or UUIDs, a number of GPUs (the first ones), \"all\" or \"none\". " +
		"It sees these only, by CUDA_VISIBLE_DEVICES. Unless set, it is taken from that variable, and a custom service of a container with cudaPackages needs all."},
	{"successExitCodes", "list u8", "Further exit codes that mean success; 0 always does."},

	// In the words of systemd, of what project.Settings has.
	{"nice", "null -20..19", "How much the service leaves to others where processors are busy: 19 is most. Less than 0 takes root."},
	{"oomScoreAdjust", "null -1000..1000", "Whether the kernel kills the service sooner (up to 1000) or later (down to -1000) than others when the machine lacks memory. Less than it has takes root."},
	{"umask", "null string ~ 0027", "The permissions that files made by the service do not get, as an octal number in text."},
	{"supplementaryGroups", "list string | unsigned e.g. [ \"video\" ]", "Groups that the service is in beside those of its user, where nix2gpu runs as root: names or numbers."},
	{"capabilities", "null list string e.g. [ \"net_bind_service\" ]", "All of root's rights that the service keeps, whoever it runs as, and can ever get, such as \"net_bind_service\"; [ ] is none. null leaves those of its user."},
	{"sandbox", "null enum strict", "\"strict\": the service writes only into its own folders, those of readWritePaths, and its TMPDIR, and reads only the system and the definition's folder; it gains no privileges and keeps none of root's rights (see capabilities). It takes a kernel with Landlock."},
	{"network", "null enum loopback", "\"loopback\": the service has a network of its own, which leads nowhere else: it reaches nobody, and nobody reaches it, by TCP, UDP or abstract Unix sockets. Unix sockets in the file system still work. Readiness and liveness are found out by exec, log_line or notify with a number."},
	{"readWritePaths", "list file e.g. [ \"/srv/models\" ]", "What a service with a sandbox may read and write beside its own folders."},
}

// gpuRows ask for GPUs.
var gpuRows = []row{
	{"count", "null positive", "How many GPUs there must be."},
	{"memory", "null positive | string ~ 24G", "How much memory each of them must have, used or not: bytes, or text such as \"24G\"."},
	{"uuid", "null string | list string", "The UUIDs of certain GPUs or MIG devices, as nvidia-smi -L shows them."},
}

func probeType() module.Type {
	all := options(probeRows)
	gpu := all["gpu"]
	gpu.Type = module.NullOr(module.Submodule(module.Schema{Options: options(gpuRows)}))
	all["gpu"] = gpu
	return module.Submodule(module.Schema{Options: all})
}

var probeRows = []row{
	{"exec", "null {}", "Run a command."},
	{"  command", "required program", "Succeeds when it exits with 0."},
	{"  working_dir", "null file", "Where it runs; as the service unless set."},
	{"http_get", "null {}", "Ask a web server."},
	{"  host", "string = 127.0.0.1", "The host to ask."},
	{"  scheme", "enum http https HTTP HTTPS", "How to ask."},
	{"  path", "string = /", "The path to ask for."},
	{"  port", "required port | string", "The port to ask."},
	{"  headers", "null attrs string = { }", "Headers of the request."},
	{"  status_code", "null int", "The status that is a success; any 2xx or 3xx unless set."},
	{"tcp_socket", "null {}", "Another name of tcp, in the words of Kubernetes."},
	{"  host", "string = 127.0.0.1", "The host to connect to."},
	{"  port", "required port | string", "The port to connect to."},
	{"tcp", "null {}", "Connect to a port."},
	{"  host", "string = 127.0.0.1", "The host to connect to."},
	{"  port", "required port | string", "The port to connect to."},
	{"grpc", "null {}", "Ask the health service of a gRPC server."},
	{"  host", "string = 127.0.0.1", "The host to ask."},
	{"  port", "required port | string", "The port to ask."},
	{"  service", "string", "The service to ask about."},
	{"log_line", "null string", "Succeeds once a line of output contains this."},
	{"log", "null string", "Succeeds once a line of output matches this regular expression."},
	{"gpu", "null {}", "Succeeds when nvidia-smi shows these GPUs, by count, memory and uuid; one GPU, if none of them is set. An attempt may take 20 seconds unless timeout_seconds is set."},
	{"notify", "null bool | int", "Succeeds when the service says so: true for sd_notify, a number for a newline on that descriptor."},

	{"initial_delay_seconds", "null seconds", "How long to wait before the first attempt. With 0, and unless set, attempts begin at once and in quick succession."},
	{"period_seconds", "null seconds", "The time between two attempts; 10 seconds unless set."},
	{"timeout_seconds", "null seconds", "How long one attempt may take; 1 second unless set."},
	{"success_threshold", "null positive", "After how many successes in a row the probe has succeeded; 1 unless set."},
	{"failure_threshold", "null positive", "After how many failures in a row the probe has failed; 3 unless set."},
}

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
	in.watch()
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
	if in.Has("limits", "nofile") {
		main.Limits.NoFile = uint64(in.Int("limits", "nofile"))
	}
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
