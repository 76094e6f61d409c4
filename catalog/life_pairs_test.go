package catalog_test

import (
	"fmt"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"nix2gpu/internal/testkit"
)

// killInSetUp starts a stack from nothing and, at each of these lines of its output, ends
// everything at once, supervisor and guard included, as a lack of memory or of power does.
// The next start has to go on from there.
func killInSetUp(t *testing.T, s *testkit.Stack, lines ...string) {
	t.Helper()
	for _, line := range lines {
		run := s.Start("up")
		run.WaitLine(line)
		killAll(t, s)
		run.Wait()
	}
}

func killAll(t *testing.T, s *testkit.Stack) {
	t.Helper()
	if !testkit.Eventually(func() bool {
		all := s.Net.Processes()
		for _, one := range all {
			pid, _, _ := strings.Cut(one, " ")
			if number, err := strconv.Atoi(pid); err == nil {
				syscall.Kill(number, syscall.SIGKILL)
			}
		}
		return len(all) == 0
	}) {
		t.Fatalf("they survive: %v", s.Net.Processes())
	}
}

// The whole life of the other servers, two instances of each, as in [TestServersLive]; and
// before it, everything is killed twice while they make their databases, so that the third
// start has to go on. It takes a minute or two: 22 servers are started four times.
func TestPairsOfServersLive(t *testing.T) {
	t.Parallel()
	for _, program := range []string{"apache2", "caddy", "jupyter-notebook", "mariadbd", "memcached", "nats-server", "nginx", "prometheus", "rabbitmq-server", "redis-server"} {
		needs(t, program)
	}
	const services = `
	  postgresql.a = { enable = true; databases = [ "one" ]; };
	  postgresql.b = { enable = true; port = 5433; databases = [ "two" ]; };
	  mysql.a = { enable = true; databases = [ "one" ]; };
	  mysql.b = { enable = true; port = 3307; databases = [ "two" ]; };
	  redis.a = { enable = true; appendOnly = true; };
	  redis.b = { enable = true; port = 6380; };
	  memcached.a.enable = true;
	  memcached.b = { enable = true; port = 11212; };
	  nats-server.a = { enable = true; jetstream = true; monitorPort = 8222; };
	  nats-server.b = { enable = true; port = 4223; jetstream = true; monitorPort = 8223; };
	  rabbitmq.a = { enable = true; managementPlugin.enable = true; };
	  rabbitmq.b = { enable = true; port = 5673; managementPlugin = { enable = true; port = 15673; }; };
	  prometheus.a = { enable = true; globalConfig.scrape_interval = "1s"; scrapeConfigs = [ { job_name = "self"; static_configs = [ { targets = [ "127.0.0.1:9090" ]; } ]; } ]; };
	  prometheus.b = { enable = true; port = 9091; };
	  nginx.a = { enable = true; virtualHosts.x = { listen = [ { addr = "127.0.0.1"; port = 8081; } ]; root = "./public"; }; };
	  nginx.b = { enable = true; virtualHosts.x = { listen = [ { addr = "127.0.0.1"; port = 8082; } ]; root = "./public"; }; };
	  apache-httpd.a = { enable = true; virtualHosts.x = { listen = [ { ip = "127.0.0.1"; port = 8083; } ]; documentRoot = "./public"; }; };
	  apache-httpd.b = { enable = true; virtualHosts.x = { listen = [ { ip = "127.0.0.1"; port = 8084; } ]; documentRoot = "./public"; }; };
	  caddy.a = { enable = true; virtualHosts."http://127.0.0.1:8085" = { listenAddresses = [ "127.0.0.1" ]; extraConfig = "respond caddy"; }; };
	  caddy.b = { enable = true; virtualHosts."http://127.0.0.1:8086" = { listenAddresses = [ "127.0.0.1" ]; extraConfig = "respond caddy"; }; };
	  jupyter.a = { enable = true; user = "nobody"; dataDir = "./notebooks/a"; };
	  jupyter.b = { enable = true; user = "nobody"; dataDir = "./notebooks/b"; port = 8889; tokenFile = "./token"; };`
	s := testkit.NewStackFrom(t, "")
	s.Write("nix2gpu.nix", "{ services = {\n"+services+"\n}; }\n")
	s.Write("public/index.html", "a page\n")
	s.Write("token", "of a file\n")
	ask := func(want string, command ...string) {
		t.Helper()
		asks(t, s, want, command...)
	}
	each := func(do func(name string, psql, mariadb, redis []string, management, monitor int)) {
		for i, name := range []string{"one", "two"} {
			do(name, []string{"psql", "-h", "127.0.0.1", "-p", strconv.Itoa(5432 + i), "-U", "postgres", "-Atc", "", name},
				[]string{"mariadb", "--no-defaults", "-h127.0.0.1", "-P" + strconv.Itoa(3306+i), "-uroot", "-N", name, "-e", ""},
				[]string{"redis-cli", "-p", strconv.Itoa(6379 + i)}, 15672+i, 8222+i)
		}
	}
	with := func(command []string, at int, word string) []string {
		command = append([]string(nil), command...)
		command[len(command)-at] = word
		return command
	}
	use := func() {
		t.Helper()
		for port := 8081; port <= 8084; port++ {
			s.WantBody(fmt.Sprintf("http://127.0.0.1:%d/", port), "a page")
		}
		for _, url := range []string{"http://127.0.0.1:8085/", "http://127.0.0.1:8086/"} {
			s.WantBody(url, "caddy")
		}
		for _, url := range []string{"http://127.0.0.1:8888/api", "http://127.0.0.1:8889/api"} {
			s.WantBody(url, "version")
		}
		for header, want := range map[string]string{"Authorization: token of a file": `"content"`, "Authorization: token another": "Forbidden"} {
			ask(want, "curl", "-s", "-H", header, "http://127.0.0.1:8889/api/contents")
		}
		for _, port := range []string{"11211", "11212"} {
			ask("STORED", "bash", "-c", "exec 3<>/dev/tcp/127.0.0.1/"+port+`; printf 'set k 0 0 1\r\nv\r\n' >&3; head -n1 <&3`)
		}
		each(func(name string, psql, mariadb, redis []string, management, monitor int) {
			ask("42", with(psql, 2, "select 40+2")...)
			ask("42", with(mariadb, 1, "select 40+2")...)
			ask("PONG", append(redis, "ping")...)
			s.WantBody(fmt.Sprintf("http://127.0.0.1:%d/healthz", monitor), "ok")
			ask(`"rabbitmq_version"`, "curl", "-s", "-u", "guest:guest", fmt.Sprintf("http://127.0.0.1:%d/api/overview", management))
		})
		s.WantBody("http://127.0.0.1:9090/-/ready", "Ready")
		s.WantBody("http://127.0.0.1:9091/-/ready", "Ready")
	}
	kept := func() {
		t.Helper()
		each(func(name string, psql, mariadb, redis []string, management, monitor int) {
			ask("of "+name, with(psql, 2, "select * from kept")...)
			ask("of "+name, with(mariadb, 1, "select * from kept")...)
			ask("of "+name, append(redis, "get", "kept")...)
			s.WantBody(fmt.Sprintf("http://127.0.0.1:%d/jsz", monitor), `"streams": 1`)
			ask(`"durable":true`, "curl", "-s", "-u", "guest:guest", fmt.Sprintf("http://127.0.0.1:%d/api/queues/%%2f/kept", management))
		})
	}

	killInSetUp(t, s, "mysql.b: starting", "LOG:  database system is ready to accept connections")
	run := s.Start("up")
	run.WaitLine("all services healthy")
	use()
	const stream = `{"name":"kept","subjects":["kept"],"storage":"file"}`
	each(func(name string, psql, mariadb, redis []string, management, monitor int) {
		ask("INSERT", with(psql, 2, "create table kept (t text); insert into kept values ('of "+name+"')")...)
		if _, errs, code := s.ExecCommand("sh", append([]string{"-c", `exec "$@"`, "sh"}, with(mariadb, 1, "create table kept (t text); insert into kept values ('of "+name+"')")...)...); code != 0 {
			t.Errorf("mariadb: %s", errs)
		}
		ask("stream_create_response", "bash", "-c", fmt.Sprintf(`exec 3<>/dev/tcp/127.0.0.1/%d; printf 'CONNECT {"verbose":false}\r\nSUB r 1\r\nPUB $JS.API.STREAM.CREATE.kept r %d\r\n%s\r\n' >&3; grep -m1 stream_create_response <&3`,
			monitor-4000, len(stream), stream))
	})
	// What these two were told last is lost when they are killed.
	tell := func() {
		t.Helper()
		each(func(name string, _, _, redis []string, management, _ int) {
			ask("OK", append(redis, "set", "kept", "of "+name)...)
			ask("20", "curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", "-u", "guest:guest", "-X", "PUT", "-d", `{"durable":true}`, fmt.Sprintf("http://127.0.0.1:%d/api/queues/%%2f/kept", management))
		})
	}
	tell()
	kept()
	at := ""
	if !testkit.Eventually(func() bool {
		at = strconv.FormatInt(time.Now().Unix(), 10)
		out, _, _ := s.ExecCommand("curl", "-s", "http://127.0.0.1:9090/api/v1/query?query=up&time="+at)
		return strings.Contains(out, `"1"`)
	}) {
		t.Error("prometheus sees nothing")
	}
	audit(t, s, services)
	before := healthyMains(t, s)
	if len(before) != 22 {
		t.Errorf("%d services run, want 22: %v", len(before), before)
	}
	noneAsRoot(t, before)
	killAndBack(t, s, before)
	use()
	tell()
	run.Stop()

	run = s.Start("up")
	run.WaitLine("all services healthy")
	use()
	kept()
	ask(`"1"`, "curl", "-s", "http://127.0.0.1:9090/api/v1/query?query=up&time="+at)
	run.Stop()
}
