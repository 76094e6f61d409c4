package catalog_test

import (
	"net"
	"slices"
	"strconv"
	"testing"
)

// A server is asked, and its ports are known, where its own words say that it listens.
func TestProbesFollowTheServersWords(t *testing.T) {
	for _, c := range []struct {
		instance, probe string
		ports           []string
	}{
		{`elasticsearch.a = { enable = true; extraCmdLineOptions = [ "-Enetwork.host=127.0.0.3" "-Ehttp.host=127.0.0.4" ]; };`, "127.0.0.4:9200", []string{"127.0.0.4:9200", "127.0.0.3:9300"}},
		{`elasticsearch.a = { enable = true; settings.http.host = "0.0.0.0"; };`, "127.0.0.1:9200", []string{":9200", "127.0.0.1:9300"}},
		{`neo4j.a = { enable = true; settings."server.http.enabled" = false; };`, "127.0.0.1:7687", nil},
		{`neo4j.a = { enable = true; extraServerConfig = "server.http.enabled=false"; boltPort = 7688; };`, "127.0.0.1:7688", nil},
	} {
		p, err := generate(t, "t.nix", "{ services."+c.instance+" }")
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range p.Services {
			var ports []string
			for _, port := range s.Ports {
				host := port.Address
				if host == "*" {
					host = ""
				}
				ports = append(ports, net.JoinHostPort(host, strconv.Itoa(port.Port)))
			}
			if c.ports != nil && !slices.Equal(ports, c.ports) {
				t.Errorf("%s: ports %q, want %q", c.instance, ports, c.ports)
			}
			probe, got := p.Processes[s.Main].Readiness, ""
			switch {
			case probe.HTTP != nil:
				got = net.JoinHostPort(probe.HTTP.Host, strconv.Itoa(probe.HTTP.Port))
			case probe.TCP != nil:
				got = net.JoinHostPort(probe.TCP.Host, strconv.Itoa(probe.TCP.Port))
			}
			if got != c.probe {
				t.Errorf("%s: asked at %s, want %s", c.instance, got, c.probe)
			}
		}
	}
}
