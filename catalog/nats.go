package catalog

import (
	"nix2gpu/nix/module"
	"nix2gpu/project"
)

// natsType is a message broker.
func natsType() *ServiceType {
	return &ServiceType{
		Name: "nats-server", Aliases: []string{"nats"}, Package: "nats-server", User: "nats|nobody",
		Doc: "NATS, a message broker.",
		Options: module.Options{
			"port":        def(module.Port, 4222, "The port to listen on."),
			"bind":        def(module.String, "127.0.0.1", "The address to listen on; \"*\" is all."),
			"monitorPort": opt(module.Port, "The port of the monitor, which is off unless set."),
			"jetstream":   def(module.Bool, false, "Keep streams, in dataDir."),
			"settings":    def(module.AttrsOf(module.JSON), map[string]any{}, "The configuration, laid over what the options say."),
		},
		Generate: func(in *Instance) {
			port, bind := in.Int("port"), in.String("bind")
			host := bind
			if bind == "*" || bind == "" {
				host, bind = "0.0.0.0", "*"
			}
			config := map[string]any{"server_name": module.Str{S: in.Name}, "host": module.Str{S: host}, "port": int64(port)}
			if in.Has("monitorPort") {
				config["http"] = module.Str{S: hostPort(host, in.Int("monitorPort"))}
				in.Listen(in.Int("monitorPort"), bind, "monitorPort")
			}
			if in.Bool("jetstream") {
				config["jetstream"] = true // in the folder that -sd names
			}
			path := []string{"port"}
			if p, ok := settingInt(in, "settings", "port"); ok {
				port, path = p, []string{"settings", "port"}
			}
			main := in.Main(project.Command{Exec: []project.Text{in.Program("nats-server"), project.Lit("-c"), in.RunDir("/nats.conf"),
				project.Lit("-sd"), in.DataDir()}})
			main.Dirs = []project.Dir{{Path: in.DataDir(), Mode: "0750"}}
			main.Files = []project.File{{Path: in.RunDir("/nats.conf"), Content: in.jsonText(mergeDeep(config, in.attrs("settings"))), Mode: "0640"}}
			main.Readiness = &project.Probe{Server: &project.ServerCheck{Protocol: "nats", Host: reachable(bind), Port: port}}
			in.Listen(port, bind, path...)
		},
	}
}
