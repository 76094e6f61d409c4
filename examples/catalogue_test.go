package examples

import (
	"crypto/sha256"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"nix2gpu/internal/engine"
	"nix2gpu/internal/testkit"
)

// Each example is the same on the host and as an image: one project, by its digest, and
// the same answer, from outside if something listens for that.
func TestExamplesAsImages(t *testing.T) {
	for _, c := range []struct {
		name  string
		url   string // beside the stack; through the published port 8080 of an image
		here  bool   // it listens for its own machine alone, so it is asked in there
		post  string // sent there before
		want  string // in the answer
		print string // or what it prints
	}{
		{name: "web-server", url: "http://127.0.0.1:8080/", want: "Served by nginx, from your own folder."},
		{name: "app-with-db", url: "http://127.0.0.1:8080/", post: "it's a note", want: "it's a note"},
		{name: "scaling", url: "http://127.0.0.1:8080/", want: "worker "},
		{name: "microservices", url: "http://127.0.0.1:8080/orders/", want: `"item":"compiler"`},
		{name: "custom-app", url: "http://127.0.0.1:8080/", here: true, want: "visit 1, served from "},
		{name: "ordering", url: "http://127.0.0.1:8080/", here: true, want: "The Mythical Man-Month"},
		{name: "health-monitoring", url: "http://127.0.0.1:8080/ready", here: true, want: "ok"},
		{name: "external-databases", print: "[app] REDIS_URL is my-redis.aws.com"},
		{name: "resources", print: "[memory-intensive] limit 8G: GOMAXPROCS=4 GOMEMLIMIT=8GiB CUDA_VISIBLE_DEVICES=0"},
		{name: "restart-policies", print: "[resilient-service] cannot reach the upstream"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := testkit.NewStack(t, c.name)
			project := s.MustExec("config", "--output", "project")
			up := s.Start("up")
			switch {
			case c.print != "":
				up.WaitLine(c.print)
			default:
				send(t, s, c.url, c.post)
				s.WantBody(c.url, c.want)
			}
			up.Stop()

			e := engine.Docker(t)
			dir := copied(t, c.name)
			archive := filepath.Join(dir, "image.tar")
			if stdout, stderr, err := built(t, dir, "-o", archive); err != nil {
				t.Fatalf("build: %v, %q\n%s", err, stdout, stderr)
			}
			_, image, _ := strings.Cut(strings.TrimSpace(e.Load(archive)), ": ")
			if err := os.Remove(archive); err != nil {
				t.Fatal(err)
			}
			got := e.MustExec("run", "--rm", "--entrypoint", "cat", image, "/etc/nix2gpu/project.json")
			if sha256.Sum256([]byte(got)) != sha256.Sum256([]byte(project)) {
				t.Errorf("the project of the image is another than that of the host:\n%s\nand\n%s", got, project)
			}
			id := e.Container("-v", dir+":/workspace", "-p", "8080:8080", image)
			switch {
			case c.print != "":
				e.WaitLogs(id, c.print)
			case c.here:
				ask := fmt.Sprintf("import urllib.request as r; print(r.urlopen(%q).read().decode())", c.url)
				var out, errs string
				if !testkit.Eventually(func() bool {
					var code int
					out, errs, code = e.Exec("exec", id, "python3", "-c", ask)
					return code == 0
				}) || !strings.Contains(out, c.want) {
					t.Errorf("it answers %q %s", out, errs)
				}
			default:
				send(t, e.Stack, c.url, c.post)
				e.WantBody(c.url, c.want)
			}
			e.MustExec("stop", "-t", "600", id)
			if code := e.ExitCode(id); code != 0 {
				t.Errorf("exit code %d, want 0", code)
			}
			e.MustExec("rm", id)
		})
	}
}

// send posts a body, if there is one, until it is taken.
func send(t *testing.T, s *testkit.Stack, url, body string) {
	t.Helper()
	if body != "" && !testkit.Eventually(func() bool {
		resp, err := s.Client.Post(url, "text/plain", strings.NewReader(body))
		if err != nil {
			return false
		}
		resp.Body.Close()
		return resp.StatusCode == http.StatusCreated
	}) {
		t.Errorf("%s takes no %q", url, body)
	}
}

// catalogue has each server of the catalogue that Debian packages.
const catalogue = `{ perSystem.nix2gpu."catalogue".services = {
  postgresql."db".enable = true;
  redis."cache".enable = true;
  mysql."sql".enable = true;
  memcached."mem".enable = true;
  rabbitmq."queue".enable = true;
  nats-server."bus".enable = true;
  prometheus."metrics" = { enable = true; listenAddress = "0.0.0.0"; };
  nginx."web" = { enable = true; virtualHosts."default".listen = [ { addr = "0.0.0.0"; port = 8081; } ]; };
  apache-httpd."site" = { enable = true; virtualHosts."site.test".listen = [ { port = 8082; } ]; };
  caddy."edge" = { enable = true; virtualHosts.":8083".extraConfig = "respond caddy"; };
%s}; }
`

// A further server of Debian's, beside those of catalogue: its service, and a command in the
// container whose answer holds a text.
type further struct{ name, service, command, want string }

