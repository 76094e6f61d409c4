package catalog

// jaeger collects traces; it is the all-in-one program of version 1.
var jaeger = ServiceType{
	Name: "jaeger", Package: "jaeger", User: "jaeger",
	Doc: "Jaeger, which collects traces. Written after its documentation, and not yet tried with a real server.",
	rows: []row{
		{"port", "port = 16686", "The port of the web interface."},
		{"listenAddress", "string = 127.0.0.1", "The address to listen on; \"\" is all."},
		{"otlpGrpcPort", "port = 4317", "The port for OTLP over gRPC."},
		{"otlpHttpPort", "port = 4318", "The port for OTLP over HTTP."},
		{"adminPort", "port = 14269", "The port for health and metrics."},
		{"storage", "enum memory badger", "Where traces are kept: in memory, or as files in dataDir."},
		{"extraFlags", "list string", "Further arguments of jaeger."},
	},
	table: &table{
		extra: "extraFlags",
		endpoints: []endpoint{
			{name: "query", port: "port", address: "listenAddress", both: []string{"--query.http-server.host-port"}},
			{name: "grpc", port: "otlpGrpcPort", address: "listenAddress", both: []string{"--collector.otlp.grpc.host-port"}},
			{name: "http", port: "otlpHttpPort", address: "listenAddress", both: []string{"--collector.otlp.http.host-port"}},
			{name: "admin", port: "adminPort", address: "listenAddress", both: []string{"--admin.http.host-port"}},
			// Ports without an option here would listen on all addresses.
			{name: "grpcCollector", number: 14250, address: "listenAddress", both: []string{"environment.COLLECTOR_GRPC_SERVER_HOST_PORT"}},
			{name: "httpCollector", number: 14268, address: "listenAddress", both: []string{"environment.COLLECTOR_HTTP_SERVER_HOST_PORT"}},
			{name: "grpcQuery", number: 16685, address: "listenAddress", both: []string{"environment.QUERY_GRPC_SERVER_HOST_PORT"}},
			{name: "zipkinHTTP", address: "listenAddress", both: []string{"--collector.zipkin.host-port", "environment.COLLECTOR_ZIPKIN_HOST_PORT"}},
			// These went with the agent.
			{name: "sampling", number: 5778, address: "listenAddress", silent: true},
			{name: "zipkin", number: 5775, address: "listenAddress", silent: true},
			{name: "compact", number: 6831, address: "listenAddress", silent: true},
			{name: "binary", number: 6832, address: "listenAddress", silent: true},
		},
		argv: []string{"{bin/jaeger-all-in-one}", "--query.http-server.host-port={query}", "--collector.otlp.grpc.host-port={grpc}",
			"--collector.otlp.http.host-port={http}", "--admin.http.host-port={admin}",
			"?storage=badger --badger.ephemeral=false", "?storage=badger --badger.directory-key={data/keys}", "?storage=badger --badger.directory-value={data/values}",
			"{extraFlags...}"},
		// Not every version has all of them, but jaeger ignores unknown variables.
		env: []string{"SPAN_STORAGE_TYPE={storage}", "OTEL_TRACES_SAMPLER=always_off", // of itself: they would go to localhost:4317, whoever is there
			"COLLECTOR_GRPC_SERVER_HOST_PORT={grpcCollector}", "COLLECTOR_HTTP_SERVER_HOST_PORT={httpCollector}",
			"QUERY_GRPC_SERVER_HOST_PORT={grpcQuery}",
			"HTTP_SERVER_HOST_PORT={sampling}", "PROCESSOR_ZIPKIN_COMPACT_SERVER_HOST_PORT={zipkin}",
			"PROCESSOR_JAEGER_COMPACT_SERVER_HOST_PORT={compact}", "PROCESSOR_JAEGER_BINARY_SERVER_HOST_PORT={binary}"},
		dirs:  []string{"?storage=badger {data} 0750 keep"},
		ready: ready{listener: "admin", http: "/", slow: true},
	},
}
