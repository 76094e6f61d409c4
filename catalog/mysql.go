package catalog

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"nix2gpu/nix/module"
	"nix2gpu/project"
)

// mysql is MariaDB or MySQL, with the options of nix2gpu, NixOS and
// services-flake.
var mysql = ServiceType{
	Name: "mysql", Aliases: []string{"mariadb"}, Package: "mariadb", User: "mysql",
	Doc: "MySQL or MariaDB, a relational database.",
	rows: []row{
		{"port", "port = 3306", "The port to listen on."},
		{"bind", "string = 127.0.0.1", "The address to listen on; \"*\" is all."},
		{"databases", "list string", "Databases to make when they do not exist, at each start."},
		{"ensureDatabases", "list string", "The same as databases, in the words of NixOS."},
		{"initialScript", "null file", "SQL for the first start only: text, or the path of a file."},
		{"importTimeZones", "null bool", "Not supported: load them with mysql_tzinfo_to_sql."},
		{"settings", "attrs attrs null bool | int | float | string | list bool | int | float | string e.g. { mysqld = { max_connections = 50; }; }", "Sections of my.cnf. A list gives a key several times."},
		{"initialDatabases", "list {}", "The same as databases, with SQL to load, in the words of services-flake."},
		{"  name", "required string", "The name of the database."},
		{"  schema", "null file", "A file of SQL, or a folder of them, to run in it once, when it is made."},
		{"  schemas", "null list file", "Several files or folders of SQL, run as schema is."},
		{"ensureUsers", "list {}", "Users to make when they do not exist, at each start."},
		{"  name", "required string", "The name of the user, on this machine."},
		{"  password", "null secret", "The password. A text here is read by everyone who reads the definition; `{ secret = \"name\"; }` takes it from a secret."},
		{"  passwordFile", "null key", "A file that holds the password, read at each start with the rights of whoever starts nix2gpu."},
		{"  ensurePermissions", "attrs string e.g. { \"users.*\" = \"ALL PRIVILEGES\"; }", "The user's privileges, by the databases and tables that they are on."},
	},
	Generate: generateMySQL,
}

func generateMySQL(in *Instance) {
	if in.Bool("importTimeZones") {
		in.Get("importTimeZones").Errorf("not supported: importTimeZones; load them with mysql_tzinfo_to_sql")
	}
	port, portPath := in.portOf(in.Int("port"), []string{"port"}, mysqlOwn(in, "port"))
	bind := in.textOf(in.String("bind"), mysqlOwn(in, "bind-address"))
	socket := in.RunDir("/mysql.sock")
	bin := trimSuffix(in.Program("mysqld"), "/mysqld")
	provision := func(work string, more ...project.Text) project.Command {
		words := []project.Text{project.Self(), project.Lit("provision"), project.Lit("mysql"), project.Lit(work), flag("bin", bin), flag("data", in.DataDir())}
		return project.Command{Exec: append(words, more...)}
	}

	init := in.Before(provision("init"))
	init.Doing = "making the data folder"
	init.Dirs = []project.Dir{in.KeptData("0700")}

	main := in.Main(project.Command{Exec: []project.Text{in.Program("mysqld"), flag("defaults-file", in.RunDir("/my.cnf")),
		flag("datadir", in.DataDir()), flag("socket", socket), flag("pid-file", in.RunDir("/mysqld.pid"))}})
	main.Dirs = []project.Dir{{Path: in.RunDir("")}}
	// It reads all that it would serve with, and then says the options that it has.
	main.Test = &project.ConfigTest{
		Command: project.Command{Exec: append(slices.Clone(main.Command.Exec), project.Lit("--verbose"), project.Lit("--help"))},
		Fails:   []string{"Parsing options for plugin 'InnoDB' failed"}, // it would not start without
	}
	main.Files = []project.File{{Path: in.RunDir("/my.cnf"), Content: mysqlConfig(in, port, bind), Mode: "0640"}}
	main.Readiness = &project.Probe{Server: &project.ServerCheck{Protocol: "mysql", Socket: socket}, Period: slowStart}
	main.Shutdown.ParentOnly = true
	if off := in.Get(mysqlOwn(in, "skip-networking")...); !off.Bool() && off.Int() == 0 {
		in.Listen(port, everywhere(bind), portPath...)
	}

	setup := in.After(provision("setup", flag("socket", socket), flag("spec", in.RunDir("/setup.json"))))
	setup.Doing = "making databases and users"
	setup.User = ""                                           // as the user of nix2gpu, who becomes a user of the database
	spec := in.jsonFile("/setup.json", mysqlSetup(in, setup)) // which adds a file of its own
	spec.Mode = "0600"
	setup.Files = append(setup.Files, spec)
}

