package catalog

import (
	"slices"

	"nix2gpu/nix/module"
	"nix2gpu/project"
)

// qdrant searches vectors.
var qdrant = ServiceType{
	Name: "qdrant", Package: "qdrant", User: "qdrant",
	Doc: "Qdrant, which searches vectors. Written after its documentation, and not yet tried with a real server.",
	rows: []row{
		{"host", "string = 127.0.0.1", "The address to listen on; \"0.0.0.0\" is all."},
		{"httpPort", "port = 6333", "The port for HTTP."},
		{"port", "alias httpPort"},
		{"grpcPort", "port = 6334", "The port for gRPC."},
		{"apiKey", "null secret", "What clients have to show. A text here is read by everyone who reads the definition; `{ secret = \"name\"; }` takes it from a secret."},
		{"apiKeyFile", "null key", "A file that holds the key, read at each start with the rights of whoever starts nix2gpu."},
		{"settings", "attrs json e.g. { storage.on_disk_payload = false; }", "Further configuration, in the words of Qdrant's config.yaml, merged over what the other options say."},
		{"extraArgs", "list string", "Further arguments of qdrant."},
	},
	table: &table{
		extra: "extraArgs",
		endpoints: []endpoint{
			{name: "http", port: "httpPort", address: "host", anyHost: "0.0.0.0", ports: []string{"settings.service.http_port"}, hosts: []string{"settings.service.host"}},
			{name: "grpc", port: "grpcPort", address: "host", anyHost: "0.0.0.0", ports: []string{"settings.service.grpc_port"}, hosts: []string{"settings.service.host"}},
			{name: "peers", address: "host", number: 6335, anyHost: "0.0.0.0", ports: []string{"settings.cluster.p2p.port"}, hosts: []string{"settings.service.host"}, when: "?settings.cluster.enabled"},
		},
		argv: []string{"{bin/qdrant}", "--config-path={run/qdrant.yaml}", "{extraArgs...}"},
		dirs: []string{"{data} 0750 keep", "{data/storage} 0750", "{data/snapshots} 0750"},
		dir:  "{data}", // where it writes that it has begun
		configs: []config{{path: "/qdrant.yaml", format: "json", overlay: []string{"settings"}, base: []entry{
			{"service/host", "{http.host}"}, {"service/http_port", number("{http.port}")}, {"service/grpc_port", number("{grpc.port}")},
			{"storage/storage_path", "{data/storage}"}, {"storage/snapshots_path", "{data/snapshots}"}, {"telemetry_disabled", true},
		}}},
		ready: ready{listener: "http", http: "/readyz", slow: true, guard: []string{"settings.service.enable_tls"}},
		finish: func(in *tableInstance, main *project.Process) {
			if in.Kind("settings", "service", "grpc_port") == module.KindNull { // it speaks no gRPC then
				in.service.Ports = slices.DeleteFunc(in.service.Ports, func(p project.Port) bool { return p.Port == in.bounds["grpc"][0].port })
			}
			if key := in.secretText(in.Config, "apiKey", "apiKey"); key != nil {
				main.Env["QDRANT__SERVICE__API_KEY"] = project.Value{Text: key, Secret: true}
			}
		},
	},
}
