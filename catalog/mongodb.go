package catalog

import (
	"slices"
	"strconv"

	"nix2gpu/nix/module"
	"nix2gpu/project"
)

// mongodb is a database of documents.
var mongodb = ServiceType{
	Name: "mongodb", Package: "mongodb", User: "mongodb", runAs: "runAs",
	Doc: "MongoDB, a database of documents. Written after its documentation, and not yet tried with a real server.",
	rows: []row{
		{"bind", "null string = 127.0.0.1", "The address to listen on; null is all."},
		{"bind_ip", "alias bind"},
		{"port", "port = 27017", "The port to listen on."},
		{"user", "string = default", "The name of a user of the database who may do everything, made when missing; \"\" makes none."},
		{"password", "null secret", "Its password; \"password\", which everyone knows, unless set. A text here is read by everyone who reads the definition; `{ secret = \"name\"; }` takes it from a secret."},
		{"passwordFile", "null key", "A file that holds the password, read at each start with the rights of whoever starts nix2gpu."},
		{"initialRootPasswordFile", "null key", "Such a file for a user called root, in the words of NixOS, instead of user and passwordFile."},
		{"dbpath", "alias dataDir"},
		{"pidFile", "inert string", "the server is known without it"},
		{"mongoshPackage", "refused package", "set package to one that has mongosh as well"},
		{"enableAuth", "bool", "Whether clients must log in. The password must be set then."},
		{"replSetName", "null string", "The name of a replica set that this server begins, alone: transactions and change streams need one."},
		{"initialScript", "null file", "JavaScript that mongosh runs in the database test, once, when the server first serves: a file or text."},
		{"quiet", "bool", "Whether less is logged."},
		{"settings", "attrs json e.g. { storage.wiredTiger.engineConfig.cacheSizeGB = 1; }", "Further settings, in the words of mongod.conf."},
		{"extraConfig", "lines", "Further lines of mongod.conf, which win over those that the other options write."},
		{"extraFlags", "list string", "Further arguments of mongod."},
		{"runAs", "null string | int", "Who the server runs as, where nix2gpu runs as root: what user is elsewhere."},
	},
	table: &table{
		extra:  "extraFlags",
		behind: []string{"--fork", "extraConfig:processManagement.fork", "settings.processManagement.fork"},
		endpoints: []endpoint{{name: "client", port: "port", address: "bind", anyHost: "0.0.0.0",
			ports: []string{"--port", "extraConfig:net.port", "settings.net.port"}, hosts: []string{"--bind_ip", "extraConfig:net.bindIp", "settings.net.bindIp"}}},
		argv: []string{"{bin/mongod}", "--config={run/mongod.conf}", "{extraFlags...}"},
		dirs: []string{"{data} 0700 keep", "{run/socket} 0755"},
		configs: []config{{path: "/mongod.conf", format: "yaml", overlay: []string{"settings"}, tail: []string{"extraConfig"}, base: []entry{
			{"net.port", number("{client.port}")}, {"net.bindIp", "{client.host}"}, {"net.unixDomainSocket.pathPrefix", "{run/socket}"},
			{"storage.dbPath", "{data}"}, {"replication.replSetName", "{replSetName}"},
			{"security.authorization", "?enableAuth enabled"}, {"systemLog.quiet", whole("quiet")},
		}}},
		ready:  ready{listener: "client", protocol: "mongodb", slow: true},
		finish: mongodbSetUp,
	},
}

