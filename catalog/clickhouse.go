package catalog

import (
	"fmt"
	"strconv"
	"strings"

	"nix2gpu/project"
)

// clickhouse is a database for analytics.
var clickhouse = ServiceType{
	Name: "clickhouse", Package: "clickhouse", User: "clickhouse",
	Doc: "ClickHouse, a database for analytics. Written after its documentation, and not yet tried with a real server.",
	rows: []row{
		{"port", "port = 9000", "The port of the native protocol."},
		{"httpPort", "port = 8123", "The port for HTTP."},
		{"listenAddress", "string = 127.0.0.1", "The address to listen on."},
		{"databases", "list string", "Databases to make when they do not exist, at each start."},
		{"ensureDatabases", "list string", "The same as databases, in the words of NixOS."},
		{"initialDatabases", "list {}", "The same as databases, with SQL to run, in the words of services-flake."},
		{"  name", "required string", "The name of the database."},
		{"  schemas", "null list file", "SQL to run in it at each start, which must be safe to repeat: files, or text."},
		{"extraConfig", "attrs json", "Further configuration, merged over what the other options say."},
	},
	table: &table{
		endpoints: []endpoint{
			{name: "tcp", port: "port", address: "listenAddress", anyHost: "0.0.0.0", ports: []string{"extraConfig.tcp_port"}, hosts: []string{"extraConfig.listen_host"}},
			{name: "http", port: "httpPort", address: "listenAddress", anyHost: "0.0.0.0", ports: []string{"extraConfig.http_port"}, hosts: []string{"extraConfig.listen_host"}},
			{name: "tcps", address: "listenAddress", ports: []string{"extraConfig.tcp_port_secure"}, hosts: []string{"extraConfig.listen_host"}},
			{name: "https", address: "listenAddress", ports: []string{"extraConfig.https_port"}, hosts: []string{"extraConfig.listen_host"}},
			{name: "interserver", address: "listenAddress", ports: []string{"extraConfig.interserver_http_port"}, hosts: []string{"extraConfig.listen_host"}},
			{name: "mysql", address: "listenAddress", ports: []string{"extraConfig.mysql_port"}, hosts: []string{"extraConfig.listen_host"}},
			{name: "postgresql", address: "listenAddress", ports: []string{"extraConfig.postgresql_port"}, hosts: []string{"extraConfig.listen_host"}},
			{name: "interserverTLS", address: "listenAddress", ports: []string{"extraConfig.interserver_https_port"}, hosts: []string{"extraConfig.listen_host"}},
			{name: "proxied", address: "listenAddress", ports: []string{"extraConfig.tcp_with_proxy_port"}, hosts: []string{"extraConfig.listen_host"}},
			{name: "prometheus", address: "listenAddress", ports: []string{"extraConfig.prometheus.port"}, hosts: []string{"extraConfig.listen_host"}},
			{name: "grpc", address: "listenAddress", ports: []string{"extraConfig.grpc_port"}, hosts: []string{"extraConfig.listen_host"}},
		},
		argv: []string{"{bin/clickhouse-server}", "--config-file={run/config.yaml}"},
		dirs: []string{"{data} 0750 keep"},
		dir:  "{data}", // where it writes its preprocessed configuration
		configs: []config{{path: "/config.yaml", format: "json", overlay: []string{"extraConfig"}, base: []entry{
			{"logger/level", "warning"}, {"logger/console", 1},
			{"tcp_port", number("{tcp.port}")}, {"http_port", number("{http.port}")}, {"listen_host", "{tcp.host}"},
			{"path", "{data/}"}, {"tmp_path", "{data/tmp/}"}, {"user_files_path", "{data/user_files/}"}, {"format_schema_path", "{data/format_schemas/}"},
			{"default_profile", "default"}, {"default_database", "default"},
			{"mark_cache_size", 1 << 28},
			{"profiles/default", nil}, {"quotas/default", nil},
			{"users/default/password", ""}, {"users/default/profile", "default"}, {"users/default/quota", "default"},
			{"users/default/networks/ip", []string{"127.0.0.1", "::1"}}, {"users/default/access_management", 1},
		}}},
		ready:  ready{listener: "http", http: "/ping", slow: true},
		finish: clickhouseDatabases,
	},
}

// clickhouseDatabases makes the databases, and runs the SQL, by the server's own client.
func clickhouseDatabases(in *tableInstance, _ *project.Process) {
	client := func(more ...project.Text) *project.Process {
		words := []project.Text{in.Program("clickhouse-client"), litFlag("host", reachable(in.bounds["tcp"][0].host)), litFlag("port", strconv.Itoa(in.bounds["tcp"][0].port))}
		setup := in.After(project.Command{Exec: append(words, more...)})
		setup.User = "" // as the user of nix2gpu, who may read the files to be loaded
		return setup
	}
	var names []string
	for _, option := range []string{"databases", "ensureDatabases"} {
		names = append(names, in.Strings(option)...)
	}
	for _, c := range in.List("initialDatabases") {
		names = append(names, c.String("name"))
	}
	if len(names) > 0 {
		var sql strings.Builder
		for _, name := range names {
			sql.WriteString("CREATE DATABASE IF NOT EXISTS `" + strings.ReplaceAll(name, "`", "\\`") + "`; ")
		}
		client(project.Lit("--multiquery"), litFlag("query", strings.TrimSpace(sql.String())))
	}
	for n, c := range in.List("initialDatabases") {
		for i, schema := range c.List("schemas") {
			setup := client(project.Lit("--multiquery"), litFlag("database", c.String("name")))
			file := in.script(setup, schema, fmt.Sprintf("schema-%d-%d.sql", n+1, i+1))
			setup.Command.Exec = append(setup.Command.Exec, flag("queries-file", file))
		}
	}
}
