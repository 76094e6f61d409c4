package catalog

import "nix2gpu/project"

// pgadmin administers PostgreSQL in a browser.
var pgadmin = ServiceType{
	Name: "pgadmin", Package: "pgadmin4", User: "pgadmin",
	Doc: "pgAdmin, which administers PostgreSQL in a browser. Written after its documentation, and not yet tried with a real server.",
	rows: []row{
		{"host", "string = 127.0.0.1", "The address to listen on; \"0.0.0.0\" is all."},
		{"port", "port = 5050", "The port to listen on."},
		{"initialEmail", "required string", "The name of the first user, which is an address of e-mail. Only the first start makes it."},
		{"initialPassword", "null secret", "Its password. A text here is read by everyone who reads the definition; `{ secret = \"name\"; }` takes it from a secret."},
		{"initialPasswordFile", "null key", "A file that holds the password, read at each start with the rights of whoever starts nix2gpu."},
		{"minimumPasswordLength", "positive = 6", "How long a password has to be."},
		{"passwordLength", "alias minimumPasswordLength"},
		{"emailServer", "set"},
		{"  enable", "bool", "Whether pgAdmin sends mail, by which who forgot a password gets a new one."},
		{"  address", "string = localhost", "The host that takes mail."},
		{"  port", "port = 25", "Its port."},
		{"  useSSL", "bool", "Whether to speak TLS to it from the beginning."},
		{"  useTLS", "bool", "Whether to change to TLS with STARTTLS."},
		{"  username", "null string", "Who pgAdmin is there."},
		{"  sender", "null string", "The address that mail comes from."},
		{"  passwordFile", "null key", "A file that holds the password there, read at each start with the rights of whoever starts nix2gpu."},
		{"extraConfig", "attrs json e.g. { MAX_LOGIN_ATTEMPTS = 3; }", "Further configuration, in the words of pgAdmin's config.py."},
		{"settings", "alias extraConfig"},
	},
	table: &table{
		endpoints: []endpoint{{name: "web", port: "port", address: "host", anyHost: "0.0.0.0", ports: []string{"extraConfig.DEFAULT_SERVER_PORT"}, hosts: []string{"extraConfig.DEFAULT_SERVER"}}},
		argv:      []string{"{bin/pgadmin4}"},
		env:       []string{"PYTHONPATH={run}"},
		dirs:      []string{"{data} 0700 keep", "{data/sessions} 0700", "{data/storage} 0700", "{data/azure} 0700", "{data/krbccache} 0700"},
		configs: []config{
			{path: "/config.json", format: "json", overlay: []string{"extraConfig"}, base: []entry{
				{"DEFAULT_SERVER", "{web.host}"}, {"DEFAULT_SERVER_PORT", number("{web.port}")}, {"PASSWORD_LENGTH_MIN", whole("minimumPasswordLength")},
				{"SERVER_MODE", true}, {"UPGRADE_CHECK_ENABLED", false},
				{"DATA_DIR", "{data}"}, {"SQLITE_PATH", "{data/pgadmin4.db}"}, {"LOG_FILE", "{data/pgadmin4.log}"},
				{"?emailServer.enable MAIL_SERVER", "{emailServer.address}"}, {"?emailServer.enable MAIL_PORT", number("{emailServer.port}")},
				{"?emailServer.enable MAIL_USE_SSL", whole("emailServer.useSSL")}, {"?emailServer.enable MAIL_USE_TLS", whole("emailServer.useTLS")},
				{"?emailServer.enable MAIL_USERNAME", "{emailServer.username}"}, {"?emailServer.enable SECURITY_EMAIL_SENDER", "{emailServer.sender}"},
				{"SESSION_DB_PATH", "{data/sessions}"}, {"STORAGE_DIR", "{data/storage}"},
				{"AZURE_CREDENTIAL_CACHE_DIR", "{data/azure}"}, {"KERBEROS_CCACHE_DIR", "{data/krbccache}"},
			}},
			{path: "/config_local.py", format: "", base: []entry{{pgadminConfig, ""}}},
		},
		ready: ready{listener: "web", http: "/misc/ping", slow: true},
		finish: func(in *tableInstance, main *project.Process) {
			main.Packages = append(main.Packages, project.PackageRef{Attr: "python3", Pos: in.service.Pos})
			if in.Bool("emailServer", "enable") {
				if mail := in.secretText(in.Get("emailServer"), "password", "mailPassword"); mail != nil {
					main.Files[0] = in.table.configs[0].file(in, entry{"MAIL_PASSWORD", mail})
				}
			}
			password := in.secretText(in.Config, "initialPassword", "initialPassword")
			if password == nil {
				in.Get("enable").Errorf("the first user of pgAdmin needs a password\n  hint: set initialPassword or initialPasswordFile")
			}
			set := in.Before(project.Command{Exec: []project.Text{in.Program("pgadmin4-cli"), project.Lit("setup-db")}})
			set.Dirs, set.Files, set.Packages = main.Dirs, main.Files, main.Packages
			set.Env["PYTHONPATH"] = main.Env["PYTHONPATH"]
			set.Env["PGADMIN_SETUP_EMAIL"] = project.Value{Text: in.Text("initialEmail")}
			set.Env["PGADMIN_SETUP_PASSWORD"] = project.Value{Text: password, Secret: true}
		},
	},
}

// pgadminConfig takes the settings from JSON, which needs no words of Python.
const pgadminConfig = `import json, os

with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "config.json")) as settings:
    globals().update(json.load(settings))`
