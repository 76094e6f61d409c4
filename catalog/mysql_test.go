package catalog_test

import (
	"strings"
	"testing"

	"nix2gpu/internal/testkit"
)

// A MariaDB that follows another one has what that has, over a kill of both and a second
// start. Time zones are there by name, in the one that loads them: from its master it would
// get each of some thousand changes by itself.
func TestMySQLFollows(t *testing.T) {
	t.Parallel()
	needs(t, "mariadbd")
	s := testkit.NewStackFrom(t, "")
	const services = `
	  mysql.main = { enable = true; databases = [ "shop" ];
	    replication = { role = "master"; serverId = 1; slaveHost = "127.0.0.1"; masterUser = "copier"; masterPasswordFile = "./password"; }; };
	  mysql.copy = { enable = true; port = 3307; importTimeZones = true; depends_on.main = "ready";
	    replication = { role = "slave"; serverId = 2; masterHost = "127.0.0.1"; masterUser = "copier"; masterPasswordFile = "./password"; }; };`
	s.Write("nix2gpu.nix", "{ services = {"+services+"}; }\n")
	s.Write("password", "p 'w\\\n")
	says := mysqlSays(t, s)
	run := s.Start("up")
	run.WaitLine("all services healthy")
	says("3306", "create table shop.chairs (colour text); insert into shop.chairs values ('blue')", "")
	says("3307", "select colour from shop.chairs", "blue")
	says("3307", "select convert_tz('2026-07-01 12:00:00', 'UTC', 'Europe/Berlin')", "2026-07-01 14:00:00")
	audit(t, s, services)
	killAndBack(t, s, healthyMains(t, s))
	says("3306", "insert into shop.chairs values ('red')", "")
	says("3307", "select colour from shop.chairs", "blue\nred")
	run.Stop()

	run = s.Start("up")
	run.WaitLine("all services healthy")
	says("3307", "select colour from shop.chairs", "blue\nred")
	says("3306", "insert into shop.chairs values ('green')", "")
	says("3307", "select colour from shop.chairs", "blue\nred\ngreen")
	run.Stop()
}

// A member of a Galera cluster is ready, and begins it again after an orderly end.
func TestMySQLIsAMember(t *testing.T) {
	t.Parallel()
	needs(t, "mariadbd")
	s := testkit.NewStackFrom(t, "")
	const services = `
	  mysql.member = { enable = true; databases = [ "shop" ]; galeraCluster = { enable = true; name = "herd"; localName = "one"; localAddress = "127.0.0.2"; clusterAddress = "gcomm://"; }; };`
	s.Write("nix2gpu.nix", "{ services = {"+services+"}; }\n")
	says := mysqlSays(t, s)
	for range 2 {
		run := s.Start("up")
		run.WaitLine("all services healthy")
		says("3306", "select variable_value from information_schema.global_status where variable_name in ('wsrep_cluster_size', 'wsrep_ready') order by variable_name", "1\nON")
		says("3306", "select @@wsrep_cluster_name, @@wsrep_node_name", "herd\tone")
		says("3306", "show databases like 'shop'", "shop")
		auditBut(t, s, services, []string{"127.0.0.2:4568", "127.0.0.2:4444"}) // while it joins others
		run.Stop()
	}
}

// mysqlSays wants the server at a port to answer, in time.
func mysqlSays(t *testing.T, s *testkit.Stack) func(port, sql, want string) {
	return func(port, sql, want string) {
		t.Helper()
		var got string
		if !testkit.Eventually(func() bool {
			out, stderr, _ := s.ExecCommand("mariadb", "--no-defaults", "--protocol=tcp", "--host=127.0.0.1", "--port="+port, "-uroot", "-BN", "-e", sql)
			got = strings.TrimSpace(out + stderr)
			return got == want
		}) {
			t.Errorf("%s: %q answers %q, want %q", port, sql, got, want)
		}
	}
}
