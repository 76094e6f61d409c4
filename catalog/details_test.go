package catalog_test

import (
	"strings"
	"testing"

	"nix2gpu/catalog"
	"nix2gpu/project"
)

// contents is all that a project writes for one service, and what it runs, as
// a person reads it.
func contents(p *project.Project, id project.ID) string {
	var b strings.Builder
	for _, proc := range p.Services[id].ProcessIDs() {
		p.Processes[proc].EachText(func(_ project.Owner, t *project.Text) { b.WriteString(t.String() + "\n") })
	}
	return b.String()
}

// What goes into a configuration keeps its meaning there.
func TestWhatIsWritten(t *testing.T) {
	for _, c := range []struct {
		name, instance string
		want           []string // each stands in what is written or run
		wantNot        []string
	}{
		{"nginx location with a modifier and quotes", `nginx.a = { enable = true; virtualHosts.x.locations = { "~ \\.(a|b){2}$".return = 204; "= /a{b".return = 205; "/c;d\"e".return = 206; "/plain".return = "301 http://x;"; }; };`,
			[]string{`location ~ "\.(a|b){2}$" {`, `location = "/a{b" {`, `location "/c;d\"e" {`, "return 301 http://x;\n"}, []string{";;"}},
		{"nginx upstream parameters", `nginx.a = { enable = true; upstreams.u.servers."127.0.0.1:1" = { weight = 2; down = true; backup = false; fail_timeout = "5s"; }; };`,
			[]string{"server 127.0.0.1:1 down fail_timeout=5s weight=2;"}, []string{"backup"}},
		{"nginx words of the user", `nginx.a = { enable = true; virtualHosts.x = { serverName = "~^a;b$"; serverAliases = [ "" ]; }; };`,
			[]string{`server_name "~^a;b$" "";`}, nil},
		{"nginx keeps what the user writes once", `nginx.a = { enable = true; appendConfig = "# worker_processes 9;\nworker_processes 3;"; commonHttpConfig = "access_log off; map $a $b { gzip x; }"; recommendedGzipSettings = true; };`,
			[]string{"worker_processes 3;", "gzip on;"}, []string{"worker_processes 1;"}},
		{"nginx redirect to another port", `nginx.a = { enable = true; virtualHosts.x = { forceSSL = true; redirectCode = 308; sslCertificate = "/c"; sslCertificateKey = "/k"; }; };`,
			[]string{"return 308 https://$host:8443$request_uri;", "listen 0.0.0.0:8443 ssl http2;"}, nil},
		{"nginx redirect to the usual port", `nginx.a = { enable = true; defaultSSLListenPort = 443; virtualHosts.x = { forceSSL = true; sslCertificate = "/c"; sslCertificateKey = "/k"; }; };`,
			[]string{"return 301 https://$host$request_uri;"}, nil},
		{"nginx redirect with no port of its own", `nginx.a = { enable = true; virtualHosts.x = { forceSSL = true; listen = [{ addr = "127.0.0.1"; port = 8081; ssl = true; }]; sslCertificate = "/c"; sslCertificateKey = "/k"; }; };`,
			[]string{"listen 127.0.0.1:8081 ssl"}, []string{"return 301"}},
		{"nginx redirect to a port of the user's own", `nginx.a = { enable = true; virtualHosts.x = { forceSSL = true; listen = [{ addr = "127.0.0.1"; port = 8081; }]; extraConfig = "listen 127.0.0.1:443 ssl;"; sslCertificate = "/c"; sslCertificateKey = "/k"; }; };`,
			[]string{"return 301 https://$host$request_uri;", "listen 127.0.0.1:443 ssl;"}, nil},
		{"nginx locations in their order", `nginx.a = { enable = true; virtualHosts.x.locations = { "/a".priority = 2000; "/b".priority = 1; "/c".index = "i"; }; };`,
			[]string{"    location /b {\n    }\n    location /c {\n      index i;\n    }\n    location /a {"}, nil},
		{"postgres names that are none", `postgresql.a = { enable = true; superuser = "Big \"Boss\""; socketDir = "./s"; };`, []string{"--superuser=Big \"Boss\""}, nil},
		{"postgres plain superuser", `postgresql.a = { enable = true; superuser = "az_09"; authentication = lib.mkForce "local all all reject"; };`, []string{"local all az_09 peer map=nix2gpu\nlocal all all reject\n", "nix2gpu /^(.*)$ az_09\n"}, nil},
		{"postgres quoted superuser", `postgresql.a = { enable = true; superuser = "A\"b"; authentication = lib.mkForce "local all all reject"; };`, []string{`local all "A""b" peer map=nix2gpu`}, nil},
		{"postgres rules that let in", `postgresql.a = { enable = true; authentication = lib.mkForce "local all all trust"; };`, []string{"local all all trust\n"}, []string{"peer", "127.0.0.1/32"}},
		{"postgres rules that let the superuser in", `postgresql.a = { enable = true; superuser = "boss"; authentication = lib.mkForce "local all \"boss\" trust"; };`, []string{"local all \"boss\" trust\n"}, []string{"peer"}},
		{"postgres rules that let somebody else in", `postgresql.a = { enable = true; superuser = "boss"; authentication = lib.mkForce "local all other trust"; };`, []string{"local all boss peer map=nix2gpu\nlocal all other trust\n"}, nil},
		{"postgres sockets for others", `postgresql.a = { enable = true; socketDir = "./s"; authentication = lib.mkForce "local all all reject"; };`, []string{"nix2gpu root postgres\nnix2gpu postgres postgres\n"}, []string{"/^(.*)$"}},
		{"postgres settings", `postgresql.a = { enable = true; settings = { jit = true; a = false; b = 1.5; c = "it's \\ x"; d = null; log_timezone = null; }; };`,
			[]string{"jit = on\n", "a = off\n", "b = 1.5\n", `c = 'it''s \\ x'`}, []string{"log_timezone", "d ="}},
		{"custom program of a package", `custom.a = { enable = true; command = "${pkgs.python3}"; };`, []string{"<python3>/bin/python"}, nil},
		{"a package that is a folder", `redis.a = { enable = true; package = { type = "derivation"; name = "own"; outPath = "${./redis}"; }; };`, []string{"./redis/bin/redis-server"}, []string{"<redis>"}},
		{"a package with more below it", `redis.a = { enable = true; package = { type = "derivation"; name = "own"; outPath = "${pkgs.redis}/sub"; }; };`, []string{"<redis>/sub/bin/redis-server"}, nil},
		{"redis that a sentinel may make follow another", `redis.a = { enable = true; masterAuth = "w"; };`, []string{`masterauth "w"`}, nil},
		{"loki of a file", `loki.a = { enable = true; configFile = "/x.yaml"; httpAddress = "127.0.0.2"; extraFlags = [ "-server.grpc-listen-port=1" ]; };`,
			[]string{"-config.file=/x.yaml\n", "-server.http-listen-address=127.0.0.2\n", "-server.http-listen-port=3100\n", "-server.grpc-listen-port=1\n"}, []string{"loki.yaml", "-server.grpc-listen-port=9096"}},
		{"tempo of a file", `tempo.a = { enable = true; configFile = "/x.yaml"; };`, []string{"-config.file=/x.yaml\n", "-server.http-listen-port=3200\n", "-server.grpc-listen-port=9095\n"}, []string{"tempo.yaml", "listen-address"}},
		{"mongodb with NixOS's user", `mongodb.a = { enable = true; enableAuth = true; initialRootPasswordFile = "/p"; };`, []string{"security.authorization: \"enabled\"\n", "\nroot\n"}, nil},
		{"kafka settings", `kafka.a = { enable = true; settings = { "a.b" = true; "c" = [ "x" "y" ]; "group.initial.rebalance.delay.ms" = null; }; };`,
			[]string{"a.b=true\n", "c=x,y\n", "advertised.listeners=PLAINTEXT://127.0.0.1:9092\n"}, []string{"rebalance"}},
		{"kafka listeners of the user's", `kafka.a = { enable = true; settings.listeners = "PLAINTEXT://:1,CONTROLLER://:2"; };`, []string{"advertised.listeners=PLAINTEXT://127.0.0.1:1\n"}, nil},
		{"redis without saving", `redis.a = { enable = true; save = [ ]; appendOnly = true; appendFsync = "no"; };`, []string{"save \"\"\n", "appendonly yes\nappendfsync no\n"}, nil},
		{"redis saves as told", `redis.a = { enable = true; save = [ [ 900 1 ] [ 60 10 ] ]; maxclients = 7; slowLogMaxLen = 9; };`, []string{"save 900 1\nsave 60 10\n", "maxclients 7\n", "slowlog-max-len 9\n"}, []string{"appendonly"}},
		{"redis, the user's lines win", `redis.a = { enable = true; maxclients = 7; extraConfig = "MAXCLIENTS 8"; settings.databases = 2; settings.appendonly = false; settings.x = ""; };`, []string{"MAXCLIENTS 8\n", "databases 2\n", "appendonly no\n", "x \"\"\n"}, []string{"maxclients 7", "databases 16"}},
		{"redis open with a password", `redis.a = { enable = true; bind = "*"; requirePass = "a\nb\\"; };`, []string{`requirepass "a\nb\\"`, "bind * -::*\n"}, []string{"protected-mode"}},
		{"redis open without one", `redis.a = { enable = true; bind = "*"; };`, []string{"protected-mode no\n"}, nil},
		{"redis open by settings", `redis.a = { enable = true; settings.bind = "0.0.0.0"; };`, []string{"protected-mode no\n"}, nil},
		{"redis open with the user's guard", `redis.a = { enable = true; bind = "*"; settings.requirepass = "x"; };`, nil, []string{"protected-mode"}},
		{"redis on two addresses", `redis.a = { enable = true; bind = "127.0.0.1 10.0.0.1"; };`, []string{"bind 127.0.0.1 10.0.0.1\n"}, []string{"protected-mode"}},
		{"caddy options once", `caddy.a = { enable = true; globalConfig = "email x@y\nadmin localhost:1"; email = "a@b"; acmeCA = "https://ca"; };`, []string{"email x@y\n", "acme_ca https://ca\n", "admin localhost:1\n"}, []string{"a@b", "admin off"}},
		{"mysql settings of the user's", `mysql.a = { enable = true; settings.mysqld = { mysqlx = true; bind_address = "x"; skip_name_resolve = null; list = [ 1 "b" ]; }; };`, []string{"mysqlx = true\n", "bind_address = x\n", "list = 1\nlist = b\n"}, []string{"loose-mysqlx", "bind-address =", "skip_name"}},
		{"memcached arguments", `memcached.a = { enable = true; maxMemory = 5; startArgs = [ "-vv" ]; };`, []string{"--memory-limit=5\n", "--listen=127.0.0.1\n", "-vv\n"}, nil},
		{"memcached listens once", `memcached.a = { enable = true; startArgs = [ "--listen=127.0.0.2" ]; };`, []string{"--listen=127.0.0.2\n"}, []string{"--listen=127.0.0.1"}},
		{"memcached addresses", `memcached.a = { enable = true; bind = "127.0.0.1:11212,127.0.0.2"; };`, []string{"--port=11211\n", "--listen=127.0.0.1:11212,127.0.0.2\n"}, nil},
		{"memcached addresses by a flag", `memcached.a = { enable = true; startArgs = [ "-l" "127.0.0.1:11212,10.0.0.1" ]; };`, []string{"--port=11211\n"}, []string{"--listen"}},
		{"memcached everywhere and on a port", `memcached.a = { enable = true; bind = "0.0.0.0:11212,[::1]:1"; };`, []string{"--listen=*:11212,[::1]:1\n"}, nil},
		{"phpfpm environment", `phpfpm.a = { enable = true; phpEnv = { A = "a;b=\"c\" \\ \${d}"; E = ""; V = "$HOME"; }; };`,
			[]string{`env[A] = "a;b=\"c\" \\ $""{d}"`, `env[E] = "$"`, `env[V] = "$HOME"`}, nil},
		{"etcd with two URLs", `etcd.a = { enable = true; initialAdvertisePeerUrls = [ "http://a:1" "http://b:2" ]; };`, []string{"--initial-cluster=a=http://a:1,a=http://b:2\n"}, nil},
		{"etcd by flags", `etcd.a = { enable = true; name = "n"; initialAdvertisePeerUrls = [ "http://c:1" ]; extraFlags = [ "--name=m" "--initial-advertise-peer-urls" "http://a:1, http://b:2" ]; };`,
			[]string{"--initial-cluster=m=http://a:1,m=http://b:2\n"}, []string{"--name=n"}},
		{"etcd by variables", `etcd.a = { enable = true; name = "n"; extraConf = { NAME = "m"; INITIAL_ADVERTISE_PEER_URLS = "http://a:1"; DATA_DIR = "/x"; }; extraFlags = [ "--data-dir=/y" ]; };`,
			[]string{"--initial-cluster=m=http://a:1\n", "--data-dir=/y\n"}, []string{"--name=", "--initial-advertise"}},
		{"etcd that is told of its cluster elsewhere", `etcd.a = { enable = true; extraFlags = [ "--discovery=http://x" ]; };`, nil, []string{"--initial-cluster="}},
		{"alertmanager peers", `alertmanager.a = { enable = true; clusterListenAddress = "127.0.0.1:1"; clusterPeers = [ "a:1" "b:2" ]; extraFlags = [ "--cluster.peer=c:3" ]; };`,
			[]string{"--cluster.peer=a:1\n--cluster.peer=b:2\n--cluster.peer=c:3\n"}, nil},
		{"zookeeper elsewhere", `zookeeper.a = { enable = true; servers = "server.0=a:1:2"; extraConf = "dataDir=/srv/zk"; };`, []string{"/srv/zk/myid\n"}, []string{"zookeeper/a/myid"}},
		{"nats listens once", `nats.a = { enable = true; bind = "*"; settings.listen = "127.0.0.2:1"; };`, []string{`"listen": "127.0.0.2:1"`}, []string{`"host"`, `"port"`}},
		{"nats monitor once", `nats.a = { enable = true; monitorPort = 1; settings.monitor_port = 2; };`, []string{`"monitor_port": 2`}, []string{"http_port"}},
		{"nats parts on loopback", `nats.a = { enable = true; settings = { cluster.port = 1; mqtt = { port = 2; net = "10.0.0.1"; }; leafnodes.remotes = [ ]; }; };`, []string{"\"cluster\": {\n    \"host\": \"127.0.0.1\",\n    \"port\": 1\n  }", "\"mqtt\": {\n    \"net\": \"10.0.0.1\",\n    \"port\": 2\n  }"}, nil},
		{"rabbitmq node", `rabbitmq.a = { enable = true; listenAddress = ""; plugins = [ "rabbitmq_prometheus" "rabbitmq_management" ]; managementPlugin.enable = true; };`,
			[]string{"[rabbitmq_prometheus,rabbitmq_management].", "prometheus.tcp.ip = 0.0.0.0\n", "management.tcp.port = 15672\n", "-kernel inet_dist_use_interface {127,0,0,1}\n", "rabbit-a@localhost\n"}, nil},
		{"rabbitmq node of an odd name", `rabbitmq."a.b-C_9+z" = { enable = true; };`, []string{"rabbit-a_b-C_9_z@localhost\n"}, nil},
		{"minio with NixOS's address", `minio.a = { enable = true; listenAddress = ":9000"; };`, []string{"--address=:9000\n"}, nil},
		{"minio on all addresses of IPv6", `minio.a = { enable = true; listenAddress = "[::]:9000"; };`, []string{"--address=[::]:9000\n"}, nil},
		{"grafana's plugins", `grafana.a = { enable = true; declarativePlugins = [ "/srv/x-panel" pkgs.bash ]; };`,
			[]string{"[plugin.x-panel]\npath = /srv/x-panel\n", "[plugin.bash]\npath = "}, nil},
		{"mailpit by a port alone", `mailpit.a = { enable = true; listen = ":8026"; };`, []string{"--listen=:8026\n"}, nil},
		{"minio without a browser", `minio.a = { enable = true; browser = false; };`, []string{"off\n"}, nil},
		{"clickhouse databases", "clickhouse.a = { enable = true; databases = [ \"a`b\" ]; ensureDatabases = [ \"c\" ]; };", []string{"--query=CREATE DATABASE IF NOT EXISTS `a\\`b`; CREATE DATABASE IF NOT EXISTS `c`;\n"}, nil},
		{"neo4j elsewhere", `neo4j.a = { enable = true; settings."server.directories.data" = "/srv/graph"; };`, []string{"/srv/graph/databases/system\n"}, []string{"neo4j/a/data/databases"}},
		{"elasticsearch by flags", `elasticsearch.a = { enable = true; extraCmdLineOptions = [ "-Enetwork.host=127.0.0.3" "-Ehttp.host=127.0.0.4" ]; };`,
			[]string{"network.host: \"127.0.0.1\"\n"}, nil},
		{"elasticsearch opens HTTP alone", `elasticsearch.a = { enable = true; settings.http.host = "0.0.0.0"; };`, []string{"network.host: \"127.0.0.1\"\n"}, nil},
		{"httpd listens where the user says", `httpd.a = { enable = true; extraConfig = "listen 81\n  Listen 127.0.0.1:82 http\n#Listen 83"; };`, []string{"listen 81"}, []string{"httpd is running", "Listen 8081"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			p, err := generate(t, "t.nix", "{ services."+c.instance+" }")
			if err != nil {
				t.Fatal(err)
			}
			for id := range p.Services {
				got := contents(p, id)
				for _, want := range c.want {
					if !strings.Contains(got, want) {
						t.Errorf("%q is not in\n%s", want, got)
					}
				}
				for _, not := range c.wantNot {
					if strings.Contains(got, not) {
						t.Errorf("%q is in\n%s", not, got)
					}
				}
			}
		})
	}
}

