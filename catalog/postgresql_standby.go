package catalog

import (
	"strconv"
	"strings"

	"nix2gpu/project"
)

// standby makes the server a copy of another one, which it follows: it answers queries, and
// takes no changes. init makes the copy, and main follows.
func (pg *pgOptions) standby(init, main *project.Process) {
	if !pg.Has("standbyOf") {
		return
	}
	of := pg.Get("standbyOf")
	for _, option := range []string{"databases", "ensureDatabases", "initialDatabases", "ensureUsers", "initialScript", "initdbArgs"} {
		if pg.IsSet(option) {
			pg.note(pg.Get(option), "%s has no effect: a standby has what the other server has", option)
		}
	}
	host, port, user, slot := of.String("host"), strconv.Itoa(of.Int("port")), of.String("user"), of.String("slot")
	pg.another("standbyOf", "port", host, of.Int("port"))
	if strings.Trim(slot, "abcdefghijklmnopqrstuvwxyz0123456789_") != "" || len(slot) > 63 {
		of.Get("slot").Errorf("the name of a slot must be 63 small letters, digits and _ at most, not %q", slot)
	}
	init.Command.Exec = append(init.Command.Exec, litFlag("primary-host", host), litFlag("primary-port", port), litFlag("primary-user", user), litFlag("slot", slot))
	if password := pg.secretText(of, "password", "standby"); password != nil {
		// The server's own client reads it, as pg_basebackup does.
		for _, proc := range []*project.Process{init, main} {
			proc.Env["PGPASSWORD"] = project.Value{Text: password, Secret: true}
		}
	}
	conn := project.Lit("host=" + connValue(host) + " port=" + port + " user=" + connValue(user) + " application_name=" + connValue(pg.Name))
	pg.primary = map[string]project.Text{"primary_conninfo": pgQuote(conn)}
	if slot != "" {
		pg.primary["primary_slot_name"] = pgQuote(project.Lit(slot))
	}
}

// connValue quotes a value of a connection string.
func connValue(s string) string {
	return "'" + strings.NewReplacer(`\`, `\\`, "'", `\'`).Replace(s) + "'"
}
