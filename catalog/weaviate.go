package catalog

import "nix2gpu/project"

// weaviate searches vectors.
var weaviate = ServiceType{
	Name: "weaviate", Package: "weaviate", User: "weaviate",
	Doc: "Weaviate, which searches vectors. It takes no address for gRPC and the data of its cluster, where it listens on all of them: openPorts agrees to that. Written after its documentation and source, and not yet tried with a real server.",
	rows: []row{
		{"host", "string = 127.0.0.1", "The address to listen on for HTTP; \"0.0.0.0\" is all."},
		{"port", "port = 8080", "The port for HTTP."},
		{"grpcPort", "port = 50051", "The port for gRPC, on all addresses."},
		{"bindAddress", "string = 127.0.0.1", "The address to listen on for other nodes."},
		{"gossipPort", "port = 7946", "The port for other nodes to find it at, over TCP and UDP."},
		{"dataPort", "port = 7947", "The port for data of other nodes, on all addresses."},
		{"raftPort", "port = 8300", "The port for what the nodes agree on."},
		{"raftRPCPort", "port = 8301", "The port for requests to the node that leads them."},
		{"openPorts", "bool", "Whether gRPC and the data of the cluster may listen on all addresses. Weaviate takes no others for them, so without this it does not run, unless network = \"loopback\"."},
		{"modules", "list string e.g. [ \"text2vec-openai\" ]", "The modules that are enabled."},
		{"extraFlags", "list string", "Further arguments of weaviate. What else there is to say is said by environment."},
	},
	table: &table{
		extra: "extraFlags",
		endpoints: []endpoint{
			{name: "http", port: "port", address: "host", anyHost: "0.0.0.0", ports: []string{"--port"}, hosts: []string{"--host"}},
			{name: "grpc", port: "grpcPort", ports: []string{"environment.GRPC_PORT"}, silent: true},
			{name: "gossip", port: "gossipPort", address: "bindAddress", anyHost: "0.0.0.0", ports: []string{"environment.CLUSTER_GOSSIP_BIND_PORT"}, hosts: []string{"environment.CLUSTER_BIND_ADDR"}},
			{name: "datagrams", port: "gossipPort", address: "bindAddress", anyHost: "0.0.0.0", ports: []string{"environment.CLUSTER_GOSSIP_BIND_PORT"}, hosts: []string{"environment.CLUSTER_BIND_ADDR"}, udp: true},
			{name: "data", port: "dataPort", ports: []string{"environment.CLUSTER_DATA_BIND_PORT"}, silent: true},
			{name: "raft", port: "raftPort", address: "bindAddress", anyHost: "0.0.0.0", ports: []string{"--raft-port", "environment.RAFT_PORT"}, hosts: []string{"environment.CLUSTER_BIND_ADDR"}},
			{name: "rpc", port: "raftRPCPort", address: "bindAddress", anyHost: "0.0.0.0", ports: []string{"--raft-internal-rpc-port", "environment.RAFT_INTERNAL_RPC_PORT"}, hosts: []string{"environment.CLUSTER_BIND_ADDR"}},
		},
		argv: []string{"{bin/weaviate}", "--scheme=http", "--host={http.host}", "--port={http.port}", "{extraFlags...}"},
		env: []string{"PERSISTENCE_DATA_PATH={data}", "CLUSTER_HOSTNAME={instance}", "CLUSTER_BIND_ADDR={gossip.host}", "CLUSTER_GOSSIP_BIND_PORT={gossip.port}",
			"CLUSTER_DATA_BIND_PORT={data.port}", "RAFT_PORT={raft.port}", "RAFT_INTERNAL_RPC_PORT={rpc.port}", "GRPC_PORT={grpc.port}", "ENABLE_MODULES={modules}",
			"GO_PROFILING_DISABLE=true", "DISABLE_TELEMETRY=true"}, // it would be profiled on all addresses
		dirs:  []string{"{data} 0750 keep"},
		ready: ready{listener: "http", http: "/v1/.well-known/ready", slow: true},
		finish: func(in *tableInstance, _ *project.Process) {
			grpc, data := in.bounds["grpc"][0].port, in.bounds["data"][0].port
			in.Listen(grpc, "*", "grpcPort")
			in.Listen(data, "*", "dataPort")
			if !in.Bool("openPorts") && !in.Has("network") {
				in.Get("enable").Errorf("Weaviate listens on all addresses at the ports %d and %d: it has no setting for the address of gRPC and of its cluster's data\n"+
					"  hint: set openPorts = true if that is meant; or network = \"loopback\", where nothing else reaches it", grpc, data)
			}
		},
	},
}
