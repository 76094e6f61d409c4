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
		{`elasticsearch.a = { enable = true; extraConf = "http:\n  host: 0.0.0.0\n  # port: 9201\ntransport: { port: 9301, host: 127.0.0.2 }"; };`, "127.0.0.1:9200", []string{":9200", "127.0.0.2:9301"}},
		{`mongodb.a = { enable = true; extraConfig = "net:\n  bindIp: 127.0.0.2 # only\n  port: 27018"; };`, "127.0.0.2:27018 as mongodb", []string{"127.0.0.2:27018"}},
		{`mongodb.a = { enable = true; extraConfig = "net:\n  bindIpAll: true"; };`, "127.0.0.1:27017 as mongodb", []string{":27017"}},
		{`ollama.a = { enable = true; environmentVariables.OLLAMA_HOST = "http://127.0.0.2:8000/api"; };`, "127.0.0.2:8000", []string{"127.0.0.2:8000"}},
		{`apache-kafka.a = { enable = true; settings = { listeners = [ "OUT://127.0.0.1:9095" "IN://127.0.0.1:9096" "CONTROLLER://127.0.0.1:9097" ]; "listener.security.protocol.map" = "OUT:SASL_SSL,IN:PLAINTEXT,CONTROLLER:PLAINTEXT"; }; };`,
			"127.0.0.1:9096 as kafka", []string{"127.0.0.1:9095", "127.0.0.1:9096", "127.0.0.1:9097"}},
		{`apache-kafka.a = { enable = true; settings.listeners = [ "SSL://127.0.0.1:9095" "CONTROLLER://127.0.0.1:9097" ]; };`, "127.0.0.1:9095", nil},
		{`apache-kafka.a = { enable = true; configFiles.serverProperties = "./s"; port = 9095; };`, "127.0.0.1:9095 as kafka", []string{":9095"}},
		{`apache-kafka.a = { enable = true; configFiles.serverProperties = "./s"; listenAddress = "127.0.0.1"; };`, "127.0.0.1:9092 as kafka", []string{"127.0.0.1:9092"}},
		{`tempo.a = { enable = true; configFile = "./t"; };`, "127.0.0.1:3200", []string{":3200", ":9095"}},
		{`mysql.a = { enable = true; configFile = "./t"; };`, "", []string{":3306"}},
		{`mysql.a = { enable = true; configFile = "./t"; bind = "127.0.0.1"; };`, "", []string{"127.0.0.1:3306"}},
		{`nginx.a = { enable = true; config = "stream { server { listen 127.0.0.2:90; } } http { server { listen [::1]:81; } }"; };`, "[::1]:81 as http", nil},
		{`nginx.a = { enable = true; appendConfig = "mail { server { listen 90; } }"; virtualHosts.a.listen = [ { addr = "unix:/x"; } ]; };`, "127.0.0.1:90", nil},
		{`nginx.a = { enable = true; streamConfig = "server { listen 90; }"; virtualHosts.a.listen = [ { addr = "unix:/x"; } ]; };`, "127.0.0.1:90", nil},
		{`nginx.a = { enable = true; httpConfig = "server { listen *:90; }"; };`, "127.0.0.1:90 as http", nil},
		{`rabbitmq.a = { enable = true; listenAddress = "*"; };`, "127.0.0.1:5672", nil},
		{`rabbitmq.a = { enable = true; configItems = { "listeners.tcp" = "none"; "listeners.ssl.1" = "127.0.0.1:5671"; }; };`, "127.0.0.1:5671", nil},
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
			case probe.Server.Port > 0:
				got = net.JoinHostPort(probe.Server.Host, strconv.Itoa(probe.Server.Port)) + " as " + probe.Server.Protocol
			}
			if got != c.probe {
				t.Errorf("%s: asked at %s, want %s", c.instance, got, c.probe)
			}
		}
	}
}
