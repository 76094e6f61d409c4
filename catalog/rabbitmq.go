package catalog

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"nix2gpu/project"
)

// rabbitmqServer is the message broker, with the options of NixOS.
var rabbitmqServer = ServiceType{
	Name: "rabbitmq", Package: "rabbitmq-server", User: "rabbitmq",
	Doc: "RabbitMQ, a message broker.",
	rows: []row{
		{"port", "port = 5672", "The port to listen on."},
		{"listenAddress", "string = 127.0.0.1", "The address to listen on; \"\" or \"*\" is all."},
		{"nodeName", "null string", "The name of the node; made from the instance's name unless set."},
		{"distPort", "null port", "The port for other nodes; port + 20000 unless set."},
		{"distAddress", "string = 127.0.0.1", "The address to listen on for other nodes, an IPv4 address; \"*\" is all."},
		{"cookie", "null secret", "The secret that nodes share. A text here is read by everyone who reads the definition; `{ secret = \"name\"; }` takes it from a secret."},
		{"unsafeCookie", "alias cookie"},
		{"cookieFile", "null key", "A file that holds the cookie, read at each start with the rights of whoever starts nix2gpu."},
		{"config", "lines", "The advanced configuration, in Erlang."},
		{"plugins", "list string", "Plugins to enable."},
		{"pluginDirs", "list file", "Folders of more plugins."},
		{"configItems", "attrs string | bool | int", "Lines of rabbitmq.conf."},
		{"managementPlugin", "set"},
		{"  enable", "bool", "Serve the web interface."},
		{"  port", "port = 15672", "The port of the web interface."},
	},
	Generate: generateRabbitMQ,
}

// rabbitmqPlugins are the plugins that listen, each with the items that say where and
// its default port. By default all of them listen on all addresses.
var rabbitmqPlugins = map[string][]rabbitmqPort{
	"rabbitmq_management": {{ip: "management.tcp.ip", port: "management.tcp.port", number: 15672}},
	"rabbitmq_prometheus": {{ip: "prometheus.tcp.ip", port: "prometheus.tcp.port", number: 15692}},
	"rabbitmq_web_mqtt":   {{ip: "web_mqtt.tcp.ip", port: "web_mqtt.tcp.port", number: 15675}},
	"rabbitmq_web_stomp":  {{ip: "web_stomp.tcp.ip", port: "web_stomp.tcp.port", number: 15674}},
	"rabbitmq_mqtt":       {{listener: "mqtt.listeners.tcp", number: 1883}},
	"rabbitmq_stomp":      {{listener: "stomp.listeners.tcp", number: 61613}},
	"rabbitmq_stream":     {{listener: "stream.listeners.tcp", number: 5552}},
}

// A rabbitmqPort is said by two items, or by a list of listeners.
type rabbitmqPort struct {
	ip, port string
	listener string // "mqtt.listeners.tcp": with ".1", ".default" and so on
	number   int
}

// rabbitmq is one broker while its configuration is written.
type rabbitmq struct {
	*Instance
	items  map[string]project.Text // of rabbitmq.conf
	listen string                  // as the program wants it: 0.0.0.0 for all
}

