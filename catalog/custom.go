package catalog

import (
	"strconv"

	"nix2gpu/nix/module"
	"nix2gpu/project"
)

// customType is a command of the user's own.
func customType() *ServiceType {
	return &ServiceType{
		Name: "custom",
		Doc:  "A command of your own.",
		rows: []option{
			{"port", "null port", nil, "The port the command listens on: as the first of ports, and in its variable PORT. Of several replicas each has its own: port, port + 1, …"},
			{"replicas", "null unsigned", nil, "How many of it run: NAME-0, NAME-1, … Each has its number in its variable NIX2GPU_REPLICA; NAME means all of them."},
			{"tty", "bool", nil, "Give the command a terminal, as docker run -t does. `nix2gpu attach NAME` connects yours with it."},
			{"daemon", "bool", nil, "Whether the command launches something that goes on in the background, and ends. The service is then what it has left running, and ends with the last process of that."},
			{"privileged", "bool", true, "Whether the command may gain privileges, as through sudo."},
		},
		Options: module.Options{
			"command": {Type: program, Example: "python3 server.py --port 8080",
				Description: "What to run: a line for the shell, a list of words that is executed without one, or a package, which stands for its main program. Programs are looked for in the folder bin beside the definition, in packages, and in PATH."},
			"packages": {Type: module.ListOf(module.Package), Default: []any{}, Example: module.Expr("[ pkgs.jq pkgs.curl ]"),
				Description: "Packages whose programs the command finds in its PATH."},
			"ports": {Type: module.ListOf(module.Port), Default: []any{},
				Description: "Ports the command listens on, so that clashes are found before a start. It is ready once it listens on the first of them, unless a readiness_probe, startup_probe or ready_log_line says otherwise; readiness_probe = null asks nothing of it."},
			"schedule":       opt(module.Like(module.OneOf(module.String, scheduleSchema()), "30 4 * * *"), "When to run it, again and again and each time to its end: a cron expression, or more than that. `nix2gpu start NAME` runs it now. Its restart is \"no\" unless set."),
			"launch_timeout": opt(seconds, "How long the command of a daemon may take to end. One that takes longer has failed. Unset: any time."),
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
				if in.replicas > 1 && len(in.List("ports")) > 0 {
					in.Get("ports").Errorf("ports of %d replicas would be the same\n  hint: set port, of which each has its own", in.replicas)
				}
			}
			var listens []int
			if in.Has("port") {
				main.Env["PORT"] = project.Value{Text: project.Lit(strconv.Itoa(in.Int("port")))}
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
}

// daemon reads whether the service is what its command leaves running.
func (in *Instance) daemon(main *project.Process) {
	if in.Bool("daemon") {
		main.Daemon = &project.Daemon{LaunchTimeout: in.pause("launch_timeout")}
	} else if in.Has("launch_timeout") {
		in.note(in.Get("launch_timeout"), "launch_timeout has no effect without daemon = true")
	}
}
