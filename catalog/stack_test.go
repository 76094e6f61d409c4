package catalog_test

import (
	"os"
	"strings"
	"testing"
	"time"

	"nix2gpu/internal/testkit"
)

func TestMain(m *testing.M) {
	code := m.Run()
	testkit.RemoveBinary()
	os.Exit(code)
}

// patience bounds the waits for real servers, on a slow and busy machine.
const patience = 3 * time.Minute

// up runs a definition of services with the real program, in a network
// namespace of its own, until all of them are ready.
func up(t *testing.T, services string) (*testkit.Stack, *testkit.Run) {
	t.Helper()
	s := testkit.NewStackFrom(t, "")
	s.Write("nix2gpu.nix", "{ pkgs, ... }: { services = {\n"+services+"\n}; }\n")
	run := s.Start("up")
	run.WaitLine("all services healthy", patience)
	return s, run
}

// SQL for the first start works as text and as a file, and is not run again.
func TestMySQLRunsItsInitialScript(t *testing.T) {
	needs(t, "mariadbd")
	s := testkit.NewStackFrom(t, "")
	s.Write("init.sql", "create database fromfile;\n")
	s.Write("nix2gpu.nix", `{
	  services.mysql.text = { enable = true; initialScript = "create database fromtext; create table fromtext.t (x int);"; };
	  services.mysql.file = { enable = true; port = 3307; initialScript = "./init.sql"; };
	}`)
	ask := func(instance, sql string) string {
		t.Helper()
		port := map[string]string{"text": "3306", "file": "3307"}[instance]
		out, stderr, code := s.ExecCommand("mariadb", "--no-defaults", "--protocol=tcp", "--host=127.0.0.1", "--port="+port, "-uroot", "-BN", "-e", sql)
		if code != 0 {
			t.Fatalf("%s: %s", sql, stderr)
		}
		return strings.TrimSpace(out)
	}
	for range 2 { // the second time the script would fail
		run := s.Start("up")
		run.WaitLine("all services healthy", patience)
		if got := ask("text", "select count(*) from information_schema.tables where table_schema = 'fromtext'"); got != "1" {
			t.Errorf("%s tables after the script, want 1", got)
		}
		if got := ask("file", "show databases like 'from%'"); got != "fromfile" {
			t.Errorf("databases %q after the script from a file", got)
		}
		run.Stop()
	}
}
