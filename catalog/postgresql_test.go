package catalog_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"nix2gpu/internal/testkit"
)

// A standby copies the other server, follows it over a kill of either and a second start,
// and is a server of its own once the definition says so. The extension that Debian has as a
// package of its own is there.
func TestPostgreSQLStandby(t *testing.T) {
	t.Parallel()
	needs(t, "pg_ctlcluster")
	if found, _ := filepath.Glob("/usr/share/postgresql/*/extension/hypopg.control"); len(found) == 0 {
		needs(t, "postgresql-15-hypopg")
	}
	s := testkit.NewStackFrom(t, "")
	definition := func(standbyOf string) (services string) {
		services = `
		  postgresql.main = {
		    enable = true; databases = [ "shop" ]; extensions = ps: with ps; [ hypopg ];
		    authentication = "host replication copier 127.0.0.1/32 scram-sha-256";
		    initialScript = "create role copier replication login password 'p ''w\\';";
		  };
		  postgresql.copy = { enable = true; port = 5433; ` + standbyOf + ` };`
		s.Write("nix2gpu.nix", "{ services = {\n"+services+"\n}; }\n")
		return services
	}
	services := definition(`depends_on.main = "ready"; standbyOf = { user = "copier"; passwordFile = "./password"; slot = "copy_1"; };`)
	s.Write("password", `p 'w\`+"\n")
	if err := os.Chmod(filepath.Join(s.Dir, "password"), 0o600); err != nil {
		t.Fatal(err)
	}
	sql := func(port, query string) string {
		out, stderr, code := s.ExecCommand("psql", "-h", "127.0.0.1", "-p", port, "-U", "postgres", "-AtqXc", query, "shop")
		if code != 0 {
			return "failed: " + stderr
		}
		return strings.TrimSpace(out)
	}
	says := func(port, query, want string) {
		t.Helper()
		var got string
		if !testkit.Eventually(func() bool { got = sql(port, query); return got == want }) {
			t.Errorf("%s: %s: %q, want %q", port, query, got, want)
		}
	}

	run := s.Start("up")
	run.WaitLine("all services healthy")
	says("5432", "create extension hypopg; create table items (name text); insert into items values ('chair'); select count(*) from hypopg_list_indexes", "0")
	says("5433", "select name from items", "chair")
	if got := sql("5433", "insert into items values ('from the copy')"); !strings.Contains(got, "read-only transaction") {
		t.Errorf("a change of the copy: %q", got)
	}
	says("5432", "select active from pg_replication_slots where slot_name = 'copy_1'", "t")
	says("5432", "select application_name from pg_stat_replication", "copy")
	audit(t, s, services)
	killAndBack(t, s, healthyMains(t, s))
	says("5432", "insert into items values ('table')", "")
	says("5433", "select count(*) from items where name = 'table'", "1")
	run.Stop()

	run = s.Start("up")
	run.WaitLine("all services healthy")
	says("5432", "insert into items values ('lamp')", "")
	says("5433", "select count(*) from items where name = 'lamp'", "1")
	run.Stop()

	// Another server than the one that it was copied from is refused, and nothing is changed.
	s.Write("nix2gpu.nix", "{ services = {\n"+services+`
	  postgresql.other = {
	    enable = true; port = 5434;
	    authentication = "host replication copier 127.0.0.1/32 scram-sha-256";
	    initialScript = "create role copier replication login password 'p ''w\\';";
	  };
	  postgresql.copy.standbyOf.port = 5434;
	  postgresql.copy.depends_on.other = "ready";
	}; }
	`)
	run = s.Start("up")
	run.WaitLine("is a copy of another server than 127.0.0.1:5434")
	run.Stop()

	definition(`databases = [ "own" ];`)
	run = s.Start("up")
	run.WaitLine("all services healthy")
	says("5433", "select pg_is_in_recovery() or not exists (select from pg_database where datname = 'own')", "f")
	says("5433", "insert into items values ('of its own')", "")
	says("5432", "select count(*) from items where name = 'of its own'", "0")
	run.Stop()

	definition(`standbyOf = { user = "copier"; passwordFile = "./password"; };`)
	run = s.Start("up")
	run.WaitLine("is that of a server of its own, and no copy of 127.0.0.1:5432")
	run.Stop()
}