// furthers are those of which an image has one a day, in turn.
var furthers = []further{
	{"alertmanager", `enable = true;`, ask(9093, "/-/ready"), "200 OK"},
	{"etcd", `enable = true;`, ask(2379, "/health"), `"health":"true"`},
	{"jupyter", `enable = true; port = 8889;`, ask(8889, "/api"), `"version"`},
	{"node-exporter", `enable = true; port = 9101;`, ask(9101, "/metrics"), "node_memory_MemFree_bytes"},
	{"pgbouncer", `enable = true; databases.postgres = "host=127.0.0.1 port=5432"; users.postgres = null; depends_on.db = "ready";`,
		"psql -U postgres -h 127.0.0.1 -p 6432 -Atc 'select 40+2' postgres", "42"},
	{"phpfpm", `enable = true; listen = 9102;`, `exec 3<>/dev/tcp/127.0.0.1/9102; printf '\1\11\0\0\0\0\0\0' >&3; head -c 2 <&3 | od -An -tu1`, "1  10"},
	{"redis-cluster", `enable = true; replicas = 0; nodes = { a.port = 7001; b.port = 7002; c.port = 7003; };`, "redis-cli -p 7001 cluster info", "cluster_state:ok"},
	{"zookeeper", `enable = true;`, "exec 3<>/dev/tcp/127.0.0.1/2181; echo srvr >&3; cat <&3", "Mode: standalone"},
}

// ask is a command that prints what a server answers over HTTP.
func ask(port int, path string) string {
	return fmt.Sprintf(`exec 3<>/dev/tcp/127.0.0.1/%d; printf 'GET %s HTTP/1.0\r\n\r\n' >&3; cat <&3`, port, path)
}

// turn returns those of furthers whose turn it is: one by the day, or the one that
// NIX2GPU_TURN names, or all of them.
func turn(t *testing.T) []further {
	t.Helper()
	named := os.Getenv("NIX2GPU_TURN")
	if named == "all" {
		return furthers
	}
	i := int(time.Now().Unix()/86400) % len(furthers)
	if named != "" {
		if i = slices.IndexFunc(furthers, func(f further) bool { return f.name == named }); i < 0 {
			t.Fatalf("NIX2GPU_TURN names no further server: %q", named)
		}
	}
	t.Logf("it is the turn of %[1]s (again with NIX2GPU_TURN=%[1]s)", furthers[i].name)
	return furthers[i : i+1]
}

// The ten servers of the catalogue in one image, and one more: each is healthy by its own
// protocol, runs as its own user, and is stopped in order.
func TestCatalogueImage(t *testing.T) {
	e := engine.Docker(t)
	dir := t.TempDir()
	more := turn(t)
	var services strings.Builder
	for _, f := range more {
		fmt.Fprintf(&services, "  %s.\"more\" = { %s };\n", f.name, f.service)
	}
	if err := os.WriteFile(filepath.Join(dir, "nix2gpu.nix"), fmt.Appendf(nil, catalogue, &services), 0o644); err != nil {
		t.Fatal(err)
	}
	archive := filepath.Join(dir, "image.tar")
	if stdout, stderr, err := built(t, dir, "-o", archive); err != nil {
		t.Fatalf("build: %v, %q\n%s", err, stdout, stderr)
	}
	e.Load(archive)
	id := e.Container("-p", "8081:8081", "-p", "8082:8082", "-p", "8083:8083", "-p", "9090:9090", "catalogue:latest")
	e.WaitLogs(id, "[nix2gpu] all services healthy")
	status := e.MustExec("exec", id, "nix2gpu", "ps")
	for _, label := range []string{"postgresql", "redis", "mysql", "memcached", "rabbitmq", "nats-server", "prometheus", "nginx", "apache-httpd", "caddy"} {
		found := false
		for line := range strings.Lines(status) {
			f := strings.Fields(line)
			found = found || len(f) > 2 && f[0] == label && f[1] == "running" && f[2] == "healthy"
		}
		if !found {
			t.Errorf("%s is not healthy:\n%s", label, status)
		}
	}
	for url, want := range map[string]string{"http://127.0.0.1:8083/": "caddy", "http://127.0.0.1:9090/-/ready": "Ready"} {
		e.WantBody(url, want)
	}
	for _, port := range []string{"8081", "8082"} { // their folders are empty
		if _, _, err := e.Get("http://127.0.0.1:" + port + "/"); err != nil {
			t.Errorf("port %s: %v", port, err)
		}
	}
	commands := map[string]string{
		"redis-cli ping": "PONG",
		"psql -U postgres -h 127.0.0.1 -Atc 'select 40+2' postgres":                                    "42",
		"mariadb -h 127.0.0.1 -u root -Nse 'select 40+2' || mysql -Nse 'select 40+2'":                  "42",
		"exec 3<>/dev/tcp/127.0.0.1/11211; echo version >&3; head -n1 <&3":                             "VERSION",
		"exec 3<>/dev/tcp/127.0.0.1/4222; head -n1 <&3":                                                "INFO {",
		"exec 3<>/dev/tcp/127.0.0.1/5672; printf 'AMQP\\0\\0\\11\\1' >&3; head -c 30 <&3 | tr -dc a-z": "capabilities",
	}
	for _, f := range more {
		commands[f.command] = f.want
	}
	for command, want := range commands {
		if out, errs, code := e.Exec("exec", id, "bash", "-c", command); code != 0 || !strings.Contains(out, want) {
			t.Errorf("%s: exit code %d, %q, want %q\n%s", command, code, out, want, errs)
		}
	}
	users := map[string]bool{}
	for user := range strings.FieldsSeq(e.MustExec("exec", id, "ps", "-eo", "user", "--no-headers")) {
		users[user] = true
	}
	if len(users) < 10 { // root, and nine: nginx and httpd share one
		t.Errorf("only %v have processes", users)
	}
	e.MustExec("stop", "-t", "600", id)
	if code := e.ExitCode(id); code != 0 {
		t.Errorf("it ended with %d", code)
	}
}
