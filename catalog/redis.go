package catalog

import (
	"maps"
	"slices"
	"strconv"
	"strings"

	"nix2gpu/nix/module"
	"nix2gpu/project"
)

// redisType is a key-value store.
func redisType() *ServiceType {
	setting := module.OneOf(module.Bool, module.Int, module.String, module.ListOf(module.String))
	return &ServiceType{
		Name: "redis", Package: "redis", User: "redis|nobody",
		Doc: "Redis, a key-value store in memory.",
		Options: module.Options{
			"bind":           def(nullStr, "127.0.0.1", "The address to listen on; null or \"*\" is all of them."),
			"port":           def(module.Port, 6379, "The port to listen on; 0 is none."),
			"unixSocket":     opt(filePath, "A socket to listen on as well, relative to dataDir."),
			"unixSocketPerm": def(module.Int, 660, "The mode of the socket, its octal digits."),
			"settings":       def(module.AttrsOf(setting), map[string]any{}, "Lines of redis.conf by keyword. A list gives a keyword several times."),
			"extraConfig":    def(module.Lines, "", "More lines of redis.conf."),
			"requirePass":    opt(module.String, "The password. Everyone who reads the definition reads it; see requirePassFile."),
			"requirePassFile": opt(filePath, "A file that holds one line of redis.conf, `requirepass ...`, read at each start. "+
				"It must be readable by the service's user."),
			"databases":     def(module.PositiveInt, 16, "How many databases there are."),
			"logLevel":      def(module.Enum("debug", "verbose", "notice", "warning"), "notice", "How much is logged."),
			"maxclients":    opt(module.PositiveInt, "How many clients may be connected."),
			"appendOnly":    def(module.Bool, false, "Write each change to a file."),
			"appendFsync":   def(module.Enum("always", "everysec", "no"), "everysec", "How often that file is synced."),
			"save":          opt(module.ListOf(module.ListOf(module.Int)), "When to write everything to a file: pairs of seconds and changes. Redis's own rule unless set."),
			"slowLogMaxLen": opt(module.Int, "How many slow commands are remembered."),
		},
		Generate: generateRedis,
	}
}

