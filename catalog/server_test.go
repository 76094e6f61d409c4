package catalog_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"nix2gpu/internal/testkit"
	"nix2gpu/packages"
	"nix2gpu/project"
	"nix2gpu/stage"
)

// A machine runs the processes of a project in a folder of the test's, with a
// space in its path.
type machine struct {
	t     *testing.T
	root  string
	stage *stage.Stage
}

func newMachine(t *testing.T) *machine {
	t.Helper()
	top, err := os.MkdirTemp("/tmp", "cat")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(top) })
	if err := os.Chmod(top, 0o755); err != nil { // the servers have users of their own
		t.Fatal(err)
	}
	m := &machine{t: t, root: filepath.Join(top, "a project")}
	if err := os.Mkdir(m.root, 0o755); err != nil {
		t.Fatal(err)
	}
	at := stage.Places{Root: m.root, State: filepath.Join(top, "state"), Run: filepath.Join(top, "run"), Secrets: filepath.Join(testkit.Memory(t), "secrets", "key"), Self: "/nonexistent"}
	m.stage = stage.New(at, &packages.Host{Dir: filepath.Join(top, "packages")}, stage.Options{})
	return m
}

func (m *machine) write(name, content string) {
	m.t.Helper()
	file := filepath.Join(m.root, name)
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		m.t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(content), 0o644); err != nil {
		m.t.Fatal(err)
	}
}

// command is the main process of a service, with more arguments.
func (m *machine) command(p *project.Project, id project.ID, more ...string) *exec.Cmd {
	m.t.Helper()
	l, err := m.stage.Prepare(p, p.Processes[id])
	if err != nil {
		m.t.Fatal(err)
	}
	cmd := &exec.Cmd{Path: l.Path, Args: append(l.Argv, more...), Env: l.Env, Dir: l.Dir, SysProcAttr: &syscall.SysProcAttr{}}
	if l.SetUser {
		cmd.SysProcAttr.Credential = &syscall.Credential{Uid: l.UID, Gid: l.GID, Groups: l.Groups}
		if slices.Contains(l.Caps, "net_bind_service") {
			cmd.SysProcAttr.AmbientCaps = []uintptr{unix.CAP_NET_BIND_SERVICE}
		}
	}
	return cmd
}

// start runs a service until the test ends.
func (m *machine) start(p *project.Project, id project.ID) {
	m.t.Helper()
	cmd := m.command(p, id)
	r, w, err := os.Pipe()
	if err != nil {
		m.t.Fatal(err)
	}
	if c := cmd.SysProcAttr.Credential; c != nil {
		w.Chown(int(c.Uid), int(c.Gid)) // so that it can be opened as /dev/stderr
	}
	cmd.Stdout, cmd.Stderr = w, w
	if err := cmd.Start(); err != nil {
		m.t.Fatal(err)
	}
	w.Close()
	var log bytes.Buffer
	copied := make(chan struct{})
	go func() { io.Copy(&log, r); close(copied) }()
	m.t.Cleanup(func() {
		cmd.Process.Signal(syscall.SIGTERM)
		cmd.Wait()
		<-copied
		if m.t.Failed() {
			m.t.Logf("%s said:\n%s", id, &log)
		}
	})
}

