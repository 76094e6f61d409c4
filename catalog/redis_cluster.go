package catalog

import (
	"net"
	"slices"
	"strconv"

	"nix2gpu/project"
)

// redisCluster is Redis as several nodes, each a service of its own.
var redisCluster = ServiceType{
	Name: "redis-cluster", Package: "redis", User: "redis",
	Doc: "Redis as a cluster: nodes that share the keys among them. Each node is a service, `<name>-<node>`; `<name>` makes one cluster of them, and has completed once that serves. To wait for `<name>` to be ready is to wait for that.",
	rows: []row{
		{"nodes", "attrs {} = { n1.port = 30001; n2.port = 30002; n3.port = 30003; n4.port = 30004; n5.port = 30005; n6.port = 30006; }", "The nodes by name. The first ones by name are masters, the others replicas, and so is one that is added later."},
		{"  port", "required port", "The port to listen on. Nodes talk with each other on the port 10000 above it."},
		{"  extraConfig", "lines", "Further lines of this node's redis.conf."},
		{"bind", "null string = 127.0.0.1", "The address to listen on; null or \"*\" is all of them. Clients are sent to the first one, or to 127.0.0.1: of other machines, they need cluster-announce-ip in settings."},
		{"timeout", "positive = 2000", "After how many milliseconds of silence a node counts as down, and a replica of it takes over."},
		{"replicas", "unsigned = 1", "How many replicas each master has. A cluster has three masters at least."},
		{"settings", "attrs bool | int | string | list string", "Lines of every node's redis.conf by keyword. A list gives a keyword several times."},
		{"requirePass", "null secret", "The password, of clients and among nodes. A text here is read by everyone who reads the definition; `{ secret = \"name\"; }` takes it from a secret."},
		{"requirePassFile", "null key", "A file that holds the password, read at each start with the rights of whoever starts nix2gpu."},
	},
	Generate: generateRedisCluster,
}

func generateRedisCluster(in *Instance) {
	words := []project.Text{project.Self(), project.Lit("provision"), project.Lit("redis"), project.Lit("cluster"), flag("replicas", project.Lit(strconv.Itoa(in.Int("replicas"))))}
	nodes := in.Each("nodes")
	for _, c := range nodes {
		words = append(words, redisNode(in, c.Name(), c.Int("port")))
	}
	if least := 3 * (in.Int("replicas") + 1); len(nodes) < least {
		option := "nodes"
		if !in.IsSet(option) {
			option = "replicas" // which says what the default lacks
		}
		in.Get(option).Errorf("a cluster has at least three masters: with %d replicas of each it needs %d nodes, not %d\n  hint: add nodes, or set replicas = 0", in.Int("replicas"), least, len(nodes))
	}
	create := in.Main(project.Command{Exec: words})
	in.service.Completes = true
	if text := in.secretText(in.Config, "requirePass", "requirePassFile"); text != nil {
		create.Env["REDISCLI_AUTH"] = project.Value{Text: text, Secret: true} // as redis-cli has it
	}
}

// redisNode adds a node, and returns what tells the provisioner of it.
func redisNode(in *Instance, name string, port int) project.Text {
	node := in.part(name)
	r := &redisConfig{Instance: node, textBuilder: &textBuilder{}, port: port, portAt: []string{"nodes", name, "port"}, extra: []string{"nodes", name, "extraConfig"}, bus: true}
	own := r.own()
	r.joins()
	r.network()
	r.foreground()
	r.set("cluster-enabled", "yes")
	// Otherwise others take it to be where its connections come from.
	r.set("cluster-announce-ip", reachable(r.addresses()[0]))
	r.set("cluster-node-timeout", strconv.Itoa(in.Int("timeout")))
	r.set("appendonly", "yes")
	if text := in.secretText(in.Config, "requirePass", "requirePassFile"); text != nil {
		r.setText("requirepass", redisQuoteText(text))
		r.setText("masterauth", redisQuoteText(text))
	}
	r.add(own)
	r.server(in.Data("/" + name)).Dirs = []project.Dir{in.KeptData("0700"), {Path: in.Data("/" + name), Mode: "0700"}}
	ports := node.service.Ports
	if len(ports) < 2 {
		return nil // an error has said why
	}
	at, bus := ports[0], ports[len(ports)-1]
	return flag("node", project.Lit(hostPort(reachable(at.Address), at.Port)+"@"+strconv.Itoa(bus.Port)))
}

// joins reports what keeps a node out of every cluster.
func (r *redisConfig) joins() {
	if words := r.user["cluster-enabled"]; words != nil && !slices.Equal(words, []string{"yes"}) {
		r.Get(r.option("cluster-enabled")...).Errorf("a node of a cluster must have cluster-enabled\n  hint: leave that out")
	}
	if first := r.addresses()[0]; first != "*" && net.ParseIP(first) == nil {
		at := []string{"bind"}
		if r.user["bind"] != nil {
			at = r.option("bind")
		}
		r.Get(at...).Errorf("nodes of a cluster know each other by addresses, not by names such as %q\n  hint: the loopback address is 127.0.0.1", first)
	}
}