func generateRedis(in *Instance) {
	conf := &textBuilder{}
	port, bind := in.Int("port"), in.String("bind")
	if p, ok := settingInt(in, "settings", "port"); ok {
		port = p
	}
	set := map[string]bool{} // by settings, which win over everything of ours
	for _, c := range in.Each("settings") {
		set[c.Name()] = true
	}
	line := func(keyword string, value project.Text) {
		if !set[keyword] {
			conf.add(project.Lit(keyword+" "), value, project.Lit("\n"))
		}
	}
	word := func(keyword, value string) { line(keyword, project.Lit(value)) }

	word("port", strconv.Itoa(port))
	all := !in.Has("bind") || bind == "*" || bind == ""
	switch {
	case all:
		word("bind", "* -::*")
	default:
		word("bind", bind)
	}
	socket := in.Has("unixSocket")
	if socket {
		word("unixsocket", redisQuote(in.String("unixSocket")))
		word("unixsocketperm", strconv.Itoa(in.Int("unixSocketPerm")))
	}
	if port == 0 && !socket {
		in.Errorf("redis %q listens nowhere: port is 0 and unixSocket is not set", in.Name)
	}
	protected := in.Has("requirePass") || in.Has("requirePassFile")
	if all && !protected && !set["protected-mode"] {
		// Without this a server on all addresses answers only to its own host,
		// which is not what listening on all addresses asks for.
		word("protected-mode", "no")
	}
	word("databases", strconv.Itoa(in.Int("databases")))
	word("loglevel", in.String("logLevel"))
	word("daemonize", "no")
	if in.Has("maxclients") {
		word("maxclients", strconv.Itoa(in.Int("maxclients")))
	}
	if in.Has("slowLogMaxLen") {
		word("slowlog-max-len", strconv.Itoa(in.Int("slowLogMaxLen")))
	}
	if in.Bool("appendOnly") {
		word("appendonly", "yes")
		word("appendfsync", in.String("appendFsync"))
	}
	if in.Has("save") {
		if len(in.List("save")) == 0 {
			word("save", `""`)
		}
		for _, rule := range in.List("save") {
			var numbers []string
			for _, n := range rule.List() {
				numbers = append(numbers, strconv.Itoa(n.Int()))
			}
			if len(numbers)%2 != 0 || len(numbers) == 0 {
				rule.Errorf("must be pairs of seconds and changes, such as [ 900 1 ]")
			}
			word("save", strings.Join(numbers, " "))
		}
	}
	if in.Has("requirePass") {
		line("requirepass", redisQuoteText(in.Text("requirePass")))
	}
	for _, c := range in.Each("settings") {
		values := []*module.Config{c}
		if c.Kind() == module.KindList {
			values = c.List()
		}
		for _, v := range values {
			text := in.scalar(v)
			if v.Kind() == module.KindBool {
				text = project.Lit(map[bool]string{true: "yes", false: "no"}[v.Bool()])
			}
			if s, ok := text.Literal(); ok && s == "" {
				text = project.Lit(`""`)
			}
			conf.add(project.Lit(c.Name()+" "), text, project.Lit("\n"))
		}
	}
	conf.add(in.Text("extraConfig"))
	conf.endLine()
	if in.Has("requirePassFile") {
		conf.add(project.Lit("include "), redisQuoteText(in.Path("requirePassFile")), project.Lit("\n"))
	}

	// dataDir goes by the command line, where a path needs no quotes.
	main := in.Main(project.Command{Exec: []project.Text{in.Program("redis-server"), in.RunDir("/redis.conf"), project.Lit("--dir"), in.DataDir()}})
	main.Files = []project.File{{Path: in.RunDir("/redis.conf"), Content: conf.text, Mode: "0640"}}
	main.Dirs = []project.Dir{{Path: in.DataDir(), Mode: "0700"}}
	check := &project.ServerCheck{Protocol: "redis", Host: reachable(bind), Port: port}
	if port == 0 && socket {
		check = &project.ServerCheck{Protocol: "redis", Socket: below(in.DataDir(), in.String("unixSocket"))}
		main.Dirs[0].Mode = "0755" // others are to reach the socket; its own mode guards it
	} else {
		address := bind
		if all {
			address = "*"
		}
		path := []string{"port"}
		if set["port"] {
			path = []string{"settings", "port"}
		}
		in.Listen(port, address, path...)
	}
	main.Readiness = &project.Probe{Server: check}
}

// redisQuote quotes a value for redis.conf where it must be one word.
func redisQuote(s string) string {
	if s != "" && strings.IndexFunc(s, func(r rune) bool { return r <= ' ' || r == '"' || r == '\'' || r == '\\' || r == '#' }) < 0 {
		return s
	}
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`).Replace(s) + `"`
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

// settingInt is an integer of freeform settings, and whether it is there; also
// of text that is a number.
func settingInt(in *Instance, path ...string) (int, bool) {
	switch c := in.Get(path...); c.Kind() {
	case module.KindInt:
		return c.Int(), true
	case module.KindStr:
		n, err := strconv.Atoi(c.String())
		return n, err == nil
	}
	return 0, false
}

// reachable is where a server that listens on address can be asked.
func reachable(address string) string {
	first, _, _ := strings.Cut(strings.NewReplacer(",", " ").Replace(strings.TrimSpace(address)), " ")
	switch first {
	case "", "*", "0.0.0.0", "::", "[::]", "localhost":
		return "127.0.0.1"
	}
	return strings.TrimPrefix(first, "-")
}

// below is path when it is absolute, else the path below dir.
func below(dir project.Text, path string) project.Text {
	if strings.HasPrefix(path, "/") {
		return project.Lit(path)
	}
	return project.Join(dir, project.Lit("/"+strings.TrimPrefix(path, "./")))
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
