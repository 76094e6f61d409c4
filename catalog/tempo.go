package catalog

import (
	"slices"

	"nix2gpu/project"
)

// tempo keeps traces.
var tempo = ServiceType{
	Name: "tempo", Package: "tempo", User: "tempo",
	Doc: "Grafana Tempo, a database of traces. Written after its documentation, and not yet tried with a real server.",
	rows: []row{
		{"httpAddress", "string = 127.0.0.1", "The address to listen on, for queries and other servers of Tempo; \"0.0.0.0\" is all."},
		{"listenAddress", "alias httpAddress"},
		{"httpPort", "port = 3200", "The port of the API."},
		{"port", "alias httpPort"},
		{"grpcPort", "port = 9095", "The port for other servers of Tempo."},
		{"otlpGrpcPort", "null port ~ 4317", "The port for traces by OTLP over gRPC; none unless set."},
		{"otlpHttpPort", "null port ~ 4318", "The port for traces by OTLP over HTTP; none unless set."},
		{"majorVersion", "2..3 = 3", "The major version of Tempo: 2 does not know the settings of the live store, and does not start with them."},
		{"extraConfig", "attrs json", "The configuration, in Tempo's own words, over ours."},
		{"settings", "alias extraConfig"},
		{"configFile", "null file", "A file with the whole configuration, instead of extraConfig. The ports of HTTP and gRPC are those of the options all the same, but addresses and OTLP are what the file says. Say its address in httpAddress, too: unless that is set, Tempo counts as open to everyone."},
		{"extraFlags", "list string", "Further arguments of tempo."},
	},
	table: &table{
		extra: "extraFlags",
		endpoints: []endpoint{
			{name: "web", port: "httpPort", address: "httpAddress", file: "configFile", ports: grafanaWeb.ports, hosts: []string{"extraConfig.server.http_listen_address"}},
			{name: "grpc", port: "grpcPort", address: "httpAddress", file: "configFile", ports: []string{"-server.grpc-listen-port --server.grpc-listen-port", "extraConfig.server.grpc_listen_port"},
				hosts: []string{"extraConfig.server.grpc_listen_address"}},
			{name: "otlpGrpc", port: "otlpGrpcPort", address: "httpAddress", both: []string{"extraConfig.distributor.receivers.otlp.protocols.grpc.endpoint"}, when: "!configFile"},
			{name: "otlpHttp", port: "otlpHttpPort", address: "httpAddress", both: []string{"extraConfig.distributor.receivers.otlp.protocols.http.endpoint"}, when: "!configFile"},
		},
		argv: []string{"{bin/tempo}", "-config.file={configFile|run/tempo.yaml}", "?configFile -server.http-listen-port={web.port}",
			"?configFile -server.grpc-listen-port={grpc.port}", "{extraFlags...}"}, // it has no flags for addresses
		dirs: []string{"{data} 0750 keep"},
		configs: []config{{path: "/tempo.yaml", format: "json", instead: "configFile", overlay: []string{"extraConfig"}, base: slices.Concat(grafanaServer, []entry{
			{"distributor/receivers/otlp/protocols/grpc/endpoint", "?otlpGrpcPort {otlpGrpc}"}, {"distributor/receivers/otlp/protocols/http/endpoint", "?otlpHttpPort {otlpHttp}"},
			{"storage/trace/backend", "local"}, {"storage/trace/wal/path", "{data/wal}"}, {"storage/trace/local/path", "{data/blocks}"},
			{"live_store/wal/path", "?majorVersion=3 {data/live-store/traces}"}, {"live_store/shutdown_marker_dir", "?majorVersion=3 {data/live-store/shutdown-marker}"},
			{"backend_scheduler/local_work_path", "?majorVersion=3 {data/work}"}, {"block_builder/wal/path", "?majorVersion=3 {data/block-builder}"},
		})}},
		ready: grafanaReady,
		finish: func(in *tableInstance, _ *project.Process) {
			for _, option := range []string{"otlpGrpcPort", "otlpHttpPort"} {
				if in.Has("configFile") && in.Has(option) {
					in.note(in.Get(option), "%s has no effect: configFile is the whole configuration", option)
				}
			}
		},
	},
}
