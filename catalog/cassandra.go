package catalog

import (
	"strings"

	"nix2gpu/project"
)

// cassandra is a database of wide rows.
var cassandra = ServiceType{
	Name: "cassandra", Package: "cassandra", User: "cassandra",
	Doc: "Cassandra, a database spread over nodes. Written after its documentation, and not yet tried with a real server.",
	rows: []row{
		{"listenAddress", "string = 127.0.0.1", "The address to listen on for other nodes, which they also reach it at."},
		{"rpcAddress", "null string", "The address to listen on for clients; listenAddress unless set, \"0.0.0.0\" is all."},
		{"nativeTransportPort", "port = 9042", "The port for clients."},
		{"port", "alias nativeTransportPort"},
		{"storagePort", "port = 7000", "The port for other nodes."},
		{"jmxPort", "port = 7199", "The port of the administration, on the loopback address."},
		{"listenInterface", "refused string", "set listenAddress to its address"},
		{"rpcInterface", "refused string", "set rpcAddress to its address"},
		{"homeDir", "alias dataDir"},
		{"logbackConfig", "null lines", "What is logged and how, in the XML of Logback; what happens goes to nix2gpu's logs unless set."},
		{"mallocArenaMax", "null positive", "How many arenas the C library may have for memory."},
		{"extraEnvSh", "refused lines", "set jvmOpts, or variables in environment"},
		{"fullRepairInterval", "refused string", "run \"nodetool repair --full\" in a custom service with a schedule"},
		{"fullRepairOptions", "refused list string", "run \"nodetool repair --full\" in a custom service with a schedule"},
		{"incrementalRepairInterval", "refused string", "run \"nodetool repair\" in a custom service with a schedule"},
		{"incrementalRepairOptions", "refused list string", "run \"nodetool repair\" in a custom service with a schedule"},
		{"remoteJmx", "refused bool", "the administration listens on the loopback address alone: use nodetool in the container"},
		{"jmxRoles", "refused list attrs string", "the administration listens on the loopback address alone"},
		{"jmxRolesFile", "refused file", "the administration listens on the loopback address alone"},
		{"seedAddresses", "list string", "The nodes that a new one asks about the cluster; this one alone unless set."},
		{"clusterName", "string = Test Cluster", "The name of the cluster, which its nodes share and which does not change."},
		{"allowClients", "bool = true", "Whether clients are served."},
		{"maxHeapSize", "null string ~ 1G", "How much memory the Java virtual machine may take for objects; found out by its script unless set."},
		{"heapNewSize", "null string ~ 200M", "How much of it is for new objects; to be set with maxHeapSize, unless its garbage collector is G1."},
		{"jvmOpts", "list string", "Further arguments of the Java virtual machine; none may have a space in it."},
		{"extraConfig", "attrs json", "Further configuration, in the words of cassandra.yaml, merged over what the other options say."},
		{"extraFlags", "list string", "Further arguments of cassandra."},
	},
	table: &table{
		extra: "extraFlags",
		endpoints: []endpoint{
			{name: "client", port: "nativeTransportPort", address: "rpcAddress", anyHost: "0.0.0.0", ports: []string{"extraConfig.native_transport_port"}, hosts: []string{"extraConfig.rpc_address", "rpcAddress", "extraConfig.listen_address", "listenAddress"}, when: "?allowClients"},
			{name: "storage", port: "storagePort", address: "listenAddress", ports: []string{"extraConfig.storage_port"}, hosts: []string{"extraConfig.listen_address"}},
			{name: "jmx", port: "jmxPort", ports: []string{"-Dcassandra.jmx.local.port"}},
		},
		argv: []string{"{bin/cassandra}", "-f", "-Dcassandra.config=file://{run/cassandra.yaml}", "-Dlogback.configurationFile={run/logback.xml}",
			"-Dcassandra.jmx.local.port={jmx.port}", "{extraFlags...}"},
		env:  []string{"LOCAL_JMX=yes", "CASSANDRA_LOG_DIR={run/log}", "MAX_HEAP_SIZE={maxHeapSize}", "HEAP_NEWSIZE={heapNewSize}", "MALLOC_ARENA_MAX={mallocArenaMax}"},
		dirs: []string{"{data} 0750 keep", "{data/data} 0750", "{data/commitlog} 0750", "{data/hints} 0750", "{data/saved_caches} 0750", "{run/log} 0750"},
		configs: []config{
			{path: "/cassandra.yaml", format: "json", overlay: []string{"extraConfig"}, base: []entry{
				{"cluster_name", "{clusterName}"}, {"num_tokens", 16}, {"partitioner", "org.apache.cassandra.dht.Murmur3Partitioner"},
				{"endpoint_snitch", "SimpleSnitch"}, {"commitlog_sync", "batch"},
				{"listen_address", "{storage.host}"}, {"storage_port", number("{storage.port}")},
				{"start_native_transport", whole("allowClients")}, {"rpc_address", "{client.host}"}, {"native_transport_port", number("{client.port}")},
				{"data_file_directories", []string{"{data/data}"}}, {"commitlog_directory", "{data/commitlog}"}, {"hints_directory", "{data/hints}"},
				{"saved_caches_directory", "{data/saved_caches}"},
			}},
			{path: "/logback.xml", format: "", base: []entry{{"!logbackConfig " + cassandraLog, ""}}, tail: []string{"logbackConfig"}},
		},
		ready:   ready{listener: "client", protocol: "cassandra", slow: true, guard: []string{"extraConfig.client_encryption_options.enabled"}},
		success: []int{143}, // of a Java virtual machine that SIGTERM has ended: 128+15
		finish: func(in *tableInstance, main *project.Process) {
			at := in.bounds["storage"][0]
			if everywhere(at.host) == "*" {
				in.Get("listenAddress").Errorf("listenAddress must be one address, at which other nodes reach this one\n  hint: rpcAddress = \"0.0.0.0\" opens all of them to clients")
			}
			seeds := in.Strings("seedAddresses")
			if len(seeds) == 0 {
				seeds = []string{at.host}
			}
			more := []entry{{"seed_provider", []any{map[string]any{
				"class_name": project.Lit("org.apache.cassandra.locator.SimpleSeedProvider"),
				"parameters": []any{map[string]any{"seeds": project.Lit(strings.Join(seeds, ","))}},
			}}}}
			if client := in.bounds["client"]; len(client) > 0 && everywhere(client[0].host) == "*" {
				more = append(more, entry{"broadcast_rpc_address", "{storage.host}"}) // Cassandra asks for one then
			}
			main.Files[0] = in.table.configs[0].file(in, more...)
			if !in.Bool("allowClients") {
				main.Readiness = &project.Probe{TCP: &project.TCPCheck{Host: reachable(at.host), Port: at.port}, Period: slowStart}
			}
			main.Packages = append(main.Packages, project.PackageRef{Attr: "jre", Pos: in.service.Pos})
			var options []string
			for _, c := range in.List("jvmOpts") {
				if strings.ContainsAny(c.String(), " \t\n") {
					c.Errorf("Cassandra's script splits arguments of the Java virtual machine at spaces, and %q has one\n  hint: put it into a file, and name that as @FILE", c.String())
				}
				options = append(options, c.String())
			}
			if len(options) > 0 {
				main.Env["JVM_EXTRA_OPTS"] = project.Value{Text: project.Lit(strings.Join(options, " "))}
			}
		},
	},
}

// cassandraLog has what happens in the service's log, and nowhere else.
const cassandraLog = `<configuration>
  <appender name="STDOUT" class="ch.qos.logback.core.ConsoleAppender">
    <encoder><pattern>%-5level [%thread] %date{ISO8601} %F:%L - %msg%n</pattern></encoder>
  </appender>
  <root level="INFO"><appender-ref ref="STDOUT"/></root>
</configuration>`
