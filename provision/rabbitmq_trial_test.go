package provision_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// RabbitMQ's own library reads both files, and what it says stands behind the line that
// it is about.
func TestRabbitMQTestsItsConfiguration(t *testing.T) {
	const server = "/usr/sbin/rabbitmq-server"
	if _, err := os.Stat(server); err != nil {
		t.Skip("rabbitmq is not installed: apt-get install rabbitmq-server")
	}
	dir := t.TempDir()
	c := &cluster{t: t, self: filepath.Join(dir, "nix2gpu")}
	copyProgram(t, c.self)
	conf, advanced := filepath.Join(dir, "rabbitmq.conf"), filepath.Join(dir, "advanced.config")
	for name, it := range map[string]struct{ conf, advanced, says string }{
		"right":            {"listeners.tcp.1 = 127.0.0.1:5672\nmqtt.listeners.tcp.1 = 1883\n", "[{rabbit, []}].\n", ""},
		"no such item":     {"channel_max = 5\nchanel_max = 5\n", "", conf + ":2: Conf file attempted to set unknown variable: chanel_max\n"},
		"not that value":   {"channel_max = many\n", "", conf + `:1: Error transforming datatype for: channel_max: "many" cannot be converted to a(n) integer`},
		"no item at all":   {"channel_max\n", "", "Syntax error in " + conf},
		"not Erlang":       {"channel_max = 5\n", "[{rabbit,\n[}].\n", advanced + ":2: syntax error before: '}'\n"},
		"no list":          {"channel_max = 5\n", "{rabbit, []}.\n", advanced + ": it must be one list"},
		"without a server": {"channel_max = 5\n", "", "rabbitmq.conf was not read: "},
	} {
		args := []string{"rabbitmq", "test", "--server", server, "--conf", conf}
		for file, text := range map[string]string{conf: it.conf, advanced: it.advanced} {
			if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		if it.advanced != "" {
			args = append(args, "--advanced", advanced)
		}
		if name == "without a server" {
			args[3] = filepath.Join(dir, "rabbitmq-server")
		}
		out, err := c.provision(nil, args...)
		if (err == nil) != (it.says == "") || !strings.Contains(out, it.says) || err == nil && out != "" {
			t.Errorf("%s: %v\n%s\nwant %q", name, err, out, it.says)
		}
	}
}
