package catalog

import "nix2gpu/project"

// alertmanager sends the alerts of Prometheus on.
var alertmanager = ServiceType{
	Name: "alertmanager", Package: "prometheus-alertmanager", User: "alertmanager",
	Doc: "Alertmanager, which groups the alerts of Prometheus and sends them on.",
	rows: []row{
		{"port", "port = 9093", "The port to listen on."},
		{"listenAddress", "string = 127.0.0.1", "The address to listen on; \"0.0.0.0\" is all."},
		{"configuration", "attrs json", "The configuration, in Alertmanager's own words. Without one, alerts are shown and sent nowhere."},
		{"configText", "null lines", "The configuration as text, instead of configuration."},
		{"checkConfig", "inert bool", "the configuration is tested at each start"},
		{"webExternalUrl", "null string", "The URL under which others reach the server."},
		{"logLevel", "null enum debug info warn error", "How much is logged."},
		{"logFormat", "null enum logfmt json", "How logs are written."},
		{"clusterListenAddress", "string", "Where to listen for other Alertmanagers, such as \"127.0.0.1:9094\"; nowhere unless set."},
		{"clusterPeers", "list string", "The other Alertmanagers; clusterListenAddress must be set, too."},
		{"extraFlags", "list string", "Further arguments of alertmanager."},
	},
	table: &table{
		extra: "extraFlags",
		endpoints: []endpoint{
			{name: "web", port: "port", address: "listenAddress", both: []string{"--web.listen-address"}},
			{name: "gossip", both: []string{"--cluster.listen-address", "clusterListenAddress"}},
			{name: "datagrams", both: []string{"--cluster.listen-address", "clusterListenAddress"}, udp: true},
		},
		argv: []string{"{bin/alertmanager}", "--config.file={run/alertmanager.yml}", "--storage.path={data}", "--web.listen-address={web}",
			"--cluster.listen-address={clusterListenAddress?}", "--cluster.peer={clusterPeers...}", "--web.external-url={webExternalUrl}",
			"--log.level={logLevel}", "--log.format={logFormat}", "{extraFlags...}"},
		dirs: []string{"{data} 0750 keep"},
		configs: []config{{path: "/alertmanager.yml", format: "json", overlay: []string{"configuration"}, base: []entry{
			{"route/receiver", "nowhere"}, {"receivers", named{"nowhere"}},
		}}},
		test:  []string{"{bin/amtool}", "check-config", "{run/alertmanager.yml}"},
		ready: ready{listener: "web", http: "/-/ready", guard: []string{webConfig}},
		finish: func(in *tableInstance, main *project.Process) {
			if in.Has("configText") {
				in.whole("configText", "port", "listenAddress", "webExternalUrl", "logLevel", "logFormat", "clusterListenAddress", "clusterPeers", "extraFlags")
				main.Files[0] = project.File{Path: in.RunDir("/alertmanager.yml"), Content: in.Text("configText"), Mode: "0640"}
			}
			prometheusPrefix(in, main)
			if _, peers, ok := in.said([]string{"--cluster.peer", "clusterPeers"}); ok && in.bounds["gossip"][0].host == "" {
				in.Get(peers...).Errorf("without clusterListenAddress, Alertmanager takes part in no cluster, and has no peers\n  hint: set clusterListenAddress, such as \"127.0.0.1:9094\"")
			}
		},
	},
}
