package catalog

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"nix2gpu/nix/module"
	"nix2gpu/project"
)

// postgresql is the database server, with the options of nix2gpu, of
// NixOS and of services-flake.
var postgresql = ServiceType{
	Name: "postgresql", Aliases: []string{"postgres"}, Package: "postgresql", User: "postgres",
	Doc: "PostgreSQL, a relational database.",
	rows: []row{
		{"listen_addresses", "string = 127.0.0.1", "Addresses to listen on, with commas between; \"*\" is all, \"\" none."},
		{"port", "port = 5432", "The port to listen on."},
		{"enableTCPIP", "bool", "Listen on all addresses. The same as listen_addresses = \"*\"."},
		{"socketDir", "file", "A folder for a socket of clients, beside the one that nix2gpu uses itself."},
		{"identMap", "lines", "Lines of pg_ident.conf."},
		{"databases", "list string", "Databases to make when they do not exist, at each start."},
		{"ensureDatabases", "list string", "The same as databases, in the words of NixOS."},
		{"createDatabase", "bool = true", "Make a database named as the user who starts nix2gpu, when no other is asked for."},
		{"superuser", "null string", "The name of the first role, which may do everything; \"postgres\" unless set."},
		{"superUser", "alias superuser"},
		{"password", "null secret", "The password of that role, set at each start. It counts where authentication asks for one. A text here is read by everyone who reads the definition; `{ secret = \"name\"; }` takes it from a secret."},
		{"passwordFile", "null key", "A file that holds the password, read at each start with the rights of whoever starts nix2gpu."},
		{"extraPlugins", "alias extensions"},
		{"checkConfig", "inert bool", "the server checks its configuration at each start"},
		{"authentication", "lines e.g. host all all 10.0.0.0/8 scram-sha-256", "Lines of pg_hba.conf. They come before the generated ones, which let everyone in over the socket and from this machine; with lib.mkForce or lib.mkOverride they replace those."},
		{"hbaConf", "list {}", "Further rules of pg_hba.conf, after the generated ones, in the words of services-flake."},
		{"  type", "required string", "local, host, hostssl or hostnossl."},
		{"  database", "required string", "The database, or all."},
		{"  user", "required string", "The user, or all."},
		{"  address", "string", "The client's address; empty for local."},
		{"  method", "required string", "trust, scram-sha-256, peer, reject, ..."},
		{"settings", "attrs null bool | int | float | string", "Settings of postgresql.conf by name."},
		{"initialDatabases", "list {}", "The same as databases, with SQL to load, in the words of services-flake."},
		{"  name", "required string", "The name of the database."},
		{"  schemas", "null list file", "SQL to run in it once, when it is made: files, folders of them, or text."},
		{"ensureUsers", "list {}", "Users to make when they do not exist, at each start."},
		{"  name", "required string", "The name of the user."},
		{"  password", "null secret", "The user's password, set at each start. It counts where authentication asks for one. A text here is read by everyone who reads the definition; `{ secret = \"name\"; }` takes it from a secret."},
		{"  passwordFile", "null key", "A file that holds the password, read at each start with the rights of whoever starts nix2gpu."},
		{"  ensureDBOwnership", "bool", "Make the user the owner of the database of the same name."},
		{"  ensureClauses", "attrs null bool e.g. { createdb = true; }", "What the user may do: superuser, createrole, createdb, inherit, login, replication, bypassrls."},
		{"initialScript", "null string | path | {}", "SQL for the first start only: a file or text, which runs before the databases are made, or text as before and after."},
		{"  before", "null string", "SQL to run before the databases are made."},
		{"  after", "null string", "SQL to run after the databases are made."},
		{"initdbArgs", "list string = [ \"--locale=C\" \"--encoding=UTF8\" ]", "Arguments of initdb."},
		{"enableJIT", "bool", "Whether queries may be compiled. The image then has LLVM, which it leaves out otherwise; settings.jit does the same, and so does pkgs.postgresql_jit for servers of your own."},
		{"extensions", "null raw e.g. (ps: [ ps.hypopg ps.pg_cron ])", "Extensions that the server does not bring itself, as Debian has them: a function from the set of what was built for the server, or a list, as of pkgs.postgresql15Packages. Each database takes them by CREATE EXTENSION; some want settings.shared_preload_libraries."},
		{"standbyOf", "null {}", "The server that this one is a copy of and follows. It answers queries and takes no changes. Without the option it becomes a server of its own at its next start."},
		{"  host", "string = 127.0.0.1", "The other server's address."},
		{"  port", "port = 5432", "Its port."},
		{"  user", "string = postgres", "A user that may replicate (ensureUsers with ensureClauses.replication)."},
		{"  password", "null secret", "The user's password. A text here is read by everyone who reads the definition; `{ secret = \"name\"; }` takes it from a secret."},
		{"  passwordFile", "null key", "A file that holds the password, read at each start with the rights of whoever starts nix2gpu."},
		{"  slot", "string e.g. standby1", "A replication slot, which is made there: the other server then keeps what this one has not got, even while this one is stopped."},
	},
	Generate: generatePostgres,
}

