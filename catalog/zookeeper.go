package catalog

import (
	"strconv"
	"strings"

	"nix2gpu/nix/module"
	"nix2gpu/project"
)

// zookeeper keeps what the members of a cluster must agree on.
var zookeeper = ServiceType{
	Name: "zookeeper", Package: "zookeeper", User: "zookeeper",
	Doc: "ZooKeeper, which keeps what the members of a cluster must agree on.",
	rows: []row{
		{"port", "port = 2181", "The port for clients."},
		{"listenAddress", "string = 127.0.0.1", "The address to listen on; \"0.0.0.0\" is all."},
		{"id", "int = 0", "The number of this server, of those that servers lists."},
		{"servers", "lines", "All servers of the cluster: lines such as `server.0=host:2888:3888`."},
		{"purgeInterval", "unsigned = 1", "Every how many hours old snapshots are removed; 0 is never."},
		{"extraConf", "lines = initLimit=5\nsyncLimit=2\ntickTime=2000\n", "Further lines of zoo.cfg, which win over those that the other options write."},
		{"extraCmdLineOptions", "list string", "Arguments of the Java virtual machine."},
		{"preferIPv4", "bool = true", "Whether to use IPv4 alone."},
		{"logging", "inert lines", "logs go to nix2gpu"},
		{"jre", "inert anything", "the program java is that of the package"},
	},
	table: &table{
		extra: "extraCmdLineOptions",
		endpoints: []endpoint{{name: "client", port: "port", address: "listenAddress", anyHost: "0.0.0.0",
			ports: []string{"extraConf:clientPort"}, hosts: []string{"extraConf:clientPortAddress"}}},
		argv: []string{"{jre/bin/java}", "-cp", "{pkg/share/java/zookeeper.jar}:{pkg/share/java/slf4j-simple.jar}",
			"-Dzookeeper.admin.enableServer=false", "-Dzookeeper.4lw.commands.whitelist=srvr,stat", "?preferIPv4 -Djava.net.preferIPv4Stack=true",
			"{extraCmdLineOptions...}", "org.apache.zookeeper.server.quorum.QuorumPeerMain", "{run/zoo.cfg}"},
		dirs: []string{"{data} 0750 keep"},
		configs: []config{{path: "/zoo.cfg", format: "=", tail: []string{"extraConf", "servers"}, base: []entry{
			{"dataDir", "{data}"}, {"clientPort", "{client.port}"}, {"clientPortAddress", "{client.host}"}, {"autopurge.purgeInterval", "{purgeInterval}"},
		}}},
		ready:   ready{listener: "client", protocol: "zookeeper", slow: true},
		success: []int{143}, // of a Java virtual machine that SIGTERM has ended: 128+15
		finish:  zookeeperMember,
	},
}

// zookeeperMember makes the folder of the data, and the server one of several.
func zookeeperMember(in *tableInstance, main *project.Process) {
	if dir, ok := lineValue(in.String("extraConf"), "dataDir"); ok {
		main.Dirs[0].Path = in.place.Path(module.Str{S: dir})
	}
	if in.String("servers") == "" {
		return
	}
	id := strconv.Itoa(in.Int("id"))
	main.Files = append(main.Files, project.File{Path: project.Join(main.Dirs[0].Path, project.Lit("/myid")), Content: project.Lit(id + "\n"), Mode: "0640"})
	own, ok := lineValue(in.String("servers"), "server."+id)
	if !ok {
		in.Get("servers").Errorf("servers has no line server.%s, which is this one by its id\n  hint: add that line, or set id to the number of this server's", id)
		return
	}
	// host:peers:election, and perhaps more; perhaps several
	own, _, _ = strings.Cut(own, ";")
	for one := range strings.SplitSeq(own, "|") {
		host := one[:strings.IndexByte(one, ']')+1] // of IPv6
		name, numbers, _ := strings.Cut(one[len(host):], ":")
		if host = strings.Trim(host, "[]"); host == "" {
			host = name
		}
		ports := strings.Split(numbers, ":")
		for _, text := range ports[:min(len(ports), 2)] {
			if n, err := strconv.Atoi(text); err == nil {
				in.Listen(n, everywhere(host), "servers")
			}
		}
		if len(ports) < 2 {
			in.Get("servers").Errorf("server.%s must be host:port:port, not %q", id, one)
		}
	}
}
