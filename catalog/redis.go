package catalog

import (
	"maps"
	"slices"
	"strconv"
	"strings"

	"nix2gpu/nix/module"
	"nix2gpu/project"
)

// redis is a key-value store.
var redis = ServiceType{
	Name: "redis", Package: "redis", User: "redis",
	Doc: "Redis, a key-value store in memory.",
	rows: []row{
		{"port", "port = 6379", "The port to listen on; 0 is none."},
		{"unixSocket", "null file", "A socket to listen on as well, relative to dataDir."},
		{"unixSocketPerm", "int = 660", "The mode of the socket, its octal digits."},
		{"extraConfig", "lines", "Further lines of redis.conf."},
		{"requirePass", "null secret", "The password. A text here is read by everyone who reads the definition; `{ secret = \"name\"; }` takes it from a secret."},
		{"databases", "positive = 16", "How many databases there are."},
		{"logLevel", "enum debug verbose notice warning = notice", "How much is logged."},
		{"maxclients", "null positive", "How many clients may be connected."},
		{"appendOnly", "bool", "Whether each change is appended to a file."},
		{"appendFsync", "enum always everysec no = everysec", "How often the file of appendOnly is synced to the disk."},
		{"save", "null list list int", "When to write everything to a file: pairs of seconds and changes. Redis's own rule unless set."},
		{"slowLogMaxLen", "null int", "How many slow commands are remembered."},
		{"slowLogLogSlowerThan", "null int", "From how many microseconds on a command is slow; -1 remembers none."},
		{"replicaOf", "null {}", "The Redis that this one is a copy of and follows. It takes no changes."},
		{"  ip", "string = 127.0.0.1", "The address of the other one."},
		{"  host", "alias ip"},
		{"  port", "port = 6379", "Its port."},
		{"slaveOf", "alias replicaOf"},
		{"masterAuth", "null secret", "The password of the one that this one follows. A text here is read by everyone who reads the definition; `{ secret = \"name\"; }` takes it from a secret."},
		{"masterAuthFile", "null key", "A file that holds that password, read at each start with the rights of whoever starts nix2gpu."},
		{"bind", "null string = 127.0.0.1", "The address to listen on; null or \"*\" is all of them."},
		{"settings", "attrs bool | int | string | list string", "Lines of redis.conf by keyword. A list gives a keyword several times."},
		{"logfile", "null file", "A file to log to, relative to dataDir, instead of nix2gpu's logs."},
		{"syslog", "bool", "Whether to log to the machine's system logger as well."},
		{"extraParams", "list string", "Further arguments of redis-server."},
		{"requirePassFile", "null key", "A file that holds the password, read at each start with the rights of whoever starts nix2gpu: it may be root's alone."},
		{"passwordFile", "alias requirePassFile"},
	},
	Generate: generateRedis,
}

// redisConfig is one redis.conf while it is written.
type redisConfig struct {
	*Instance
	*textBuilder
	user map[string][]string // directives of the user's own, which win over ours: the words of the last

	port          int
	portAt, extra []string // the options that say it, and further lines
	bus           bool     // it is a node of a cluster
}

func generateRedis(in *Instance) {
	r := &redisConfig{Instance: in, textBuilder: &textBuilder{}, port: in.Int("port"), portAt: []string{"port"}, extra: []string{"extraConfig"}}
	own := r.own()
	r.network()
	r.tuning()
	r.persistence()
	r.replication()
	r.password()
	r.add(own)
	r.server(in.DataDir())
	if r.Has("replicaOf") {
		r.another("replicaOf", "port", r.String("replicaOf", "ip"), r.Int("replicaOf", "port"))
	}
}

// server is the main process, whose redis.conf is written.
func (r *redisConfig) server(data project.Text) *project.Process {
	// The folder is passed on the command line, where a path needs no quotes.
	main := r.Main(project.Command{Exec: []project.Text{r.Program("redis-server"), r.RunDir("/redis.conf"), project.Lit("--dir"), data}})
	if !r.bus {
		for _, s := range r.Strs("extraParams") {
			main.Command.Exec = append(main.Command.Exec, r.place.Text(s))
		}
	}
	main.Files = []project.File{{Path: r.RunDir("/redis.conf"), Content: r.text, Mode: "0640", Escape: quotes}}
	main.Dirs = []project.Dir{{Path: data, Mode: "0700", Keep: true}}
	// It has no test. A directive that it does not know, behind all that it would serve
	// with, ends it there.
	main.Test = &project.ConfigTest{
		Command: project.Command{Exec: append(slices.Clone(main.Command.Exec), project.Lit("--"+redisEnd), project.Lit("reached"))},
		Passes:  []string{">>> '" + redisEnd},
	}
	r.listening(main)
	return main
}