// get asks until something answers.
func get(t *testing.T, url string) (int, string) {
	t.Helper()
	var resp *http.Response
	var err error
	if !testkit.Eventually(func() bool { resp, err = http.Get(url); return err == nil }) {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, _ := io.ReadAll(resp.Body)
	return resp.StatusCode, string(body)
}

// dial asks until something listens. The connection is closed with the test.
func dial(t *testing.T, network, addr string) net.Conn {
	t.Helper()
	var c net.Conn
	var err error
	if !testkit.Eventually(func() bool { c, err = net.Dial(network, addr); return err == nil }) {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func needs(t *testing.T, program string) {
	t.Helper()
	if _, err := exec.LookPath(program); err != nil {
		if _, err := os.Stat("/usr/sbin/" + program); err != nil {
			t.Skipf("%s is not installed: apt-get install %s", program, program)
		}
	}
}

// nginx itself says whether what we write is well-formed.
func TestNginxAcceptsItsConfiguration(t *testing.T) {
	needs(t, "nginx")
	text, err := os.ReadFile("testdata/nginx.nix")
	if err != nil {
		t.Fatal(err)
	}
	p, err := generate(t, "nginx.nix", string(text))
	if err != nil {
		t.Fatal(err)
	}
	m := newMachine(t)
	cert, key := certificate(t)
	m.write("cert.pem", cert)
	m.write("key.pem", key)
	for id := range p.Services {
		if id == "nginx.full" && os.Geteuid() != 0 {
			continue // it listens on port 80
		}
		cmd := m.command(p, id, "-t")
		out, err := cmd.CombinedOutput()
		if err != nil || strings.Contains(string(out), "[warn]") {
			t.Errorf("%s: %v\n%s", id, err, out)
		}
	}
}

func certificate(t *testing.T) (cert, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), DNSNames: []string{"example.test"}}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &private.PublicKey, private)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})),
		string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret}))
}

func TestNginxServes(t *testing.T) {
	needs(t, "nginx")
	backend := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "backend saw %s %s", r.URL.Path, r.Header.Get("X-Forwarded-Proto"))
	}))
	t.Cleanup(backend.Close)
	files, balancer, plain := testkit.Port(t), testkit.Port(t), testkit.Port(t)
	p, err := generate(t, "t.nix", fmt.Sprintf(`{
	  services.nginx.files = {
	    enable = true;
	    virtualHosts."default" = {
	      listen = [{ addr = "0.0.0.0"; port = %d; }];
	      locations."/" = { root = "/workspace/public"; };
	      locations."/users/" = { proxyPass = "%s/"; recommendedProxySettings = true; };
	      locations."/alias/" = { alias = "./public/sub/"; };
	      locations."/secret/" = { root = "./public"; basicAuth.me = "p w"; };
	    };
	  };
	  services.nginx.balancer = {
	    enable = true;
	    httpConfig = ''
	      upstream workers { server %s; }
	      server { listen %d; location / { proxy_pass http://workers; } }
	    '';
	  };
	  services.nginx.plain = { enable = true; port = %d; };
	}`, files, backend.URL, strings.TrimPrefix(backend.URL, "http://"), balancer, plain))
	if err != nil {
		t.Fatal(err)
	}
	m := newMachine(t)
	m.write("public/index.html", "hello")
	m.write("public/sub/x.json", "{}")
	m.write("public/secret/index.html", "secret")
	for _, id := range []project.ID{"nginx.files", "nginx.balancer", "nginx.plain"} {
		m.start(p, id)
	}
	at := func(port int, path string) string { return fmt.Sprintf("http://127.0.0.1:%d%s", port, path) }
	for url, want := range map[string]string{
		at(files, "/"):             "200 hello",
		at(files, "/none"):         "404 <html>",
		at(files, "/users/7"):      "200 backend saw /7 http",
		at(files, "/alias/x.json"): "200 {}",
		at(files, "/secret/"):      "401 <html>",
		at(balancer, "/any"):       "200 backend saw /any ",
		at(plain, "/"):             "200 nginx is running",
	} {
		status, body := get(t, url)
		if got := fmt.Sprint(status, " ", body); !strings.HasPrefix(got, want) {
			t.Errorf("%s answered %q, want %q", url, got, want)
		}
	}
	if status, _ := get(t, strings.Replace(at(files, "/secret/"), "http://", "http://me:p%20w@", 1)); status != 200 {
		t.Errorf("with the password: %d", status)
	}
}