func generateRabbitMQ(in *Instance) {
	r := &rabbitmq{Instance: in, items: map[string]project.Text{"log.console": project.Lit("true"), "log.console.level": project.Lit("warning"), "log.file": project.Lit("false")}}
	r.listen = in.String("listenAddress")
	if everywhere(r.listen) == "*" {
		r.listen = "0.0.0.0"
	}
	for _, c := range in.Each("configItems") {
		r.items[c.Name()] = in.scalar(c)
	}
	main := in.Main(project.Command{Exec: []project.Text{in.Program("rabbitmq-server")}})
	check := r.listeners("listeners.tcp", in.Int("port"), []string{"port"})
	if secure, _ := r.noted("listeners.ssl"); check == nil {
		check = secure
	}
	if check == nil {
		in.Errorf("rabbitmq %q listens nowhere: listeners.tcp is \"none\", and there are no listeners.ssl\n  hint: give it one of them", in.Name)
	}
	// It listens last, after plugins and what they define; of a client that asks in its protocol and leaves, it warns.
	main.Readiness = &project.Probe{TCP: check, Period: slowStart}
	plugins := r.plugins()
	conf := &textBuilder{}
	for _, name := range sortedKeys(r.items) {
		conf.add(project.Lit(name+" = "), r.items[name], project.Lit("\n"))
	}
	main.Dirs = []project.Dir{in.KeptData("0700"), {Path: in.RunDir("")}}
	main.Files = []project.File{
		{Path: in.RunDir("/rabbitmq.conf"), Content: conf.text, Mode: "0640"},
		{Path: in.RunDir("/enabled_plugins"), Content: project.Lit("[" + strings.Join(plugins, ",") + "].\n"), Mode: "0640"},
	}
	env := map[string]project.Text{
		"HOME": in.DataDir(), "RABBITMQ_MNESIA_BASE": in.Data("/mnesia"), "RABBITMQ_LOGS": project.Lit("-"),
		"RABBITMQ_LOG_BASE": in.Data("/log"), "RABBITMQ_UPGRADE_LOG": project.Lit("-"),
		"RABBITMQ_CONFIG_FILE": in.RunDir("/rabbitmq.conf"), "RABBITMQ_ENABLED_PLUGINS_FILE": in.RunDir("/enabled_plugins"),
		"RABBITMQ_CONF_ENV_FILE": project.Lit("/dev/null"), // what the system's own server reads
		"RABBITMQ_PID_FILE":      in.RunDir("/pid"),
		"RUNNING_UNDER_SYSTEMD":  project.Lit("true"), // no shell stays around the server
		"LANG":                   project.Lit("C.UTF-8"),
	}
	r.node(env)
	test := []project.Text{project.Self(), project.Lit("provision"), project.Lit("rabbitmq"), project.Lit("test"),
		project.Lit("--server"), in.Program("rabbitmq-server"), project.Lit("--conf"), in.RunDir("/rabbitmq.conf")}
	if in.String("config") != "" {
		main.Files = append(main.Files, project.File{Path: in.RunDir("/advanced.config"), Content: in.Text("config"), Mode: "0640"})
		env["RABBITMQ_ADVANCED_CONFIG_FILE"] = in.RunDir("/advanced.config")
		test = append(test, project.Lit("--advanced"), in.RunDir("/advanced.config"))
	}
	main.Test = &project.ConfigTest{Command: project.Command{Exec: test}, Inconclusive: []string{"rabbitmq.conf was not read"}}
	if dirs := in.Strs("pluginDirs"); len(dirs) > 0 {
		var list project.Text
		for i, d := range dirs {
			if i > 0 {
				list = project.Join(list, project.Lit(":"))
			}
			list = project.Join(list, in.place.Path(d))
		}
		env["RABBITMQ_PLUGINS_DIR"] = list
	}
	if cookie := in.secretText(in.Config, "cookie", "cookie"); !cookie.IsEmpty() {
		main.Files = append(main.Files, project.File{Path: in.Data("/.erlang.cookie"), Content: cookie, Mode: "0400"})
	}
	for name, text := range env {
		main.Env[name] = project.Value{Text: text}
	}
	main.Shutdown.Timeout = project.For(30 * time.Second)
}

// plugins lists the plugins to enable, and has them listen where the broker
// does.
func (r *rabbitmq) plugins() []string {
	plugins := r.Strings("plugins")
	if r.Bool("managementPlugin", "enable") && !slices.Contains(plugins, "rabbitmq_management") {
		plugins = append(plugins, "rabbitmq_management")
	}
	for _, plugin := range plugins {
		option := []string{"plugins"}
		for _, p := range rabbitmqPlugins[plugin] {
			if plugin == "rabbitmq_management" {
				p.number, option = r.Int("managementPlugin", "port"), []string{"managementPlugin", "port"}
			}
			if p.listener != "" {
				r.listeners(p.listener, p.number, option)
				continue
			}
			ip, port := r.item(p.ip, r.listen), p.number
			if n, err := strconv.Atoi(r.item(p.port, strconv.Itoa(port))); err == nil {
				port = n
			}
			if r.IsSet("configItems", p.port) {
				option = []string{"configItems", p.port}
			}
			r.Listen(port, everywhere(ip), option...)
		}
	}
	return plugins
}

