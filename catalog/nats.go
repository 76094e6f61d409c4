package catalog

import (
	"slices"

	"nix2gpu/nix/module"
	"nix2gpu/project"
)

// nats is a message broker.
var nats = ServiceType{
	Name: "nats-server", Aliases: []string{"nats"}, Package: "nats-server", User: "nats",
	Doc: "NATS, a message broker.",
	rows: []row{
		{"port", "port = 4222", "The port to listen on."},
		{"bind", "string = 127.0.0.1", "The address to listen on; \"*\" is all."},
		{"monitorPort", "null port", "The port of the monitor, which is off unless set."},
		{"serverName", "null string", "The server's name, of which a cluster has each once; the instance's name unless set."},
		{"validateConfig", "inert bool", "the server tests its configuration at each start"},
		{"jetstream", "bool", "Whether JetStream keeps streams, in dataDir."},
		{"settings", "attrs json", "Further configuration, merged over what the other options say."},
	},
	Generate: generateNATS,
}

func generateNATS(in *Instance) {
	bind := in.String("bind")
	if everywhere(bind) == "*" {
		bind = "0.0.0.0"
	}
	name := in.Name
	if in.Has("serverName") {
		name = in.String("serverName")
	}
	config := map[string]any{"server_name": module.Str{S: name}, "host": module.Str{S: bind}, "port": int64(in.Int("port"))}
	if in.Has("monitorPort") && !natsHas(in, natsMonitor) {
		config["http_port"] = int64(in.Int("monitorPort")) // at host
	}
	if in.Bool("jetstream") {
		config["jetstream"] = true // in the folder that -sd names
	}
	settings := in.attrs("settings")
	for _, alias := range [][]string{{"host", "net"}, {"host", "listen"}, {"port", "listen"}} {
		if settings[alias[1]] != nil { // the last one in the file would win, by the alphabet
			delete(config, alias[0])
		}
	}
	for _, part := range natsParts {
		// A part without an address of its own would listen on all of them.
		block, ok := settings[part].(map[string]any)
		if ok && block["port"] != nil && block["host"] == nil && block["net"] == nil && block["listen"] == nil {
			config[part] = map[string]any{"host": module.Str{S: bind}}
		}
	}
	main := in.Main(project.Command{Exec: []project.Text{in.Program("nats-server"), project.Lit("-c"), in.RunDir("/nats.conf"),
		project.Lit("-sd"), in.DataDir()}})
	main.Test = &project.ConfigTest{Command: project.Command{Exec: append(slices.Clone(main.Command.Exec), project.Lit("-t"))}}
	main.Dirs = []project.Dir{in.KeptData("0750")}
	main.Files = []project.File{in.jsonFile("/nats.conf", mergeDeep(config, settings))}

	host, port, path := in.natsListener([]string{"settings"}, bind, in.Int("port"), []string{"port"})
	in.Listen(port, everywhere(host), path...)
	main.Readiness = &project.Probe{Server: &project.ServerCheck{Protocol: "nats", Host: reachable(host), Port: port}}
	if in.Has("monitorPort") && !natsHas(in, natsMonitor) {
		in.Listen(in.Int("monitorPort"), everywhere(host), "monitorPort")
	}
	for _, name := range natsMonitor {
		at := []string{"settings", name}
		if n, ok := settingInt(in, at...); ok {
			in.Listen(n, everywhere(host), at...)
		} else if h, n, ok := splitHostPort(in.String(at...)); ok {
			in.Listen(n, h, at...)
		}
	}
	for _, part := range natsParts {
		at := []string{"settings", part}
		if h, n, path := in.natsListener(at, bind, 0, at); n > 0 {
			in.Listen(n, everywhere(h), path...)
		}
	}
}

// natsMonitor are the settings that open the monitor, and natsParts those that
// are sets with listeners of their own.
var (
	natsMonitor = []string{"http", "http_port", "monitor_port", "https", "https_port"}
	natsParts   = []string{"cluster", "gateway", "leafnodes", "leaf", "mqtt", "websocket", "ws"}
)

func natsHas(in *Instance, names []string) bool {
	return slices.ContainsFunc(names, func(name string) bool { return in.Has("settings", name) })
}

// natsListener is where the server or a part of it listens: as the set at path
// says, else as given. option is who says the port.
func (in *Instance) natsListener(path []string, host string, port int, option []string) (string, int, []string) {
	at := func(name string) []string { return append(slices.Clone(path), name) }
	if in.Kind(path...) != module.KindAttrs {
		return host, port, option
	}
	host = in.textOf(host, at("host"), at("net"))
	port, option = in.portOf(port, option, at("port"))
	if h, n, ok := splitHostPort(in.scalar(in.Get(at("listen")...)).String()); ok {
		host, port, option = h, n, at("listen")
	}
	return host, port, option
}
