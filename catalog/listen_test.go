package catalog_test

import (
	"encoding/hex"
	"fmt"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"nix2gpu/internal/testkit"
	"nix2gpu/project"
)

// Every real server listens where its project says, which is what the check
// for clashes, preflight and the warning about exposed ports go by; and, unless
// it is asked to, on loopback only. The kernel's tables are the witness.
func TestServersListenWhereTheySay(t *testing.T) {
	for _, program := range []string{"postgres", "redis-server", "mariadbd", "nginx", "apache2", "caddy", "prometheus", "rabbitmq-server", "memcached", "nats-server"} {
		if program == "postgres" {
			continue // Debian has it in a folder of its own
		}
		needs(t, program)
	}
	for _, c := range []struct {
		name, services string
		open           []int // ports on all addresses, as the definition asks
	}{
		{"as they are", `
		  postgresql.a.enable = true;
		  redis.a.enable = true;
		  mysql.a.enable = true;
		  prometheus.a.enable = true;
		  rabbitmq.a.enable = true;
		  rabbitmq.b = { enable = true; port = 5673; };
		  memcached.a.enable = true;
		  nats-server.a = { enable = true; jetstream = true; monitorPort = 8222; };
		  nginx.a.enable = true;
		  httpd.a.enable = true;
		  caddy.a.enable = true;`, []int{8080, 8081, 8082}}, // web servers are there for others
		{"by settings of their own", `
		  postgresql.a = { enable = true; settings.port = 6001; settings.listen_addresses = "127.0.0.1,127.0.0.2"; };
		  redis.a = { enable = true; settings.port = 6002; settings.bind = "127.0.0.2"; };
		  redis.b = { enable = true; extraConfig = "port 6003\nbind 127.0.0.1 127.0.0.3"; };
		  redis.c = { enable = true; settings = { port = 6004; cluster-enabled = true; }; };
		  mysql.a = { enable = true; settings.mysqld = { port = 6005; bind_address = "127.0.0.2"; }; };
		  mysql.b = { enable = true; settings.mariadb = { port = "6006"; "bind-address" = "127.0.0.3"; }; };
		  prometheus.a = { enable = true; webExternalUrl = "http://example.org/metrics/"; extraFlags = [ "--web.listen-address=127.0.0.2:6007" ]; };
		  rabbitmq.a = {
		    enable = true; port = 6008;
		    configItems = { "listeners.tcp.other" = "127.0.0.2:6009"; "management.tcp.port" = 6010; "stomp.listeners.tcp.1" = "127.0.0.3:6011"; };
		    plugins = [ "rabbitmq_management" "rabbitmq_prometheus" "rabbitmq_mqtt" "rabbitmq_stomp" "rabbitmq_stream" "rabbitmq_web_mqtt" "rabbitmq_web_stomp" ];
		  };
		  memcached.a = { enable = true; startArgs = [ "-p" "6012" "--listen=127.0.0.2" ]; };
		  memcached.b = { enable = true; port = 6030; bind = "127.0.0.1:6031,127.0.0.2"; };
		  nats-server.a = { enable = true; settings = { host = "127.0.0.2"; port = 6013; monitor_port = 6014; }; };
		  nats-server.b = { enable = true; settings = { listen = "127.0.0.3:6015"; http = "127.0.0.1:6016"; cluster = { name = "c"; port = 6017; }; leafnodes.listen = "127.0.0.1:6018"; websocket = { port = 6019; no_tls = true; }; }; };
		  nginx.a = { enable = true; virtualHosts.x = { listen = [ { addr = "127.0.0.1"; port = 6020; } ]; extraConfig = "listen 127.0.0.2:6021;"; }; };
		  nginx.b = { enable = true; httpConfig = "server { listen 127.0.0.1:6022; }"; virtualHosts.x.listenAddresses = [ "127.0.0.1" ]; };
		  httpd.a = { enable = true; extraConfig = "Listen 127.0.0.1:6023\nLISTEN 127.0.0.2:6024 http"; };
		  caddy.a = { enable = true; extraConfig = "http://127.0.0.1:6025, :6026 {\n  bind 127.0.0.1\n  respond hello\n}"; };
		  caddy.b = { enable = true; virtualHosts."http://localhost:6027".listenAddresses = [ "127.0.0.2" ]; };
		  caddy.c = { enable = true; settings.apps.http.servers.x = { listen = [ "127.0.0.1:6028" ]; routes = [ ]; automatic_https.disable = true; }; };
		  caddy.d = { enable = true; globalConfig = "http_port 6029\ndefault_bind 127.0.0.1"; virtualHosts."http://a.example".extraConfig = "respond hi"; };`, nil},
		{"everywhere when asked", `
		  postgresql.a = { enable = true; enableTCPIP = true; };
		  redis.a = { enable = true; bind = null; };
		  mysql.a = { enable = true; bind = "*"; };
		  prometheus.a = { enable = true; listenAddress = "0.0.0.0"; };
		  rabbitmq.a = { enable = true; listenAddress = "*"; distAddress = "*"; managementPlugin.enable = true; };
		  memcached.a = { enable = true; bind = null; };
		  nats-server.a = { enable = true; bind = "*"; monitorPort = 8222; };`,
			[]int{5432, 6379, 3306, 9090, 5672, 25672, 30672, 15672, 11211, 4222, 8222}},
	} {
		t.Run(c.name, func(t *testing.T) {
			p, err := generate(t, "t.nix", "{ services = {"+c.services+"}; }")
			if err != nil {
				t.Fatal(err)
			}
			want := declared(p)
			s, _ := up(t, c.services)
			var got map[string]bool
			if !testkit.Eventually(func() bool { got = listeners(t, s.Net); return len(missing(want, got)) == 0 }) {
				t.Errorf("declared, and nobody listens: %v", missing(want, got))
			}
			if more := missing(got, want); len(more) > 0 {
				t.Errorf("listened on, and not declared: %v", more)
			}
			for at := range got {
				host, number, _ := net.SplitHostPort(at)
				port, _ := strconv.Atoi(number)
				if !net.ParseIP(host).IsLoopback() && !slices.Contains(c.open, port) {
					t.Errorf("%s is open to everyone, unasked", at)
				}
			}
		})
	}
}

