package catalog

import (
	"net"
	"slices"
	"strconv"
	"strings"

	"nix2gpu/nix/module"
	"nix2gpu/project"
)

// settingInt returns an integer of freeform settings, or text that is a number, and
// whether it is there.
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

// portOf returns the port that the server will have, and the option that sets it: the
// first of the settings that is a port, else port.
func (in *Instance) portOf(port int, option []string, settings ...[]string) (int, []string) {
	for _, at := range settings {
		if n, ok := settingInt(in, at...); ok {
			return n, at
		}
	}
	return port, option
}

// textOf returns the first of the settings that is text, else text.
func (in *Instance) textOf(text string, settings ...[]string) string {
	for _, at := range settings {
		if in.Kind(at...) == module.KindStr {
			return in.String(at...)
		}
	}
	return text
}

// reachable returns an address at which a server that listens on address answers.
func reachable(address string) string {
	first, _, _ := strings.Cut(strings.NewReplacer(",", " ").Replace(strings.TrimSpace(address)), " ")
	first = strings.TrimPrefix(first, "-")
	if wildcard(first) || first == "" || first == "localhost" {
		return "127.0.0.1"
	}
	return first
}

// askWeb is the check of a server of HTTP of which no page is known that anybody may see.
func askWeb(host string, port int) *project.Probe {
	return &project.Probe{Server: &project.ServerCheck{Protocol: "http", Host: host, Port: port}}
}

// another reports, at option, that the server to follow is this one.
func (in *Instance) another(option, portOption, host string, port int) {
	for _, p := range in.service.Ports {
		if host != "" && p.Port == port && (p.Address == host || reachable(p.Address) == reachable(host)) {
			in.Get(option).Errorf("%s must be another server: this one listens at %s itself\n  hint: set %s.%s", option, hostPort(host, port), option, portOption)
			return
		}
	}
}

// wildcard reports whether an address stands for all of them.
func wildcard(addr string) bool {
	return slices.Contains([]string{"*", "0.0.0.0", "[::]", "::", "[::0]", "::0"}, addr)
}

// everywhere returns address, or "*" if it stands for all addresses, as an empty one
// does in many programs.
func everywhere(address string) string {
	if address == "" || wildcard(address) {
		return "*"
	}
	return address
}

// hostPort is an address with its port; an IPv6 address gets its brackets.
func hostPort(host string, port int) string {
	if strings.Contains(host, ":") && host[0] != '[' {
		return "[" + host + "]:" + strconv.Itoa(port)
	}
	return host + ":" + strconv.Itoa(port)
}

// splitHostPort splits "127.0.0.1:80", ":80", "[::1]:80" or "80"; ok is false without
// a port. Without a host, host is "*".
func splitHostPort(text string) (host string, port int, ok bool) {
	text = strings.TrimSpace(text)
	if n, err := strconv.Atoi(text); err == nil {
		return "*", n, n > 0
	}
	host, number, err := net.SplitHostPort(text)
	if err != nil {
		return "", 0, false
	}
	port, err = strconv.Atoi(number)
	return everywhere(host), port, err == nil && port > 0
}

// flagValue returns the last value of a flag among the user's own arguments, given as
// "--name=value" or "--name value", or with one dash. names are the flag's spellings.
func flagValue(args []string, names ...string) (value string, found bool) {
	for i, arg := range args {
		name, rest, joined := strings.Cut(arg, "=")
		if !slices.Contains(names, name) {
			// A short flag's value may follow it directly.
			for _, n := range names {
				if len(n) == 2 && n[1] != '-' && strings.HasPrefix(arg, n) && len(arg) > 2 {
					value, found = strings.TrimPrefix(arg[2:], "="), true
				}
			}
			continue
		}
		if !joined {
			if i+1 == len(args) {
				continue
			}
			rest = args[i+1]
		}
		value, found = rest, true
	}
	return value, found
}

// proxyTarget reports an error for a proxy's target that begins with none of the
// schemes, such as a bare address, which the server would refuse. It returns target.
func proxyTarget(c *module.Config, target project.Text, schemes ...string) project.Text {
	if len(target) == 0 || target[0].Literal == "" {
		return target // a path, which is known when it runs
	}
	text := target[0].Literal
	if !slices.ContainsFunc(schemes, func(scheme string) bool { return strings.HasPrefix(strings.ToLower(text), scheme) }) {
		c.Errorf("proxyPass must begin with http:// or https://, not %q\n  hint: write \"http://%s\"", text, strings.TrimLeft(text, "/"))
	}
	return target
}