// item is an item of the configuration; it is set to ours where the user has
// not set it.
func (r *rabbitmq) item(name, ours string) string {
	if r.items[name] == nil {
		r.items[name] = project.Lit(ours)
	}
	return r.items[name].String()
}

// listeners makes the broker or a plugin listen where the items below prefix say, or,
// without any, on port. It returns a check of the first listener.
func (r *rabbitmq) listeners(prefix string, port int, option []string) *project.TCPCheck {
	if check, any := r.noted(prefix); any {
		return check
	}
	r.items[prefix+".1"] = project.Lit(r.listen + ":" + strconv.Itoa(port))
	r.Listen(port, everywhere(r.listen), option...)
	return &project.TCPCheck{Host: reachable(r.listen), Port: port}
}

// noted declares the listeners that the user's items below prefix make. It returns a
// check of the first, and whether there are such items at all: the item "none" makes
// no listener.
func (r *rabbitmq) noted(prefix string) (check *project.TCPCheck, any bool) {
	for _, name := range sortedKeys(r.items) {
		if name != prefix && !strings.HasPrefix(name, prefix+".") {
			continue
		}
		any = true
		if address, port, ok := rabbitmqListener(r.items[name].String()); ok {
			r.Listen(port, address, "configItems", name)
			if check == nil {
				check = &project.TCPCheck{Host: reachable(address), Port: port}
			}
		}
	}
	return check, any
}

// rabbitmqListener reads an address and a port, or a port alone. An IPv6 address
// has no brackets here: the last colon counts.
func rabbitmqListener(text string) (address string, port int, ok bool) {
	if at := strings.LastIndexByte(text, ':'); at > 0 && strings.Contains(text[:at], ":") && text[0] != '[' {
		text = "[" + text[:at] + "]" + text[at:]
	}
	return splitHostPort(text)
}

// node sets the node's name, and where it and epmd, Erlang's port mapper, listen. epmd
// ends with the service that started it, so each instance has its own.
func (r *rabbitmq) node(env map[string]project.Text) {
	node := "rabbit-" + nodeName(r.Name) + "@localhost"
	if r.Has("nodeName") {
		node = r.String("nodeName")
	}
	dist, option := r.Int("port")+20000, []string{"port"}
	if r.Has("distPort") {
		dist, option = r.Int("distPort"), []string{"distPort"}
	}
	// Far enough from dist that instances on neighbouring ports do not clash.
	names := dist + 5000
	if names > 65535 {
		names = dist - 5000
	}
	if dist > 65535 {
		r.Get("port").Errorf("port %d leaves no room for the nodes' own port, which is port + 20000; set distPort", r.Int("port"))
		return
	}
	address := everywhere(r.String("distAddress"))
	env["RABBITMQ_NODENAME"] = project.Lit(node)
	env["RABBITMQ_DIST_PORT"] = project.Lit(strconv.Itoa(dist))
	env["ERL_EPMD_PORT"] = project.Lit(strconv.Itoa(names))
	r.Listen(dist, address, option...)
	r.Listen(names, address, option...)
	if address == "*" {
		return
	}
	parts := strings.Split(address, ".")
	for _, p := range parts {
		if n, err := strconv.Atoi(p); err != nil || n < 0 || n > 255 || len(parts) != 4 {
			r.Get("distAddress").Errorf("distAddress must be an IPv4 address or \"*\", not %q", address)
			return
		}
	}
	env["ERL_EPMD_ADDRESS"] = project.Lit(address) // beside loopback, which it adds itself
	env["RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS"] = project.Lit("-kernel inet_dist_use_interface {" + strings.Join(parts, ",") + "}")
}

// nodeName makes an Erlang name of an instance's.
func nodeName(instance string) string {
	return strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '_' || r == '-' {
			return r
		}
		return '_'
	}, instance)
}
