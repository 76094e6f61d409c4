package definition

import (
	"nix2gpu/nix/module"
	"nix2gpu/project"
)

// listenOptions are those of the control API over TCP.
func listenOptions() module.Options {
	file := func(description string) module.Option {
		return module.Option{Type: module.NullOr(module.String), Default: module.Null, Description: description}
	}
	names := func(description string, example string) module.Option {
		return module.Option{Type: module.ListOf(module.String), Default: []any{}, Example: []any{example}, Description: description}
	}
	return module.Options{
		"address": {Type: module.NullOr(module.String), Default: module.Null, Example: "127.0.0.1:9400",
			Description: "The address and port on which the control API is served over TCP, to those who have the token. Other addresses than those of the machine itself need certFile and keyFile."},
		"tokenFile": {Type: module.NullOr(module.String), Default: module.Null, Example: "/run/secrets/token",
			Description: "The file with the token, which only its owner may read (mode 0600). It is read anew for each request. Unless set, a token is made in the state folder."},
		"certFile": file("The file with the certificate for TLS, and those that sign it, in PEM. It is read anew for each connection."),
		"keyFile":  file("The file with the key of the certificate."),
		"allow":    names("What may be asked for over TCP beside reading, start, stop and restart: kill, scale, reload, down, truncate, definition.", "scale"),
		"hosts":    names("Names by which clients call this machine, beside its addresses and localhost. Requests to other names are refused, because a web page could have made them.", "shop.example.org"),
	}
}

// listen reads where the control API and the metrics are served over TCP.
func (b *builder) listen() {
	c := b.Get("listen")
	text := func(name string) string {
		if !c.Has(name) {
			return ""
		}
		return c.String(name)
	}
	if address := text("address"); address != "" {
		l := &project.Listen{Address: address, TokenFile: text("tokenFile"), CertFile: text("certFile"), KeyFile: text("keyFile"),
			Allow: c.Strings("allow"), Hosts: c.Strings("hosts"), Pos: b.projectPos(c.Pos("address"))}
		b.project.Listen = l
	} else {
		for _, name := range []string{"tokenFile", "certFile", "keyFile", "allow", "hosts"} {
			if c.IsSet(name) {
				b.notes = append(b.notes, note{c.Pos(name), "listen." + name + " has no effect without listen.address"})
			}
		}
	}
	if m := b.Get("metrics"); m.Has("listen") {
		b.project.Metrics = &project.Metrics{Listen: m.String("listen"), Pos: b.projectPos(m.Pos("listen"))}
	}
}