// redisEnd is a directive that no server has.
const redisEnd = "nix2gpu-end-of-test"

// own is what the user writes of redis.conf: settings and extraConfig. It wins over ours.
func (r *redisConfig) own() project.Text {
	b := &textBuilder{}
	for _, c := range r.Each("settings") {
		values := []*module.Config{c}
		if c.Kind() == module.KindList {
			values = c.List()
		}
		for _, v := range values {
			text := r.scalar(v)
			if v.Kind() == module.KindBool {
				text = project.Lit(map[bool]string{true: "yes", false: "no"}[v.Bool()])
			}
			if s, ok := text.Literal(); ok && s == "" {
				text = project.Lit(`""`)
			}
			b.add(project.Lit(c.Name()+" "), text, project.Lit("\n"))
		}
	}
	b.add(r.Text(r.extra...))
	b.endLine()
	r.user = redisDirectives(b.text.String())
	return b.text
}

// set writes a directive of ours, unless the user has written it.
func (r *redisConfig) set(keyword, value string) { r.setText(keyword, project.Lit(value)) }

func (r *redisConfig) setText(keyword string, value project.Text) {
	if r.user[keyword] == nil {
		r.add(project.Lit(keyword+" "), value, project.Lit("\n"))
	}
}

// effective are the words of a directive as the server will have them: the
// user's, else those given.
func (r *redisConfig) effective(keyword string, ours ...string) []string {
	if words := r.user[keyword]; words != nil {
		return words
	}
	return ours
}

// foreground keeps the server where it can be supervised, and its data where they are kept.
func (r *redisConfig) foreground() {
	if own := r.user["daemonize"]; len(own) > 0 && !strings.EqualFold(own[0], "no") {
		r.background(r.Get(r.option("daemonize")...))
	}
	if !r.bus {
		if own, found := flagValue(r.Strings("extraParams"), "--daemonize"); found && !strings.EqualFold(own, "no") {
			r.background(r.Get("extraParams"))
		}
	}
	r.set("daemonize", "no")
	if r.user["dir"] != nil {
		r.note(r.Get(r.option("dir")...), "dir is a folder that nix2gpu neither makes nor gives to the server's user: set dataDir instead")
	}
}

// option is the one that sets a directive: settings, extraConfig or that of the port.
func (r *redisConfig) option(keyword string) []string {
	switch {
	case redisDirectives(r.String(r.extra...))[keyword] != nil:
		return r.extra
	case r.user[keyword] != nil:
		return []string{"settings", keyword}
	}
	return r.portAt
}

func (r *redisConfig) network() {
	r.set("port", strconv.Itoa(r.port))
	bind := r.String("bind")
	if bind == "" || bind == "*" {
		bind = "* -::*"
	}
	r.set("bind", bind)
	if !r.bus && r.Has("unixSocket") {
		r.setText("unixsocket", redisQuoteText(r.Text("unixSocket")))
		r.set("unixsocketperm", strconv.Itoa(r.Int("unixSocketPerm")))
	}
	protected := r.Has("requirePass") || r.Has("requirePassFile") || r.user["requirepass"] != nil || r.user["aclfile"] != nil || r.user["user"] != nil
	if slices.Contains(r.addresses(), "*") && !protected {
		// In protected mode a server that listens on all addresses would still answer
		// its own host only.
		r.set("protected-mode", "no")
	}
}

func (r *redisConfig) tuning() {
	r.set("databases", strconv.Itoa(r.Int("databases")))
	r.set("loglevel", r.String("logLevel"))
	r.foreground()
	if r.Has("logfile") {
		r.setText("logfile", redisQuoteText(r.Text("logfile")))
	}
	if r.Bool("syslog") {
		r.set("syslog-enabled", "yes")
	}
	if r.Has("maxclients") {
		r.set("maxclients", strconv.Itoa(r.Int("maxclients")))
	}
	if r.Has("slowLogMaxLen") {
		r.set("slowlog-max-len", strconv.Itoa(r.Int("slowLogMaxLen")))
	}
	if r.Has("slowLogLogSlowerThan") {
		r.set("slowlog-log-slower-than", strconv.Itoa(r.Int("slowLogLogSlowerThan")))
	}
}

func (r *redisConfig) persistence() {
	if r.Bool("appendOnly") {
		r.set("appendonly", "yes")
		r.set("appendfsync", r.String("appendFsync"))
	}
	if !r.Has("save") {
		return
	}
	rules := r.List("save")
	if len(rules) == 0 {
		r.set("save", `""`)
	}
	for _, rule := range rules {
		var numbers []string
		for _, n := range rule.List() {
			numbers = append(numbers, strconv.Itoa(n.Int()))
		}
		if len(numbers)%2 != 0 || len(numbers) == 0 {
			rule.Errorf("must be pairs of seconds and changes, such as [ 900 1 ]")
		}
		r.set("save", strings.Join(numbers, " "))
	}
}