// declared are the listeners that a project promises.
func declared(p *project.Project) map[string]bool {
	out := map[string]bool{}
	for _, s := range p.Services {
		for _, port := range s.Ports {
			host := port.Address
			switch host {
			case "", "localhost":
				host = "127.0.0.1"
			case "*", "::", "[::]":
				host = "0.0.0.0"
			}
			out[net.JoinHostPort(host, strconv.Itoa(port.Port))] = true
		}
	}
	return out
}

// listeners are those in a namespace. All addresses of one family are as good
// as those of both, and so are both loopbacks.
func listeners(t *testing.T, n *testkit.Net) map[string]bool {
	t.Helper()
	out := map[string]bool{}
	for _, table := range []string{"tcp", "tcp6"} {
		var data []byte
		if err := n.Do(func() (err error) {
			data, err = os.ReadFile("/proc/thread-self/net/" + table)
			return err
		}); err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(data)) {
			f := strings.Fields(line)
			if len(f) < 4 || f[3] != "0A" {
				continue
			}
			addr, number, _ := strings.Cut(f[1], ":")
			port, err := strconv.ParseUint(number, 16, 16)
			if err != nil {
				t.Fatal(err)
			}
			out[net.JoinHostPort(kernelAddress(t, addr), fmt.Sprint(port))] = true
		}
	}
	return out
}

// kernelAddress reads an address of /proc/net/tcp: words of the host's order.
func kernelAddress(t *testing.T, text string) string {
	t.Helper()
	raw, err := hex.DecodeString(text)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i+4 <= len(raw); i += 4 {
		slices.Reverse(raw[i : i+4])
	}
	ip := net.IP(raw)
	switch {
	case ip.IsUnspecified():
		return "0.0.0.0"
	case ip.Equal(net.IPv6loopback):
		return "127.0.0.1"
	}
	return ip.String()
}

// missing lists what is in a and not in b.
func missing(a, b map[string]bool) []string {
	var out []string
	for k := range a {
		if !b[k] {
			out = append(out, k)
		}
	}
	slices.Sort(out)
	return out
}
