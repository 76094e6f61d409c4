package definition_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"nix2gpu/definition"
)

// An exposed port whose service listens on loopback only is warned of, whichever option
// sets the address.
func TestExposedOnLoopback(t *testing.T) {
	for _, c := range []struct {
		services string
		port     int
		warned   bool
		within   string // what is exposed, if it is not the port alone
	}{
		{services: `redis.a = { enable = true; port = 3005; };`, port: 3005, warned: true, within: "3000-3010/tcp"},
		{services: `redis.a = { enable = true; port = 3011; };`, port: 3011, within: "3000-3010/tcp"},
		{services: `redis.a.enable = true;`, port: 6379, warned: true},
		{services: `redis.a = { enable = true; bind = "*"; };`, port: 6379},
		{services: `redis.a = { enable = true; settings.bind = "0.0.0.0"; };`, port: 6379},
		{services: `redis.a = { enable = true; bind = "*"; settings.bind = "127.0.0.2"; };`, port: 6379, warned: true},
		{services: `redis.a = { enable = true; bind = "*"; extraConfig = "bind ::1"; };`, port: 6379, warned: true},
		{services: `redis.a = { enable = true; settings.port = 7000; };`, port: 7000, warned: true},
		{services: `redis.a = { enable = true; settings.port = 7000; };`, port: 6379}, // no service has that port
		{services: `nats-server.a = { enable = true; settings.host = "0.0.0.0"; };`, port: 4222},
		{services: `nats-server.a = { enable = true; settings.monitor_port = 8222; };`, port: 8222, warned: true},
		{services: `nats-server.a = { enable = true; settings.http = "0.0.0.0:8222"; };`, port: 8222},
		{services: `prometheus.a.enable = true;`, port: 9090, warned: true},
		{services: `rabbitmq.a = { enable = true; configItems."listeners.tcp.1" = ":::7001"; };`, port: 7001},
		{services: `mysql.a = { enable = true; settings.server.bind_address = "*"; };`, port: 3306},
		{services: `memcached.a = { enable = true; startArgs = [ "-l" "0.0.0.0" ]; };`, port: 11211},
	} {
		exposed := fmt.Sprintf("%d/tcp", c.port)
		if c.within != "" {
			exposed = c.within
		}
		file := filepath.Join(t.TempDir(), "nix2gpu.nix")
		text := fmt.Sprintf("{ exposedPorts.%q = { }; services = { %s }; }", exposed, c.services)
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		loaded, err := definition.Load(t.Context(), definition.Ref{Path: file}, definition.Options{System: "x86_64-linux"})
		if err != nil {
			t.Fatal(err)
		}
		var all strings.Builder
		for _, w := range loaded.Warnings {
			all.WriteString(w.Msg + "\n")
		}
		if warned := strings.Contains(all.String(), fmt.Sprintf("port %d is exposed, but", c.port)); warned != c.warned {
			t.Errorf("%s with port %d exposed: warned is %t, want %t\n%s", c.services, c.port, warned, c.warned, &all)
		}
	}
}