// mysqlGroups are the sections of my.cnf that the server reads. Each but the last also
// exists with a version, such as mariadb-10.11.
var mysqlGroups = []string{"mysqld", "mariadbd", "mariadb", "server", "client-server"}

// mysqlOwn returns the path of the user's setting that decides key, which is spelt with
// dashes: the last one in the file. Without one, nothing is at the returned path.
func mysqlOwn(in *Instance, key string) []string {
	path := []string{"settings", "mysqld", key}
	for _, section := range in.Each("settings") {
		group := slices.ContainsFunc(mysqlGroups, func(g string) bool {
			return section.Name() == g || strings.HasPrefix(section.Name(), g+"-")
		})
		for _, c := range section.Each() {
			name := strings.TrimPrefix(strings.ReplaceAll(c.Name(), "_", "-"), "loose-")
			if group && name == key && c.Has() {
				path = []string{"settings", section.Name(), c.Name()}
			}
		}
	}
	return path
}

// mysqlConfig is my.cnf.
func mysqlConfig(in *Instance, port int, bind string) project.Text {
	ours := map[string][]project.Text{
		"port":         {project.Lit(strconv.Itoa(port))},
		"bind-address": {project.Lit(bind)},
		// MySQL's second protocol would listen on all addresses, on the same port in
		// every server.
		"loose-mysqlx": {project.Lit("OFF")},
		// Otherwise the server logs a warning for each probe.
		"loose-log_warnings": {project.Lit("1")},
	}
	for key := range ours {
		if name := strings.TrimPrefix(strings.ReplaceAll(key, "_", "-"), "loose-"); in.Has(mysqlOwn(in, name)...) {
			delete(ours, key)
		}
	}
	sections := map[string]map[string][]project.Text{"mysqld": ours}
	for _, section := range in.Each("settings") {
		if sections[section.Name()] == nil {
			sections[section.Name()] = map[string][]project.Text{}
		}
		for _, c := range section.Each() {
			values := []*module.Config{c}
			if c.Kind() == module.KindList {
				values = c.List()
			}
			var texts []project.Text
			for _, v := range values {
				if v.Has() {
					texts = append(texts, in.scalar(v))
				}
			}
			sections[section.Name()][c.Name()] = texts
		}
	}
	b := &textBuilder{}
	for _, name := range sortedKeys(sections) {
		b.line("[%s]", name)
		for _, key := range sortedKeys(sections[name]) {
			for _, value := range sections[name][key] {
				b.add(project.Lit(key+" = "), value, project.Lit("\n"))
			}
		}
	}
	return b.text
}

// mysqlSetup is what package provision is to ensure.
func mysqlSetup(in *Instance, setup *project.Process) map[string]any {
	text := func(s string) module.Str { return module.Str{S: s} }
	var databases, users, roles []any
	var seen []string
	add := func(c *module.Config, name string, schemas []any) {
		switch {
		case name == "" || len(name) > 64:
			c.Errorf("the name of a database must have 1 to 64 bytes, not %q", name)
		case !slices.Contains(seen, name):
			seen = append(seen, name)
			databases = append(databases, map[string]any{"name": text(name), "schemas": schemas})
		}
	}
	for _, option := range []string{"databases", "ensureDatabases"} {
		for _, c := range in.List(option) {
			add(c, c.String(), nil)
		}
	}
	for _, c := range in.List("initialDatabases") {
		var schemas []any
		for _, s := range append(c.Strs("schemas"), c.Str("schema")) {
			if s.S != "" {
				schemas = append(schemas, rootedPath(s))
			}
		}
		add(c, c.String("name"), schemas)
	}
	for i, c := range in.List("ensureUsers") {
		password := in.secretText(c, "password", fmt.Sprintf("user-%d", i+1))
		if password == nil {
			password = project.Lit("")
		}
		users = append(users, map[string]any{"name": text(c.String("name")), "password": password, "permissions": c.Any("ensurePermissions")})
	}
	for _, name := range in.users {
		roles = append(roles, text(name))
	}
	spec := map[string]any{"databases": databases, "users": users, "roles": roles}
	if s := in.Str("initialScript"); s.S != "" {
		if !isSQL(s) {
			spec["script"] = rootedPath(s)
		} else {
			setup.Files = append(setup.Files, project.File{Path: in.RunDir("/initial.sql"), Content: in.place.Text(s), Mode: "0600",
				Pos: in.passage(s.S, 1, "initialScript")})
			spec["script"] = in.RunDir("/initial.sql")
		}
	}
	return spec
}

// rootedPath is a path for jsonText: a relative one is below the root.
type rootedPath module.Str
