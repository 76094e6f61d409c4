package project

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Listen says where the control API is served over TCP, and to whom.
type Listen struct {
	Address string `json:"address"` // "127.0.0.1:9400"
	// Paths of files; a relative one begins in the definition's folder. Without a
	// TokenFile, a token is made in the state folder.
	TokenFile string   `json:"tokenFile,omitempty"`
	CertFile  string   `json:"certFile,omitempty"`
	KeyFile   string   `json:"keyFile,omitempty"`
	Allow     []string `json:"allow,omitempty"` // of ListenAllow: what may be asked for beside reading, start, stop and restart
	Hosts     []string `json:"hosts,omitempty"` // names by which it is reached, beside addresses and localhost
	Pos       Pos      `json:"pos,omitzero"`
}

// Metrics says where metrics alone are served, without a token.
type Metrics struct {
	Listen string `json:"listen"` // an address, as in Listen
	Pos    Pos    `json:"pos,omitzero"`
}

// ListenAllow lists what Listen.Allow may name.
func ListenAllow() []string {
	return []string{"kill", "scale", "reload", "down", "truncate", "definition"}
}

// Wrong says what is wrong with l, and the cure; "" if nothing is. Options are called as
// the user has named them: prefix and the name.
func (l *Listen) Wrong(option func(string) string) (msg, cure string) {
	host, msg := splitAddress(l.Address)
	if msg != "" {
		return option("address") + " " + msg, ""
	}
	if (l.CertFile == "") != (l.KeyFile == "") {
		return fmt.Sprintf("%s and %s belong together, and only one is set", option("certFile"), option("keyFile")), "set the other one, too"
	}
	if l.CertFile == "" && !isLoopback(host) {
		return fmt.Sprintf("the address %q can be reached from other machines, where the token would travel in the clear: it needs TLS", l.Address),
			fmt.Sprintf("set %s and %s, or listen on 127.0.0.1", option("certFile"), option("keyFile"))
	}
	for _, a := range l.Allow {
		switch {
		case slices.Contains(ListenAllow(), a):
		case a == "exec" || a == "run":
			return fmt.Sprintf("not supported: %s over TCP: the command takes the place of the program that asks, on the same machine", a), "use the control socket, over ssh or docker exec"
		default:
			return fmt.Sprintf("%s must be of %s, not %q", option("allow"), strings.Join(ListenAllow(), ", "), a), ""
		}
	}
	return "", ""
}

// Wrong says what is wrong with m; "" if nothing is.
func (m *Metrics) Wrong(option string) string {
	if _, msg := splitAddress(m.Listen); msg != "" {
		return option + " " + msg
	}
	return ""
}

// splitAddress returns the host of an address, or what is wrong with it.
func splitAddress(address string) (host, msg string) {
	i := strings.LastIndexByte(address, ':')
	if i >= 0 {
		host = address[:i]
		port, err := strconv.Atoi(address[i+1:])
		bracketed := strings.HasPrefix(host, "[") && strings.HasSuffix(host, "]")
		if err == nil && port >= 0 && port <= 65535 && (bracketed || !strings.ContainsAny(host, ":[]/ ")) {
			return strings.Trim(host, "[]"), ""
		}
	}
	return "", fmt.Sprintf("must be an address and a port, such as 127.0.0.1:9400, not %q", address)
}

// isLoopback reports whether only this machine reaches a host.
func isLoopback(host string) bool {
	return host == "localhost" || host == "::1" || strings.HasPrefix(host, "127.")
}
