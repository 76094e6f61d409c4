package catalog

import "slices"

// pyroscope keeps profiles.
var pyroscope = ServiceType{
	Name: "pyroscope", Package: "pyroscope", User: "pyroscope",
	Doc: "Grafana Pyroscope, a database of profiles. Written after its documentation, and not yet tried with a real server.",
	rows: []row{
		{"httpAddress", "string = 127.0.0.1", "The address to listen on, for clients and other servers of Pyroscope; \"0.0.0.0\" is all."},
		{"listenAddress", "alias httpAddress"},
		{"httpPort", "port = 4040", "The port of the API and the web interface."},
		{"port", "alias httpPort"},
		{"grpcPort", "port = 9095", "The port for other servers of Pyroscope."},
		{"memberlistPort", "port = 7946", "The port on which servers of Pyroscope find each other."},
		{"raftPort", "port = 9099", "The port on which the metastores of several servers agree."},
		{"extraConfig", "attrs json", "The configuration, in Pyroscope's own words, over ours."},
		{"extraFlags", "list string", "Further arguments of pyroscope."},
	},
	table: &table{
		extra: "extraFlags",
		endpoints: []endpoint{
			grafanaWeb,
			grafanaGRPC,
			{name: "members", port: "memberlistPort", address: "httpAddress", ports: []string{"extraConfig.memberlist.bind_port"}, hosts: []string{"extraConfig.memberlist.bind_addr"}},
			{name: "raft", port: "raftPort", address: "httpAddress", both: []string{"extraConfig.metastore.raft.bind_address"}},
		},
		argv: []string{"{bin/pyroscope}", "-config.file={run/pyroscope.yaml}", "{extraFlags...}"},
		dir:  "{data}", // some of its folders are relative unless they are named, in every version others
		dirs: []string{"{data} 0750 keep"},
		configs: []config{{path: "/pyroscope.yaml", format: "json", overlay: []string{"extraConfig"}, base: slices.Concat(grafanaServer, []entry{
			{"pyroscopedb/data_path", "{data/data}"}, {"storage/backend", "filesystem"}, {"storage/filesystem/dir", "{data/blocks}"},
			{"ingester/lifecycler/address", "{web.at}"}, {"distributor/ring/instance_addr", "{web.at}"}, {"compactor/sharding_ring/instance_addr", "{web.at}"},
			{"overrides_exporter/ring/instance_addr", "{web.at}"}, {"frontend/instance_addr", "{web.at}"},
			{"store_gateway/sharding_ring/instance_addr", "{web.at}"}, {"segment_writer/lifecycler/address", "{web.at}"},
			{"memberlist/bind_addr", []string{"{members.host}"}}, {"memberlist/bind_port", number("{members.port}")},
			{"metastore/address", "{grpc!}"}, {"query_backend/address", "{grpc!}"},
			{"metastore/raft/bind_address", "{raft}"}, {"metastore/raft/advertise_address", "{raft!}"}, {"metastore/raft/server_id", "{raft!}"},
		})}},
		ready: grafanaReady,
	},
}
