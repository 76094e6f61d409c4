package definition_test

import (
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"nix2gpu/definition"
)

// What settings.processes says goes to the service that is meant, or is an error in the
// user's own text.
func TestProcessesOfServices(t *testing.T) {
	const both = `services.postgresql.db.enable = true; services.redis.db.enable = %; settings.processes.db.environment.TZ = "UTC";`
	const withInit = `{ name, ... }: { config.outputs.settings.processes = { ${name}.command = "x"; "${name}-init".command = "y"; }; }`
	const mine = `{ name, ... }: { config.outputs.settings.processes.${name}.command = "x"; }`
	two := `{ perSystem.nix2gpu = { aa.settings.processes.db.environment.TZ = "1"; bb = { services.redis.db.enable = true; settings.processes.db.environment.TZ = "2"; };
		cc = { services.memcached.db.enable = true; settings.processes.db.environment.TZ = "3"; }; }; }`
	for _, c := range []struct {
		text, container string
		tz, of          string // the variable TZ that a service gets
		wrong           string // the errors, one a line
	}{
		{text: strings.Replace(both, "%", "true", 1), wrong: `process "db" is of services.postgresql."db" and of services.redis."db"; give one of them another name`},
		{text: strings.Replace(both, "%", "false", 1), of: "postgresql.db", tz: "UTC"},
		{text: `services.redis.db.enable = false; settings.processes.db.environment.TZ = "UTC";`},
		{text: `services.redis.db.enable = false; settings.processes.db = { command = "x"; environment.TZ = "own"; };`, of: "db", tz: "own"},
		{text: `services.custom.db = { enable = true; command = "x"; }; settings.processes.db.environment.TZ = "UTC";`, of: "db", tz: "UTC"},
		{text: `services.redis.db.enable = true; serviceModules = [ ./mine.nix ]; services.mine.db.enable = true; settings.processes.db.environment.TZ = "UTC";`,
			wrong: `process "db" is of services.redis."db" and of a service of serviceModules; give one of them another name`},
		{text: `services.postgresql.db.enable = true; services.custom.db-init = { enable = true; command = "x"; }; settings.processes.db-init.environment.TZ = "UTC";`, of: "db-init", tz: "UTC"},
		{text: two, container: "aa", wrong: `process "db" needs a command, since no service has a process of that name`},
		{text: two, container: "bb", of: "redis.db", tz: "2"},
		{text: two, container: "cc", of: "memcached.db", tz: "3"},

		{text: `services.postgresql.db.enable = true; settings.processes.db = { command = "x"; is_tty = true; };`,
			wrong: "not supported: command of process \"db\", which is services.postgresql.\"db\"\nnot supported: is_tty of process \"db\", which is services.postgresql.\"db\""},
		{text: `settings.processes.test = { command = "x"; availability = null; };`},
		{text: `services.postgresql.db.enable = true; settings.processes.db-init.depends_on = null;`},

		{text: `settings.processes = { a = { command = "x"; is_disabled = "true"; environment.TZ = "UTC"; }; b = { command = "x"; environment.TZ = "b"; }; };`, of: "b", tz: "b"},
		{text: `settings.processes.a = { command = "x"; is_disabled = "Yes"; environment.TZ = "UTC"; };`},
		{text: `settings.processes.a = { command = "x"; disabled = true; is_disabled = "no"; environment.TZ = "UTC"; };`, of: "a", tz: "UTC"},
		{text: `settings.processes.a = { command = "x"; is_disabled = "soon"; };`, wrong: `is_disabled of process "a" must be true or false, not "soon"`},

		{text: `services.redis.c.enable = true; settings.processes.c-init = { command = "x"; environment.TZ = "own"; };`, of: "c-init", tz: "own"},
		{text: `services.redis.c.enable = true; settings.processes.a = { command = "x"; depends_on.c-cluster-create.condition = "process_completed"; };`,
			wrong: `"a" depends on "c-cluster-create": no service "c-cluster-create"`},
		{text: `services.mysql.m.enable = true; services.ollama.l.enable = true; services.mongodb.d.enable = true; services.pgadmin.p = { enable = true; initialEmail = "a@b.c"; initialPassword = "p"; };
			settings.processes.a = { command = "x"; environment.TZ = "UTC"; depends_on.d-configure.condition = "process_completed"; depends_on.p-init.condition = "process_completed";
			depends_on.m-configure.condition = "process_completed"; depends_on.l-models.condition = "process_completed_successfully"; };`, of: "a", tz: "UTC"},
		{text: `services.redis-cluster.c.enable = true; settings.processes.c-n1.environment.X = "x";`, wrong: "not supported: environment of process \"c-n1\" alone: nodes of a cluster have what the others have"},
		{text: `services.redis-cluster.c.enable = true; settings.processes.c-n1.is_tty = true;`, wrong: `not supported: is_tty of process "c-n1", which is a part of service "c"; set it there`},
		{text: `services.redis-cluster.c.enable = true; settings.processes.c-n1.log_location = "x";`, wrong: `not supported: log_location of process "c-n1", which is a part of service "c"; set it there`},
		{text: `services.redis-cluster.c.enable = true; settings.processes.c-n7.environment.X = "x";`, wrong: `process "c-n7" needs a command, since no service has a process of that name`},
		{text: `services.postgresql.db.enable = true; settings.processes.db-init.log_location = "x";`, wrong: `not supported: log_location of process "db-init", which is a part of service "db"; set it there`},
		{text: `serviceModules = [ ./postgres.nix ]; services.postgres.db.enable = true; settings.processes.db-init.environment.TZ = "theirs";`, of: "db-init", tz: "theirs"},
		{text: `serviceModules = [ ./postgres.nix ]; services.postgres.db.enable = true; services.postgresql.own.enable = true; settings.processes.own.environment.TZ = "ours";`,
			of: "postgresql.own", tz: "ours"},
	} {
		if c.container == "" {
			c.text = "{ " + c.text + " }"
		}
		file := filepath.Join(folder(t, map[string]string{"nix2gpu.nix": c.text, "mine.nix": mine, "postgres.nix": withInit}, nil), "nix2gpu.nix")
		loaded, err := definition.Load(t.Context(), definition.Ref{Path: file, Container: c.container}, definition.Options{System: "x86_64-linux"})
		var wrong []string
		if err != nil {
			many, _ := errors.AsType[definition.Errors](err)
			for _, e := range many {
				if wrong = append(wrong, e.Msg); filepath.Base(e.Pos.File()) != "nix2gpu.nix" {
					t.Errorf("%s: error at %s", c.text, e.Pos)
				}
			}
		}
		if got := strings.Join(wrong, "\n"); got != c.wrong {
			t.Errorf("%s: errors\n%s\nwant\n%s", c.text, got, c.wrong)
		}
		if err != nil {
			continue
		}
		of, tz := "", ""
		for id, svc := range loaded.Project.Services {
			if v, ok := loaded.Project.Processes[svc.Main].Env["TZ"]; ok && !svc.Disabled {
				of, tz = of+string(id), tz+v.Text.String()
			}
		}
		if of != c.of || tz != c.tz {
			t.Errorf("%s: %q gets %q, want %q with %q", c.text, of, tz, c.of, c.tz)
		}
	}
}
