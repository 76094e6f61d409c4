package catalog

import (
	"slices"
	"strconv"
	"strings"

	"nix2gpu/nix/module"
	"nix2gpu/project"
)

// caddyServer is the web server, with the options of NixOS.
var caddyServer = ServiceType{
	Name: "caddy", Package: "caddy", User: "caddy",
	Doc: "Caddy, a web server with automatic HTTPS.",
	rows: []row{
		{"port", "port = 8082", "The port of nix2gpu's own page, which is served when there is no site at all; beside configFile, one where that file has Caddy listen."},
		{"globalConfig", "lines", "Lines of the block of global options."},
		{"extraConfig", "lines", "Lines of the Caddyfile after the sites."},
		{"configFile", "null file", "A Caddyfile instead of everything else here. Set port to where it has Caddy listen: there Caddy is asked whether it is ready. Else it counts as ready once it runs."},
		{"settings", "attrs json", "Caddy's own JSON, instead of everything else here."},
		{"adapter", "null string", "How to read configFile; \"caddyfile\" unless set."},
		{"email", "null string", "The mail address that the certificate authority is given."},
		{"acmeCA", "null string", "The ACME directory of the certificate authority."},
		{"httpPort", "port = 80", "The port of sites on http that name none."},
		{"httpsPort", "port = 443", "The port of sites on https that name none."},
		{"logLevel", "string = WARN", "The lowest level that caddy logs."},
		{"logFormat", "lines", "The body of the block of caddy's own log, instead of logLevel and our format."},
		{"resume", "bool", "Start with what caddy was last told by its interface for administration, if there is such a configuration."},
		{"enableReload", "inert bool", "a change restarts the service"},
		{"logDir", "inert string", "logs go to nix2gpu"},
		{"virtualHosts", "attrs {}", "The sites by address, such as \":8080\", \"http://localhost:8080\" or \"example.com\"."},
		{"  hostName", "null string", "The address of the site; its name in virtualHosts unless set."},
		{"  serverAliases", "list string", "Further addresses that the site answers to."},
		{"  listenAddresses", "list string", "Interfaces to listen on."},
		{"  logFormat", "null lines", "The body of a log block; requests are not logged unless it is set."},
		{"  useACMEHost", "refused string", "caddy gets its certificates itself"},
		{"  upstream", "null string", "A custom service with a port, to which all requests go that extraConfig does not answer: to all of its replicas."},
		{"  extraConfig", "lines", "The body of the site: reverse_proxy, file_server, ..."},
		{"requestId", "set"},
		{"  enable", "bool", requestIDDoc},
	},
	Generate: generateCaddy,
}

func generateCaddy(in *Instance) {
	main := in.Main(project.Command{})
	c := &caddy{Instance: in, textBuilder: &textBuilder{tabs: true}} // as caddy fmt wants it
	file, adapter := in.RunDir("/Caddyfile"), "caddyfile"
	switch {
	case len(in.attrs("settings")) > 0:
		file, adapter = in.RunDir("/caddy.json"), ""
		// Two instances would both listen on the port of the admin interface.
		in.whole("settings", "resume")
		config := mergeDeep(map[string]any{"admin": map[string]any{"disabled": true}}, in.attrs("settings"))
		if admin := in.attrs("settings", "admin"); admin["listen"] != nil && admin["disabled"] == nil {
			config["admin"] = admin
		}
		main.Files = []project.File{in.jsonFile("/caddy.json", config)}
		c.fromJSON()
	case in.Has("configFile"):
		file = in.Path("configFile")
		in.whole("configFile", "adapter", "resume", "port")
		c.listens = in.listensByFile()
		if in.Has("adapter") {
			adapter = in.String("adapter")
		}
	default:
		c.write()
		in.unusedPort(c.listens)
		main.Files = []project.File{{Path: file, Content: c.text, Mode: "0640"}}
	}
	main.Command.Exec = []project.Text{in.Program("caddy"), project.Lit("run"), project.Lit("--config"), file}
	if adapter != "" {
		main.Command.Exec = append(main.Command.Exec, project.Lit("--adapter"), project.Lit(adapter))
	}
	main.Test = &project.ConfigTest{
		Command:      project.Command{Exec: slices.Clone(main.Command.Exec)},
		Inconclusive: []string{"no such host", "connection refused", "network is unreachable"},
	}
	main.Test.Command.Exec[1] = project.Lit("validate")
	if in.Bool("resume") {
		main.Command.Exec = append(main.Command.Exec, project.Lit("--resume"))
	}
	main.Dirs = []project.Dir{in.KeptData("0700")}
	for name, sub := range map[string]string{"XDG_DATA_HOME": "", "XDG_CONFIG_HOME": "/config", "HOME": ""} {
		main.Env[name] = project.Value{Text: in.Data(sub)}
	}
	for _, l := range c.listens {
		in.Listen(l.port, l.addr, l.path...)
	}
	if len(c.listens) > 0 {
		main.Readiness = askWeb(reachable(c.listens[0].addr), c.listens[0].port)
	}
}