// pgOptions are what several of the processes need.
type pgOptions struct {
	*Instance
	superuser, listen string
	port              int
	// private says that the user's rules do not admit the set-up. A rule of ours then
	// admits it over a socket that only the server's user and root can reach.
	private bool

	primary map[string]project.Text // the settings of a standby
}

func generatePostgres(in *Instance) {
	pg := &pgOptions{Instance: in, superuser: "postgres", port: in.Int("port"), listen: in.String("listen_addresses")}
	if s := in.String("superuser"); s != "" {
		pg.superuser = s
	}
	if in.Bool("enableTCPIP") {
		if in.IsSet("listen_addresses") {
			in.note(in.Get("enableTCPIP"), "enableTCPIP has no effect: listen_addresses says where the server listens")
		} else {
			pg.listen = "*"
		}
	}
	portPath, listenPath := []string{"port"}, []string{"listen_addresses"}
	if p, ok := settingInt(in, "settings", "port"); ok {
		pg.port, portPath = p, []string{"settings", "port"}
		if in.IsSet("port") {
			in.note(in.Get("port"), "port has no effect: settings.port says it")
		}
	}
	if in.Has("settings", "listen_addresses") {
		pg.listen, listenPath = in.String("settings", "listen_addresses"), []string{"settings", "listen_addresses"}
	}
	for _, address := range listenList(pg.listen) {
		path := portPath
		if address == "*" {
			path = listenPath
		}
		in.Listen(pg.port, address, path...)
		if address == "*" {
			break
		}
	}
	pg.private = pg.replacesRules() && !letsIn(in.String("authentication"), pg.superuser)
	init, main := pg.init(), pg.Main(project.Command{})
	main.Packages = append(main.Packages, pg.extensions()...)
	pg.standby(init, main)
	pg.main(main)
	pg.setup()
}

// listenList splits listen_addresses; every way to say "all" becomes "*".
func listenList(addresses string) []string {
	var out []string
	for _, a := range strings.Split(addresses, ",") {
		switch a = strings.TrimSpace(a); a {
		case "":
		case "*", "0.0.0.0", "::":
			return []string{"*"}
		default:
			out = append(out, a)
		}
	}
	return out
}

func flag(name string, value project.Text) project.Text {
	return project.Join(project.Lit("--"+name+"="), value)
}

func litFlag(name, value string) project.Text { return flag(name, project.Lit(value)) }

// bin is the folder of the server's programs.
func (pg *pgOptions) bin() project.Text {
	return trimSuffix(pg.Program("postgres"), "/postgres")
}

// trimSuffix takes the end off a text's last part.
func trimSuffix(t project.Text, suffix string) project.Text {
	out := slices.Clone(t)
	last := &out[len(out)-1]
	if last.Package != nil {
		at := *last.Package
		at.Sub = strings.TrimSuffix(at.Sub, suffix)
		last.Package = &at
	} else {
		last.Literal = strings.TrimSuffix(last.Literal, suffix)
	}
	return out
}

func (pg *pgOptions) init() *project.Process {
	words := []project.Text{project.Self(), project.Lit("provision"), project.Lit("postgresql"), project.Lit("init"),
		flag("bin", pg.bin()), flag("data", pg.DataDir()), litFlag("superuser", pg.superuser)}
	for _, arg := range pg.Strs("initdbArgs") {
		words = append(words, flag("initdb-arg", pg.place.Text(arg)))
	}
	proc := pg.Before(project.Command{Exec: words})
	proc.Doing = "making the database cluster"
	proc.Dirs = []project.Dir{pg.KeptData("0700")}
	return proc
}

