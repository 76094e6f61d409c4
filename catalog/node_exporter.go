package catalog

// nodeExporter tells Prometheus of the machine.
var nodeExporter = ServiceType{
	Name: "node-exporter", Aliases: []string{"prometheus-node-exporter"}, Package: "prometheus-node-exporter", User: "node-exporter",
	Doc: "node_exporter, which tells Prometheus of the machine.",
	rows: []row{
		{"port", "port = 9100", "The port to listen on."},
		{"listenAddress", "string = 127.0.0.1", "The address to listen on; \"0.0.0.0\" is all."},
		{"enabledCollectors", "list string", "Collectors to enable beside those that are by default, such as \"processes\"."},
		{"disabledCollectors", "list string", "Collectors to disable."},
		{"extraFlags", "list string", "Further arguments of node_exporter."},
	},
	table: &table{
		extra:     "extraFlags",
		endpoints: []endpoint{{name: "web", port: "port", address: "listenAddress", both: []string{"--web.listen-address"}}},
		argv: []string{"{bin/node_exporter}", "--web.listen-address={web}", "--collector.{enabledCollectors...}", "--no-collector.{disabledCollectors...}",
			"{extraFlags...}"},
		ready: ready{listener: "web", http: "/", guard: []string{webConfig}},
	},
}
