package catalog

import (
	"crypto/sha256"
	"encoding/base64"
	"slices"
	"strconv"
	"strings"

	"nix2gpu/nix/module"
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
		{"clusterId", "null string", "The id of the cluster; made from the instance's name unless set."},
		{"formatLogDirs", "bool = true", "Format the data folder before the first start."},
		{"formatLogDirsIgnoreFormatted", "inert bool", "what is formatted stays as it is"},
		{"jre", "inert anything", "the program java is that of the package"},
		{"configFiles", "set"},
		{"  serverProperties", "null file", "A server.properties instead of what the other options say; port is then what it listens on, for the check that it is ready."},
		{"  log4jProperties", "null file", "A configuration of log4j instead of log4jProperties."},
		{"jvmOptions", "list string", "Options of the Java virtual machine."},
		{"log4jProperties", "lines", "The configuration of log4j; Kafka logs to the console unless it is set."},
		{"settings", "attrs null bool | int | string | list string", "Lines of server.properties by key; null removes a line."},
	},
	Generate: generateKafka,
}

func generateKafka(in *Instance) {
	port, address := in.Int("port"), in.String("listenAddress")
	controller := port + 1
	if in.Has("controllerPort") {
		controller = in.Int("controllerPort")
	}
	lit := project.Lit
	lines := map[string]project.Text{
		"node.id": lit("1"), "process.roles": lit("broker,controller"),
		"listeners":                                lit("PLAINTEXT://" + hostPort(address, port) + ",CONTROLLER://" + hostPort("127.0.0.1", controller)),
		"advertised.listeners":                     lit("PLAINTEXT://" + hostPort(reachable(address), port)),
		"controller.quorum.voters":                 lit("1@127.0.0.1:" + strconv.Itoa(controller)),
		"controller.listener.names":                lit("CONTROLLER"),
		"inter.broker.listener.name":               lit("PLAINTEXT"),
		"listener.security.protocol.map":           lit("PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT"),
		"offsets.topic.replication.factor":         lit("1"),
		"transaction.state.log.replication.factor": lit("1"),
		"transaction.state.log.min.isr":            lit("1"),
		"group.initial.rebalance.delay.ms":         lit("0"),
		"log.dirs":                                 in.Data("/logs"),
	}
	for _, c := range in.Each("settings") {
		switch c.Kind() {
		case module.KindNull:
			delete(lines, c.Name())
		case module.KindList:
			lines[c.Name()] = lit(strings.Join(c.Strings(), ","))
		default:
			lines[c.Name()] = in.scalar(c)
		}
	}
	check := kafkaListeners(in, lines, port, controller)
	b := &textBuilder{}
	for _, key := range sortedKeys(lines) {
		b.add(lit(key+"="), lines[key], lit("\n"))
	}
	id := in.String("clusterId")
	if id == "" {
		sum := sha256.Sum256([]byte(in.ID))
		id = base64.RawURLEncoding.EncodeToString(sum[:16])
	}
	log4j := in.Text("log4jProperties")
	if log4j.IsEmpty() {
		log4j = lit("log4j.rootLogger=INFO, stdout\nlog4j.appender.stdout=org.apache.log4j.ConsoleAppender\n" +
			"log4j.appender.stdout.layout=org.apache.log4j.PatternLayout\nlog4j.appender.stdout.layout.ConversionPattern=[%d] %p %m (%c)%n\n")
	}
	properties, logging := in.RunDir("/server.properties"), in.RunDir("/log4j.properties")
	files := []project.File{
		{Path: properties, Content: b.text, Mode: "0640"},
		{Path: logging, Content: log4j, Mode: "0640"},
	}
	if in.Has("configFiles", "serverProperties") {
		properties, files = in.Path("configFiles", "serverProperties"), files[1:]
		if in.IsSet("settings") {
			in.note(in.Get("settings"), "settings has no effect: configFiles.serverProperties is the whole configuration")
		}
	}
	if in.Has("configFiles", "log4jProperties") {
		logging, files = in.Path("configFiles", "log4jProperties"), files[:len(files)-1]
	}
	env := map[string]project.Text{"LOG_DIR": in.Data("/app-logs"),
		"KAFKA_LOG4J_OPTS": project.Join(lit("-Dlog4j.configuration=file:"), logging)}
	if options := in.Strings("jvmOptions"); len(options) > 0 {
		env["KAFKA_OPTS"] = lit(strings.Join(options, " "))
	}
	processes := []*project.Process{}
	if in.Bool("formatLogDirs") {
		processes = append(processes, in.Before(project.Command{Exec: []project.Text{in.Program("kafka-storage.sh"), lit("format"),
			lit("-t"), lit(id), lit("-c"), properties, lit("--ignore-formatted")}}))
	}
	main := in.Main(project.Command{Exec: []project.Text{in.Program("kafka-server-start.sh"), properties}})
	for _, proc := range append(processes, main) {
		proc.Dirs = []project.Dir{in.KeptData("0750")}
		proc.Files = files
		for name, text := range env {
			proc.Env[name] = project.Value{Text: text}
		}
	}
	main.Readiness = &project.Probe{Server: check, Period: slowStart}
	main.SuccessCode = []int{143} // of a Java virtual machine that SIGTERM has ended: 128+15
}

// kafkaListeners declares the ports of the broker and returns a check of one of them.
// The user's own listeners are also what clients are told, unless the user sets
// advertised.listeners.
func kafkaListeners(in *Instance, lines map[string]project.Text, port, controller int) *project.ServerCheck {
	at := []string{"settings", "listeners"}
	if !in.Has(at...) {
		address := in.String("listenAddress")
		in.Listen(port, everywhere(address), "port")
		in.Listen(controller, "127.0.0.1", "port")
		return &project.ServerCheck{Protocol: "kafka", Host: reachable(address), Port: port}
	}
	control := strings.Split(lines["controller.listener.names"].String(), ",")
	check := &project.ServerCheck{Protocol: "kafka", Port: port}
	var told []string
	for _, listener := range strings.Split(lines["listeners"].String(), ",") {
		name, address, _ := strings.Cut(strings.TrimSpace(listener), "://")
		host, n, ok := splitHostPort(address)
		if !ok {
			continue
		}
		in.Listen(n, host, at...)
		if slices.Contains(control, name) {
			continue
		}
		if told = append(told, name+"://"+hostPort(reachable(host), n)); len(told) == 1 {
			check.Host, check.Port = reachable(host), n
		}
	}
	if !in.Has("settings", "advertised.listeners") {
		lines["advertised.listeners"] = project.Lit(strings.Join(told, ","))
	}
	return check
}
