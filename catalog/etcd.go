package catalog

import (
	"cmp"
	"slices"
	"strings"

	"nix2gpu/project"
)

// etcd keeps what a cluster must agree on.
var etcd = ServiceType{
	Name: "etcd", Package: "etcd", User: "etcd",
	Doc: "etcd, a key-value store for what a cluster must agree on.",
	rows: []row{
		{"name", "null string", "The name of this member; the instance's name unless set."},
		{"port", "port = 2379", "The port for clients."},
		{"peerPort", "port = 2380", "The port for other members."},
		{"listenAddress", "string = 127.0.0.1", "The address to listen on, for clients and members; \"0.0.0.0\" is all."},
		{"listenClientUrls", "list string", "Where to listen for clients, as URLs, instead of port."},
		{"listenPeerUrls", "list string", "Where to listen for members, as URLs, instead of peerPort."},
		{"advertiseClientUrls", "list string", "What clients are told; where this machine reaches it unless set."},
		{"initialAdvertisePeerUrls", "list string", "What other members are told; where this machine reaches it unless set."},
		{"initialCluster", "list string", "The members that begin the cluster, each as name=URL; this one alone unless set."},
		{"initialClusterState", "enum new existing", "Whether the cluster is new when the member first starts."},
		{"initialClusterToken", "null string", "What tells this cluster from others at its beginning; \"etcd-cluster\" unless set."},
		{"discovery", "string", "The URL of a discovery service that tells the members of each other, instead of initialCluster."},
		{"clientCertAuth", "bool", "Whether clients must show certificates of trustedCaFile."},
		{"trustedCaFile", "null file", "The file of the authorities of clients' certificates."},
		{"certFile", "null file", "The file of the certificate for clients."},
		{"keyFile", "null key", "The file of that certificate's key."},
		{"peerClientCertAuth", "bool", "Whether other members must show certificates of peerTrustedCaFile."},
		{"peerTrustedCaFile", "null file", "The file of the authorities of members' certificates; trustedCaFile unless set."},
		{"peerCertFile", "null file", "The file of the certificate for members; certFile unless set."},
		{"peerKeyFile", "null key", "The file of that certificate's key; keyFile unless set."},
		{"extraConf", "attrs string", "Further settings, in the words of etcd's variables without ETCD_, such as LOG_LEVEL."},
		{"extraFlags", "list string", "Further arguments of etcd."},
	},
	table: &table{
		extra: "extraFlags",
		endpoints: []endpoint{
			{name: "client", port: "port", address: "listenAddress", anyHost: "0.0.0.0", both: []string{"--listen-client-urls", "extraConf.LISTEN_CLIENT_URLS", "listenClientUrls"}},
			{name: "peer", port: "peerPort", address: "listenAddress", anyHost: "0.0.0.0", both: []string{"--listen-peer-urls", "extraConf.LISTEN_PEER_URLS", "listenPeerUrls"}},
		},
		argv: []string{"{bin/etcd}", "--name={name|instance}", "--data-dir={data}",
			"--listen-client-urls={listenClientUrls}", "!listenClientUrls --listen-client-urls=http://{client}",
			"--advertise-client-urls={advertiseClientUrls}", "!advertiseClientUrls --advertise-client-urls={client.scheme}://{client!}",
			"--listen-peer-urls={listenPeerUrls}", "!listenPeerUrls --listen-peer-urls=http://{peer}",
			"--initial-advertise-peer-urls={initialAdvertisePeerUrls}",
			"!initialAdvertisePeerUrls --initial-advertise-peer-urls={peer.scheme}://{peer!}",
			"--initial-cluster-state={initialClusterState}", "--initial-cluster-token={initialClusterToken}", "--discovery={discovery}",
			"?clientCertAuth --client-cert-auth", "--trusted-ca-file={trustedCaFile}", "--cert-file={certFile}", "--key-file={keyFile}",
			"?peerClientCertAuth --peer-client-cert-auth", "--peer-trusted-ca-file={peerTrustedCaFile|trustedCaFile}",
			"--peer-cert-file={peerCertFile|certFile}", "--peer-key-file={peerKeyFile|keyFile}",
			"{extraFlags...}"},
		dirs:   []string{"{data} 0700 keep"},
		ready:  ready{listener: "client", http: "/health", guard: []string{"--trusted-ca-file -trusted-ca-file", "extraConf.TRUSTED_CA_FILE", "trustedCaFile"}},
		finish: etcdCluster,
	},
}

// etcdCluster says which members begin the cluster: this one alone, unless the user does.
// Before, what a first start has left that was killed is cleared away.
func etcdCluster(in *tableInstance, main *project.Process) {
	init := in.Before(project.Command{Exec: []project.Text{project.Self(), project.Lit("provision"), project.Lit("etcd"), project.Lit("init"), flag("data", in.DataDir())}})
	init.Dirs, main.Dirs = main.Dirs, nil
	words := []string{"--initial-cluster={initialCluster}"}
	if len(in.List("initialCluster")) == 0 {
		name, _, _ := in.said([]string{"--name -name", "extraConf.NAME", "name"})
		urls, _, ok := in.said([]string{"--initial-advertise-peer-urls -initial-advertise-peer-urls", "extraConf.INITIAL_ADVERTISE_PEER_URLS", "initialAdvertisePeerUrls"})
		if !ok {
			urls = "{peer.scheme}://{peer!}"
		}
		var members []string
		for url := range strings.SplitSeq(urls, ",") {
			members = append(members, cmp.Or(name, "{instance}")+"="+strings.TrimSpace(url))
		}
		words[0] = "--initial-cluster=" + strings.Join(members, ",")
	}
	own := in.Strings("extraFlags")
	if _, elsewhere, _ := in.said([]string{"--discovery -discovery", "--discovery-srv -discovery-srv", "extraConf.DISCOVERY", "extraConf.DISCOVERY_SRV"}); elsewhere == nil && in.String("discovery") == "" {
		main.Command.Exec = append(main.Command.Exec, in.words(words)...)
	}
	for _, c := range in.Each("extraConf") {
		main.Env["ETCD_"+c.Name()] = project.Value{Text: in.place.Text(c.Str())}
		flag := "--" + strings.ReplaceAll(strings.ToLower(c.Name()), "_", "-")
		if _, given := flagValue(own, flag, flag[1:]); !given { // etcd refuses both
			main.Command.Exec = slices.DeleteFunc(main.Command.Exec, func(t project.Text) bool { return strings.HasPrefix(t.String(), flag+"=") })
		}
	}
}
