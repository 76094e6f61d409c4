package catalog

import "nix2gpu/project"

// elasticsearch searches documents.
var elasticsearch = ServiceType{
	Name: "elasticsearch", Package: "elasticsearch", User: "elasticsearch",
	Doc: "Elasticsearch, which searches documents. Without settings.xpack.security it asks nobody for a password. Written after its documentation, and not yet tried with a real server.",
	rows: []row{
		{"listenAddress", "string = 127.0.0.1", "The address to listen on, for HTTP and other nodes; \"0.0.0.0\" is all."},
		{"host", "alias listenAddress"},
		{"port", "port = 9200", "The port for HTTP."},
		{"tcp_port", "port = 9300", "The port for other nodes."},
		{"cluster_name", "string = elasticsearch", "The name of the cluster, which its nodes share."},
		{"single_node", "bool = true", "Whether this node is the whole cluster."},
		{"settings", "attrs json e.g. { node.name = \"a\"; }", "Further settings, in the words of elasticsearch.yml, as sets or as names with dots."},
		{"extraConf", "lines", "Further lines of elasticsearch.yml, which win over those that the other options write."},
		{"logging", "lines", "The lines of log4j2.properties; what happens is written to the service's log unless set."},
		{"extraJavaOptions", "list string e.g. [ \"-Xmx1g\" ]", "Arguments of the Java virtual machine, such as how much memory it takes."},
		{"extraCmdLineOptions", "list string", "Further arguments of elasticsearch."},
		{"plugins", "refused list package", "the server has them in its own folder: set package or fromImage to one that has them"},
	},
	table: &table{
		extra:  "extraCmdLineOptions",
		behind: []string{"-d --daemonize"},
		endpoints: []endpoint{
			{name: "http", port: "port", address: "listenAddress", anyHost: "0.0.0.0",
				ports: []string{"-Ehttp.port", "extraConf:http.port", "settings.http.port"}, hosts: []string{"-Ehttp.host", "extraConf:http.host", "settings.http.host", "-Enetwork.host", "extraConf:network.host", "settings.network.host"}},
			{name: "network", address: "listenAddress", anyHost: "0.0.0.0", silent: true}, // of both, where they have none of their own
			{name: "nodes", port: "tcp_port", address: "listenAddress", anyHost: "0.0.0.0",
				ports: []string{"-Etransport.port", "extraConf:transport.port", "settings.transport.port"}, hosts: []string{"-Etransport.host", "extraConf:transport.host", "settings.transport.host", "-Enetwork.host", "extraConf:network.host", "settings.network.host"}},
		},
		argv: []string{"{bin/elasticsearch}", "{extraCmdLineOptions...}"},
		env:  []string{"ES_PATH_CONF={data/config}", "ES_TMPDIR={run/tmp}"},
		// It puts its key store beside its configuration.
		dirs: []string{"{data} 0700 keep", "{data/config} 0700", "{data/data} 0700", "{data/logs} 0700", "{run/tmp} 0700"},
		configs: []config{
			{path: "/elasticsearch.yml", format: "yaml", overlay: []string{"settings"}, tail: []string{"extraConf"}, base: []entry{
				{"cluster.name", "{cluster_name}"}, {"discovery.type", "?single_node single-node"}, {"network.host", "{network.host}"},
				{"http.port", number("{http.port}")}, {"transport.port", number("{nodes.port}")}, {"path.data", "{data/data}"}, {"path.logs", "{data/logs}"},
				{"xpack.security.enabled", false}, // which also keeps version 8 from adding settings of its own
			}},
			{path: "/log4j2.properties", format: "", base: []entry{{elasticsearchLog, ""}}},
			{path: "/jvm.options", format: "", base: []entry{{"-Djava.io.tmpdir=${ES_TMPDIR}", ""}}},
		},
		ready:   ready{listener: "http", http: "/_cluster/health?wait_for_status=yellow&timeout=1s", slow: true, guard: []string{"-Expack.security.enabled", "extraConf:xpack.security.enabled", "settings.xpack.security.enabled"}},
		success: []int{143}, // of a Java virtual machine that SIGTERM has ended: 128+15
		finish: func(in *tableInstance, main *project.Process) {
			for i := range main.Files {
				main.Files[i].Path = in.Data("/config" + in.table.configs[i].path)
			}
			if in.IsSet("logging") {
				main.Files[1].Content = in.Text("logging")
			}
			set := in.words([]string{"{extraJavaOptions...}"})
			for i, word := range set {
				if i > 0 {
					main.Env["ES_JAVA_OPTS"] = project.Value{Text: project.Join(main.Env["ES_JAVA_OPTS"].Text, project.Lit(" "), word)}
				} else {
					main.Env["ES_JAVA_OPTS"] = project.Value{Text: word}
				}
			}
		},
	},
}

// elasticsearchLog has what happens in the service's log.
const elasticsearchLog = `status = error
appender.console.type = Console
appender.console.name = console
appender.console.layout.type = PatternLayout
appender.console.layout.pattern = [%d{ISO8601}][%-5p][%c{1.}] %marker%m%n
rootLogger.level = info
rootLogger.appenderRef.console.ref = console`
