package catalog

import "nix2gpu/project"

// etcd keeps what a cluster must agree on.
var etcd = ServiceType{
	Name: "etcd", Package: "etcd", User: "etcd",
	Doc: "etcd, a key-value store for what a cluster must agree on.",
	rows: []option{
		{"name", "null string", nil, "The name of this member; the instance's name unless set."},
		{"port", "port", 2379, "The port for clients."},
		{"peerPort", "port", 2380, "The port for other members."},
		{"listenAddress", "string", "127.0.0.1", "The address to listen on, for clients and members; \"0.0.0.0\" is all."},
		{"listenClientUrls", "list string", nil, "Where to listen for clients, as URLs, instead of port."},
		{"listenPeerUrls", "list string", nil, "Where to listen for members, as URLs, instead of peerPort."},
		{"advertiseClientUrls", "list string", nil, "What clients are told; where this machine reaches it unless set."},
		{"initialAdvertisePeerUrls", "list string", nil, "What other members are told; where this machine reaches it unless set."},
		{"initialCluster", "list string", nil, "The members that begin the cluster, each as name=URL; this one alone unless set."},
		{"initialClusterState", "enum new existing", nil, "Whether the cluster is new when the member first starts."},
		{"initialClusterToken", "null string", nil, "What tells this cluster from others at its beginning; \"etcd-cluster\" unless set."},
		{"extraConf", "attrs string", nil, "Further settings, in the words of etcd's variables without ETCD_, such as LOG_LEVEL."},
		{"extraFlags", "list string", nil, "Further arguments of etcd."},
	},
	table: &table{
		extra: "extraFlags",
		endpoints: []endpoint{
			{name: "client", port: "port", address: "listenAddress", anyHost: "0.0.0.0", both: []string{"--listen-client-urls", "listenClientUrls"}},
			{name: "peer", port: "peerPort", address: "listenAddress", anyHost: "0.0.0.0", both: []string{"--listen-peer-urls", "listenPeerUrls"}},
		},
		argv: []string{"{bin/etcd}", "?name --name={name}", "!name --name={instance}", "--data-dir={data}",
			"?listenClientUrls --listen-client-urls={listenClientUrls}", "!listenClientUrls --listen-client-urls=http://{client}",
			"?advertiseClientUrls --advertise-client-urls={advertiseClientUrls}", "!advertiseClientUrls --advertise-client-urls={client.scheme}://{client!}",
			"?listenPeerUrls --listen-peer-urls={listenPeerUrls}", "!listenPeerUrls --listen-peer-urls=http://{peer}",
			"?initialAdvertisePeerUrls --initial-advertise-peer-urls={initialAdvertisePeerUrls}",
			"!initialAdvertisePeerUrls --initial-advertise-peer-urls={peer.scheme}://{peer!}",
			"--initial-cluster-state={initialClusterState}", "--initial-cluster-token={initialClusterToken}", "{extraFlags...}"},
		dirs:  []string{"{data} 0700 keep"},
		ready: ready{listener: "client", http: "/health"},
		finish: func(in *tableInstance, main *project.Process) {
			// The members that begin the cluster; this one alone goes by the name and the URL above.
			words := []string{"?initialCluster --initial-cluster={initialCluster}"}
			if len(in.List("initialCluster")) == 0 {
				word := "={peer.scheme}://{peer!}"
				if urls := in.Strings("initialAdvertisePeerUrls"); len(urls) > 0 {
					word = "=" + urls[0]
				}
				words = []string{"?name --initial-cluster={name}" + word, "!name --initial-cluster={instance}" + word}
			}
			main.Command.Exec = append(main.Command.Exec, in.words(words)...)
			for _, c := range in.Each("extraConf") {
				main.Env["ETCD_"+c.Name()] = project.Value{Text: in.place.Text(c.Str())}
			}
		},
	},
}
