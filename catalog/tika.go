package catalog

import "nix2gpu/project"

// tika reads documents.
var tika = ServiceType{
	Name: "tika", Package: "tika", User: "tika",
	Doc: "Tika, which takes text out of documents. Written after its documentation, and not yet tried with a real server.",
	rows: []row{
		{"host", "string = 127.0.0.1", "The address to listen on; \"0.0.0.0\" is all."},
		{"listenAddress", "alias host"},
		{"port", "port = 9998", "The port to listen on."},
		{"jar", "null file e.g. ./tika-server-standard-3.0.0.jar", "The server as Apache publishes it, which Java runs; unless set, the program tika-server."},
		{"enableOcr", "bool = true", "Whether text in pictures is read, by Tesseract."},
		{"configFile", "null file e.g. ./tika-config.xml", "The configuration."},
		{"extraArgs", "list string", "Further arguments of the server."},
	},
	table: &table{
		extra:     "extraArgs",
		endpoints: []endpoint{{name: "web", port: "port", address: "host", anyHost: "0.0.0.0", ports: []string{"--port -p"}, hosts: []string{"--host -h"}}},
		argv: []string{"!jar {bin/tika-server}", "?jar {jre/bin/java}", "?jar -jar", "?jar {jar}", "--host={web.host}", "--port={web.port}",
			"?configFile --config={configFile}", "{extraArgs...}"},
		ready:   ready{listener: "web", http: "/version", slow: true},
		success: []int{143}, // of a Java virtual machine that SIGTERM has ended: 128+15
		finish: func(in *tableInstance, main *project.Process) {
			if in.Has("jar") {
				main.Packages = main.Packages[1:] // Java's remains
			}
			if in.Bool("enableOcr") {
				main.Packages = append(main.Packages, project.PackageRef{Attr: "tesseract", Pos: in.service.Pos})
			}
		},
	},
}
