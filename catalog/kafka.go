package catalog

import (
	"crypto/sha256"
	"encoding/base64"
	"maps"
	"slices"
	"strings"

	"nix2gpu/project"
)

// kafka is a log of events: one broker that is its own controller, unless
// the settings say otherwise.
var kafka = ServiceType{
	Name: "apache-kafka", Aliases: []string{"kafka"}, Package: "apacheKafka", User: "kafka",
	Doc: "Kafka, a log of events. Written after its documentation, and not yet tried with a real server.",
	rows: []row{
		{"port", "port = 9092", "The port to listen on."},
		{"controllerPort", "null port", "The port of the controller; port + 1 unless set."},
		{"listenAddress", "string = 127.0.0.1", "The address to listen on, which clients are told as well."},
		{"topics", "attrs {} e.g. { orders.partitions = 3; }", "Topics by name, made when they do not exist, at each start; what exists stays as it is. They are made through the first listener without TLS, which must ask for no password then."},
		{"  partitions", "null positive", "How many parts it has; num.partitions of the settings unless set."},
		{"  replicationFactor", "null positive", "How many brokers have it; default.replication.factor of the settings unless set."},
		{"  settings", "attrs bool | int | string e.g. { \"retention.ms\" = 3600000; }", "Its own settings, by key."},
		{"clusterId", "null string", "The id of the cluster; made from the instance's name unless set."},
		{"formatLogDirs", "bool = true", "Format the data folder before the first start."},
		{"formatLogDirsIgnoreFormatted", "inert bool", "what is formatted stays as it is"},
		{"jre", "inert anything", "the program java is that of the package"},
		{"configFiles", "set"},
		{"  serverProperties", "null file", "A server.properties instead of what the other options say; port and listenAddress are then where it listens, by the file; unless listenAddress is set, it counts as open to everyone."},
		{"  log4jProperties", "null file", "A configuration of log4j instead of log4jProperties."},
		{"jvmOptions", "list string", "Options of the Java virtual machine."},
		{"log4jProperties", "lines", "The configuration of log4j; Kafka logs to the console unless it is set."},
		{"settings", "attrs null bool | int | string | list string", "Lines of server.properties by key; null removes a line."},
	},
	table: &table{
		endpoints: []endpoint{
			{name: "broker", port: "port", address: "listenAddress", file: "configFiles.serverProperties", silent: true},
			{name: "controller", above: "broker", by: 1, ports: []string{"controllerPort"}, silent: true},
		},
		argv: []string{"{bin/kafka-server-start.sh}", "!configFiles.serverProperties {run/server.properties}", "{configFiles.serverProperties}"},
		env: []string{"LOG_DIR={data/app-logs}", "KAFKA_LOG4J_OPTS=!configFiles.log4jProperties -Dlog4j.configuration=file:{run/log4j.properties}",
			"KAFKA_LOG4J_OPTS=-Dlog4j.configuration=file:{configFiles.log4jProperties}"},
		dirs: []string{"{data} 0750 keep"},
		configs: []config{
			{path: "/server.properties", format: "=", overlay: []string{"settings"}, base: []entry{
				{"node.id", 1}, {"process.roles", "broker,controller"}, {"log.dirs", "{data/logs}"},
				{"listeners", "PLAINTEXT://{broker},CONTROLLER://{controller}"}, {"advertised.listeners", "PLAINTEXT://{broker!}"},
				{"controller.quorum.voters", "1@{controller}"}, {"controller.listener.names", "CONTROLLER"},
				{"inter.broker.listener.name", "PLAINTEXT"}, {"listener.security.protocol.map", "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT"},
				{"offsets.topic.replication.factor", 1}, {"transaction.state.log.replication.factor", 1}, {"transaction.state.log.min.isr", 1},
				{"group.initial.rebalance.delay.ms", 0},
			}},
			{path: "/log4j.properties", base: []entry{{kafkaLog, "!log4jProperties "}}, tail: []string{"log4jProperties"}},
		},
		ready:   ready{listener: "broker", protocol: "kafka", slow: true},
		success: []int{143}, // of a Java virtual machine that SIGTERM has ended: 128+15
		finish:  kafkaSetUp,
	},
}

// kafkaLog has what happens in the service's log, and nowhere else.
const kafkaLog = "log4j.rootLogger=INFO, stdout\nlog4j.appender.stdout=org.apache.log4j.ConsoleAppender\n" +
	"log4j.appender.stdout.layout=org.apache.log4j.PatternLayout\nlog4j.appender.stdout.layout.ConversionPattern=[%d] %p %m (%c)%n"