// What a definition gets wrong beyond types is said with its place.
func TestMoreErrors(t *testing.T) {
	long := strings.Repeat("x", 64)
	for _, c := range []struct{ instance, want string }{
		{`mysql.a = { enable = true; databases = [ "" ]; };`, "must have 1 to 64 bytes"},
		{`mysql.a = { enable = true; databases = [ "x` + long + `" ]; };`, "must have 1 to 64 bytes"},
		{`postgresql.a = { enable = true; databases = [ "` + long + `" ]; };`, "must have 1 to 63 bytes"},
		{`redis.a = { enable = true; requirePass = "a"; requirePassFile = "b"; };`, "must not both be set"},
		{`redis.a = { enable = true; save = [ [ 1 ] ]; };`, "pairs of seconds and changes"},
		{`redis.a = { enable = true; save = [ [ ] ]; };`, "pairs of seconds and changes"},
		{`rabbitmq.a = { enable = true; port = 50000; };`, "leaves no room"},
		{`rabbitmq.a = { enable = true; distAddress = "::1"; };`, "must be an IPv4 address"},
		{`rabbitmq.a = { enable = true; distAddress = "1.2.3.256"; };`, "must be an IPv4 address"},
		{`rabbitmq.a = { enable = true; distAddress = "1.2.3"; };`, "must be an IPv4 address"},
		{`rabbitmq.a = { enable = true; configItems."listeners.tcp" = "none"; };`, "listens nowhere"},
		{`redis.a = { enable = true; settings.port = 0; };`, "listens nowhere"},
		{`redis-cluster.a = { enable = true; settings.cluster-enabled = false; };`, "must have cluster-enabled"},
		{`redis-cluster.a = { enable = true; bind = "localhost"; };`, "by addresses, not by names"},
		{`mongodb.a = { enable = true; enableAuth = true; };`, "the one that everyone knows"},
		{`mongodb.a = { enable = true; settings.security.authorization = "enabled"; };`, "the one that everyone knows"},
		{`mongodb.a = { enable = true; settings.security.keyFile = "/key"; };`, "the one that everyone knows"},
		{`mongodb.a = { enable = true; extraFlags = [ "--auth" ]; };`, "the one that everyone knows"},
		{`mongodb.a = { enable = true; extraFlags = [ "--bind_ip_all" "--port=x" ]; };`, "must be between 1 and 65535, not 0"},
		{`mysql = { a = { enable = true; socketDir = "/s"; }; b = { enable = true; port = 1; socketDir = "/s"; }; };`, "socketDir has the socket of \"mysql.a\" already"},
		{`mongodb.a = { enable = true; user = "me"; initialRootPasswordFile = "/p"; };`, "must not both be set"},
		{`mongodb.a = { enable = true; mongoshPackage = pkgs.bash; };`, "not supported: mongoshPackage; set package"},
		{`elasticsearch.a = { enable = true; plugins = [ pkgs.bash ]; };`, "not supported: plugins; the server has them in its own folder"},
		{`grafana.a = { enable = true; declarativePlugins = [ "/a/x" "/b/x" ]; };`, `two of the folders are named "x"`},
		{`caddy.a = { enable = true; virtualHosts.x.useACMEHost = "y"; };`, "not supported: useACMEHost"},
		{`httpd.a = { enable = true; virtualHosts.x.forceSSL = true; };`, "serves TLS, and needs sslServerCert and sslServerKey"},
		{`nginx.a = { enable = true; virtualHosts.x = { forceSSL = true; listen = [{ addr = "127.0.0.1"; port = 8081; }]; sslCertificate = "/c"; sslCertificateKey = "/k"; }; };`, "none of its listen entries has ssl = true"},
		{`nginx.a = { enable = true; virtualHosts.x.basicAuth."a:b" = "c"; };`, "must not contain a colon"},
		{`alertmanager.a = { enable = true; clusterPeers = [ "a:1" ]; };`, "takes part in no cluster"},
		{`alertmanager.a = { enable = true; extraFlags = [ "--cluster.peer=a:1" ]; };`, "takes part in no cluster"},
		{`phpfpm.a = { enable = true; phpEnv.A = "a\nb"; };`, "must be one line"},
		{`custom.a = { enable = true; command = "x"; readiness_probe.http_get.port = "0"; };`, "port must be between 1 and 65535"},
		{`custom.a = { enable = true; command = "x"; readiness_probe.http_get.port = "65536"; };`, "port must be between 1 and 65535"},
		{`custom.a = { enable = true; command = "x"; limits.cpus = "0"; };`, "cpus must be a number such as 1.5"},
		{`custom.a = { enable = true; command = "x"; restart_delay = -1; };`, "must be a number of seconds, 0 or more"},
		{`custom.a = { enable = true; command = "x"; ready_log_line = "a"; readiness_probe.log_line = "b"; };`, "must not both be set"},
		{`custom.a = { enable = true; command = "x"; environment = [ "A" ]; };`, `must be "NAME=VALUE"`},
	} {
		_, err := generate(t, "t.nix", "{ services."+c.instance+" }")
		if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), "t.nix:1:") {
			t.Errorf("%s: got %v, want %q with its place", c.instance, err, c.want)
		}
	}
	for _, fine := range []string{`postgresql.a = { enable = true; databases = [ "` + long[1:] + `" ]; };`, `mysql.a = { enable = true; databases = [ "` + long + `" ]; };`,
		`rabbitmq.a = { enable = true; port = 45535; };`, `custom.a = { enable = true; command = "x"; readiness_probe.http_get.port = "65535"; restart_delay = 0; };`} {
		if _, err := generate(t, "t.nix", "{ services."+fine+" }"); err != nil {
			t.Errorf("%s: %v", fine, err)
		}
	}
}

func TestFind(t *testing.T) {
	for name, want := range map[string]string{"redis": "redis", "postgres": "postgresql", "httpd": "apache-httpd", "kafka": "apache-kafka", "nats": "nats-server", "mariadb": "mysql", "pg": ""} {
		got := ""
		if typ, ok := catalog.Find(name); ok {
			got = typ.Name
		}
		if got != want {
			t.Errorf("Find(%q) is of %q, want %q", name, got, want)
		}
	}
}
