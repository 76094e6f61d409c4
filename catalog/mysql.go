package catalog

import (
	"fmt"
	"maps"
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
		{"socketDir", "file", "The folder of the server's socket, mysql.sock, for clients; a folder of the run unless set."},
		{"databases", "list string", "Databases to make when they do not exist, at each start."},
		{"ensureDatabases", "list string", "The same as databases, in the words of NixOS."},
		{"initialScript", "null file", "SQL for the first start only: text, or the path of a file."},
		{"importTimeZones", "null bool", "Load the machine's time zones into the server, once, so that SQL can name them."},
		{"configFile", "null file", "A my.cnf instead of what the other options say; port and bind are then where it listens, by the file; unless bind is set, it counts as open to everyone."},
		{"settings", "attrs attrs null bool | int | float | string | list bool | int | float | string e.g. { mysqld = { max_connections = 50; }; }", "Sections of my.cnf. A list gives a key several times."},
		{"initialDatabases", "list {}", "The same as databases, with SQL to load, in the words of services-flake."},
		{"  name", "required string", "The name of the database."},
		{"  schema", "null file", "SQL to run in it once, when it is made: a file, a folder of them, or text."},
		{"  schemas", "null list file", "Several of these, run as schema is."},
		{"ensureUsers", "list {}", "Users to make when they do not exist, at each start."},
		{"  name", "required string", "The name of the user, on this machine."},
		{"  password", "null secret", "The password. A text here is read by everyone who reads the definition; `{ secret = \"name\"; }` takes it from a secret."},
		{"  passwordFile", "null key", "A file that holds the password, read at each start with the rights of whoever starts nix2gpu."},
		{"  ensurePermissions", "attrs string e.g. { \"users.*\" = \"ALL PRIVILEGES\"; }", "The user's privileges, by the databases and tables that they are on."},
		{"replication", "set"},
		{"  role", "enum none master slave", "Whether others follow this server, or it follows another one. MariaDB alone."},
		{"  serverId", "positive = 1", "A number that each of the servers has for itself."},
		{"  masterHost", "string", "The address of the server to follow."},
		{"  masterPort", "port = 3306", "Its port."},
		{"  slaveHost", "string", "From where the followers of a master come, as MySQL writes it in users; from anywhere unless set."},
		{"  masterUser", "string", "The user that followers have on the master, who is made there."},
		{"  masterPassword", "null secret", "That user's password. A text here is read by everyone who reads the definition; `{ secret = \"name\"; }` takes it from a secret."},
		{"  masterPasswordFile", "null key", "A file that holds that password, read at each start with the rights of whoever starts nix2gpu."},
		{"galeraCluster", "set"},
		{"  enable", "bool", "Be a member of a Galera cluster of MariaDB, whose members have the same data."},
		{"  package", "refused package", "MariaDB of Debian has the library of Galera"},
		{"  name", "string = galera", "The name of the cluster."},
		{"  sstMethod", "enum rsync mariabackup", "How a member gets the data when it joins."},
		{"  localName", "null string", "The name of this member; the instance's name unless set."},
		{"  localAddress", "string = 127.0.0.1", "The address at which the others reach this member, by the ports 4567, 4568 and 4444."},
		{"  nodeAddresses", "list string", "The addresses of all members."},
		{"  clusterPassword", "refused string", "Galera knows no password: set TLS by wsrep_provider_options in settings"},
		{"  clusterAddress", "null string", "Where the cluster is, instead of nodeAddresses; \"gcomm://\" begins a new one with this member."},
	},
	Generate: generateMySQL,
}

// mysqlTemporary is a folder in the data folder, which package provision knows as well.
const mysqlTemporary = ".nix2gpu-tmp"