// caddy is one Caddyfile while it is written.
type caddy struct {
	*Instance
	*textBuilder
	listens []listener
	global  map[string][]string // options of globalConfig, by name
}

func (c *caddy) write() {
	c.global = map[string][]string{}
	for _, s := range caddyLines(c.String("globalConfig")) {
		if s.depth == 0 {
			c.global[s.words[0]] = s.words[1:]
		}
	}
	c.open("")
	option := func(name, value string) { // some options are errors when they are given twice
		if c.global[name] == nil && value != "" {
			c.line("%s %s", name, value)
		}
	}
	option("admin", "off") // two instances would both listen on its port
	if at := c.global["admin"]; len(at) > 0 && at[0] != "off" {
		if host, port, ok := splitHostPort(at[0]); ok {
			c.Listen(port, host, "globalConfig")
		}
	}
	option("http_port", strconv.Itoa(c.Int("httpPort")))
	option("https_port", strconv.Itoa(c.Int("httpsPort")))
	option("email", c.String("email"))
	option("acme_ca", c.String("acmeCA"))
	c.open("log")
	if own := c.Text("logFormat"); !own.IsEmpty() {
		c.lines(own)
	} else {
		c.open("format console")
		c.line("level_format upper") // without colours
		c.close()
		c.line("level %s", c.String("logLevel"))
	}
	c.close()
	c.lines(c.Text("globalConfig"))
	c.close()
	hosts := c.Each("virtualHosts")
	for _, h := range hosts {
		c.site(h)
	}
	if extra := c.Text("extraConfig"); !extra.IsEmpty() {
		c.line("")
		c.lines(extra)
		c.foundIn(c.String("extraConfig"))
	} else if len(hosts) == 0 {
		c.line("")
		c.open(":%d", c.Int("port"))
		c.line(`respond "caddy is running; set virtualHosts or extraConfig"`)
		c.close()
		c.listen([]string{":" + strconv.Itoa(c.Int("port"))}, nil, "port")
	}
}

func (c *caddy) site(h *module.Config) {
	name := h.Name()
	if h.Has("hostName") {
		name = h.String("hostName")
	}
	addresses := append([]string{name}, h.Strings("serverAliases")...)
	bind := h.Strings("listenAddresses")
	own := bind
	for _, s := range caddyLines(h.String("extraConfig")) {
		if s.depth == 0 && s.words[0] == "bind" {
			own = append(own, s.words[1:]...)
		}
	}
	c.listen(addresses, own, "virtualHosts", h.Name())
	c.line("")
	c.open("%s", strings.Join(addresses, ", "))
	if len(bind) > 0 {
		c.line("bind %s", strings.Join(bind, " "))
	}
	switch {
	case h.Has("logFormat"):
		c.open("log")
		c.lines(c.place.Text(h.Str("logFormat")))
		c.close()
	case c.Bool("requestId", "enable"):
		c.open("log")
		c.line("output stderr")
		c.line("level INFO")
		c.close()
	}
	if c.Bool("requestId", "enable") {
		// The log has the request as the client has sent it, but the answer as it gets it.
		c.line("@nix2gpu_request_id not header_regexp X-Request-ID %s", goodRequestID)
		c.line("request_header @nix2gpu_request_id X-Request-ID {http.request.uuid}")
		c.open("header")
		c.line("X-Request-ID {http.request.header.X-Request-ID}")
		c.line("defer")
		c.close()
	}
	c.lines(c.place.Text(h.Str("extraConfig")))
	if h.Has("upstream") {
		c.add(project.Lit(c.pad()+"reverse_proxy"), c.Instance.servers(h.Get("upstream"), " %s"), project.Lit("\n"))
	}
	c.close()
}

