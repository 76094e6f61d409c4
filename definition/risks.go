package definition

import (
	"fmt"
	"maps"
	"slices"
	"sort"
	"strings"

	"nix2gpu/nix/module"
	"nix2gpu/project"
)

// A Risk is a setting that works, but lets in more than was likely meant.
type Risk struct {
	Pos       project.Pos
	Msg, Hint string
}

// Risks lists what in a definition lets strangers in, or gives secrets to more than
// needs them, sorted by position. c holds the options of the container, and root is the
// folder of its definition. An exposed port of the image changes no address, so Risks
// ignores it.
func Risks(p *project.Project, c *module.Config, root string) []Risk {
	r := &risks{project: p, config: c, root: root}
	for _, id := range slices.Sorted(maps.Keys(p.Services)) {
		s := p.Services[id]
		if s.Disabled || s.System {
			continue
		}
		r.rootWithSecrets(s)
		if r.service = s; r.at("enable").Kind() == module.Missing {
			continue // no type of the catalog
		}
		r.trust()
		if r.isOpen() {
			r.withoutPassword()
		}
	}
	sort.SliceStable(r.found, func(i, j int) bool {
		a, b := r.found[i], r.found[j]
		return a.Pos.Compare(b.Pos) < 0
	})
	return r.found
}

type risks struct {
	project *project.Project
	config  *module.Config
	root    string
	service *project.Service
	found   []Risk
}

func (r *risks) at(path ...string) *module.Config {
	return r.config.Get(append([]string{"services", r.service.Type, r.service.Instance}, path...)...)
}

// add adds a risk at an option, or, if the definition does not set that, at the
// service.
func (r *risks) add(option *module.Config, hint, format string, args ...any) {
	pos := r.service.Pos
	if at := option.Pos(); at.IsValid() && isUser(at) {
		line, col := at.LineCol()
		pos = project.Pos{File: shorten(at.File(), r.root), Line: line, Col: col}
	}
	r.found = append(r.found, Risk{pos, fmt.Sprintf(format, args...), hint})
}

// isOpen reports whether other machines can reach a port of the service, or of one of the
// services that it is made of.
func (r *risks) isOpen() bool {
	ports := r.service.Ports
	for id := range r.service.DependsOn {
		if part := r.project.Services[id]; part != nil && r.service.Type == "redis-cluster" && part.Type == r.service.Type {
			ports = slices.Concat(ports, part.Ports)
		}
	}
	return slices.ContainsFunc(ports, func(p project.Port) bool { return !onLoopback(p.Address) })
}

// trust finds rules of PostgreSQL that let everyone in without a password.
func (r *risks) trust() {
	if r.service.Type != "postgresql" {
		return
	}
	rule := func(option *module.Config, kind, address, method string) {
		everywhere := slices.Contains([]string{"0.0.0.0/0", "::/0", "all"}, address)
		if strings.HasPrefix(kind, "host") && everywhere && method == "trust" {
			r.add(option, "write scram-sha-256 instead of trust, or the addresses that are meant",
				"%s lets in whoever reaches its port, as any user, without a password: %s … %s trust", r.service.Label, kind, address)
		}
	}
	auth := r.at("authentication")
	for line := range strings.Lines(auth.String()) {
		if f := strings.Fields(line); len(f) >= 5 {
			rule(auth, f[0], f[3], f[4])
		}
	}
	for _, one := range r.at("hbaConf").List() {
		rule(r.at("hbaConf"), one.String("type"), one.String("address"), one.String("method"))
	}
}

