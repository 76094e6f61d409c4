package catalog

import (
	"slices"
	"strings"

	"nix2gpu/nix/module"
	"nix2gpu/project"
)

// Tailscale is the id of the container's membership of a tailnet.
const Tailscale project.ID = "tailscale"

// TailscaleKey is the variable that holds the auth key, unless the definition names a
// file.
const TailscaleKey = project.TailscaleKey

// tailscaleProxy is the port of tailscaled's SOCKS5 and HTTP proxy, the one that
// tailscale's documentation uses.
const tailscaleProxy = 1055

// TailscaleOptions returns the container's options below tailscale.
func TailscaleOptions() module.Options {
	return options([]row{
		{"enable", "bool e.g. true", "Whether to enable the container's membership of a tailnet."},
		{"hostname", "null string", "The container's name in the tailnet; its own unless set."},
		{"tags", "list tag e.g. [ \"tag:api\" ]", "The tags that it asks for."},
		{"authKey", "null key", "The path of a file with the key to join with, or `{ secret = \"name\"; }`. Unless set, the key comes from the variable " + TailscaleKey +
			". A key itself, \"tskey-…\", is left out with a warning: give it in that variable."},
		{"authKeyFile", "null key", "The same as authKey, in the words of NixOS."},
		{"proxy", "list string e.g. [ \"api\" ]", "The services that reach the tailnet through a proxy, by ALL_PROXY and its like: for containers without /dev/net/tun, in which nothing else gets out to it."},
	})
}

// A tailscale is one container's while it becomes a service.
type tailscale struct {
	*module.Config
	project *project.Project
	place   Place
}

// AddTailscale adds the service by which a container joins its tailnet, if c enables
// it. In a container it starts with the others; on other machines, only if it is named
// or a service that depends on it starts.
func AddTailscale(c *module.Config, p *project.Project, place Place) {
	if !c.Bool("enable") {
		return
	}
	t := tailscale{c, p, place}
	pos := place.pos(c.Pos("enable"))
	hostname := c.String("hostname")
	if hostname == "" {
		hostname = p.Name
	}
	p.Container.Tailscale = &project.Tailscale{Hostname: hostname, Tags: c.Strings("tags"), Pos: pos}
	p.Services, p.Processes = orNew(p.Services), orNew(p.Processes)

	socket := project.RunPath("/tailscale/tailscaled.sock")
	const setup = Tailscale + "-setup"
	work := func(name string, more ...project.Text) project.Command {
		words := []project.Text{project.Self(), project.Lit("provision"), project.Lit("tailscale"), project.Lit(name), flag("socket", socket)}
		return project.Command{Exec: append(words, more...)}
	}
	daemon := work("daemon", flag("program", project.PackagePath("tailscale", "/bin/tailscaled")),
		flag("state", TailscaleState()), litFlag("volume", TailscaleVolume), flag("fallback", project.RunPath("/tailscale/state")))
	join := work("join", flag("program", project.PackagePath("tailscale", "/bin/tailscale")), litFlag("hostname", hostname))
	for _, tag := range c.Strings("tags") {
		join.Exec = append(join.Exec, litFlag("tag", tag))
	}
	join.Exec = append(join.Exec, flag("key", project.SecretPath(t.key())), litFlag("key-from", t.keyFrom()))
	svc := &project.Service{
		ID: Tailscale, Type: "tailscale", Instance: "tailscale", Label: "tailscale", Main: Tailscale, Setup: []project.ID{setup},
		Disabled: true, System: true, Description: "joins the tailnet", Pos: pos,
	}
	if len(c.List("proxy")) > 0 {
		daemon.Exec = append(daemon.Exec, litFlag("proxy", tailscaleAddress))
		svc.Ports = []project.Port{{Port: tailscaleProxy, Pos: place.pos(c.Pos("proxy"))}}
	}
	p.Services[Tailscale] = svc
	packages := []project.PackageRef{{Attr: "tailscale", Pos: pos}}
	p.Processes[Tailscale] = &project.Process{
		ID: Tailscale, Service: Tailscale, Role: project.Main, User: "root", Command: daemon, Packages: packages,
		Restart:   project.Restart{Policy: project.RestartOnFailure},
		Readiness: &project.Probe{Server: &project.ServerCheck{Protocol: "tailscale", Socket: socket}},
	}
	p.Processes[setup] = &project.Process{
		ID: setup, Service: Tailscale, Role: project.Setup, Doing: "joining the tailnet", User: "root", Command: join, Packages: packages,
	}
}

// tailscaleAddress is where the proxy listens.
const tailscaleAddress = "127.0.0.1:1055"

// TailscaleState is the folder of the container's identity in the tailnet.
func TailscaleState() project.Text { return project.RootPath("/data/tailscale") }

// TailscaleVolume is where tailscale's own images keep that state. A volume that is
// mounted there is used instead of TailscaleState.
const TailscaleVolume = "/var/lib/tailscale"

