package faults

import (
	"net/http"
	"os/exec"
	"strings"
	"testing"

	"nix2gpu/internal/testkit"
)

// Real servers take their passwords from secrets, and keep none of them in the
// project's folder.
func TestPasswordsOfServers(t *testing.T) {
	for _, program := range []string{"mariadb", "redis-cli", "rabbitmq-server", "nginx"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Skipf("needs %s (scripts/deps all): %v", program, err)
		}
	}
	s := testkit.NewStackFrom(t, "")
	s.Env = append(s.Env, "FROM_ENV="+hunter+"env")
	s.Write("secrets/sql", hunter+"sql \"'\\\n")
	s.Write("secrets/cookie", "hunter2cookie\n")
	s.Write("nix2gpu.nix", `{
  secrets.env.env = "FROM_ENV";
  secrets.sql.file = "./secrets/sql";
  services.mysql."db" = {
    enable = true;
    port = 4406;
    databases = [ "shop" ];
    ensureUsers = [ { name = "app"; passwordFile.secret = "sql"; ensurePermissions."shop.*" = "ALL PRIVILEGES"; } { name = "other"; password.secret = "env"; } ];
  };
  services.redis."cache" = { enable = true; port = 4407; requirePass.secret = "env"; };
  services.nginx."web" = {
    enable = true;
    virtualHosts.default = { listen = [ { addr = "127.0.0.1"; port = 4408; } ]; root = "./"; basicAuth.me.secret = "env"; };
  };
  services.rabbitmq."queue" = { enable = true; port = 4409; distPort = 4410; cookieFile = "./secrets/cookie"; };
}
`)
	s.Write("index.html", "hello\n")
	up := s.Start("up")
	up.WaitLine("all services healthy")
	for user, password := range map[string]string{"app": hunter + `sql "'\`, "other": hunter + "env"} {
		if out, errs, code := s.ExecCommand("mariadb", "--no-defaults", "-h127.0.0.1", "-P4406", "-u"+user, "-p"+password, "-e", "select 'in'"); code != 0 || !strings.Contains(out, "in") {
			t.Errorf("%s does not get in: %s%s", user, out, errs)
		}
		if _, _, code := s.ExecCommand("mariadb", "--no-defaults", "-h127.0.0.1", "-P4406", "-u"+user, "-pwrong", "-e", "select 1"); code == 0 {
			t.Errorf("%s gets in by another password", user)
		}
	}
	if out, _, _ := s.ExecCommand("redis-cli", "-p", "4407", "--no-auth-warning", "-a", hunter+"env", "ping"); out != "PONG\n" {
		t.Errorf("redis answers %q", out)
	}
	if out, _, _ := s.ExecCommand("redis-cli", "-p", "4407", "ping"); !strings.Contains(out, "NOAUTH") {
		t.Errorf("redis answers %q without a password", out)
	}
	for password, want := range map[string]int{hunter + "env": 200, "wrong": 401} {
		req, err := http.NewRequest("GET", "http://127.0.0.1:4408/index.html", nil)
		if err != nil {
			t.Fatal(err)
		}
		req.SetBasicAuth("me", password)
		resp, err := s.Client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != want {
			t.Errorf("nginx answers %d, want %d", resp.StatusCode, want)
		}
	}
	// Code 2 is an error, such as a file that a server has removed meanwhile.
	if out, errs, code := s.ExecCommand("grep", "-rl", "-e", hunter, "-e", "hunter2cookie", "--exclude-dir=secrets", "."); out != "" || code != 1 && strings.Count(errs, "\n") != strings.Count(errs, "No such file") {
		t.Errorf("exit code %d, kept in %s%s", code, out, errs)
	}
	up.Stop()
}
