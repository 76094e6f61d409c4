package definition

import (
	"fmt"
	"maps"
	"slices"

	"nix2gpu/catalog"
)

// tailscale adds the service that joins the tailnet, before the services that may
// depend on it.
func (b *builder) tailscale() {
	t := b.Get("tailscale")
	catalog.AddTailscale(t, b.project, b.place)
	if !t.Bool("enable") {
		return
	}
	for _, option := range []string{"authKey", "authKeyFile"} {
		if catalog.IsTailscaleKey(t.Get(option)) {
			b.notes = append(b.notes, note{t.Pos(option), fmt.Sprintf("tailscale.%s is the key itself, and is left out: everyone who reads the definition has it; "+
				"give it to the container (docker run -e %s), or name the file that holds it", option, catalog.TailscaleKey)})
		}
	}
}

// tailnet sets up what services need to reach the tailnet, and notes those that can't.
func (b *builder) tailnet() {
	catalog.ProxyToTailnet(b.Get("tailscale"), b.project)
	hosts := catalog.NamesTailnet(b.project)
	for _, id := range slices.Sorted(maps.Keys(hosts)) {
		s := b.project.Services[id]
		b.notes = append(b.notes, note{b.position(s.Pos), fmt.Sprintf("%s names %s: it gets there where the container is run with --device /dev/net/tun --cap-add NET_ADMIN; "+
			"else by tailscale.proxy = [ %q ]", s.Label, hosts[id], s.Label)})
	}
}