// option is the one of authKey and authKeyFile that is set.
func (t tailscale) option() string {
	switch key, file := t.Has("authKey"), t.Has("authKeyFile"); {
	case key && file:
		t.Get("authKeyFile").Errorf("authKey and authKeyFile mean the same and must not both be set")
		return "authKeyFile"
	case key:
		return "authKey"
	case file:
		return "authKeyFile"
	}
	return ""
}

// IsTailscaleKey reports whether c is the key itself instead of the path of a file. Such
// a key must not become part of the project.
func IsTailscaleKey(c *module.Config) bool {
	return c.Kind() == module.KindStr && strings.HasPrefix(strings.TrimSpace(c.String()), "tskey-")
}

// key returns the name of the secret that holds the auth key. The secret may be missing
// if the state of an earlier start is there.
func (t tailscale) key() string {
	const name = project.TailscaleSecret
	s := project.Secret{Env: TailscaleKey, Optional: true, Pos: t.place.pos(t.Pos("enable"))}
	if option := t.option(); option != "" && !IsTailscaleKey(t.Get(option)) {
		c := t.Get(option)
		if c.Kind() == module.KindAttrs {
			named := c.Get("secret")
			if _, ok := t.project.Secrets[named.String()]; ok && !strings.Contains(named.String(), "/") {
				return named.String()
			}
			msg, hint := t.project.UnknownSecret(named.String())
			named.Errorf("%s\n  hint: %s", msg, hint)
		}
		file := t.place.Path(c.Str())
		if len(file) == 1 && file[0].SecretFile != nil {
			return *file[0].SecretFile
		}
		s = project.Secret{File: file, Optional: true, Pos: t.place.pos(t.Pos(option))}
	}
	if _, taken := t.project.Secrets[name]; taken {
		t.Errorf("secret %q has the name of tailscale's key\n  hint: give it another name", name)
	}
	t.project.Secrets = orNew(t.project.Secrets)
	t.project.Secrets[name] = s
	return name
}

// keyFrom describes, for messages, where the key is looked for.
func (t tailscale) keyFrom() string {
	if option := t.option(); option != "" && !IsTailscaleKey(t.Get(option)) {
		return "tailscale." + option
	}
	return TailscaleKey
}

// ProxyToTailnet sets the proxy variables of the services that tailscale.proxy names, so
// that they reach the tailnet through tailscaled. Variables that a service sets stay.
func ProxyToTailnet(c *module.Config, p *project.Project) {
	if !c.Bool("enable") {
		return
	}
	for _, name := range c.List("proxy") {
		ids, err := p.Resolve(name.String())
		if err != nil {
			name.Errorf("tailscale.proxy: %v", err)
			continue
		}
		for _, id := range ids {
			if p.Services[id].System {
				name.Errorf("tailscale.proxy: %q is not a service of the definition\n  hint: name one that is", name.String())
				continue
			}
			for _, proc := range p.Services[id].ProcessIDs() {
				env := orNew(p.Processes[proc].Env)
				p.Processes[proc].Env = env
				for name, value := range map[string]string{
					"ALL_PROXY": "socks5h://" + tailscaleAddress, "HTTP_PROXY": "http://" + tailscaleAddress, "HTTPS_PROXY": "http://" + tailscaleAddress,
					"NO_PROXY": "localhost,127.0.0.1,::1",
				} {
					for _, spelt := range []string{name, strings.ToLower(name)} { // programs differ in what they read
						if _, set := env[spelt]; !set {
							env[spelt] = project.Value{Text: project.Lit(value)}
						}
					}
				}
			}
		}
	}
}

// NamesTailnet returns, for each service that names a host of a tailnet and does not
// use the proxy, the first such host.
func NamesTailnet(p *project.Project) map[project.ID]string {
	found := map[project.ID]string{}
	if p.Container.Tailscale == nil {
		return found
	}
	p.EachText(func(o project.Owner, t *project.Text) {
		proc := p.Processes[o.Process]
		if proc == nil || o.Field != "env" && o.Field != "command" || found[proc.Service] != "" || p.Services[proc.Service].System {
			return
		}
		if v, ok := proc.Env["ALL_PROXY"]; ok && v.Text.String() == "socks5h://"+tailscaleAddress {
			return
		}
		for _, part := range *t {
			if host := tailnetHost(part.Literal); host != "" {
				found[proc.Service] = host
			}
		}
	})
	return found
}

// tailnetHost is the first name that ends in .ts.net.
func tailnetHost(s string) string {
	words := strings.FieldsFunc(s, func(r rune) bool {
		return r != '.' && r != '-' && (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z')
	})
	i := slices.IndexFunc(words, func(w string) bool {
		return strings.HasSuffix(strings.ToLower(strings.TrimSuffix(w, ".")), ".ts.net")
	})
	if i < 0 {
		return ""
	}
	return words[i]
}
