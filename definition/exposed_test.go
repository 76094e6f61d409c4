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
	}{
		{`redis.a.enable = true;`, 6379, true},
		{`redis.a = { enable = true; bind = "*"; };`, 6379, false},
		{`redis.a = { enable = true; settings.bind = "0.0.0.0"; };`, 6379, false},
		{`redis.a = { enable = true; bind = "*"; settings.bind = "127.0.0.2"; };`, 6379, true},
		{`redis.a = { enable = true; bind = "*"; extraConfig = "bind ::1"; };`, 6379, true},
		{`redis.a = { enable = true; settings.port = 7000; };`, 7000, true},
		{`redis.a = { enable = true; settings.port = 7000; };`, 6379, false}, // no service has that port
		{`nats-server.a = { enable = true; settings.host = "0.0.0.0"; };`, 4222, false},
		{`nats-server.a = { enable = true; settings.monitor_port = 8222; };`, 8222, true},
		{`nats-server.a = { enable = true; settings.http = "0.0.0.0:8222"; };`, 8222, false},
		{`prometheus.a.enable = true;`, 9090, true},
		{`rabbitmq.a = { enable = true; configItems."listeners.tcp.1" = ":::7001"; };`, 7001, false},
		{`mysql.a = { enable = true; settings.server.bind_address = "*"; };`, 3306, false},
		{`memcached.a = { enable = true; startArgs = [ "-l" "0.0.0.0" ]; };`, 11211, false},
	} {
		file := filepath.Join(t.TempDir(), "nix2gpu.nix")
		text := fmt.Sprintf("{ exposedPorts.\"%d/tcp\" = { }; services = { %s }; }", c.port, c.services)
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