// mongodbSetUp makes the replica set and the user, and runs the script, by the server's own client.
func mongodbSetUp(in *tableInstance, main *project.Process) {
	all, _, _ := in.said([]string{"extraConfig:net.bindIpAll", "settings.net.bindIpAll"})
	if all == "true" || slices.Contains(in.Strings("extraFlags"), "--bind_ip_all") { // which goes with no bindIp
		conf := in.table.configs[0]
		conf.base = slices.DeleteFunc(slices.Clone(conf.base), func(e entry) bool { return e.key == "net.bindIp" })
		main.Files[0] = conf.file(in)
		client := &in.bounds["client"][0]
		client.host, main.Readiness.Server.Host = "0.0.0.0", reachable("*")
		in.service.Ports = nil
		in.Listen(client.port, "*", client.option...)
	}
	user, password := in.Str("user"), in.secretText(in.Config, "password", "password")
	if root := "initialRootPasswordFile"; in.Has(root) {
		for _, option := range []string{"password", "passwordFile", "user"} {
			if in.IsSet(option) {
				in.Get(root).Errorf("%s and %s must not both be set\n  hint: %s makes the user root; leave out one of them", root, option, root)
			}
		}
		user, password = module.Str{S: "root"}, in.secretText(in.Config, "initialRootPassword", "password")
	}
	_, keyFile, _ := in.said([]string{"--keyFile", "extraConfig:security.keyFile", "settings.security.keyFile"})
	said, at, _ := in.said([]string{"extraConfig:security.authorization", "settings.security.authorization"})
	switch {
	case in.Bool("enableAuth"):
		at = []string{"enableAuth"}
	case said == "enabled":
	case keyFile != nil: // by which clients must log in, too
		at = keyFile
	case slices.Contains(in.Strings("extraFlags"), "--auth"):
		at = []string{"extraFlags"}
	default:
		at = nil
	}
	switch {
	case at != nil && user.S != "" && password == nil:
		in.Get(at...).Errorf("where clients must log in, the password of %q must not be the one that everyone knows\n  hint: set password or passwordFile", user.S)
	case at != nil && in.Has("replSetName") && keyFile == nil:
		in.Get("replSetName").Errorf("where clients must log in, MongoDB takes part in a replica set only with a key that its members share\n  hint: set settings.security.keyFile to the path of a file that only the server can read")
	}
	if user.S == "" && !in.Has("replSetName") && !in.Has("initialScript") {
		return
	}
	client := in.bounds["client"][0]
	setup := in.After(project.Command{Exec: []project.Text{in.Program("mongosh"), project.Lit("--quiet"), project.Lit("--norc"),
		litFlag("host", reachable(client.host)), litFlag("port", strconv.Itoa(client.port)), flag("file", in.RunDir("/setup.js"))}})
	setup.Files = []project.File{{Path: in.RunDir("/setup.js"), Content: project.Lit(mongodbScript), Mode: "0640"}}
	set := func(name string, text project.Text, secret bool) {
		if !text.IsEmpty() {
			setup.Env[name] = project.Value{Text: text, Secret: secret}
		}
	}
	set("HOME", in.DataDir(), false) // where mongosh keeps what it does
	if user.S != "" {
		set("NIX2GPU_USER", in.place.Text(user), false)
		set("NIX2GPU_PASSWORD", orText(password, "password"), true)
	}
	set("NIX2GPU_SET", in.value("replSetName"), false)
	set("NIX2GPU_MEMBER", in.value("client!"), false)
	if in.Has("initialScript") {
		script := in.script(setup, in.Get("initialScript"), "initial.js")
		if !isScript(in.Str("initialScript"), ".js") {
			script = in.Lend(setup, "script", script)
		}
		set("NIX2GPU_SCRIPT", script, false)
		set("NIX2GPU_MARK", in.Data("/nix2gpu-initial-script"), false)
	}
}

// mongodbScript may be repeated, and ended at any point. Who is known can log in, whether or
// not that is asked for; the first user of all may be made by anyone on this machine.
const mongodbScript = `const env = process.env, fs = require("fs"), admin = db.getSiblingDB("admin");
if (env.NIX2GPU_SET) {
  try { rs.status(); } catch (e) {
    if (e.codeName === "NotYetInitialized") rs.initiate({ _id: env.NIX2GPU_SET, members: [{ _id: 0, host: env.NIX2GPU_MEMBER }] });
    else if (e.codeName !== "Unauthorized") throw e; // such as that it has another address in its set
  }
  while (!db.hello().isWritablePrimary) sleep(100);
}
if (env.NIX2GPU_USER) {
  let known = false;
  try { known = admin.auth(env.NIX2GPU_USER, env.NIX2GPU_PASSWORD).ok === 1; } catch (e) { if (e.codeName !== "AuthenticationFailed") throw e; }
  if (!known) {
    const roles = ["userAdminAnyDatabase", "dbAdminAnyDatabase", "readWriteAnyDatabase"].map(role => ({ role, db: "admin" }));
    try { admin.createUser({ user: env.NIX2GPU_USER, pwd: env.NIX2GPU_PASSWORD, roles }); } catch (e) {
      if (e.code !== 51003) throw e;
      admin.changeUserPassword(env.NIX2GPU_USER, env.NIX2GPU_PASSWORD);
    }
    admin.auth(env.NIX2GPU_USER, env.NIX2GPU_PASSWORD);
  }
}
if (env.NIX2GPU_SCRIPT && !fs.existsSync(env.NIX2GPU_MARK)) {
  load(env.NIX2GPU_SCRIPT);
  fs.writeFileSync(env.NIX2GPU_MARK, "");
}`
