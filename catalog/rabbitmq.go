package catalog

import (
	"strconv"
	"strings"
	"time"

	"nix2gpu/nix/module"
	"nix2gpu/project"
)

// rabbitmqType is the message broker, with the options of NixOS.
func rabbitmqType() *ServiceType {
	value := module.OneOf(module.String, module.Bool, module.Int)
	return &ServiceType{
		Name: "rabbitmq", Package: "rabbitmq-server", User: "rabbitmq|nobody",
		Doc: "RabbitMQ, a message broker.",
		Options: module.Options{
			"port":          def(module.Port, 5672, "The port to listen on."),
			"listenAddress": def(module.String, "127.0.0.1", "The address to listen on; \"\" or \"*\" is all."),
			"nodeName":      opt(module.String, "The name of the node; made of the instance's unless set."),
			"distPort":      opt(module.Port, "The port for other nodes; port + 20000 unless set."),
			"cookie":        def(module.String, "", "The secret that nodes share. Everyone who reads the definition reads it."),
			"configItems":   def(module.AttrsOf(value), map[string]any{}, "Lines of rabbitmq.conf."),
			"config":        def(module.Lines, "", "The advanced configuration, in Erlang."),
			"plugins":       def(module.ListOf(module.String), []any{}, "Plugins to enable."),
			"pluginDirs":    def(module.ListOf(filePath), []any{}, "Folders of more plugins."),
			"managementPlugin": {Set: module.Options{
				"enable": def(module.Bool, false, "Serve the web interface."),
				"port":   def(module.Port, 15672, "The port of the web interface."),
			}},
		},
		Generate: generateRabbitMQ,
	}
}

func generateRabbitMQ(in *Instance) {
	port, address := in.Int("port"), in.String("listenAddress")
	listen := address
	if address == "" || address == "*" {
		listen, address = "0.0.0.0", "*"
	}
	items := map[string]project.Text{"listeners.tcp.1": project.Lit(hostPort(listen, port)), "log.console": project.Lit("true"), "log.console.level": project.Lit("warning"), "log.file": project.Lit("false")}
	plugins := in.Strings("plugins")
	if in.Bool("managementPlugin", "enable") {
		plugins = append(plugins, "rabbitmq_management")
		items["management.tcp.port"] = project.Lit(strconv.Itoa(in.Int("managementPlugin", "port")))
		items["management.tcp.ip"] = project.Lit(listen)
		in.Listen(in.Int("managementPlugin", "port"), address, "managementPlugin", "port")
	}
	for _, c := range in.Each("configItems") {
		items[c.Name()] = in.scalar(c)
	}
	conf := &textBuilder{}
	for _, name := range sortedKeys(items) {
		conf.add(project.Lit(name+" = "), items[name], project.Lit("\n"))
	}

	main := in.Main(project.Command{Exec: []project.Text{in.Program("rabbitmq-server")}})
	main.Dirs = []project.Dir{{Path: in.DataDir(), Mode: "0700"}, {Path: in.RunDir("")}}
	main.Files = []project.File{
		{Path: in.RunDir("/rabbitmq.conf"), Content: conf.text, Mode: "0640"},
		{Path: in.RunDir("/enabled_plugins"), Content: project.Lit("[" + strings.Join(plugins, ",") + "].\n"), Mode: "0640"},
	}
	node := "rabbit-" + nodeName(in.Name) + "@localhost"
	if in.Has("nodeName") {
		node = in.String("nodeName")
	}
	dist := port + 20000
	if in.Has("distPort") {
		dist = in.Int("distPort")
	}
	if dist > 65534 {
		in.Get("port").Errorf("port %d leaves no number for the nodes' own port, which is port + 20000; set distPort", port)
	}
	env := map[string]project.Text{
		"HOME": in.DataDir(), "RABBITMQ_MNESIA_BASE": in.Data("/mnesia"), "RABBITMQ_LOGS": project.Lit("-"),
		"RABBITMQ_LOG_BASE": in.Data("/log"), "RABBITMQ_UPGRADE_LOG": project.Lit("-"),
		"RABBITMQ_CONFIG_FILE": in.RunDir("/rabbitmq.conf"), "RABBITMQ_ENABLED_PLUGINS_FILE": in.RunDir("/enabled_plugins"),
		"RABBITMQ_CONF_ENV_FILE": project.Lit("/dev/null"), // what the system's own server reads
		"RABBITMQ_NODENAME":      project.Lit(node), "RABBITMQ_PID_FILE": in.RunDir("/pid"),
		"RABBITMQ_DIST_PORT": project.Lit(strconv.Itoa(dist)),
		// The daemon that knows the nodes ends with the service that started it:
		// each instance has one of its own.
		"ERL_EPMD_PORT": project.Lit(strconv.Itoa(dist + 1)), "ERL_EPMD_ADDRESS": project.Lit("127.0.0.1"),
		"RUNNING_UNDER_SYSTEMD": project.Lit("true"), // no shell stays around the server
		"LANG":                  project.Lit("C.UTF-8"),
	}
	if in.String("config") != "" {
		main.Files = append(main.Files, project.File{Path: in.RunDir("/advanced.config"), Content: in.Text("config"), Mode: "0640"})
		env["RABBITMQ_ADVANCED_CONFIG_FILE"] = in.RunDir("/advanced.config")
	}
	if dirs := in.Strs("pluginDirs"); len(dirs) > 0 {
		var list project.Text
		for i, d := range dirs {
			if i > 0 {
				list = project.Join(list, project.Lit(":"))
			}
			list = project.Join(list, in.place.Path(d))
		}
		env["RABBITMQ_PLUGINS_DIR"] = list
	}
	if in.String("cookie") != "" {
		main.Files = append(main.Files, project.File{Path: in.Data("/.erlang.cookie"), Content: in.Text("cookie"), Mode: "0400"})
	}
	for name, text := range env {
		main.Env[name] = project.Value{Text: text}
	}
	in.Listen(port, address, "port")
	main.Readiness = &project.Probe{TCP: &project.TCPCheck{Host: reachable(address), Port: port}, Period: slowStart}
	main.Shutdown.Timeout = project.For(30 * time.Second)
}

// nodeName makes an Erlang name of an instance's.
func nodeName(instance string) string {
	return strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '_' || r == '-' {
			return r
		}
		return '_'
	}, instance)
}
