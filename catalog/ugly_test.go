package catalog_test

import (
	"strings"
	"testing"
)

// Settings that would undo what we do for a service are refused, or said to have no effect.
func TestSettingsThatClashWithOurs(t *testing.T) {
	for _, c := range []struct{ instance, refused, noted string }{
		{`redis.a = { enable = true; extraConfig = "daemonize yes"; };`, "cannot be watched", ""},
		{`redis.a = { enable = true; settings.daemonize = true; };`, "cannot be watched", ""},
		{`redis.a = { enable = true; extraConfig = "daemonize no"; };`, "", ""},
		{`redis-cluster.a = { enable = true; nodes.n1 = { port = 7001; extraConfig = "daemonize yes"; }; nodes.n2.port = 7002; nodes.n3.port = 7003; replicas = 0; };`, "cannot be watched", ""},
		{`memcached.a = { enable = true; startArgs = [ "-d" ]; };`, "cannot be watched", ""},
		{`elasticsearch.a = { enable = true; extraCmdLineOptions = [ "--daemonize" ]; };`, "cannot be watched", ""},
		{`mongodb.a = { enable = true; extraFlags = [ "--fork" ]; };`, "cannot be watched", ""},
		{`mongodb.a = { enable = true; extraConfig = "processManagement:\n  fork: true"; };`, "cannot be watched", ""},
		{`mongodb.a = { enable = true; settings.processManagement.fork = true; };`, "cannot be watched", ""},
		{`mongodb.a = { enable = true; settings.processManagement.fork = false; };`, "", ""},
		{`mysql.a = { enable = true; settings.mysqld.daemonize = true; };`, "cannot be watched", ""},
		{`mysql.a = { enable = true; settings.mysqld.daemonize = 1; };`, "cannot be watched", ""},
		{`mysql.a = { enable = true; settings.mysqld.daemonize = "ON"; };`, "cannot be watched", ""},
		{`mysql.a = { enable = true; settings.mysqld.skip_networking = 1; };`, "", ""},
		{`mysql.a = { enable = true; settings.mysqld.daemonize = "FALSE"; };`, "", ""},
		{`mysql.a = { enable = true; settings.mysqld.daemonize = 0; };`, "", ""},
		{`redis.a = { enable = true; extraParams = [ "--daemonize" "yes" ]; };`, "cannot be watched", ""},
		{`redis.a = { enable = true; extraParams = [ "--daemonize" "no" ]; };`, "", ""},
		{`nginx.a = { enable = true; config = "daemon on; events {} http { server { listen 80; } }"; };`, "cannot be watched", ""},
		{`nginx.a = { enable = true; prependConfig = "daemon  on ;"; };`, "cannot be watched", ""},
		{`nginx.a = { enable = true; appendConfig = "daemon off;"; };`, "", ""},
		{`mysql.a = { enable = true; settings.mysqld.datadir = "/srv"; };`, "", "datadir has no effect: dataDir is the folder"},
		{`mysql.a = { enable = true; settings.mysqld.socket = "/srv/s"; };`, "", "socket has no effect: socketDir has the socket"},
		{`redis.a = { enable = true; settings.dir = "/srv"; };`, "", "set dataDir instead"},
		{`postgresql.a = { enable = true; settings.hba_file = "/srv/hba"; };`, "", "hba_file has no effect: the rules are those of authentication"},
		{`postgresql.a = { enable = true; settings.data_directory = "/srv"; };`, "", "data_directory has no effect: dataDir is the folder"},
		{`minio.a = { enable = true; accessKey = "user"; secretKey = "short"; };`, "8 characters or more", ""},
		{`minio.a = { enable = true; accessKey = "me"; secretKey = "long enough"; };`, "3 characters or more", ""},
		{`ollama.a = { enable = true; models = "llama3"; };`, "", `write [ "llama3" ]`},
		{`ollama.a = { enable = true; models = "./models"; };`, "", ""},
		{`redis.a = { enable = true; dataDir = "~/data"; };`, "", `begins with "~", which is not replaced`},
		{`redis.a = { enable = true; dataDir = "$HOME/data"; };`, "", `begins with "$HOME", which is not replaced`},
	} {
		p, err := generate(t, "t.nix", "{ services."+c.instance+" }")
		if c.refused != "" {
			if err == nil || !strings.Contains(err.Error(), c.refused) {
				t.Errorf("%s: %v, want %q", c.instance, err, c.refused)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", c.instance, err)
			continue
		}
		var notes []string
		for _, n := range p.Notes {
			notes = append(notes, n.Text)
		}
		if all := strings.Join(notes, "\n"); !strings.Contains(all, c.noted) || c.noted == "" && all != "" {
			t.Errorf("%s: noted %q, want %q", c.instance, notes, c.noted)
		}
	}
}