// kafkaSetUp formats the data folder before the broker starts, and makes the topics once it serves.
func kafkaSetUp(in *tableInstance, main *project.Process) {
	in.kafkaListeners(main)
	if in.Has("configFiles", "log4jProperties") {
		main.Files = main.Files[:1]
	}
	if in.Has("configFiles", "serverProperties") {
		main.Files = main.Files[1:]
		for _, option := range []string{"settings", "controllerPort"} {
			if in.IsSet(option) {
				in.note(in.Get(option), "%s has no effect: configFiles.serverProperties is the whole configuration", option)
			}
		}
	}
	if options := in.Strings("jvmOptions"); len(options) > 0 {
		main.Env["KAFKA_OPTS"] = project.Value{Text: project.Lit(strings.Join(options, " "))}
	}
	if in.Bool("formatLogDirs") {
		id := in.String("clusterId")
		if id == "" {
			sum := sha256.Sum256([]byte(in.ID))
			id = base64.RawURLEncoding.EncodeToString(sum[:16])
		}
		format := in.Before(project.Command{Exec: []project.Text{in.Program("kafka-storage.sh"), project.Lit("format"),
			project.Lit("-t"), project.Lit(id), project.Lit("-c"), main.Command.Exec[1], project.Lit("--ignore-formatted")}})
		format.Doing = "formatting the data folder"
		format.Dirs, format.Files, format.Env = main.Dirs, main.Files, maps.Clone(main.Env)
	}
	at := main.Readiness.Server
	if topics := in.Get("topics"); at == nil && len(topics.Keys()) > 0 {
		topics.Errorf("topics are made through a listener without TLS, and settings.listeners has none\n  hint: add one on the loopback address, such as \"PLAINTEXT://127.0.0.1:9095\", or make the topics otherwise")
		return
	}
	for _, c := range in.Each("topics") {
		words := []project.Text{in.Program("kafka-topics.sh"), litFlag("bootstrap-server", hostPort(at.Host, at.Port)), project.Lit("--create"), project.Lit("--if-not-exists"), litFlag("topic", c.Name())}
		for _, name := range [][2]string{{"partitions", "partitions"}, {"replication-factor", "replicationFactor"}} {
			if c.Has(name[1]) {
				words = append(words, flag(name[0], in.scalar(c.Get(name[1]))))
			}
		}
		for _, own := range c.Each("settings") {
			words = append(words, flag("config", project.Join(project.Lit(own.Name()+"="), in.scalar(own))))
		}
		create := in.After(project.Command{Exec: words})
		create.Doing, create.Env["LOG_DIR"] = "making the topic "+c.Name(), main.Env["LOG_DIR"]
	}
}

// kafkaListeners declares the ports. The user's own listeners are also what clients are
// told, unless the user sets advertised.listeners, and the first of them is asked whether it serves.
func (in *tableInstance) kafkaListeners(main *project.Process) {
	at := []string{"settings", "listeners"}
	text, _, own := in.said([]string{"settings.listeners"})
	file := in.Has("configFiles", "serverProperties")
	if !own || file {
		for _, name := range []string{"broker", "controller"} {
			if b := in.bounds[name][0]; name == "broker" || !file {
				in.Listen(b.port, everywhere(b.host), b.option...)
			}
		}
		if in.kafkaSecure("PLAINTEXT") && !file {
			at := main.Readiness.Server
			main.Readiness.Server, main.Readiness.TCP = nil, &project.TCPCheck{Host: at.Host, Port: at.Port}
		}
		return
	}
	control, told := []string{"CONTROLLER"}, []string{}
	if text, _, ok := in.said([]string{"settings.controller.listener.names"}); ok {
		control = strings.Split(text, ",")
	}
	for _, listener := range strings.Split(text, ",") {
		name, address, _ := strings.Cut(strings.TrimSpace(listener), "://")
		host, n, ok := splitHostPort(address)
		if !ok {
			continue
		}
		in.Listen(n, host, at...)
		if slices.Contains(control, name) {
			continue
		}
		told = append(told, name+"://"+hostPort(reachable(host), n))
		if secure := in.kafkaSecure(name); len(told) == 1 || !secure && main.Readiness.TCP != nil {
			main.Readiness.Server, main.Readiness.TCP = &project.ServerCheck{Protocol: in.table.ready.protocol, Host: reachable(host), Port: n}, nil
			if secure {
				main.Readiness.Server, main.Readiness.TCP = nil, &project.TCPCheck{Host: reachable(host), Port: n}
			}
		}
	}
	main.Files[0] = in.table.configs[0].file(in, entry{"advertised.listeners", strings.Join(told, ",")})
}

// kafkaSecure reports whether a listener speaks TLS, by the protocol that its name stands for.
func (in *tableInstance) kafkaSecure(name string) bool {
	protocols, _, _ := in.said([]string{"settings.listener.security.protocol.map"})
	for _, pair := range strings.Split(protocols, ",") {
		if of, protocol, ok := strings.Cut(strings.TrimSpace(pair), ":"); ok && of == name {
			name = protocol
		}
	}
	return strings.HasSuffix(name, "SSL")
}
