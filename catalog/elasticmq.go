package catalog

import (
	"strings"

	"nix2gpu/project"
)

// elasticmq stands in for Amazon's queues.
var elasticmq = ServiceType{
	Name: "elasticmq", Package: "elasticmq-server-bin", User: "elasticmq",
	Doc: "ElasticMQ, which stands in for Amazon's queues, SQS. It keeps nothing unless extraOptions say so. Written after its documentation, and not yet tried with a real server.",
	rows: []row{
		{"restSqs", "set"},
		{"  enable", "bool = true", "Whether it answers as SQS does."},
		{"  bindPort", "port = 9324", "The port for that."},
		{"  bindHost", "string = 127.0.0.1", "The address to listen on; \"0.0.0.0\" is all."},
		{"restStats", "set"},
		{"  enable", "bool = true", "Whether there is a web interface."},
		{"  bindPort", "port = 9325", "Its port."},
		{"  bindHost", "string = 127.0.0.1", "The address to listen on; \"0.0.0.0\" is all."},
		{"nodeAddress", "set"}, // in the URLs of queues
		{"  protocol", "enum http https", "How clients reach the queues, as URLs of queues say."},
		{"  host", "string = localhost", "The host in such URLs."},
		{"  port", "port = 9324", "The port in such URLs."},
		{"  contextPath", "string", "The path in such URLs, before that of the queue."},
		{"generateNodeAddress", "bool", "Whether such URLs have the address that it listens on, instead of nodeAddress."},
		{"extraOptions", "lines", "Further settings, in HOCON, such as queues."},
		{"jvmOptions", "list string e.g. [ \"-Xmx256m\" ]", "Arguments of Java."},
		{"extraArgs", "list string", "Arguments of elasticmq-server."},
	},
	table: &table{
		endpoints: []endpoint{
			{name: "sqs", port: "restSqs.bindPort", address: "restSqs.bindHost", anyHost: "0.0.0.0", ports: []string{"extraOptions:rest-sqs.bind-port"}, hosts: []string{"extraOptions:rest-sqs.bind-hostname"}, when: "?restSqs.enable"},
			{name: "stats", port: "restStats.bindPort", address: "restStats.bindHost", anyHost: "0.0.0.0", ports: []string{"extraOptions:rest-stats.bind-port"}, hosts: []string{"extraOptions:rest-stats.bind-hostname"}, when: "?restStats.enable"},
		},
		argv: []string{"{bin/elasticmq-server}", "{extraArgs...}"},
		configs: []config{{path: "/elasticmq.conf", format: " = ", tail: []string{"extraOptions"}, base: []entry{
			{"rest-sqs.enabled", "{restSqs.enable}"}, {"rest-sqs.bind-port", "{sqs.port}"}, {"rest-sqs.bind-hostname", `"{sqs.host}"`},
			{"rest-stats.enabled", "{restStats.enable}"}, {"rest-stats.bind-port", "{stats.port}"}, {"rest-stats.bind-hostname", `"{stats.host}"`},
			{"node-address.protocol", "{nodeAddress.protocol}"}, {"node-address.host", `"{nodeAddress.host}"`}, {"node-address.port", "{nodeAddress.port}"},
			{"node-address.context-path", `"{nodeAddress.contextPath?}"`}, {"generate-node-address", "{generateNodeAddress}"},
		}}},
		ready: ready{listener: "sqs", http: "/health", slow: true},
		finish: func(in *tableInstance, main *project.Process) {
			// The program hands no arguments on to Java.
			words := append([]string{""}, in.Strings("jvmOptions")...)
			main.Env["JAVA_TOOL_OPTIONS"] = project.Value{Text: project.Join(project.Lit("-Dconfig.file="), in.RunDir("/elasticmq.conf"), project.Lit(strings.Join(words, " ")))}
			if own := in.Get("environment", "JAVA_TOOL_OPTIONS"); own.Has() {
				own.Errorf("JAVA_TOOL_OPTIONS names the configuration\n  hint: set jvmOptions instead")
			}
			if stats := in.bounds["stats"]; !in.Bool("restSqs", "enable") {
				main.Readiness = nil
				if len(stats) > 0 {
					main.Readiness = askWeb(reachable(stats[0].host), stats[0].port)
				}
			}
		},
	},
}
