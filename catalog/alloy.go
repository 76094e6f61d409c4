package catalog

// alloy collects telemetry.
var alloy = ServiceType{
	Name: "alloy", Package: "grafana-alloy", User: "alloy",
	Doc: "Grafana Alloy, which collects logs, metrics, traces and profiles, and sends them on. Written after its documentation, and not yet tried with a real server.",
	rows: []row{
		{"configFile", "required file", "The configuration, in Alloy's own language: a file, or a folder of such files. What listens by it, nix2gpu does not know."},
		{"configPath", "alias configFile"},
		{"listenAddress", "string = 127.0.0.1", "The address to listen on; \"0.0.0.0\" is all."},
		{"port", "port = 12345", "The port of the web interface, and of other Alloys of a cluster."},
		{"extraFlags", "list string", "Further arguments of alloy run."},
	},
	table: &table{
		extra:     "extraFlags",
		endpoints: []endpoint{{name: "web", port: "port", address: "listenAddress", both: []string{"--server.http.listen-addr"}}},
		argv:      []string{"{bin/alloy}", "run", "{configFile}", "--server.http.listen-addr={web}", "--storage.path={data}", "{extraFlags...}"},
		dirs:      []string{"{data} 0750 keep"},
		ready:     ready{listener: "web", http: "/-/ready", slow: true},
	},
}
