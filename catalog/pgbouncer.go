package catalog

import (
	"slices"
	"strings"

	"nix2gpu/project"
)

// pgbouncer pools connections to PostgreSQL.
var pgbouncer = ServiceType{
	Name: "pgbouncer", Package: "pgbouncer", User: "pgbouncer",
	Doc: "PgBouncer, which pools connections to PostgreSQL.",
	rows: []row{
		{"port", "port = 6432", "The port to listen on."},
		{"listenAddress", "string = 127.0.0.1", "Addresses to listen on, with commas between; \"*\" is all."},
		{"databases", "attrs string", "How to reach each database, such as \"host=127.0.0.1 port=5432 dbname=users\"; \"*\" stands for all others."},
		{"users", "attrs null secret", "Who may connect: passwords by user. null is a user without one. A text here is read by everyone who reads the definition; `{ secret = \"name\"; }` takes it from a secret, in which a double quote must be written twice."},
		{"authFile", "null key", "A file of users and passwords, as PgBouncer has it, instead of users."},
		{"authType", "null string", "How clients show who they are; \"trust\" unless set, but \"scram-sha-256\" where somebody has a password."},
		{"adminUsers", "list string", "Users who may give commands on the database pgbouncer."},
		{"poolMode", "enum session transaction statement", "When a connection to the server is free for others: after the client's session, its transaction, or each statement."},
		{"openFilesLimit", "null positive", "How many files the server may have open; limits.nofile in the words of NixOS."},
		{"settings", "attrs attrs null string | int | float | bool", "Sections of pgbouncer.ini, over what the other options say."},
	},
	table: &table{
		endpoints: []endpoint{{name: "client", port: "port", address: "listenAddress", anyHost: "*",
			ports: []string{"settings.pgbouncer.listen_port"}, hosts: []string{"settings.pgbouncer.listen_addr"}}},
		argv: []string{"{bin/pgbouncer}", "{run/pgbouncer.ini}"},
		dirs: []string{"{run} 0755"}, // of its socket
		configs: []config{{path: "/pgbouncer.ini", format: "ini", overlay: []string{"settings"}, base: []entry{
			{"databases/", whole("databases")},
			{"pgbouncer/listen_addr", "{client.hosts}"}, {"pgbouncer/listen_port", "{client.port}"}, {"pgbouncer/unix_socket_dir", "{run}"},
			{"pgbouncer/pool_mode", "{poolMode}"}, {"pgbouncer/admin_users", "{adminUsers}"},
			{"pgbouncer/ignore_startup_parameters", "extra_float_digits"}, // which Java's driver sends
		}}},
		ready:  ready{listener: "client", protocol: "pgbouncer"},
		finish: pgbouncerUsers,
	},
}

// pgbouncerUsers writes the list of users.
func pgbouncerUsers(in *tableInstance, main *project.Process) {
	main.Limits.NoFile = uint64(in.Int("openFilesLimit"))
	auth, list := "trust", project.Text(nil)
	if in.Has("authFile") {
		auth = "scram-sha-256"
		list = in.Lend(main, "users", in.keyFile(in.Get("authFile")))
		if len(in.Keys("users")) > 0 {
			in.Get("authFile").Errorf("users and authFile must not both be set")
		}
	} else {
		b := &textBuilder{}
		for _, c := range in.Each("users") {
			password := project.Lit("")
			if c.Has() {
				auth, password = "scram-sha-256", in.textOrSecret(c)
			}
			b.add(project.Lit(pgbouncerQuote(c.Name())+" "), quoteText(password, `"`, `""`), project.Lit("\n"))
		}
		list = in.RunDir("/users.txt")
		main.Files = append(main.Files, project.File{Path: list, Content: b.text, Mode: "0400"})
	}
	if in.Has("authType") {
		auth = in.String("authType")
	}
	main.Files[0] = in.table.configs[0].file(in, entry{"pgbouncer/auth_type", auth}, entry{"pgbouncer/auth_file", list})
}

// pgbouncerQuote writes a double quote twice, as SQL does.
func pgbouncerQuote(s string) string { return `"` + strings.ReplaceAll(s, `"`, `""`) + `"` }

// quoteText is a text between double quotes, with the replacements of strings.NewReplacer.
func quoteText(t project.Text, replace ...string) project.Text {
	quoted, r := slices.Clone(t), strings.NewReplacer(replace...)
	for i, p := range quoted {
		if p.IsLiteral() {
			quoted[i].Literal = r.Replace(p.Literal)
		}
	}
	return project.Join(project.Lit(`"`), quoted, project.Lit(`"`))
}