func TestRedisServes(t *testing.T) {
	needs(t, "redis-server")
	port := testkit.Port(t)
	p, err := generate(t, "t.nix", fmt.Sprintf(`{
	  services.redis.tcp = { enable = true; port = %d; settings.maxmemory = "10mb"; requirePass = "p \"w"; };
	  services.redis.socket = { enable = true; port = 0; unixSocket = "redis.sock"; };
	  services.redis.file = { enable = true; port = 0; unixSocket = "/tmp/../tmp/redis-%d.sock"; requirePassFile = "./pass"; };
	}`, port, port))
	if err != nil {
		t.Fatal(err)
	}
	m := newMachine(t)
	m.write("pass", "fromfile\n")
	t.Cleanup(func() { os.Remove(fmt.Sprintf("/tmp/redis-%d.sock", port)) })
	for id := range p.Services {
		m.start(p, id)
	}
	ask := func(network, addr, question string) string {
		c := dial(t, network, addr)
		io.WriteString(c, question+"QUIT\r\n")
		out, _ := io.ReadAll(c)
		return string(out)
	}
	if got := ask("tcp", fmt.Sprintf("127.0.0.1:%d", port), "AUTH \"p \\\"w\"\r\nCONFIG GET maxmemory\r\n"); !strings.Contains(got, "10485760") {
		t.Errorf("tcp answered %q", got)
	}
	if got := ask("unix", filepath.Join(m.root, "data/redis/socket/redis.sock"), "PING\r\n"); !strings.HasPrefix(got, "+PONG") {
		t.Errorf("socket answered %q", got)
	}
	if got := ask("unix", fmt.Sprintf("/tmp/redis-%d.sock", port), "AUTH fromfile\r\n"); !strings.HasPrefix(got, "+OK") {
		t.Errorf("with the password from a file: %q", got)
	}
}

func TestPrometheusServes(t *testing.T) {
	needs(t, "prometheus")
	port := testkit.Port(t)
	p, err := generate(t, "t.nix", fmt.Sprintf(`{
	  services.prometheus.m = {
	    enable = true; port = %d; listenAddress = "127.0.0.1";
	    scrapeConfigs = [ { job_name = "self"; static_configs = [ { targets = [ "127.0.0.1:%d" ]; } ]; } ];
	    rules = [ "groups:\n- name: g\n  rules:\n  - record: up:sum\n    expr: sum(up)\n" ];
	  };
	}`, port, port))
	if err != nil {
		t.Fatal(err)
	}
	m := newMachine(t)
	m.start(p, "prometheus.m")
	url := fmt.Sprintf("http://127.0.0.1:%d", port)
	if !testkit.Eventually(func() bool { status, _ := get(t, url+"/-/ready"); return status == 200 }) {
		t.Fatal("never ready")
	}
	if _, body := get(t, url+"/api/v1/rules"); !strings.Contains(body, "up:sum") {
		t.Errorf("rules: %s", body)
	}
	if _, body := get(t, url+"/api/v1/status/config"); !strings.Contains(body, "scrape_interval: 15s") || !strings.Contains(body, "job_name: self") {
		t.Errorf("configuration: %s", body)
	}
}

func TestCaddyServes(t *testing.T) {
	needs(t, "caddy")
	files, plain := testkit.Port(t), testkit.Port(t)
	p, err := generate(t, "t.nix", fmt.Sprintf(`{
	  services.caddy.files = { enable = true; virtualHosts.":%d".extraConfig = "root * \"/workspace/public\"\nfile_server"; };
	  services.caddy.plain = { enable = true; port = %d; };
	}`, files, plain))
	if err != nil {
		t.Fatal(err)
	}
	m := newMachine(t)
	m.write("public/index.html", "hello")
	for id := range p.Services {
		m.start(p, id)
	}
	for port, want := range map[int]string{files: "hello", plain: "caddy is running"} {
		if status, body := get(t, fmt.Sprintf("http://127.0.0.1:%d/", port)); status != 200 || !strings.HasPrefix(body, want) {
			t.Errorf("port %d answered %d %q, want %q", port, status, body, want)
		}
	}
}

