package catalog_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"nix2gpu/catalog"
	"nix2gpu/internal/testkit"
	"nix2gpu/nix/module"
	"nix2gpu/project"
)

type password struct {
	name, definition string // %s is `OPTION = VALUE;`
	option           string
	file             bool // has a twin for a file that takes the same
	where            string
}

// passwords are the options for passwords of all types: each takes a text, a
// secret by its name, or a file.
var passwords = []password{
	{"redis", `{ services.redis.db = { enable = true; %s }; }`, "requirePass", true, `requirepass "§"`},
	{"redis-cluster", `{ services.redis-cluster.db = { enable = true; %s }; }`, "requirePass", true, `REDISCLI_AUTH=§`},
	{"redis-cluster's nodes", `{ services.redis-cluster.db = { enable = true; %s }; }`, "requirePass", true, "requirepass \"§\"\nmasterauth \"§\""},
	{"redis's other", `{ services.redis.db = { enable = true; replicaOf.port = 1; %s }; }`, "masterAuth", true, `masterauth "§"`},
	{"postgresql", `{ services.postgresql.db = { enable = true; %s }; }`, "password", true, `"postgres": "§"`},
	{"postgresql's user", `{ services.postgresql.db = { enable = true; ensureUsers = [ { name = "app"; %s } ]; }; }`, "password", true, `"app": "§"`},
	{"postgresql's other", `{ services.postgresql.db = { enable = true; standbyOf = { port = 1; %s }; }; }`, "password", true, `PGPASSWORD=§`},
	{"mysql", `{ services.mysql.db = { enable = true; ensureUsers = [ { name = "app"; %s } ]; }; }`, "password", true, `"password": "§"`},
	{"mysql's master", `{ services.mysql.db = { enable = true; replication = { role = "slave"; masterHost = "10.0.0.1"; masterUser = "copy"; %s }; }; }`, "masterPassword", true, `"password": "§"`},
	{"mlflow's database", `{ services.mlflow.a = { enable = true; %s }; }`, "backendStoreUri", true, `MLFLOW_BACKEND_STORE_URI=§`},
	{"mlflow's models", `{ services.mlflow.a = { enable = true; %s }; }`, "registryStoreUri", true, `MLFLOW_REGISTRY_STORE_URI=§`},
	{"minio", `{ services.minio.db = { enable = true; %s }; }`, "secretKey", true, `MINIO_ROOT_PASSWORD=§`},
	{"minio's user", `{ services.minio.db = { enable = true; %s }; }`, "accessKey", true, `MINIO_ROOT_USER=§`},
	{"rabbitmq", `{ services.rabbitmq.db = { enable = true; %s }; }`, "cookie", true, `§`},
	{"jupyter", `{ services.jupyter.a = { enable = true; %s }; }`, "token", true, `JUPYTER_TOKEN=§`},
	{"vllm", `{ services.vllm.a = { enable = true; model = "m"; %s }; }`, "apiKey", true, `VLLM_API_KEY=§`},
	{"vllm's download", `{ services.vllm.a = { enable = true; model = "m"; %s }; }`, "hfToken", true, `HF_TOKEN=§`},
	{"mongodb", `{ services.mongodb.a = { enable = true; %s }; }`, "password", true, `NIX2GPU_PASSWORD=§`},
	{"neo4j", `{ services.neo4j.a = { enable = true; %s }; }`, "initialPassword", true, `NIX2GPU_PASSWORD=§`},
	{"pgadmin", `{ services.pgadmin.a = { enable = true; initialEmail = "me@example.org"; %s }; }`, "initialPassword", true, `PGADMIN_SETUP_PASSWORD=§`},
	{"qdrant", `{ services.qdrant.a = { enable = true; %s }; }`, "apiKey", true, `QDRANT__SERVICE__API_KEY=§`},
	{"open-webui", `{ services.open-webui.a = { enable = true; %s }; }`, "secretKey", true, `WEBUI_SECRET_KEY=§`},
	{"searxng", `{ services.searxng.a = { enable = true; %s }; }`, "secret_key", true, `SEARXNG_SECRET=§`},
	{"nginx", `{ services.nginx.db = { enable = true; virtualHosts.x = { basicAuth = { %s }; }; }; }`, "me", false, "me:{PLAIN}§\n"},
	{"nginx's location", `{ services.nginx.db = { enable = true; virtualHosts.x.locations."/" = { basicAuth = { %s }; }; }; }`, "me", false, "me:{PLAIN}§\n"},
}

// Every option that takes a secret is on the list.
func TestEverySecretIsTried(t *testing.T) {
	for _, typ := range catalog.Types() {
		docs := module.Describe(typ.Options())
		for _, d := range docs {
			hasSecret := func(other module.Doc) bool { return other.String() == d.String()+".secret" }
			if d.Type != "null or (string or (submodule))" || !slices.ContainsFunc(docs, hasSecret) {
				continue
			}
			option := d.Path[len(d.Path)-1]
			if !slices.ContainsFunc(passwords, func(c password) bool {
				return c.option == option && strings.Contains(c.definition, "services."+typ.Name+".")
			}) {
				t.Errorf("no test sets %s of %s", d.String(), typ.Name)
			}
		}
	}
}

