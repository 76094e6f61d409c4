package catalog_test

import (
	"strings"
	"testing"

	"nix2gpu/catalog"
	"nix2gpu/project"
)

// Who writes a name where a set is wanted is told the form; who names one address twice, what to do.
func TestUglyDefinitionsAreToldTheForm(t *testing.T) {
	for instance, want := range map[string]string{
		`postgresql.a = { enable = true; initialDatabases = [ "users" ]; };`:       `write { name = "users"; }`,
		`mysql.a = { enable = true; ensureUsers = [ "me" ]; };`:                    `write { name = "me"; }`,
		`apache-httpd.a = { enable = true; virtualHosts.b.servedDirs = [ 80 ]; };`: `write { dir = …; urlPath = …; }`,
		`weaviate.a.enable = true;`:                                                "set openPorts = true if that is meant",
		`dynamodb-local.a = { enable = true; package = pkgs.dynamodb-local; };`:    `set host = "0.0.0.0" if that is meant`,
		`redis.a = { enable = true; bind = "localhost 127.0.0.1"; };`:              "name that address once",
	} {
		if _, err := generate(t, "t.nix", "{ services."+instance+" }"); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", instance, err, want)
		}
	}
}

// What can only listen on all addresses does so where nothing else reaches it.
func TestListenersApart(t *testing.T) {
	for _, instance := range []string{`weaviate.a = {`, `dynamodb-local.a = { package = pkgs.dynamodb-local;`} {
		if _, err := generate(t, "t.nix", "{ services."+instance+` enable = true; network = "loopback"; readiness_probe.exec.command = "true"; }; }`); err != nil {
			t.Error(err)
		}
	}
}

// Who writes a value where a group of options is, is told how to set one of them, in every type.
func TestGroupsAreToldTheForm(t *testing.T) {
	for _, typ := range catalog.Types() {
		for name, option := range typ.Schema().Options {
			if option.Set == nil {
				continue
			}
			for value, want := range map[string]string{"true": "write ", `"x"`: "write a set, { NAME = VALUE; }, of "} {
				if _, on := option.Set["enable"]; on && value == "true" {
					want = "write { enable = true; }"
				}
				if _, err := generate(t, "t.nix", "{ services."+typ.Name+".a = { enable = true; "+name+" = "+value+"; }; }"); err == nil || !strings.Contains(err.Error(), "hint: "+want) {
					t.Errorf("%s.%s = %s: %v, want %q", typ.Name, name, value, err, want)
				}
			}
		}
	}
}

// A server with a configuration of the user's own is asked at the port that the user names.
func TestConfigFilesOfTheUsersOwn(t *testing.T) {
	for _, typ := range []string{"caddy", "apache-httpd"} {
		for _, port := range []string{"", "port = 8123;"} {
			p, err := generate(t, "t.nix", "{ services."+typ+".a = { enable = true; configFile = \"/srv/web.conf\"; "+port+" }; }")
			if err != nil {
				t.Fatal(err)
			}
			main := p.Processes[p.Services[project.ID(typ+".a")].Main]
			asked := main.Readiness != nil && main.Readiness.Server != nil && main.Readiness.Server.Port == 8123
			noted := len(p.Notes) == 1 && strings.Contains(p.Notes[0].Text, "set port, and it is asked there")
			if known := port != ""; asked != known || noted == known || len(p.Services[project.ID(typ+".a")].Ports) > 0 != known {
				t.Errorf("%s with %q: asked %t, noted %t, ports %v", typ, port, asked, noted, p.Services[project.ID(typ+".a")].Ports)
			}
		}
	}
}

// A folder of data that lines of the user's name is made and kept, as one of dataDir is.
func TestFolderOfTheUsersOwnLines(t *testing.T) {
	p, err := generate(t, "t.nix", `{ services.zookeeper.a = { enable = true; extraConf = "dataDir=/srv/zoo"; }; }`)
	if err != nil {
		t.Fatal(err)
	}
	if dir := p.Processes["zookeeper.a"].Dirs[0]; dir.Path.String() != "/srv/zoo" || !dir.Keep {
		t.Errorf("the folder is %v", dir)
	}
}

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
		{`mongodb.a = { enable = true; settings.processManagement.fork = true; extraConfig = "processManagement:\n  fork: false"; };`, "", ""},
		{`mongodb.a = { enable = true; settings.processManagement.fork = false; extraConfig = "processManagement:\n  fork: true"; };`, "cannot be watched", ""},
		{`mongodb.a = { enable = true; extraFlags = [ "--fork" ]; extraConfig = "processManagement:\n  fork: false"; };`, "cannot be watched", ""},
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