func TestHttpdServes(t *testing.T) {
	needs(t, "apache2")
	backend := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprintf(w, "backend saw %s", r.URL.Path) }))
	t.Cleanup(backend.Close)
	port, plain, secure := testkit.Port(t), testkit.Port(t), testkit.Port(t)
	p, err := generate(t, "t.nix", fmt.Sprintf(`{
	  services.httpd.web = {
	    enable = true; port = %d; logFormat = "common";
	    virtualHosts.localhost = {
	      documentRoot = "/workspace/public";
	      locations."/api/".proxyPass = "%s/";
	      locations."/alias/".alias = "./files/";
	      servedFiles = [ { urlPath = "/one.css"; file = "./one.css"; } ];
	    };
	    virtualHosts.secure = { listen = [ { port = %d; ssl = true; } ]; sslServerCert = "./cert.pem"; sslServerKey = "./key.pem"; };
	  };
	  services.httpd.plain = { enable = true; port = %d; mpm = "worker"; };
	}`, port, backend.URL, secure, plain))
	if err != nil {
		t.Fatal(err)
	}
	m := newMachine(t)
	cert, key := certificate(t)
	m.write("cert.pem", cert)
	m.write("key.pem", key)
	m.write("public/index.html", "hello")
	m.write("files/x.json", "{}")
	m.write("one.css", "p {}")
	m.start(p, "apache-httpd.web")
	m.start(p, "apache-httpd.plain")
	at := func(path string) string { return fmt.Sprintf("http://127.0.0.1:%d%s", port, path) }
	for url, want := range map[string]string{
		at("/"):             "200 hello",
		at("/none"):         "404 ",
		at("/api/7"):        "200 backend saw /7",
		at("/alias/x.json"): "200 {}",
		at("/one.css"):      "200 p {}",
		fmt.Sprintf("http://127.0.0.1:%d/", plain):  "503 apache-httpd is running",
		fmt.Sprintf("http://127.0.0.1:%d/", secure): "400 ", // TLS is spoken there
	} {
		status, body := get(t, url)
		if got := fmt.Sprint(status, " ", body); !strings.HasPrefix(got, want) {
			t.Errorf("%s answered %q, want %q", url, got, want)
		}
	}
}

func TestRabbitMQServes(t *testing.T) {
	needs(t, "rabbitmq-server")
	port := testkit.Port(t)
	p, err := generate(t, "t.nix", fmt.Sprintf(`{ services.rabbitmq.q = { enable = true; port = %d; distPort = %d; cookie = "abc"; }; }`, port, testkit.Port(t)))
	if err != nil {
		t.Fatal(err)
	}
	// Its name server is a daemon, which a supervisor ends with the service. Here
	// it is asked to go, once the node is gone.
	names, _ := p.Processes["rabbitmq.q"].Env["ERL_EPMD_PORT"].Text.Literal()
	t.Cleanup(func() {
		if out, err := exec.Command("epmd", "-port", names, "-kill").CombinedOutput(); err != nil {
			t.Errorf("the name server stays: %v\n%s", err, out)
		}
	})
	m := newMachine(t)
	m.start(p, "rabbitmq.q")
	c := dial(t, "tcp", fmt.Sprintf("127.0.0.1:%d", port))
	io.WriteString(c, "AMQP\x00\x00\x09\x01")
	head := make([]byte, 11)
	if _, err := io.ReadFull(c, head); err != nil || head[0] != 1 || head[8] != 10 { // connection.start
		t.Errorf("answered %q, %v", head, err)
	}
}

// Small servers greet, or answer one line.
func TestSmallServersAnswer(t *testing.T) {
	for _, c := range []struct{ program, service, definition, question, want string }{
		{"memcached", "memcached.s", `services.memcached.s = { enable = true; port = %d; };`, "version\r\n", "VERSION "},
		{"nats-server", "nats-server.s", `services.nats.s = { enable = true; jetstream = true; settings.port = %d; };`, "", "INFO {"},
	} {
		t.Run(c.program, func(t *testing.T) {
			needs(t, c.program)
			port := testkit.Port(t)
			p, err := generate(t, "t.nix", "{ "+fmt.Sprintf(c.definition, port)+" }")
			if err != nil {
				t.Fatal(err)
			}
			newMachine(t).start(p, project.ID(c.service))
			conn := dial(t, "tcp", fmt.Sprintf("127.0.0.1:%d", port))
			io.WriteString(conn, c.question)
			answer := make([]byte, len(c.want))
			if _, err := io.ReadFull(conn, answer); err != nil || string(answer) != c.want {
				t.Errorf("answered %q, %v; want %q", answer, err, c.want)
			}
		})
	}
}
