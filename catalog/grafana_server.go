package catalog

// What Loki, Tempo and Pyroscope have in common: they serve by the same library, and have the
// same section and flags of that.
var (
	grafanaWeb = endpoint{name: "web", port: "httpPort", address: "httpAddress",
		ports: []string{"-server.http-listen-port --server.http-listen-port", "extraConfig.server.http_listen_port"},
		hosts: []string{"-server.http-listen-address --server.http-listen-address", "extraConfig.server.http_listen_address"}}
	grafanaGRPC = endpoint{name: "grpc", port: "grpcPort", address: "httpAddress",
		ports: []string{"-server.grpc-listen-port --server.grpc-listen-port", "extraConfig.server.grpc_listen_port"},
		hosts: []string{"-server.grpc-listen-address --server.grpc-listen-address", "extraConfig.server.grpc_listen_address"}}
	grafanaServer = []entry{
		{"server/http_listen_address", "{web.host}"}, {"server/http_listen_port", number("{web.port}")},
		{"server/grpc_listen_address", "{grpc.host}"}, {"server/grpc_listen_port", number("{grpc.port}")},
	}
	grafanaReady = ready{listener: "web", http: "/ready", slow: true, guard: []string{"extraConfig.server.http_tls_config.cert_file"}}
)
