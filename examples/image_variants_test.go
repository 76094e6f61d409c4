package examples

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"nix2gpu/internal/engine"
	"nix2gpu/internal/testkit"
)

// With enableJIT, the image and the lock keep the compiler of queries, as a whole: with
// the library but without LLVM every such query would fail.
func TestPostgreSQLWithJIT(t *testing.T) {
	e := engine.Docker(t)
	dir := t.TempDir()
	definition := "{ perSystem.nix2gpu.\"jit\".services.postgresql.\"db\" = { enable = true; enableJIT = true; }; }\n"
	if err := os.WriteFile(filepath.Join(dir, "nix2gpu.nix"), []byte(definition), 0o644); err != nil {
		t.Fatal(err)
	}
	archive := filepath.Join(dir, "image.tar")
	if _, stderr, err := built(t, dir, "-o", archive); err != nil {
		t.Fatalf("build: %v\n%s", err, stderr)
	}
	if lock, err := os.ReadFile(filepath.Join(dir, "nix2gpu.lock")); err != nil || !strings.Contains(string(lock), `"name":"libllvm`) || strings.Contains(string(lock), `"name":"postgresql-common"`) {
		t.Errorf("the lock has no LLVM, or more than was asked for (%v)", err)
	}
	e.Load(archive)
	c := e.Container("jit:latest")
	e.WaitLogs(c, "[nix2gpu] all services healthy")
	query := func() (string, string) {
		out, errs, _ := e.Exec("exec", c, "psql", "-U", "postgres", "-h", "127.0.0.1", "-Atc", "set jit_above_cost = 0; select sum(n), pg_jit_available() from generate_series(1, 9) n", "postgres")
		return strings.TrimSpace(out), strings.TrimSpace(errs)
	}
	if out, errs := query(); out != "SET\n45|t" {
		t.Errorf("with its compiler the server says %q, %q", out, errs)
	}
	e.MustExec("exec", c, "sh", "-c", "rm /usr/lib/*/libLLVM*.so*")
	if out, errs := query(); !strings.Contains(errs, "could not load library") {
		t.Errorf("without LLVM the server says %q, %q", out, errs)
	}
}

// The servers of the catalogue that Debian packages start from the smallest image, and
// answer.
func TestServersOfAMinimalImage(t *testing.T) {
	e := engine.Docker(t)
	dir := t.TempDir()
	definition := `{ perSystem.nix2gpu."servers" = {
  variant = "minimal";
  services = {
    postgresql."a" = { enable = true; databases = [ "shop" ]; };
    redis."a".enable = true;
    nginx."a".enable = true;
    mysql."a".enable = true;
    apache-httpd."a".enable = true;
    caddy."a".enable = true;
    prometheus."a".enable = true;
    rabbitmq."a".enable = true;
    memcached."a".enable = true;
    nats."a".enable = true;
    custom."py" = { enable = true; command = "python3 -m http.server 8099 --bind 127.0.0.1"; readiness_probe.http_get.port = 8099; };
  };
}; }
`
	if err := os.WriteFile(filepath.Join(dir, "nix2gpu.nix"), []byte(definition), 0o644); err != nil {
		t.Fatal(err)
	}
	archive := filepath.Join(dir, "image.tar")
	_, stderr, err := built(t, dir, "-o", archive, "--sbom", filepath.Join(dir, "sbom.json"))
	if err != nil || strings.Contains(stderr, "warning:") {
		t.Fatalf("build: %v\n%s", err, stderr)
	}
	e.Load(archive)
	key := filepath.Join(dir, "key")
	if out, errs, code := e.ExecCommand("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key); code != 0 {
		t.Fatal(out, errs)
	}
	public, err := os.ReadFile(key + ".pub")
	if err != nil {
		t.Fatal(err)
	}
	c := e.Container("-p", "2222:22", "-e", "SSH_PUBLIC_KEYS="+strings.TrimSpace(string(public)), "servers:latest")
	e.WaitLogs(c, "[nix2gpu] all services healthy")
	// A login that agrees on a group: sshd has no primes of its own in this image, and
	// takes those of the standards.
	var out, errs string
	if !testkit.Eventually(func() bool {
		var code int
		out, errs, code = e.ExecCommand("ssh", "-F", "none", "-p", "2222", "-i", key, "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-o", "LogLevel=ERROR",
			"-o", "IdentityAgent=none", "-o", "KexAlgorithms=diffie-hellman-group-exchange-sha256", "root@127.0.0.1", "id -un; ls /etc/ssh/moduli | wc -l")
		return code == 0
	}) || out != "root\n0\n" {
		t.Errorf("a login by group exchange: %s%s", out, errs)
	}
	for _, check := range []struct{ command, want string }{
		{"psql -U postgres -h 127.0.0.1 -Atc \"select 6*7, now() at time zone 'Europe/Berlin' is not null\" shop", "42|t"},
		{"redis-cli ping", "PONG"},
		{"python3 -c 'import ssl, sqlite3, ctypes, json, urllib.request, asyncio, decimal, zoneinfo; print(zoneinfo.ZoneInfo(\"Europe/Berlin\"))'", "Europe/Berlin"},
		{"/usr/sbin/sshd -t -f /dev/null -h /dev/null 2>&1 | grep -c 'cannot open shared'", "0"},
		{"ls /usr/bin/perl /usr/share/locale /usr/bin/dpkg 2>/dev/null | wc -l", "0"},
		{"grep -c '^Package: perl' /var/lib/dpkg/status", "0"},
		{"cat /etc/ssl/certs/ca-certificates.crt | grep -c BEGIN | sed 's/[0-9][0-9][0-9]*/many/'", "many"},
	} {
		out, errs, _ := e.Exec("exec", c, "bash", "-c", check.command)
		if strings.TrimSpace(out) != check.want {
			t.Errorf("%s: %q, want %q\n%s", check.command, out, check.want, errs)
		}
	}
	e.MustExec("stop", c)
	if code := e.ExitCode(c); code != 0 {
		t.Errorf("it ended with %d", code)
	}
}
