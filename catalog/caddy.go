package catalog

import (
	"slices"
	"strconv"
	"strings"

	"nix2gpu/nix/module"
	"nix2gpu/project"
)

// caddyType is the web server, with the options of NixOS.
func caddyType() *ServiceType {
	lines := func(doc string) module.Option { return def(module.Lines, "", doc) }
	host := module.Submodule(module.Schema{Options: module.Options{
		"hostName":        opt(module.String, "The address of the site; its name in virtualHosts unless set."),
		"serverAliases":   def(module.ListOf(module.String), []any{}, "More addresses."),
		"listenAddresses": def(module.ListOf(module.String), []any{}, "Interfaces to listen on."),
		"logFormat":       opt(module.Lines, "The body of a log block; requests are not logged unless it is set."),
		"useACMEHost":     opt(module.String, "Not supported."),
		"extraConfig":     lines("The body of the site: reverse_proxy, file_server, ..."),
	}})
	return &ServiceType{
		Name: "caddy", Package: "caddy", User: "caddy|www-data|nobody",
		Doc: "Caddy, a web server with automatic HTTPS.",
		Options: module.Options{
			"port":         def(module.Port, 8082, "Where a page of ours is served when there is no site at all."),
			"virtualHosts": def(module.AttrsOf(host), map[string]any{}, "The sites by address, such as \":8080\", \"http://localhost:8080\" or \"example.com\"."),
			"globalConfig": lines("Lines of the block of global options."),
			"extraConfig":  lines("Lines of the Caddyfile after the sites."),
			"configFile":   opt(filePath, "A Caddyfile instead of everything else here."),
			"settings":     def(module.AttrsOf(module.JSON), map[string]any{}, "Caddy's own JSON, instead of everything else here."),
			"adapter":      opt(module.String, "How to read configFile; \"caddyfile\" unless set."),
			"email":        opt(module.String, "The address for certificates."),
			"acmeCA":       opt(module.String, "The certificate authority."),
			"httpPort":     def(module.Port, 80, "The port of sites on http that name none."),
			"httpsPort":    def(module.Port, 443, "The port of sites on https that name none."),
			"logLevel":     def(module.String, "WARN", "From which level on caddy logs."),
			"resume":       def(module.Bool, false, "Accepted for NixOS."),
			"enableReload": def(module.Bool, true, "Accepted for NixOS."),
			"group":        opt(module.String, "Accepted for NixOS; the group is that of the user."),
			"logDir":       opt(module.String, "Accepted for NixOS; logs go to nix2gpu."),
		},
		Generate: generateCaddy,
	}
}

func generateCaddy(in *Instance) {
	main := in.Main(project.Command{})
	c := &caddy{Instance: in, textBuilder: &textBuilder{tabs: true}} // as caddy fmt wants it
	file, adapter := in.RunDir("/Caddyfile"), "caddyfile"
	switch {
	case len(in.attrs("settings")) > 0:
		file, adapter = in.RunDir("/caddy.json"), ""
		main.Files = []project.File{in.jsonFile("/caddy.json", in.Any("settings"))}
	case in.Has("configFile"):
		file = in.Path("configFile")
		if in.Has("adapter") {
			adapter = in.String("adapter")
		}
	default:
		c.write()
		main.Files = []project.File{{Path: file, Content: c.text, Mode: "0640"}}
	}
	main.Command.Exec = []project.Text{in.Program("caddy"), project.Lit("run"), project.Lit("--config"), file}
	if adapter != "" {
		main.Command.Exec = append(main.Command.Exec, project.Lit("--adapter"), project.Lit(adapter))
	}
	main.Dirs = []project.Dir{{Path: in.DataDir(), Mode: "0700"}}
	for name, sub := range map[string]string{"XDG_DATA_HOME": "", "XDG_CONFIG_HOME": "/config", "HOME": ""} {
		main.Env[name] = project.Value{Text: in.Data(sub)}
	}
	for i, port := range c.ports {
		in.Listen(port, "*", c.options[i]...)
	}
	if len(c.ports) > 0 {
		main.Readiness = &project.Probe{TCP: &project.TCPCheck{Host: "127.0.0.1", Port: c.ports[0]}}
	}
}

// caddy is one Caddyfile while it is written.
type caddy struct {
	*Instance
	*textBuilder
	ports   []int
	options [][]string // that set them
}

func (c *caddy) write() {
	c.open("")
	c.line("admin off") // two instances would meet at its port
	c.line("http_port %d", c.Int("httpPort"))
	c.line("https_port %d", c.Int("httpsPort"))
	if c.Has("email") {
		c.line("email %s", c.String("email"))
	}
	if c.Has("acmeCA") {
		c.line("acme_ca %s", c.String("acmeCA"))
	}
	c.open("log")
	c.open("format console")
	c.line("level_format upper") // without colours
	c.close()
	c.line("level %s", c.String("logLevel"))
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
	} else if len(hosts) == 0 {
		c.line("")
		c.open(":%d", c.Int("port"))
		c.line(`respond "caddy is running; set virtualHosts or extraConfig"`)
		c.close()
		c.listen(c.Int("port"), "port")
	}
}

func (c *caddy) site(h *module.Config) {
	if h.Has("useACMEHost") {
		h.Errorf("not supported: useACMEHost; caddy gets its certificates itself")
	}
	name := h.Name()
	if h.Has("hostName") {
		name = h.String("hostName")
	}
	addresses := append([]string{name}, h.Strings("serverAliases")...)
	for _, a := range addresses {
		for _, port := range c.portsOf(a) {
			c.listen(port, "virtualHosts", h.Name())
		}
	}
	c.line("")
	c.open("%s", strings.Join(addresses, ", "))
	if bind := h.Strings("listenAddresses"); len(bind) > 0 {
		c.line("bind %s", strings.Join(bind, " "))
	}
	if h.Has("logFormat") {
		c.open("log")
		c.lines(c.place.Text(h.Str("logFormat")))
		c.close()
	}
	c.lines(c.place.Text(h.Str("extraConfig")))
	c.close()
}

func (c *caddy) listen(port int, option ...string) {
	if !slices.Contains(c.ports, port) {
		c.ports, c.options = append(c.ports, port), append(c.options, option)
	}
}

// portsOf is where a site of that address listens. A name without a scheme is
// served on https, and on http to send people there.
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
		return []int{c.Int("httpPort")}
	case rest == "": // ":80" without the number
		return nil
	}
	return []int{c.Int("httpsPort"), c.Int("httpPort")}
}
