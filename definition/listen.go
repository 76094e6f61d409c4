package definition

import (
	"nix2gpu/catalog"
	"nix2gpu/nix/module"
	"nix2gpu/project"
)

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

// logs reads the bound of all logs together.
func (b *builder) logs() {
	c := b.Get("log", "maxTotalSize")
	if c.Kind() == module.KindNull {
		return
	}
	b.project.Logs = &project.Logs{MaxTotal: catalog.Bytes(c), Pos: b.projectPos(b.Pos("log", "maxTotalSize"))}
}