func generateMySQL(in *Instance) {
	port, portPath := in.portOf(in.Int("port"), []string{"port"}, mysqlOwn(in, "port"))
	bind := in.textOf(in.String("bind"), mysqlOwn(in, "bind-address"))
	socket := in.RunDir("/mysql.sock")
	if in.String("socketDir") != "" {
		socket = project.Join(in.Path("socketDir"), project.Lit("/mysql.sock"))
	}
	bin := trimSuffix(in.Program("mysqld"), "/mysqld")
	provision := func(work string, more ...project.Text) project.Command {
		words := []project.Text{project.Self(), project.Lit("provision"), project.Lit("mysql"), project.Lit(work), flag("bin", bin), flag("data", in.DataDir())}
		return project.Command{Exec: append(words, more...)}
	}

	init := in.Before(provision("init"))
	init.Doing = "making the data folder"
	init.Dirs = []project.Dir{in.KeptData("0700")}

	config := in.RunDir("/my.cnf")
	if in.Has("configFile") {
		config = in.Path("configFile")
		if !in.IsSet("bind") {
			bind = "*"
		}
		in.whole("configFile", "port", "bind", "databases", "ensureDatabases", "initialScript", "importTimeZones", "initialDatabases", "ensureUsers")
	}
	main := in.Main(project.Command{Exec: []project.Text{in.Program("mysqld"), flag("defaults-file", config),
		flag("datadir", in.DataDir()), flag("socket", socket), flag("pid-file", in.RunDir("/mysqld.pid")),
		litFlag("loose-ignore-db-dirs", mysqlTemporary)}}) // which MariaDB would take for a database
	in.elsewhere(mysqlOwn(in, "datadir"), "dataDir is the folder")
	in.elsewhere(mysqlOwn(in, "socket"), "socketDir has the socket")
	in.elsewhere(mysqlOwn(in, "pid-file"), "nix2gpu says where it is")
	if c := in.Get(mysqlOwn(in, "daemonize")...); mysqlOn(c) {
		in.background(c)
	}
	main.Dirs = []project.Dir{{Path: in.RunDir("")}}
	// A server begins by removing what others have left in the folder for temporary files: also
	// what another one uses there.
	temporary := in.Data("/" + mysqlTemporary)
	for _, proc := range []*project.Process{init, main} {
		proc.Dirs = append(proc.Dirs, project.Dir{Path: temporary, Mode: "0700"})
		proc.Env["TMPDIR"] = project.Value{Text: temporary}
	}
	// It reads all that it would serve with, and then says the options that it has.
	main.Test = &project.ConfigTest{
		Command: project.Command{Exec: append(slices.Clone(main.Command.Exec), project.Lit("--verbose"), project.Lit("--help"))},
		Fails:   []string{"Parsing options for plugin 'InnoDB' failed"}, // it would not start without
	}
	if !in.Has("configFile") {
		main.Files = []project.File{{Path: config, Content: mysqlConfig(in, port, bind), Mode: "0640"}}
	}
	if in.String("socketDir") != "" {
		main.Dirs = append(main.Dirs, project.Dir{Path: in.Path("socketDir")})
		for _, id := range slices.Sorted(maps.Keys(in.project.Processes)) {
			// The later of two would take the socket from the other, with its probe and its set-up.
			other := in.project.Processes[id]
			if at := other.Readiness; at != nil && at.Server != nil && at.Server.Protocol == "mysql" && at.Server.Socket.String() == socket.String() {
				in.Get("socketDir").Errorf("socketDir has the socket of %q already\n  hint: set another folder", other.Service)
			}
		}
	}
	main.Readiness = &project.Probe{Server: &project.ServerCheck{Protocol: "mysql", Socket: socket}, Period: slowStart}
	main.Shutdown.ParentOnly = true
	if off := in.Get(mysqlOwn(in, "skip-networking")...); !mysqlOn(off) {
		in.Listen(port, everywhere(bind), portPath...)
	}
	if in.Bool("galeraCluster", "enable") {
		for _, port := range []int{galeraPort, 4568, 4444} { // to the others; and where it gets the changes, and the data, that it lacks
			in.Listen(port, in.String("galeraCluster", "localAddress"), "galeraCluster", "localAddress")
		}
	}
	if in.String("replication", "role") == "slave" {
		in.another("replication", "masterPort", in.String("replication", "masterHost"), in.Int("replication", "masterPort"))
	}

	setup := in.After(provision("setup", flag("socket", socket), flag("spec", in.RunDir("/setup.json"))))
	setup.Doing = "making databases and users"
	setup.User = ""                                           // as the user of nix2gpu, who becomes a user of the database
	spec := in.jsonFile("/setup.json", mysqlSetup(in, setup)) // which adds a file of its own
	spec.Mode = "0600"
	setup.Files = append(setup.Files, spec)
}