func (pg *pgOptions) main(proc *project.Process) {
	conf := pg.RunDir("")
	// Folders are passed on the command line, where no path needs quotes except in
	// the list of socket folders.
	words := []project.Text{pg.Program("postgres"), project.Lit("-D"), pg.DataDir(),
		project.Lit("-c"), project.Join(project.Lit("config_file="), conf, project.Lit("/postgresql.conf")),
		project.Lit("-c"), project.Join(project.Lit("hba_file="), conf, project.Lit("/pg_hba.conf")),
		project.Lit("-c"), project.Join(project.Lit("ident_file="), conf, project.Lit("/pg_ident.conf"))}
	sockets := project.Join(project.Lit(`unix_socket_directories="`), conf, project.Lit(`"`))
	proc.Test = &project.ConfigTest{
		Command: project.Command{Exec: []project.Text{project.Self(), project.Lit("provision"), project.Lit("postgresql"), project.Lit("test"),
			project.Lit("--server"), words[0], project.Lit("--data"), pg.DataDir(), project.Lit("--conf"), conf}},
		Inconclusive: []string{"pg_hba.conf was not read"},
	}
	proc.Refusals = []string{"FATAL:  could not load …pg_hba.conf"} // which the first start reads alone
	mode := "0755"
	if pg.private {
		mode = "0700"
	}
	proc.Dirs = []project.Dir{{Path: conf, Mode: mode}}
	if pg.String("socketDir") != "" {
		sockets = project.Join(sockets, project.Lit(`,"`), pg.Path("socketDir"), project.Lit(`"`))
		proc.Dirs = append(proc.Dirs, project.Dir{Path: pg.Path("socketDir")})
	} else if pg.Has("settings", "unix_socket_directories") {
		sockets = project.Join(sockets, project.Lit(","), pg.Text("settings", "unix_socket_directories"))
	}
	proc.Command.Exec = append(words, project.Lit("-c"), sockets)
	proc.Files = []project.File{
		{Path: pg.RunDir("/postgresql.conf"), Content: pg.settings(), Mode: "0640"},
		{Path: pg.RunDir("/pg_hba.conf"), Content: pg.rules(), Mode: "0640", Pos: pg.written()},
		{Path: pg.RunDir("/pg_ident.conf"), Content: pg.idents(), Mode: "0640"},
	}
	if pg.jit() {
		for _, ref := range slices.Clone(proc.Packages) {
			server, _, _ := strings.Cut(ref.Attr, "+") // joined with others
			if strings.HasPrefix(server, "postgresql") && !strings.Contains(server, ".") && !strings.HasSuffix(server, "_jit") {
				proc.Packages = append(proc.Packages, project.PackageRef{Attr: server + "_jit", Pos: ref.Pos})
			}
		}
	}
	proc.Readiness = &project.Probe{Server: &project.ServerCheck{Protocol: "postgresql", Port: pg.port,
		Socket:     pg.RunDir("/.s.PGSQL." + strconv.Itoa(pg.port)),
		StatusFile: project.Join(pg.DataDir(), project.Lit("/postmaster.pid"))}}
	// SIGINT is PostgreSQL's fast shutdown: it rolls back open transactions and
	// disconnects clients. SIGTERM would wait for the clients.
	proc.Shutdown.Signal = project.SIGINT
	proc.Shutdown.ParentOnly = true // it stops its own children, in its order
}

// settings is postgresql.conf.
func (pg *pgOptions) settings() project.Text {
	all := map[string]project.Text{
		"listen_addresses": pgQuote(project.Lit(pg.listen)),
		"port":             project.Lit(strconv.Itoa(pg.port)),
		"jit":              project.Lit(pgBool(pg.Bool("enableJIT"))),
		"log_line_prefix":  project.Lit("'%t '"),
		"log_timezone":     project.Lit("'UTC'"),
	}
	maps.Copy(all, pg.primary)
	for _, name := range [][2]string{{"config_file", "nix2gpu writes it"}, {"data_directory", "dataDir is the folder"},
		{"hba_file", "the rules are those of authentication and hbaConf"}, {"ident_file", "the map is that of identMap"}} {
		pg.elsewhere([]string{"settings", name[0]}, name[1])
	}
	for _, c := range pg.Each("settings") {
		switch c.Kind() {
		case module.KindNull:
			delete(all, c.Name())
		case module.KindBool:
			all[c.Name()] = project.Lit(pgBool(c.Bool()))
		case module.KindStr:
			all[c.Name()] = pgQuote(pg.place.Text(c.Str()))
		default:
			all[c.Name()] = pg.scalar(c)
		}
	}
	for _, name := range []string{"unix_socket_directories", "config_file", "data_directory", "hba_file", "ident_file"} {
		delete(all, name) // by the command line
	}
	b := &textBuilder{}
	for _, name := range sortedKeys(all) {
		b.add(project.Lit(name+" = "), all[name], project.Lit("\n"))
	}
	return b.text
}

