package catalog

import (
	"slices"

	"nix2gpu/project"
)

// loki keeps logs.
var loki = ServiceType{
	Name: "loki", Package: "grafana-loki", User: "loki",
	Doc: "Grafana Loki, a database of logs. Written after its documentation, and not yet tried with a real server.",
	rows: []row{
		{"httpAddress", "string = 127.0.0.1", "The address to listen on, for clients and other servers of Loki; \"0.0.0.0\" is all."},
		{"listenAddress", "alias httpAddress"},
		{"httpPort", "port = 3100", "The port of the API."},
		{"port", "alias httpPort"},
		{"grpcPort", "port = 9096", "The port for other servers of Loki."},
		{"extraConfig", "attrs json", "The configuration, in Loki's own words, over ours."},
		{"configuration", "alias extraConfig"},
		{"configFile", "null file", "A file with the whole configuration, instead of extraConfig. Where it listens is said by the options for that all the same."},
		{"extraFlags", "list string", "Further arguments of loki."},
	},
	table: &table{
		extra: "extraFlags",
		endpoints: []endpoint{
			grafanaWeb,
			grafanaGRPC,
		},
		argv: []string{"{bin/loki}", "-config.file={configFile|run/loki.yaml}", "?configFile -server.http-listen-address={web.host}", "?configFile -server.http-listen-port={web.port}",
			"?configFile -server.grpc-listen-address={grpc.host}", "?configFile -server.grpc-listen-port={grpc.port}", "{extraFlags...}"},
		test: []string{"{bin/loki}", "-config.file={configFile|run/loki.yaml}", "-verify-config", "{extraFlags...}"},
		dirs: []string{"{data} 0750 keep"},
		configs: []config{{path: "/loki.yaml", format: "json", instead: "configFile", overlay: []string{"extraConfig"}, base: slices.Concat(grafanaServer, []entry{
			{"common/instance_addr", "{web.at}"}, {"common/path_prefix", "{data}"},
			{"common/storage/filesystem/chunks_directory", "{data/chunks}"}, {"common/storage/filesystem/rules_directory", "{data/rules}"},
			{"common/replication_factor", 1}, {"common/ring/kvstore/store", "inmemory"},
			{"schema_config/configs", []any{map[string]any{
				"from": project.Lit("2020-10-24"), "store": project.Lit("tsdb"), "object_store": project.Lit("filesystem"), "schema": project.Lit("v13"),
				"index": map[string]any{"prefix": project.Lit("index_"), "period": project.Lit("24h")},
			}}},
		})}},
		ready: grafanaReady,
	},
}
