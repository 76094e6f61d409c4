package catalog_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"nix2gpu/catalog"
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
