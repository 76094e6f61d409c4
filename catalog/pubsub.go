package catalog

import "nix2gpu/project"

// pubsubEmulator stands in for Google's Pub/Sub.
var pubsubEmulator = ServiceType{
	Name: "pubsub-emulator", Package: "google-cloud-sdk", User: "pubsub-emulator",
	Doc: "Google's emulator of its Pub/Sub. It keeps topics and messages in memory alone.",
	rows: []row{
		{"host", "string = 127.0.0.1", "The address to listen on; \"0.0.0.0\" is all."},
		{"port", "port = 8085", "The port to listen on."},
		{"project", "null string", "The only project that there is; every name is one unless set."},
		{"google-cloud-sdk", "alias package"},
		{"jre", "inert anything", "the program java is that of the package"},
		{"extraArgs", "list string", "Further arguments of the emulator."},
	},
	table: &table{
		extra:     "extraArgs",
		endpoints: []endpoint{{name: "api", port: "port", address: "host", anyHost: "0.0.0.0", ports: []string{"--port"}, hosts: []string{"--host"}}},
		argv:      []string{"{bin/cloud-pubsub-emulator}", "--host={api.host}", "--port={api.port}", "--projects={project}", "{extraArgs...}"},
		ready:     ready{listener: "api", http: "/", slow: true},
		success:   []int{143}, // of a Java virtual machine that SIGTERM has ended: 128+15
		finish: func(in *tableInstance, main *project.Process) {
			main.Packages = append(main.Packages, project.PackageRef{Attr: "jre", Pos: in.service.Pos})
		},
	},
}
