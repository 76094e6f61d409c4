package catalog_test

import (
	"crypto/tls"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"os/user"
	"path/filepath"
	"strings"
	"testing"

	"nix2gpu/internal/testkit"
	"nix2gpu/project"
)

func TestMain(m *testing.M) {
	code := m.Run()
	testkit.RemoveBinary()
	os.Exit(code)
}

// up runs a definition of services with the real program, in a network
// namespace of its own, until all of them are ready.
func up(t *testing.T, services string) (*testkit.Stack, *testkit.Run) {
	t.Helper()
	s := testkit.NewStackFrom(t, "")
	s.Write("nix2gpu.nix", "{ pkgs, ... }: { services = {\n"+services+"\n}; }\n")
	run := s.Start("up")
	run.WaitLine("all services healthy")
	return s, run
}

// A password in a file of root's alone reaches redis, which runs as its own
// user, and nobody else: not the arguments, not the project that is kept.
func TestRedisPasswordFromRootsFile(t *testing.T) {
	needs(t, "redis-server")
	const password = `s3cret "quoted" \ # word`
	s := testkit.NewStackFrom(t, "")
	s.Write("nix2gpu.nix", `{ services.redis.r = { enable = true; requirePassFile = "./password"; }; }`)
	s.Write("password", password+"\n")
	if err := os.Chmod(filepath.Join(s.Dir, "password"), 0o600); err != nil {
		t.Fatal(err)
	}
	run := s.Start("up")
	run.WaitLine("all services healthy")
	conn, err := s.Net.Dial(t.Context(), "tcp", "127.0.0.1:6379")
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprintf(conn, "PING\r\n*2\r\n$4\r\nAUTH\r\n$%d\r\n%s\r\nQUIT\r\n", len(password), password)
	answer, _ := io.ReadAll(conn)
	if lines := strings.Split(string(answer), "\r\n"); len(lines) < 2 || !strings.HasPrefix(lines[0], "-NOAUTH") || lines[1] != "+OK" {
		t.Errorf("without and with the password: %q", answer)
	}
	for _, line := range s.Net.Processes() {
		if strings.Contains(line, "s3cret") {
			t.Errorf("the password is in the arguments of a process: %s", line)
		}
		pid, _, _ := strings.Cut(line, " ")
		if env, _ := os.ReadFile("/proc/" + pid + "/environ"); strings.Contains(string(env), "s3cret") {
			t.Errorf("the password is in the environment of %s", line)
		}
	}
	// Beside the original only the server's own configuration holds it.
	for _, dir := range []string{s.Dir, "/run/nix2gpu"} {
		filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
			if err != nil || !d.Type().IsRegular() || path == filepath.Join(s.Dir, "password") {
				return nil
			}
			if data, _ := os.ReadFile(path); strings.Contains(string(data), "s3cret") {
				t.Errorf("%s holds the password", path)
			}
			return nil
		})
	}
	if strings.Contains(run.Output()+s.MustExec("config"), "s3cret") {
		t.Error("the password is shown")
	}
	run.Stop()
}

// The key of a certificate is mostly root's alone; by hand, web servers read it
// as root before they become somebody else.
func TestWebServersReadRootsKeys(t *testing.T) {
	needs(t, "nginx")
	needs(t, "apache2")
	s := testkit.NewStackFrom(t, "")
	s.Write("nix2gpu.nix", `{
	  services.nginx.n = {
	    enable = true;
	    virtualHosts.x = { onlySSL = true; sslCertificate = "./tls/cert.pem"; sslCertificateKey = "./tls/key.pem"; basicAuthFile = "./tls/users"; root = "./public"; };
	  };
	  services.httpd.h = {
	    enable = true;
	    virtualHosts.x = { listen = [ { port = 8081; ssl = true; } ]; sslServerCert = "./tls/cert.pem"; sslServerKey = "./tls/key.pem"; documentRoot = "./public"; };
	  };
	}`)
	cert, key := certificate(t)
	s.Write("public/index.html", "hello")
	s.Write("tls/cert.pem", cert)
	s.Write("tls/key.pem", key)
	s.Write("tls/users", "me:{PLAIN}pw\n")
	for _, name := range []string{"tls/key.pem", "tls/users"} {
		if err := os.Chmod(filepath.Join(s.Dir, name), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chmod(filepath.Join(s.Dir, "tls"), 0o700); err != nil {
		t.Fatal(err)
	}
	run := s.Start("up")
	run.WaitLine("all services healthy")
	client := s.Client
	client.Transport.(*http.Transport).TLSClientConfig = &tls.Config{InsecureSkipVerify: true}
	for url, want := range map[string]string{"https://me:pw@127.0.0.1:8443/": "200 hello", "https://127.0.0.1:8443/": "401 <html>", "https://127.0.0.1:8081/": "200 hello"} {
		status, body, err := s.Get(url)
		if got := fmt.Sprint(status, " ", body); !strings.HasPrefix(got, want) {
			t.Errorf("%s answered %.80q (%v), want %q", url, got, err, want)
		}
	}
	run.Stop()
}

// A user that this machine lacks is the one that the project declares: the
// service runs, under its number.
func TestServersRunAsDeclaredUsers(t *testing.T) {
	needs(t, "redis-server")
	if _, err := user.Lookup("minio"); err == nil {
		t.Skip("this machine has a user minio")
	}
	s, run := up(t, `redis.r = { enable = true; user = "minio"; };`)
	want := fmt.Sprint(project.SystemUsers()["minio"].UID)
	found := false
	for _, line := range s.Net.Processes() {
		pid, command, _ := strings.Cut(line, " ")
		if !strings.Contains(command, "redis-server") {
			continue
		}
		found = true
		status, _ := os.ReadFile("/proc/" + pid + "/status")
		if !strings.Contains(string(status), "Uid:\t"+want+"\t"+want) {
			t.Errorf("redis does not run as %s:\n%s", want, status)
		}
	}
	if !found {
		t.Error("redis does not run")
	}
	run.Stop()
}