func TestPasswordsAreSecrets(t *testing.T) {
	for _, c := range passwords {
		t.Run(c.name, func(t *testing.T) {
			holds := func(p *project.Project, secret string) bool {
				found := false
				look := func(t project.Text) {
					found = found || strings.Contains(t.String(), strings.ReplaceAll(c.where, "§", secret))
				}
				for _, proc := range p.Processes {
					for name, v := range proc.Env {
						look(project.Join(project.Lit(name+"="), v.Text))
					}
					for _, f := range proc.Files {
						look(f.Content)
					}
				}
				return found
			}
			p, err := generate(t, "/definition/t.nix", fmt.Sprintf(c.definition, c.option+` = "plain-text";`))
			if err != nil || !holds(p, "plain-text") {
				t.Errorf("as a text: %v", err)
			}
			for _, option := range []string{c.option, c.option + "File"} {
				if option != c.option && !c.file {
					continue
				}
				if p, err = generate(t, "/definition/t.nix", fmt.Sprintf(c.definition, option+`.secret = "api-token";`)); err != nil || !holds(p, "<secret api-token>") {
					t.Errorf("%s, of a secret: %v", option, err)
				}
				_, err = generate(t, "/definition/t.nix", fmt.Sprintf(c.definition, option+`.secret = "another";`))
				if err == nil || !strings.Contains(err.Error(), `there is no secret "another"`) || !strings.Contains(err.Error(), "t.nix:1:") {
					t.Errorf("%s, of no secret: %v", option, err)
				}
			}
			if !c.file {
				return
			}
			if p, err = generate(t, "/definition/t.nix", fmt.Sprintf(c.definition, c.option+`File = "./pass";`)); err != nil {
				t.Fatal(err)
			}
			for name, s := range p.Secrets {
				if s.File.String() != "./pass" || !holds(p, "<secret "+name+">") {
					t.Errorf("the secret %q is that of %s, and is not where it should be", name, s.File)
				}
				if s.Pos.Line != 1 || p.SecretNames() != nil && len(p.SecretNames()) > 0 {
					t.Errorf("the secret %q is at %v, and users may name %v", name, s.Pos, p.SecretNames())
				}
			}
			if len(p.Secrets) != 1 {
				t.Errorf("%d secrets, want one", len(p.Secrets))
			}
			_, err = generate(t, "/definition/t.nix", fmt.Sprintf(c.definition, c.option+` = "plain-text"; `+c.option+`File = "./pass";`))
			if want := fmt.Sprintf("%s and %sFile must not both be set", c.option, c.option); err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("both: %v, want %q", err, want)
			}
		})
	}
}

// Users of databases log in with the password that a file has, which only its owner may read, over
// TCP and where the server asks for one. Another one in the file counts from the next start
// on, and no log has either.
func TestPasswordsOfDatabases(t *testing.T) {
	t.Parallel()
	needs(t, "pg_ctlcluster")
	needs(t, "mariadbd")
	s := testkit.NewStackFrom(t, "")
	s.Write("nix2gpu.nix", `{ lib, ... }: { services = {
	  postgresql.db = {
	    enable = true; passwordFile = "./boss"; ensureUsers = [ { name = "app"; passwordFile = "./app"; } ];
	    authentication = lib.mkForce "local all all trust\nhost all all 127.0.0.1/32 scram-sha-256"; settings.log_statement = "all";
	  };
	  mysql.db = { enable = true; ensureUsers = [ { name = "app"; passwordFile = "./app"; ensurePermissions."*.*" = "SELECT"; } ]; settings.mysqld.general_log = 1; };
	}; }`)
	write := func(name, password string) {
		s.Write(name, password+"\n")
		if err := os.Chmod(filepath.Join(s.Dir, name), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	lets := func(server, user, password string) bool {
		if server == "mysql" {
			out, _, code := s.ExecCommand("mariadb", "--no-defaults", "--protocol=tcp", "--host=127.0.0.1", "--user="+user, "--password="+password, "-BNe", "select 1")
			return code == 0 && out == "1\n"
		}
		out, _, code := s.ExecCommand("env", "PGPASSWORD="+password, "psql", "-h", "127.0.0.1", "-U", user, "-AtXc", "select 1", "postgres")
		return code == 0 && out == "1\n"
	}
	was := ""
	for _, password := range []string{`fir'st "\`, "second"} {
		write("boss", "boss "+password)
		write("app", password)
		run := s.Start("up")
		run.WaitLine("all services healthy")
		for _, c := range []struct{ server, user, password string }{{"postgresql", "postgres", "boss "}, {"postgresql", "app", ""}, {"mysql", "app", ""}} {
			if !lets(c.server, c.user, c.password+password) {
				t.Errorf("%s does not let %s in", c.server, c.user)
			}
			for _, wrong := range []string{"wrong", c.password + was} {
				if lets(c.server, c.user, wrong) {
					t.Errorf("%s lets %s in by %q", c.server, c.user, wrong)
				}
			}
		}
		if out := s.MustExec("logs"); strings.Contains(out, "fir'") || strings.Contains(out, "second") || !strings.Contains(out, "select 1") {
			t.Errorf("the logs:\n%s", out)
		}
		run.Stop()
		was = password
	}
}
