package catalog

import (
	"nix2gpu/nix/module"
	"nix2gpu/project"
)

// neo4j is a database of graphs.
var neo4j = ServiceType{
	Name: "neo4j", Package: "neo4j", User: "neo4j",
	Doc: "Neo4j, a database of graphs. Written after the documentation of its version 5, and not yet tried with a real server.",
	rows: []row{
		{"defaultListenAddress", "string = 127.0.0.1", "The address to listen on; \"0.0.0.0\" is all."},
		{"host", "alias defaultListenAddress"},
		{"httpPort", "port = 7474", "The port for HTTP."},
		{"port", "alias httpPort"},
		{"boltPort", "port = 7687", "The port of Bolt, which drivers speak."},
		{"readOnly", "bool", "Whether databases can't be changed."},
		{"workerCount", "null positive", "How many threads work; as many as there are processors unless set."},
		{"allowUpgrade", "inert bool", "Neo4j 5 brings its files up to date by itself"},
		{"constrainLoadCsv", "inert bool", "LOAD CSV reads files below dataDir alone"},
		{"bolt", "refused attrs json", "set boltPort; the rest in settings, in the words of Neo4j 5, such as \"server.bolt.tls_level\""},
		{"http", "refused attrs json", "set httpPort; the rest in settings, in the words of Neo4j 5, such as \"server.http.enabled\""},
		{"https", "refused attrs json", "set it in settings, in the words of Neo4j 5, such as \"server.https.enabled\""},
		{"directories", "refused attrs json", "set dataDir: all of them are below it"},
		{"ssl", "refused attrs json", "set it in settings, in the words of Neo4j 5, such as \"dbms.ssl.policy.bolt.enabled\""},
		{"shell", "refused attrs json", "Neo4j 5 has no such shell: use cypher-shell"},
		{"udc", "refused attrs json", "Neo4j 5 has none; settings.\"dbms.usage_report.enabled\" is what reports now"},
		{"initialPassword", "null secret", "The password of the user neo4j, set before the server starts for the first time; \"neo4jadmin\", which everyone knows, unless set. It is an argument of neo4j-admin for that moment. A text here is read by everyone who reads the definition; `{ secret = \"name\"; }` takes it from a secret."},
		{"initialPasswordFile", "null key", "A file that holds the password, read with the rights of whoever starts nix2gpu."},
		{"settings", "attrs null string | int | bool e.g. { \"server.memory.heap.max_size\" = \"1G\"; }", "Further settings, in the words of neo4j.conf; null removes one of those that the other options write."},
		{"extraServerConfig", "lines", "Further lines of neo4j.conf, which win over those that the other options write."},
	},
	table: &table{
		endpoints: []endpoint{
			{name: "http", port: "httpPort", address: "defaultListenAddress", anyHost: "0.0.0.0", both: []string{"extraServerConfig:server.http.listen_address", "settings.server.http.listen_address"}},
			{name: "bolt", port: "boltPort", address: "defaultListenAddress", anyHost: "0.0.0.0", both: []string{"extraServerConfig:server.bolt.listen_address", "settings.server.bolt.listen_address"}},
			{name: "https", number: 7473, address: "defaultListenAddress", anyHost: "0.0.0.0", both: []string{"extraServerConfig:server.https.listen_address", "settings.server.https.listen_address"}, silent: true},
		},
		argv: []string{"{bin/neo4j}", "console"},
		env:  []string{"NEO4J_CONF={run}"},
		dirs: []string{"{data} 0750 keep", "{data/data} 0750", "{data/logs} 0750", "{data/import} 0750", "{data/plugins} 0750", "{run/run} 0750"},
		configs: []config{{path: "/neo4j.conf", format: "=", overlay: []string{"settings"}, tail: []string{"extraServerConfig"}, base: []entry{
			{"server.default_listen_address", "{defaultListenAddress}"},
			{"server.http.enabled", "true"}, {"server.http.listen_address", "{http}"}, {"server.https.enabled", "false"},
			{"server.bolt.enabled", "true"}, {"server.bolt.listen_address", "{bolt}"},
			{"server.databases.default_to_read_only", "?readOnly true"}, {"server.threads.worker_count", "{workerCount}"},
			{"server.directories.data", "{data/data}"}, {"server.directories.logs", "{data/logs}"}, {"server.directories.run", "{run/run}"},
			{"server.directories.import", "{data/import}"}, {"server.directories.plugins", "{data/plugins}"},
		}}},
		ready:   ready{listener: "http", http: "/", slow: true},
		success: []int{143}, // of a Java virtual machine that SIGTERM has ended: 128+15
		finish: func(in *tableInstance, main *project.Process) {
			if on, at, _ := in.said([]string{"extraServerConfig:server.https.enabled", "settings.server.https.enabled"}); on == "true" {
				in.Listen(in.bounds["https"][0].port, everywhere(in.bounds["https"][0].host), at...)
			}
			written, _ := lineValue(in.String("extraServerConfig"), "server.http.enabled")
			if set := in.Get("settings", "server.http.enabled"); written == "false" || written == "" && set.Has() && in.scalar(set).String() == "false" {
				bolt := in.bounds["bolt"][0]
				main.Readiness.HTTP, main.Readiness.TCP = nil, &project.TCPCheck{Host: reachable(bolt.host), Port: bolt.port}
			}
			main.Packages = append(main.Packages, project.PackageRef{Attr: "jre", Pos: in.service.Pos})
			// Once there are users, neo4j-admin refuses.
			set := in.Before(project.Command{Shell: project.Join(project.Lit(`[ -e "$NIX2GPU_SYSTEM" ] || exec `), in.Program("neo4j-admin"),
				project.Lit(` dbms set-initial-password "$NIX2GPU_PASSWORD" --require-password-change=false`))})
			set.Dirs, set.Files, set.Packages = main.Dirs, main.Files, main.Packages
			set.Env["NEO4J_CONF"] = main.Env["NEO4J_CONF"]
			data := in.Data("/data")
			if text, _, ok := in.said([]string{"extraServerConfig:server.directories.data", "settings.server.directories.data"}); ok {
				data = in.place.Path(module.Str{S: text})
			}
			set.Env["NIX2GPU_SYSTEM"] = project.Value{Text: project.Join(data, project.Lit("/databases/system"))}
			set.Env["NIX2GPU_PASSWORD"] = project.Value{Text: orText(in.secretText(in.Config, "initialPassword", "initialPassword"), "neo4jadmin"), Secret: true}
		},
	},
}
