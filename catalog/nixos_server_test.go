package catalog_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"nix2gpu/internal/testkit"
)

// Options that are here because NixOS has them do on the real servers what they say there.
func TestNixOSOptionsOnServers(t *testing.T) {
	t.Parallel()
	for _, program := range []string{"redis-server", "memcached", "nats-server", "etcd", "prometheus", "jupyter-notebook", "php-fpm8.2", "nginx", "apache2", "caddy"} {
		needs(t, program)
	}
	s := testkit.NewStackFrom(t, "")
	cert, key := certificate(t)
	s.Write("cert.pem", cert)
	s.Write("key.pem", key)
	s.Write("web.yml", "basic_auth_users: {}\nhttp_server_config: { headers: { X-Frame-Options: deny } }\n")
	s.Write("index.php", `<?php echo ini_get("pm.max"), getenv("ONE"), "served";`)
	s.Write("public/index.html", "a page\n")
	const services = `
	  redis.a = { enable = true; logfile = "redis.log"; extraParams = [ "--hz" "33" ]; };
	  memcached.a = { enable = true; enableUnixSocket = true; };
	  nats.a = { enable = true; serverName = "the-server"; monitorPort = 8222; };
	  etcd.a = { enable = true; listenClientUrls = [ "https://127.0.0.1:2379" ]; certFile = "./cert.pem"; keyFile = "./key.pem"; };
	  prometheus.a = { enable = true; remoteRead = [ { url = "http://127.0.0.1:1/read"; } ]; webConfigFile = "./web.yml"; alertmanagerNotificationQueueCapacity = 77; };
	  prometheus.agent = { enable = true; port = 9091; enableAgentMode = true; remoteWrite = [ { url = "http://127.0.0.1:1/write"; } ]; };
	  prometheus.text = { enable = true; port = 9092; configText = "global: { scrape_interval: 77s }"; };
	  jupyter.a = { enable = true; token = "t"; notebookConfig = "c.NotebookApp.base_url = '/'"; command = "jupyter notebook"; extraEnvironmentVariables.A = "b";
	    kernels.other = { displayName = "Another kernel"; argv = [ "/usr/bin/true" "{connection_file}" ]; language = "none"; }; };
	  phpfpm.a = { enable = true; extraConfig = "env[ONE] = one-"; };
	  nginx.web = { enable = true; defaultListen = [ { addr = "127.0.0.1"; } ]; defaultSSLListenPort = 8445;
	    typesHashMaxSize = 2048; resolver = { addresses = [ "127.0.0.1" ]; ipv6 = false; };
	    recommendedUwsgiSettings = true; proxyResolveWhileRunning = true;
	    proxyCachePath.pages = { enable = true; keysZoneName = "pages"; };
	    virtualHosts.localhost = { addSSL = true; kTLS = true; sslCertificate = "./cert.pem"; sslCertificateKey = "./key.pem";
	      locations."/cached" = { proxyPass = "http://127.0.0.1:8081"; extraConfig = "proxy_cache pages; proxy_cache_valid any 1h; add_header X-Cache $upstream_cache_status;"; };
	      locations."/uwsgi".uwsgiPass = "127.0.0.1:1";
	      locations."= /php" = { fastcgiParams = { SCRIPT_FILENAME = "/workspace/index.php"; REQUEST_METHOD = "GET"; }; extraConfig = "fastcgi_pass unix:/workspace/data/phpfpm/a/phpfpm.sock;"; };
	    }; };
	  httpd.web = { enable = true; logDir = "./logs"; logFormat = "common"; virtualHosts = {
	    localhost = { listenAddresses = [ "127.0.0.1" ]; forceSSL = true; sslServerCert = "./cert.pem"; sslServerKey = "./key.pem"; documentRoot = "./public"; robotsEntries = "Disallow: /x"; };
	    plain = { listenAddresses = [ "127.0.0.1" ]; documentRoot = "./public"; enableUserDir = true; };
	  }; };
	  caddy.web = { enable = true; logFormat = "output stdout\nformat json"; virtualHosts."http://localhost:8082" = { listenAddresses = [ "127.0.0.1" ]; extraConfig = "respond caddy"; }; };`
	s.Write("nix2gpu.nix", "{ services = {"+services+"\n}; }\n")
	run := s.Start("up")
	run.WaitLine("all services healthy")
	asks := func(want string, command ...string) {
		t.Helper()
		var out, stderr string
		if !testkit.Eventually(func() bool {
			out, stderr, _ = s.ExecCommand(command[0], command[1:]...)
			return strings.Contains(out, want)
		}) {
			t.Errorf("%q answers %q %s, want %q", command, out, stderr, want)
		}
	}
	curl := func(want string, more ...string) {
		t.Helper()
		asks(want, append([]string{"curl", "-sik"}, more...)...)
	}
	asks("\nhz\n33", "sh", "-c", "echo; redis-cli config get hz")
	if log, _ := os.ReadFile(filepath.Join(s.Dir, "data/redis/a/redis.log")); !strings.Contains(string(log), "Ready to accept connections") {
		t.Errorf("redis.log has %q", log)
	}
	curl(`"server_name": "the-server"`, "http://127.0.0.1:8222/varz")
	curl(`"health":"true"`, "https://127.0.0.1:2379/health")
	curl("X-Frame-Options: deny", "http://127.0.0.1:9090/-/ready")
	curl("77", "http://127.0.0.1:9090/api/v1/status/flags")
	curl("remote_read", "http://127.0.0.1:9090/api/v1/status/config")
	curl("remote_write", "http://127.0.0.1:9091/api/v1/status/config")
	curl("unavailable with Prometheus Agent", "http://127.0.0.1:9091/api/v1/query?query=up")
	curl("scrape_interval: 1m17s", "http://127.0.0.1:9092/api/v1/status/config")
	curl("Another kernel", "-H", "Authorization: token t", "http://127.0.0.1:8888/api/kernelspecs")
	curl("one-served", "http://127.0.0.1:8080/php")
	curl("one-served", "https://127.0.0.1:8445/php")
	curl("502 Bad Gateway", "http://127.0.0.1:8080/uwsgi")
	curl("X-Cache: HIT", "http://127.0.0.1:8080/cached")
	curl("Location: https://localhost:8444/index.html", "http://localhost:8081/index.html")
	curl("a page", "https://localhost:8444/index.html")
	curl("Disallow: /x", "https://localhost:8444/robots.txt")
	curl("a page", "-H", "Host: plain", "http://127.0.0.1:8081/index.html")
	for file, want := range map[string]string{"access-plain.log": "GET /index.html", "access-localhost.log": "GET /robots.txt", "error.log": "resuming normal operations"} {
		if !testkit.Eventually(func() bool {
			log, _ := os.ReadFile(filepath.Join(s.Dir, "logs", file))
			return strings.Contains(string(log), want)
		}) {
			t.Errorf("%s lacks %q", file, want)
		}
	}
	curl("caddy", "http://localhost:8082/")
	if out, _, _ := s.Exec("logs", "caddy"); !strings.Contains(out, `"level":"info"`) {
		t.Errorf("caddy logs no JSON:\n%s", out)
	}
	audit(t, s, services)
	killAndBack(t, s, healthyMains(t, s))
	run.Stop()
}
