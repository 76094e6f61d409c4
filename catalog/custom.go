package catalog

import (
	"slices"
	"strconv"

	"nix2gpu/nix/module"
	"nix2gpu/project"
)

// custom is a command of the user's own.
var custom = ServiceType{
	Name: "custom",
	Doc:  "A command of your own.",
	rows: []row{
		{"port", "null port", "The port the command listens on: as the first of ports, and in its variable PORT. Of several replicas each has its own: port, port + 1, …"},
		{"replicas", "null unsigned", "How many of it run: NAME-0, NAME-1, … Each has its number in its variable NIX2GPU_REPLICA; NAME means all of them."},
		{"tty", "bool", "Give the command a terminal, as docker run -t does. `nix2gpu attach NAME` connects yours with it."},
		{"daemon", "bool", "Whether the command launches something that goes on in the background, and ends. The service is then what it has left running, and ends with the last process of that."},
		{"privileged", "bool = true", "Whether the command may gain privileges, as through sudo."},
		{"command", "required program e.g. python3 server.py --port 8080", "What to run: a line for the shell, a list of words that is executed without one, or a package, which stands for its main program. Programs are looked for in the folder bin beside the definition, in packages, and in PATH."},
		{"packages", "list package e.g. [ pkgs.jq pkgs.curl ]", "Packages whose programs the command finds in its PATH."},
		{"ports", "list port", "Ports the command listens on, so that clashes are found before a start. It is ready once it listens on the first of them, unless a readiness_probe, startup_probe or ready_log_line says otherwise; readiness_probe = null asks nothing of it."},
		{"launch_timeout", "null seconds", "How long the command of a daemon may take to end. One that takes longer has failed. Unset: any time."},
		{"schedule", "null string | {} ~ 30 4 * * *", "When to run it, again and again and each time to its end: a cron expression, or more than that. `nix2gpu start NAME` runs it now. Its restart is \"no\" unless set."},
		{"  cron", "null string ~ 30 4 * * 1-5", "The minute, hour, day of the month, month and day of the week at which it runs, as in crontab(5), or a word such as \"@daily\"."},
		{"  timezone", "null string ~ Europe/Berlin", "The time zone of cron; that of the machine unless set. Where its clocks are turned forward, a time that is left out comes at once; where they are turned back, a time that is there twice comes the first time."},
		{"  interval", "null seconds", "The time from one start to the next, instead of cron."},
		{"  run_on_start", "bool", "Run it when the project starts, too."},
		{"  max_concurrent", "1..100 = 1", "How many runs there may be at once. Each has a line in ps, a log and an exit code of its own: the second of job is job-2."},
		{"  overlap", "enum skip queue replace", "What becomes of a run whose time comes while as many run as may (one unless max_concurrent says more): it is left out (\"skip\"), comes after it (\"queue\"), or takes its place (\"replace\")."},
	},
	Generate: func(in *Instance) {
		if in.IsSet("dataDir") {
			in.note(in.Get("dataDir"), "dataDir has no effect on a custom service; name the folder in its command")
		}
		cmd := in.command(in.Get("command"))
		if len(cmd.Exec) == 0 && cmd.Shell.IsEmpty() {
			in.Get("command").Errorf("command of %q must not be empty", in.ID)
		}
		main := in.Main(cmd)
		main.Path = []project.Text{project.RootPath("/bin")}
		main.User = in.userOf()
		main.NoNewPrivs = !in.Bool("privileged")
		main.TTY = in.Bool("tty")
		in.daemon(main)
		for _, s := range in.Strs("packages") {
			text := in.place.Text(s)
			for _, attr := range text.Packages() {
				main.Packages = append(main.Packages, project.PackageRef{Attr: attr, Pos: in.place.pos(in.Pos("packages"))})
			}
			if len(text.Packages()) == 0 { // a generated program, or a folder of the definition
				main.Path = append(main.Path, project.Join(text, project.Lit("/bin")))
			}
		}
		in.schedule(main)
		if in.numbered {
			main.Env[project.ReplicaVar] = project.Value{Text: project.Lit("0")}
			if in.replicas > 1 && slices.ContainsFunc(in.List("ports"), func(c *module.Config) bool { return !in.Has("port") || c.Int() != in.Int("port") }) {
				in.Get("ports").Errorf("ports of %d replicas would be the same\n  hint: set port, of which each has its own", in.replicas)
			}
		}
		var listens []int
		if in.Has("port") {
			main.Env["PORT"] = project.Value{Text: project.Lit(strconv.Itoa(in.Int("port")))}
			in.service.Port = in.Int("port")
			in.Listen(in.Int("port"), "*", "port")
			listens = append(listens, in.Int("port"))
		}
		for _, c := range in.List("ports") {
			if !in.Has("port") || c.Int() != in.Int("port") { // which may stand in both
				in.Listen(c.Int(), "*", "ports")
				listens = append(listens, c.Int())
			}
		}
		if len(listens) > 0 && !in.IsSet("readiness_probe") && !in.Has("startup_probe") && !in.Has("ready_log_line") {
			main.Readiness = &project.Probe{TCP: &project.TCPCheck{Port: listens[0]}}
		}
	},
}

// daemon reads whether the service is what its command leaves running.
func (in *Instance) daemon(main *project.Process) {
	if in.Bool("daemon") {
		main.Daemon = &project.Daemon{LaunchTimeout: in.pause("launch_timeout")}
	} else if in.Has("launch_timeout") {
		in.note(in.Get("launch_timeout"), "launch_timeout has no effect without daemon = true")
	}
}
