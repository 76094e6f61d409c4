package catalog

import (
	"net"
	"slices"
	"strconv"
	"strings"

	"nix2gpu/nix/module"
	"nix2gpu/project"
)

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

// portOf is the port that the server will have: of the first of the settings
// that is one, else port; and the option that says so.
func (in *Instance) portOf(port int, option []string, settings ...[]string) (int, []string) {
	for _, at := range settings {
		if n, ok := settingInt(in, at...); ok {
			return n, at
		}
	}
	return port, option
}

// textOf is the first of the settings that is text, else text.
func (in *Instance) textOf(text string, settings ...[]string) string {
	for _, at := range settings {
		if in.Kind(at...) == module.KindStr {
			return in.String(at...)
		}
	}
	return text
}

// reachable is where a server that listens on address can be asked.
func reachable(address string) string {
	first, _, _ := strings.Cut(strings.NewReplacer(",", " ").Replace(strings.TrimSpace(address)), " ")
	first = strings.TrimPrefix(first, "-")
	if wildcard(first) || first == "" || first == "localhost" {
		return "127.0.0.1"
	}
	return first
}

// wildcard reports whether an address stands for all of them.
func wildcard(addr string) bool {
	return slices.Contains([]string{"*", "0.0.0.0", "[::]", "::", "[::0]", "::0"}, addr)
}

// everywhere is address, or "*" where it stands for all of them, as an empty one
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

// splitHostPort takes "127.0.0.1:80", ":80", "[::1]:80" or "80" apart; ok is
// false without a port. A host that is not there is everywhere.
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

// flagValue is the value of a flag among a user's own arguments, of the last
// where there are several: "--name=value", "--name value"; with one dash as
// well. names are the flag's spellings.
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

// proxyTarget reports a target of a proxy that the server would not take: one that
// begins with none of the schemes, as people write an address.
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
