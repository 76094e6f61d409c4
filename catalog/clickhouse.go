package catalog

import (
	"strconv"
	"strings"

	"nix2gpu/nix/module"
	"nix2gpu/project"
)

// clickhouseType is a database for analytics.
func clickhouseType() *ServiceType {
	database := module.Submodule(module.Schema{Options: module.Options{
		"name":    {Type: module.String, Description: "The name of the database."},
		"schemas": opt(module.ListOf(filePath), "Files of SQL to run in it at each start; they must be safe to repeat."),
	}})
	return &ServiceType{
		Name: "clickhouse", Package: "clickhouse", User: "clickhouse",
		Doc: "ClickHouse, a database for analytics. Written after its documentation, and not yet tried with a real server.",
		Options: module.Options{
			"port":             def(module.Port, 9000, "The port of the native protocol."),
			"httpPort":         def(module.Port, 8123, "The port for HTTP."),
			"listenAddress":    def(module.String, "127.0.0.1", "The address to listen on."),
			"databases":        def(module.ListOf(module.String), []any{}, "Databases to make when they do not exist, at each start."),
			"ensureDatabases":  def(module.ListOf(module.String), []any{}, "The same as databases, in the words of NixOS."),
			"initialDatabases": def(module.ListOf(database), []any{}, "The same as databases, with SQL to run, in the words of services-flake."),
			"extraConfig":      def(module.AttrsOf(module.JSON), map[string]any{}, "Further configuration, merged over what the other options say."),
		},
		Generate: generateClickHouse,
	}
}

func generateClickHouse(in *Instance) {
	port, portPath := in.portOf(in.Int("port"), []string{"port"}, []string{"extraConfig", "tcp_port"})
	http, httpPath := in.portOf(in.Int("httpPort"), []string{"httpPort"}, []string{"extraConfig", "http_port"})
	address := in.textOf(in.String("listenAddress"), []string{"extraConfig", "listen_host"})
	text := func(s string) module.Str { return module.Str{S: s} }
	listen := address
	if everywhere(address) == "*" {
		listen = "0.0.0.0"
	}
	config := map[string]any{
		"logger":   map[string]any{"level": text("warning"), "console": int64(1)},
		"tcp_port": int64(port), "http_port": int64(http), "listen_host": text(listen),
		"path": in.Data("/"), "tmp_path": in.Data("/tmp/"), "user_files_path": in.Data("/user_files/"), "format_schema_path": in.Data("/format_schemas/"),
		"default_profile": text("default"), "default_database": text("default"),
		"mark_cache_size": int64(1 << 28),
		"profiles":        map[string]any{"default": map[string]any{}},
		"quotas":          map[string]any{"default": map[string]any{}},
		"users": map[string]any{"default": map[string]any{"password": text(""), "profile": text("default"), "quota": text("default"),
			"networks": map[string]any{"ip": []any{text("127.0.0.1"), text("::1")}}, "access_management": int64(1)}},
	}
	main := in.Main(project.Command{Exec: []project.Text{in.Program("clickhouse-server"), flag("config-file", in.RunDir("/config.yaml"))}})
	main.Dirs = []project.Dir{in.KeptData("0750")}
	main.Dir = in.DataDir() // where it writes its preprocessed configuration
	main.Files = []project.File{in.jsonFile("/config.yaml", mergeDeep(config, in.attrs("extraConfig")))}
	main.Readiness = &project.Probe{HTTP: &project.HTTPCheck{Host: reachable(address), Port: http, Path: "/ping"}, Period: slowStart}
	in.Listen(port, everywhere(address), portPath...)
	in.Listen(http, everywhere(address), httpPath...)
	for _, more := range []string{"tcp_port_secure", "https_port", "interserver_http_port", "mysql_port", "postgresql_port", "grpc_port"} {
		at := []string{"extraConfig", more}
		n, _ := settingInt(in, at...)
		in.Listen(n, everywhere(address), at...)
	}

	client := func(more ...project.Text) {
		words := []project.Text{in.Program("clickhouse-client"), litFlag("host", reachable(address)), litFlag("port", strconv.Itoa(port))}
		setup := in.After(project.Command{Exec: append(words, more...)})
		setup.User = "" // as the user of nix2gpu, who may read the files to be loaded
	}
	var names []string
	for _, option := range []string{"databases", "ensureDatabases"} {
		names = append(names, in.Strings(option)...)
	}
	for _, c := range in.List("initialDatabases") {
		names = append(names, c.String("name"))
	}
	if len(names) > 0 {
		var sql strings.Builder
		for _, name := range names {
			sql.WriteString("CREATE DATABASE IF NOT EXISTS `" + strings.ReplaceAll(name, "`", "\\`") + "`; ")
		}
		client(project.Lit("--multiquery"), litFlag("query", strings.TrimSpace(sql.String())))
	}
	for _, c := range in.List("initialDatabases") {
		for _, schema := range c.Strs("schemas") {
			client(project.Lit("--multiquery"), litFlag("database", c.String("name")), flag("queries-file", in.place.Path(schema)))
		}
	}
}