// mysqlOn reports whether a variable of settings, if it is set, is on in MySQL's words.
func mysqlOn(c *module.Config) bool {
	switch c.Kind() {
	case module.KindBool:
		return c.Bool()
	case module.KindInt:
		return c.Int() != 0
	case module.KindStr:
		return !slices.Contains([]string{"", "0", "off", "false"}, strings.ToLower(c.String()))
	}
	return false
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
	for key, value := range mysqlCluster(in) {
		ours[key] = []project.Text{value}
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

// galeraPort is where the members of a cluster speak to each other.
const galeraPort = 4567

// mysqlCluster are the lines of my.cnf for replication and Galera.
func mysqlCluster(in *Instance) map[string]project.Text {
	lit, lines := project.Lit, map[string]project.Text{}
	if in.String("replication", "role") != "none" {
		id := strconv.Itoa(in.Int("replication", "serverId"))
		lines["log-bin"], lines["log-bin-index"] = lit("mysql-bin-"+id), lit("mysql-bin-"+id+".index")
		lines["relay-log"], lines["server-id"] = lit("mysql-relay-bin"), lit(id)
	}
	if !in.Bool("galeraCluster", "enable") {
		return lines
	}
	c := in.Get("galeraCluster")
	name, address := c.String("localName"), "gcomm://"+strings.Join(c.Strings("nodeAddresses"), ",")
	if name == "" {
		name = in.Name
	}
	if c.Has("clusterAddress") {
		address = c.String("clusterAddress")
		if len(c.List("nodeAddresses")) > 0 {
			in.note(c.Get("nodeAddresses"), "nodeAddresses has no effect: clusterAddress says where the cluster is")
		}
	} else if len(c.List("nodeAddresses")) == 0 {
		c.Errorf("a member of a Galera cluster must know where that is\n  hint: set nodeAddresses; or, for the first member, clusterAddress = \"gcomm://\"")
	}
	at := c.String("localAddress")
	for key, value := range map[string]string{
		"wsrep_on": "ON", "wsrep_cluster_name": c.String("name"), "wsrep_cluster_address": address, "wsrep_node_name": name, "wsrep_node_address": at,
		"wsrep_sst_method": c.String("sstMethod"), "wsrep_provider_options": "gmcast.listen_addr=tcp://" + hostPort(at, galeraPort),
		"binlog_format": "ROW", "default_storage_engine": "InnoDB", "innodb_autoinc_lock_mode": "2",
	} {
		lines[key] = lit(value)
	}
	lines["wsrep_provider"] = project.Join(trimSuffix(in.Program("mysqld"), "/bin/mysqld"), lit("/lib/galera/libgalera_smm.so"))
	return lines
}

// mysqlReplication is what package provision is to do for replication; nil for nothing.
func mysqlReplication(in *Instance) map[string]any {
	c := in.Get("replication")
	role := c.String("role")
	if role == "none" {
		return nil
	}
	need := []string{"masterUser"}
	if role == "slave" {
		need = append(need, "masterHost")
	}
	for _, option := range need {
		if c.String(option) == "" {
			c.Errorf("replication with role = %q needs %s", role, option)
		}
	}
	password := in.secretText(c, "masterPassword", "replication")
	if password == nil {
		c.Errorf("replication with role = %q needs masterPassword, or masterPasswordFile", role)
	}
	host := c.String("masterHost")
	if role == "master" {
		if host = c.String("slaveHost"); host == "" {
			host = "%"
		}
	}
	return map[string]any{"role": module.Str{S: role}, "host": module.Str{S: host}, "port": int64(c.Int("masterPort")),
		"user": module.Str{S: c.String("masterUser")}, "password": password}
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
	for n, c := range in.List("initialDatabases") {
		var schemas []any
		for i, schema := range append(c.List("schemas"), c.Get("schema")) {
			if schema.String() != "" {
				schemas = append(schemas, in.script(setup, schema, fmt.Sprintf("schema-%d-%d.sql", n+1, i+1)))
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
	if in.Bool("importTimeZones") {
		spec["zones"] = true
		setup.Packages = append(setup.Packages, project.PackageRef{Attr: "tzdata", Pos: in.place.pos(in.Pos("importTimeZones"))})
	}
	if replication := mysqlReplication(in); replication != nil {
		spec["replication"] = replication
	}
	if in.Has("initialScript") {
		spec["script"] = in.script(setup, in.Get("initialScript"), "initial.sql")
	}
	return spec
}

// rootedPath is a path for jsonText: a relative one is below the root.
type rootedPath module.Str