// withoutPassword finds servers on all addresses that ask for no password.
func (r *risks) withoutPassword() {
	has := func(options ...string) bool {
		return slices.ContainsFunc(options, func(name string) bool {
			return r.at(name).Kind() != module.Missing && r.at(name).Kind() != module.KindNull
		})
	}
	open := func(hint string) {
		option := r.at("enable")
		for _, name := range []string{"bind", "listen", "rpcAddress", "listenAddress", "defaultListenAddress", "httpAddress", "consoleAddress", "listenClientUrls", "host", "address", "configFile",
			"settings", "extraConf", "extraConfig", "extraServerConfig", "startArgs", "extraFlags", "extraArgs", "environmentVariables", "environment"} {
			if o := r.at(name); o.IsSet() && !(o.Kind() == module.KindStr && onLoopback(o.String())) {
				option = o
				break
			}
		}
		r.add(option, hint, "%s listens on all addresses and asks for no password", r.service.Label)
	}
	switch r.service.Type {
	case "redis", "redis-cluster":
		if !has("requirePass", "requirePassFile") && r.at("settings", "requirepass").Kind() == module.Missing && !strings.Contains(r.at("extraConfig").String(), "requirepass") {
			open(`set requirePass = { secret = "NAME"; }, or bind = "127.0.0.1"`)
		}
	case "mongodb":
		unset := func(path ...string) bool { return r.at(path...).Kind() == module.Missing }
		if !r.at("enableAuth").Bool() && unset("settings", "security", "authorization") && unset("settings", "security", "keyFile") &&
			!strings.Contains(r.at("extraConfig").String(), "authorization") && !slices.Contains(r.at("extraFlags").Strings(), "--auth") {
			open(`set enableAuth = true and a password, or bind = "127.0.0.1"`)
		}
	case "elasticsearch":
		if r.at("settings", "xpack").Kind() == module.Missing && r.at("settings", "xpack.security.enabled").Kind() == module.Missing && !strings.Contains(r.at("extraConf").String(), "xpack.security.enabled") {
			open(`set settings.xpack.security, or leave it on 127.0.0.1`)
		}
	case "qdrant":
		if !has("apiKey", "apiKeyFile") && r.at("settings", "service", "api_key").Kind() == module.Missing {
			open(`set apiKey = { secret = "NAME"; }, or host = "127.0.0.1"`)
		}
	case "chromadb", "elasticmq", "jaeger", "loki", "ollama", "pyroscope", "tempo", "zookeeper":
		open(`it lets all in: leave it on 127.0.0.1`)
	case "memcached":
		open(`it knows no passwords: leave it on 127.0.0.1`)
	case "phpfpm":
		open(`who reaches it runs programs with it: leave it on a socket or on 127.0.0.1`)
	case "comfyui":
		open(`who reaches it runs programs with it: leave it on 127.0.0.1`)
	case "cassandra":
		if says, ok := r.at("extraConfig").Any().(map[string]any); !ok || says["authenticator"] == nil {
			open(`set extraConfig.authenticator = "PasswordAuthenticator", or leave it on 127.0.0.1`)
		}
	case "neo4j":
		if !has("initialPassword", "initialPasswordFile") {
			open(`everyone knows "neo4jadmin": set initialPassword = { secret = "NAME"; }, or leave it on 127.0.0.1`)
		}
	case "minio":
		if !has("secretKey", "secretKeyFile", "rootCredentialsFile") && r.at("environment", "MINIO_ROOT_PASSWORD").Kind() == module.Missing {
			open(`everyone knows "minioadmin": set secretKey = { secret = "NAME"; }, or leave it on 127.0.0.1`)
		}
	case "seaweedfs":
		open(`master, volumes and filer let all in, also with s3.config: leave it on 127.0.0.1`)
	case "weaviate":
		if r.at("environment", "AUTHENTICATION_ANONYMOUS_ACCESS_ENABLED").Kind() == module.Missing {
			open(`set environment.AUTHENTICATION_ANONYMOUS_ACCESS_ENABLED = "false", and AUTHENTICATION_APIKEY_ENABLED with keys beside it`)
		}
	case "mlflow":
		main := r.project.Processes[r.service.Main]
		if !slices.ContainsFunc(r.at("extraArgs").Strings(), func(arg string) bool { return strings.HasPrefix(arg, "--app-name") }) {
			open(`let it ask with extraArgs = [ "--app-name=basic-auth" ], or leave it on 127.0.0.1`)
		} else if _, own := main.Env["MLFLOW_AUTH_CONFIG_PATH"]; !own && len(main.EnvFiles) == 0 {
			r.add(r.at("extraArgs"), "name a file with another admin_password by environment.MLFLOW_AUTH_CONFIG_PATH, or leave it on 127.0.0.1",
				"%s listens on all addresses, and everyone knows the password of its first user, admin", r.service.Label)
		}
	case "etcd":
		asks := func(word string) bool { return strings.Contains(word, "client-cert-auth") }
		if !slices.ContainsFunc(r.at("extraFlags").Strings(), asks) && r.at("extraConf", "CLIENT_CERT_AUTH").Kind() == module.Missing {
			open(`let it ask for certificates with extraConf.CLIENT_CERT_AUTH = "true", or leave it on 127.0.0.1`)
		}
	case "pgbouncer":
		for _, name := range r.at("users").Keys() {
			if user := r.at("users", name); user.Kind() == module.KindNull {
				r.add(user, `give the user a password: { secret = "NAME"; }`, "%s listens on all addresses, and user %q has no password", r.service.Label, name)
			}
		}
	case "mysql":
		for i, u := range r.at("ensureUsers").List() {
			if u.Kind("password") == module.KindNull && u.Kind("passwordFile") == module.KindNull {
				r.add(u, `give the user a password = { secret = "NAME"; }, or set bind = "127.0.0.1"`,
					"%s listens on all addresses, and user %q (number %d of ensureUsers) has no password", r.service.Label, u.String("name"), i+1)
			}
		}
	case "clickhouse":
		// By default its user is let in from this machine only.
		if slices.ContainsFunc(r.at("extraConfig", "users").Each(), letsAllIn) {
			open("give the user a password, or leave its networks alone")
		}
	case "nats-server":
		asks := func(setting string) bool {
			return slices.Contains([]string{"authorization", "accounts", "operator"}, setting)
		}
		if !slices.ContainsFunc(r.at("settings").Keys(), asks) {
			open("set settings.authorization, or leave it on 127.0.0.1")
		}
	}
}

// letsAllIn reports whether a user of ClickHouse is let in from everywhere, without a
// password or another proof.
func letsAllIn(user *module.Config) bool {
	proves := func(setting string) bool {
		empty := user.Kind(setting) == module.KindStr && user.String(setting) == ""
		return strings.HasPrefix(setting, "password") && !empty || slices.Contains([]string{"ldap", "kerberos", "ssl_certificates", "ssh_keys"}, setting)
	}
	return strings.Contains(fmt.Sprint(user.Any("networks")), "/0") && !slices.ContainsFunc(user.Keys(), proves)
}

// rootWithSecrets finds custom services that run as root and get secrets.
func (r *risks) rootWithSecrets(s *project.Service) {
	if s.Type != "custom" {
		return
	}
	main := r.project.Processes[s.Main]
	if main == nil || main.User != "" && main.User != "root" && main.User != "0" {
		return
	}
	uses := r.project.SecretUses(main)
	if len(uses) == 0 {
		return
	}
	pos := s.Pos
	if at, ok := s.Options["command"]; ok {
		pos = at
	}
	r.found = append(r.found, Risk{pos, fmt.Sprintf("%s runs as root in a container, and reads the secret %q", s.Label, uses[0].Secret),
		`set user to one that needs no more, such as user = "nobody"`})
}