// jit reports whether queries may be compiled. An image then has what that takes.
func (pg *pgOptions) jit() bool {
	if !pg.Has("settings", "jit") {
		return pg.Bool("enableJIT")
	}
	switch c := pg.Get("settings", "jit"); c.Kind() {
	case module.KindBool:
		return c.Bool()
	case module.KindInt:
		return c.Int() != 0
	case module.KindStr: // as the server reads it
		word := strings.ToLower(strings.TrimSpace(c.String()))
		return word == "1" || word == "on" || word != "" && (strings.HasPrefix("true", word) || strings.HasPrefix("yes", word))
	}
	return false
}

func pgBool(v bool) string {
	if v {
		return "on"
	}
	return "off"
}

// pgQuote quotes a value for postgresql.conf.
func pgQuote(t project.Text) project.Text {
	escaped := slices.Clone(t)
	for i, p := range escaped {
		if p.IsLiteral() {
			escaped[i].Literal = strings.NewReplacer("'", "''", `\`, `\\`).Replace(p.Literal)
		}
	}
	return project.Join(project.Lit("'"), escaped, project.Lit("'"))
}

// generatedRules admit everyone on this machine: services connect over loopback, as
// the user that they run as.
const generatedRules = `local all all trust
host all all 127.0.0.1/32 trust
host all all ::1/128 trust
local replication all trust
host replication all 127.0.0.1/32 trust
host replication all ::1/128 trust
`

// plainPriority is the priority, in the module system, of an assignment without
// mkForce or the like. A lower number means to replace other assignments.
const plainPriority = 100

// replacesRules reports whether authentication replaces the generated rules.
func (pg *pgOptions) replacesRules() bool {
	return pg.IsSet("authentication") && pg.Origin("authentication").Priority < plainPriority
}

// rules is pg_hba.conf.
func (pg *pgOptions) rules() project.Text {
	b := &textBuilder{}
	if pg.private {
		b.line("local all %s peer map=nix2gpu", pgName(pg.superuser))
	}
	b.add(pg.Text("authentication"))
	b.endLine()
	if !pg.replacesRules() {
		b.add(project.Lit(generatedRules))
	}
	for _, c := range pg.List("hbaConf") {
		b.line("%s", strings.Join([]string{c.String("type"), c.String("database"), c.String("user"), c.String("address"), c.String("method")}, "\t"))
	}
	return b.text
}

// written is where the user has written the lines of pg_hba.conf.
func (pg *pgOptions) written() *project.Passage {
	first := 1
	if pg.private {
		first++ // ours comes before
	}
	rules := pg.String("authentication")
	if rules == "" {
		return nil
	}
	return pg.place.passage(pg.Origin("authentication"), rules, first)
}

// letsIn reports whether the first rule that matches a local connection of the
// superuser is trust.
func letsIn(rules, superuser string) bool {
	for _, line := range strings.Split(rules, "\n") {
		f := strings.Fields(line)
		if len(f) < 4 || f[0] != "local" || f[1] != "all" && f[1] != "postgres" || f[2] != "all" && strings.Trim(f[2], `"`) != superuser {
			continue
		}
		return f[3] == "trust"
	}
	return false
}

// pgName quotes a role for pg_hba.conf where it could be taken for a keyword.
func pgName(name string) string {
	if strings.IndexFunc(name, func(r rune) bool { return r != '_' && (r < 'a' || r > 'z') && (r < '0' || r > '9') }) < 0 {
		return name
	}
	return `"` + strings.ReplaceAll(name, `"`, `""`) + `"`
}

// idents is pg_ident.conf. Its map admits the set-up, which runs as the user of
// nix2gpu, whose name is not known here. So it admits everyone who can reach the
// socket; if there is a socket for others as well, only users whose names are known.
func (pg *pgOptions) idents() project.Text {
	b := &textBuilder{}
	b.add(pg.Text("identMap"))
	b.endLine()
	switch {
	case !pg.private:
	case pg.String("socketDir") == "" && !pg.Has("settings", "unix_socket_directories"):
		b.line(`nix2gpu /^(.*)$ %s`, pgName(pg.superuser))
	default:
		for _, user := range []string{"root", "postgres"} {
			b.line("nix2gpu %s %s", user, pgName(pg.superuser))
		}
	}
	return b.text
}

func (pg *pgOptions) setup() {
	words := []project.Text{project.Self(), project.Lit("provision"), project.Lit("postgresql"), project.Lit("setup"),
		flag("bin", pg.bin()), flag("data", pg.DataDir()), flag("socket", pg.RunDir("")),
		litFlag("port", strconv.Itoa(pg.port)), litFlag("superuser", pg.superuser)}
	proc := pg.After(project.Command{})
	if pg.primary != nil {
		words = append(words, project.Lit("--standby"))
	}
	for _, user := range pg.users {
		words = append(words, litFlag("role", user))
	}
	var databases []string
	add := func(c *module.Config, name string) {
		switch {
		case name == "" || len(name) > 63:
			c.Errorf("the name of a database must have 1 to 63 bytes, not %q", name)
		case !slices.Contains(databases, name):
			databases = append(databases, name)
			words = append(words, litFlag("database", name))
		}
	}
	for _, option := range []string{"databases", "ensureDatabases"} {
		for _, c := range pg.List(option) {
			add(c, c.String())
		}
	}
	for n, c := range pg.List("initialDatabases") {
		add(c, c.String("name"))
		for i, schema := range c.List("schemas") {
			words = append(words, flag("schema", project.Join(project.Lit(c.String("name")+"="), pg.script(proc, schema, fmt.Sprintf("schema-%d-%d.sql", n+1, i+1)))))
		}
	}
	if len(databases) == 0 && pg.Bool("createDatabase") {
		words = append(words, project.Lit("--own-database"))
	}
	passwords := map[string]any{} // by role
	if text := pg.secretText(pg.Config, "password", "superuser"); text != nil {
		passwords[pg.superuser] = text
	}
	for i, c := range pg.List("ensureUsers") {
		words = append(words, litFlag("ensure-user", ensureUser(c, databases)))
		if text := pg.secretText(c, "password", fmt.Sprintf("user-%d", i+1)); text != nil {
			passwords[c.String("name")] = text
		}
	}
	if len(passwords) > 0 {
		file := pg.jsonFile("/passwords.json", passwords)
		file.Mode = "0600"
		proc.Files = append(proc.Files, file)
		words = append(words, flag("passwords", file.Path))
	}
	proc.Command.Exec = append(words, pg.scripts(proc)...)
	proc.Doing = "making databases and users"
	proc.User = "" // as the user of nix2gpu: that is the role to make
}

// scripts are the flags for initialScript: a file, or text.
func (pg *pgOptions) scripts(proc *project.Process) []project.Text {
	c := pg.Get("initialScript")
	switch c.Kind() {
	case module.KindStr:
		return []project.Text{flag("before", pg.script(proc, c, "before.sql"))}
	case module.KindAttrs:
		var words []project.Text
		for _, when := range []string{"before", "after"} {
			if c.Has(when) {
				words = append(words, flag(when, pg.scriptText(proc, c.Get(when), when+".sql")))
			}
		}
		return words
	}
	return nil
}

// clauses are the attributes of a role that ensureClauses can name.
var clauses = []string{"bypassrls", "createdb", "createrole", "inherit", "login", "replication", "superuser"}

// ensureUser is one element of ensureUsers as package provision reads it.
func ensureUser(c *module.Config, databases []string) string {
	user := struct {
		Name    string          `json:"name"`
		Owns    bool            `json:"ensureDBOwnership,omitempty"`
		Clauses map[string]bool `json:"ensureClauses,omitempty"`
	}{Name: c.String("name"), Owns: c.Bool("ensureDBOwnership"), Clauses: map[string]bool{}}
	if user.Owns && !slices.Contains(databases, user.Name) {
		c.Errorf("user %q is to own the database of the same name, which is not among databases\n  hint: add it to databases", user.Name)
	}
	for _, clause := range c.Each("ensureClauses") {
		if !slices.Contains(clauses, clause.Name()) {
			clause.Errorf("clause must be one of %s, not %q", wordList(slices.Clone(clauses)), clause.Name())
		}
		if clause.Has() {
			user.Clauses[clause.Name()] = clause.Bool()
		}
	}
	out, _ := json.Marshal(user) // strings and booleans always encode
	return string(out)
}
