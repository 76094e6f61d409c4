package definition_test

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"nix2gpu/definition"
)

// Processes depend on each other in the words of services-flake: those of its services by its
// names for them, and one's own, in both directions.
func TestProcessesDepend(t *testing.T) {
	for _, c := range []struct{ name, text, want string }{
		{"own on a service", `services.postgres.pg1.enable = true; settings.processes.app = { command = "x"; depends_on.pg1.condition = "process_healthy"; };`,
			"app: postgresql.pg1 ready"},
		{"own on a service that started", `services.redis.r.enable = true; settings.processes.app = { command = "x"; depends_on."r".condition = "process_started"; };`,
			"app: redis.r started"},
		{"own on own", `settings.processes = { a = { command = "x"; depends_on.b.condition = "process_completed"; }; b.command = "y"; };`,
			"a: b exited"},
		{"own on own that says it", `settings.processes = { a = { command = "x"; depends_on.b.condition = "process_log_ready"; }; b = { command = "y"; ready_log_line = "up"; }; };`,
			"a: b log_ready"},
		{"a service on own", `services.redis.r.enable = true; settings.processes = { r.depends_on.migrate.condition = "process_completed_successfully"; migrate.command = "y"; };`,
			"redis.r: migrate completed"},
		{"a service on another", `services.redis.r.enable = true; services.mysql.m.enable = true; settings.processes.r.depends_on.m.condition = "process_healthy";`,
			"redis.r: mysql.m ready"},
		{"the set-up of a service on own", `services.postgres.pg1.enable = true; settings.processes = { pg1-init.depends_on.folder.condition = "process_completed_successfully"; folder.command = "y"; };`,
			"postgresql.pg1: folder completed"},
		{"set-ups in turn", `services.postgres = { pg1.enable = true; pg2 = { enable = true; port = 5433; }; pg3 = { enable = true; port = 5434; }; };
			settings.processes = { pg2-init.depends_on.pg1-init.condition = "process_completed_successfully"; pg3-init.depends_on.pg2-init.condition = "process_completed"; };`,
			"postgresql.pg2: postgresql.pg1 started, postgresql.pg3: postgresql.pg2 started"},
		{"the set-up before the service", `services.postgres.pg.enable = true; settings.processes.a = { command = "x"; depends_on.pg-init.condition = "process_completed_successfully"; };`,
			"a: postgresql.pg started"},
		{"the set-up after the service", `services.mysql.m.enable = true; services.mongodb.d.enable = true; services.ollama.o = { enable = true; models = [ "m" ]; };
			settings.processes.a = { command = "x"; depends_on = { m-configure.condition = "process_completed_successfully"; d-configure.condition = "process_completed"; o-models.condition = "process_completed_successfully"; }; };`,
			"a: mongodb.d ready, a: mysql.m ready, a: ollama.o ready"},
		{"the set-up of others", `services.clickhouse.c = { enable = true; port = 9009; }; services.minio.s.enable = true; services.pgadmin.p = { enable = true; initialEmail = "a@example.org"; initialPassword = "password"; };
			settings.processes.a = { command = "x"; depends_on = { c-init.condition = "process_completed_successfully"; s-init.condition = "process_completed_successfully"; p-init.condition = "process_completed_successfully"; }; };`,
			"a: clickhouse.c started, a: minio.s started, a: pgadmin.p started"},
		{"a cluster and its nodes", `services.redis-cluster.c.enable = true; settings.processes.a = { command = "x"; depends_on = { c-cluster-create.condition = "process_completed_successfully"; c-n1.condition = "process_healthy"; }; };`,
			"a: redis-cluster.c completed, a: redis-cluster.c-n1 ready"},
		{"both ways to say it", `services.redis.r = { enable = true; depends_on.m = "started"; }; services.memcached.m.enable = true; services.nats-server.n.enable = true; settings.processes.r.depends_on.n.condition = "process_healthy";`,
			"redis.r: memcached.m started, redis.r: nats-server.n ready"},
		{"named by a value", `services.redis.r.enable = true; settings.processes = lib.mapAttrs (name: _: { command = name; depends_on."${name}-db".condition = "process_started"; }) { a = { }; b = { }; } // { a-db.command = "x"; b-db.command = "y"; };`,
			"a: a-db started, b: b-db started"},
		{"only if it is so", `services.redis.r.enable = true; settings.processes.a = { command = "x"; depends_on = lib.mkIf false { r.condition = "process_healthy"; }; };`, ""},
		{"only those that are so", `services.redis.r.enable = true; services.memcached.m.enable = true; settings.processes.a = { command = "x"; depends_on = { r = lib.mkIf false { condition = "process_healthy"; }; m = lib.mkIf true { condition = "process_healthy"; }; }; };`, "a: memcached.m ready"},
		{"none after all", `services.redis.r.enable = true; settings.processes.a = lib.mkMerge [ { command = "x"; depends_on.r.condition = "process_healthy"; } { depends_on = lib.mkForce null; } ];`, ""},
		{"in two modules", `imports = [ { settings.processes.a.depends_on.r.condition = "process_healthy"; } ]; services.redis.r.enable = true; services.memcached.m.enable = true; settings.processes.a = { command = "x"; depends_on.m.condition = "process_started"; };`,
			"a: memcached.m started, a: redis.r ready"},
		{"the test on all", `services.redis.r.enable = true; settings.processes.test = { command = "x"; depends_on.r.condition = "process_healthy"; };`, "test: redis.r ready"},

		{"an unknown one", `settings.processes.a = { command = "x"; depends_on.pg-init.condition = "process_completed"; };`, `nix2gpu.nix:2:52: "a" depends on "pg-init": no service "pg-init"`},
		{"a service by its set-up", `services.postgres.pg.enable = true; settings.processes.a = { command = "x"; depends_on.pg-init.condition = "process_healthy"; };`,
			"a: postgresql.pg ready"},
		{"the set-up of one of two", `services.postgres.db.enable = true; services.minio.db.enable = true; settings.processes.a = { command = "x"; depends_on.db-init.condition = "process_completed"; };`,
			`"a" depends on "db-init": name "db-init" is ambiguous`},
		{"the set-up of a disabled one", `services.postgres.pg.enable = false; settings.processes.a = { command = "x"; depends_on.pg-init.condition = "process_completed"; };`,
			`"a" depends on "postgresql.pg", which is disabled`},
		{"an unknown condition", `settings.processes = { a = { command = "x"; depends_on.b.condition = "process_ready"; }; b.command = "y"; };`, `nix2gpu.nix:2:58: condition must be one of "started", `},
		{"a circle", `services.redis.r.enable = true; settings.processes = { r.depends_on.a.condition = "process_completed"; a = { command = "x"; depends_on.r.condition = "process_healthy"; }; };`,
			`nix2gpu.nix:2:136: services wait for each other: a → redis → a`},
	} {
		t.Run(c.name, func(t *testing.T) {
			file := filepath.Join(folder(t, map[string]string{"nix2gpu.nix": "{ lib, ... }: {\n" + c.text + "\n}"}, nil), "nix2gpu.nix")
			loaded, err := definition.Load(t.Context(), definition.Ref{Path: file}, definition.Options{System: "x86_64-linux"})
			if err != nil {
				if c.want == "" || !strings.Contains(err.Error(), c.want) {
					t.Errorf("got %v, want %q", err, c.want)
				}
				return
			}
			var got []string
			for id, svc := range loaded.Project.Services {
				for on, d := range svc.DependsOn {
					if !strings.HasPrefix(string(id), "redis-cluster.") {
						got = append(got, string(id)+": "+string(on)+" "+string(d.Condition))
					}
				}
			}
			if slices.Sort(got); strings.Join(got, ", ") != c.want {
				t.Errorf("got %q, want %q", strings.Join(got, ", "), c.want)
			}
		})
	}
}