func (r *redisConfig) replication() {
	if r.Has("replicaOf") {
		r.set("replicaof", r.String("replicaOf", "ip")+" "+strconv.Itoa(r.Int("replicaOf", "port")))
	}
	// Also without replicaOf: a sentinel or a cluster may make it follow another one.
	if text := r.secretText(r.Config, "masterAuth", "masterAuthFile"); text != nil {
		r.setText("masterauth", redisQuoteText(text))
	}
}

func (r *redisConfig) password() {
	if text := r.secretText(r.Config, "requirePass", "requirePassFile"); text != nil {
		r.setText("requirepass", redisQuoteText(text))
	}
}

// addresses are those that the server listens on, "*" for all.
func (r *redisConfig) addresses() []string {
	var out []string
	for _, word := range r.effective("bind", strings.Fields(r.String("bind"))...) {
		switch word = strings.TrimPrefix(word, "-"); word { // "-": may be missing on the machine
		case "*", "::*", "0.0.0.0", "::", "":
			return []string{"*"}
		}
		out = append(out, word)
	}
	if len(out) == 0 {
		return []string{"*"}
	}
	return out
}

// listening notes the ports of the server, and how to ask whether it is ready.
func (r *redisConfig) listening(main *project.Process) {
	number := func(keyword string, ours int) int {
		words := r.effective(keyword, strconv.Itoa(ours))
		n, _ := strconv.Atoi(strings.Join(words, " ")) // the server refuses anything that is not a number
		return n
	}
	addresses := r.addresses()
	listen := func(port int, option []string) {
		for _, address := range addresses {
			r.Listen(port, address, option...)
		}
	}
	port, tls := number("port", r.port), number("tls-port", 0)
	listen(port, r.option("port"))
	listen(tls, r.option("tls-port"))
	if slices.Equal(r.effective("cluster-enabled", map[bool]string{true: "yes"}[r.bus]), []string{"yes"}) {
		bus := number("cluster-port", port+10000)
		if bus > 65535 {
			r.Get(r.option("port")...).Errorf("a node of a cluster also listens on the port 10000 above its own, and there is none\n  hint: port must be at most 55535, or set cluster-port")
		}
		listen(bus, r.option("cluster-port"))
	}
	var socket project.Text
	if !r.bus {
		socket = r.Text("unixSocket")
	}
	if words := r.user["unixsocket"]; words != nil {
		socket = project.Lit(strings.Join(words, " "))
	}
	switch {
	case port > 0:
		main.Readiness = &project.Probe{Server: &project.ServerCheck{Protocol: "redis", Host: reachable(addresses[0]), Port: port}}
	case !socket.IsEmpty():
		if s, ok := socket.Literal(); ok {
			socket = below(r.DataDir(), s)
		}
		main.Readiness = &project.Probe{Server: &project.ServerCheck{Protocol: "redis", Socket: socket}}
		main.Dirs[0].Mode = "0755" // other users must reach the socket, whose own mode decides who may connect
	case tls > 0:
		main.Readiness = &project.Probe{TCP: &project.TCPCheck{Host: reachable(addresses[0]), Port: tls}}
	default:
		r.Errorf("redis %q listens nowhere: port is 0 and unixSocket is not set\n  hint: set one of them", r.Name)
	}
}

// redisDirectives are the words of each directive of a redis.conf, of the last
// where there are several.
func redisDirectives(text string) map[string][]string {
	out := map[string][]string{}
	for line := range strings.Lines(text) {
		words := strings.Fields(line)
		if len(words) == 0 || words[0][0] == '#' {
			continue
		}
		for i, w := range words {
			if n := len(w); n > 1 && (w[0] == '"' || w[0] == '\'') && w[n-1] == w[0] {
				words[i] = w[1 : n-1]
			}
		}
		out[strings.ToLower(words[0])] = append([]string{}, words[1:]...)
	}
	return out
}

// redisQuoteText quotes always, since places may turn out to hold anything.
func redisQuoteText(t project.Text) project.Text {
	escaped := slices.Clone(t)
	for i, p := range escaped {
		if p.IsLiteral() {
			escaped[i].Literal = strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`).Replace(p.Literal)
		}
	}
	return project.Join(project.Lit(`"`), escaped, project.Lit(`"`))
}

// below is path when it is absolute, else the path below dir.
func below(dir project.Text, path string) project.Text {
	if strings.HasPrefix(path, "/") {
		return project.Lit(path)
	}
	return project.Join(dir, project.Lit("/"+strings.TrimPrefix(path, "./")))
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