// listen notes where sites of these addresses listen, on the interfaces that
// bind names.
func (c *caddy) listen(addresses, bind []string, option ...string) {
	if len(bind) == 0 {
		bind = c.global["default_bind"]
	}
	if len(bind) == 0 {
		bind = []string{"*"}
	}
	for _, address := range addresses {
		for _, port := range c.portsOf(address) {
			for _, host := range bind {
				if !strings.HasPrefix(host, "unix/") {
					c.note(everywhere(host), port, option)
				}
			}
		}
	}
}

// note records a listener once: sites may share it.
func (c *caddy) note(host string, port int, option []string) {
	same := func(l listener) bool { return l.port == port && (l.addr == host || l.addr == "*") }
	if port > 0 && !slices.ContainsFunc(c.listens, same) {
		c.listens = append(c.listens, listener{host, port, option})
	}
}

// foundIn notes the sites of a user's own Caddyfile.
func (c *caddy) foundIn(text string) {
	lines := caddyLines(text)
	for i, site := range lines {
		if n := len(site.words) - 1; site.depth > 0 || n < 1 || site.words[n] != "{" || strings.HasPrefix(site.words[0], "(") {
			continue
		}
		var bind []string
		for _, inner := range lines[i+1:] {
			if inner.depth == 0 {
				break
			}
			if inner.depth == 1 && inner.words[0] == "bind" {
				bind = append(bind, inner.words[1:]...)
			}
		}
		c.listen(strings.FieldsFunc(strings.Join(site.words[:len(site.words)-1], ","), func(r rune) bool { return r == ',' }), bind, "extraConfig")
	}
}

// fromJSON notes the listeners of settings.
func (c *caddy) fromJSON() {
	for _, server := range c.Each("settings", "apps", "http", "servers") {
		for _, address := range server.Strings("listen") {
			at := []string{"settings", "apps", "http", "servers", server.Name(), "listen"}
			address = strings.TrimPrefix(address, "tcp/")
			if host, port, ok := splitHostPort(address); ok {
				c.note(host, port, at)
			}
		}
	}
	if at := []string{"settings", "admin", "listen"}; c.Has(at...) && !c.Bool("settings", "admin", "disabled") {
		if host, port, ok := splitHostPort(c.String(at...)); ok {
			c.Listen(port, host, at...)
		}
	}
}

// A caddyLine is one line of a Caddyfile, and in how many blocks it stands.
type caddyLine struct {
	depth int
	words []string
}

// caddyLines splits a Caddyfile as far as it can: caddy itself reports mistakes in it.
func caddyLines(text string) []caddyLine {
	var out []caddyLine
	depth := 0
	for line := range strings.Lines(text) {
		line, _, _ = strings.Cut(" "+line, " #")
		words := strings.Fields(line)
		if len(words) == 0 {
			continue
		}
		if words[0] == "}" {
			depth = max(0, depth-1)
			continue
		}
		out = append(out, caddyLine{depth, words})
		if words[len(words)-1] == "{" {
			depth++
		}
	}
	return out
}

// portsOf returns the ports on which a site of that address listens. A name without a
// scheme is served on https, and on http to redirect to it.
func (c *caddy) portsOf(address string) []int {
	scheme, rest, hasScheme := strings.Cut(address, "://")
	if !hasScheme {
		scheme, rest = "", address
	}
	rest, _, _ = strings.Cut(rest, "/")
	if at := strings.LastIndexByte(rest, ':'); at >= 0 && !strings.HasSuffix(rest, "]") {
		if port, err := strconv.Atoi(rest[at+1:]); err == nil {
			return []int{port}
		}
	}
	switch {
	case scheme == "http":
		return []int{c.portOption("http_port", "httpPort")}
	case rest == "": // ":80" without the number
		return nil
	}
	return []int{c.portOption("https_port", "httpsPort"), c.portOption("http_port", "httpPort")}
}

// portOption is a port of the global options.
func (c *caddy) portOption(global, option string) int {
	if words := c.global[global]; len(words) > 0 {
		n, _ := strconv.Atoi(words[0]) // caddy refuses anything that is not a number
		return n
	}
	return c.Int(option)
}
