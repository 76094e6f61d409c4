package catalog_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"nix2gpu/catalog"
	"nix2gpu/internal/testkit"
	"nix2gpu/nix/eval"
	"nix2gpu/nix/module"
	"nix2gpu/project"
)

// generate evaluates `{ services = …; }` and turns it into a project.
func generate(t *testing.T, name, text string) (*project.Project, error) {
	t.Helper()
	ev := eval.New(eval.Options{})
	sys := module.NewSystem(ev)
	pkgs := eval.NewAttrs(4)
	const hypopg = "postgresqlPackages.hypopg"
	extensions := eval.NewAttrs(1).Set("hypopg", eval.NewAttrs(2).Set("type", eval.Str("derivation")).
		Set("outPath", eval.StrContext(catalog.PackagesPrefix+hypopg, eval.NewContext("package:"+hypopg))).Done()).Done()
	for _, attr := range []string{"python3", "postgresql", "postgresql_16", "redis", "nginx", "bash", "mariadb", "clickhouse",
		"apacheHttpd", "caddy", "zookeeper", "php", "pgbouncer", "etcd", "prometheus-alertmanager", "prometheus-node-exporter", "memcached", "nats-server", "ollama", "minio", "mlflow-server", "prometheus", "grafana", "jaeger", "rabbitmq-server", "apacheKafka", "jupyter", "vllm", "comfyui", "azurite", "dynalite", "dynamodb-local", "grafana-loki", "grafana-alloy", "tempo", "pyroscope", "mailpit", "seaweedfs", "plantuml", "elasticmq-server-bin", "postgresql+" + hypopg,
		"mongodb", "elasticsearch", "cassandra", "qdrant", "weaviate", "chromadb", "neo4j", "open-webui", "pgadmin4", "searxng", "tika", "google-cloud-sdk"} {
		pkgs.Set(attr, eval.NewAttrs(2).Set("type", eval.Str("derivation")).Set("name", eval.Str(attr)).Set("pkgs", extensions).
			Set("outPath", eval.StrContext(catalog.PackagesPrefix+attr, eval.NewContext("package:"+attr))).Done())
	}
	set := pkgs.Done()
	v, err := ev.EvalText(context.Background(), name, text, "/definition", eval.Scope{"lib": sys.Lib(), "pkgs": set})
	if err != nil {
		t.Fatal(err)
	}
	e := sys.Evaluate(t.Context(), module.Spec{
		Modules: []module.Module{
			module.Declare(module.Options{"services": {Set: catalog.Options()}}, nil),
			module.FromValue(v, name),
		},
		Args: map[string]eval.Value{"pkgs": set},
	})
	p := &project.Project{Version: project.Version, Name: "test"}
	for _, secret := range []string{"api-token", "user-secret"} {
		if strings.Contains(text, secret) {
			p.Secrets = map[string]project.Secret{secret: {File: project.Lit("/run/secrets/" + secret)}}
		}
	}
	catalog.Generate(e.Config().Get("services"), p, catalog.Place{Root: "/definition"})
	if err := e.Check(); err != nil {
		return p, err
	}
	return p, p.Validate()
}

// TestGolden compares what each definition in testdata comes to.
func TestGolden(t *testing.T) {
	files, _ := filepath.Glob("testdata/*.nix")
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".nix"), func(t *testing.T) {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			p, err := generate(t, "/definition/"+filepath.Base(file), string(text))
			if err != nil {
				t.Fatal(err)
			}
			out, err := p.Encode()
			if err != nil {
				t.Fatal(err)
			}
			testkit.Golden(t, strings.TrimSuffix(file, ".nix")+".golden.json", out)
		})
	}
}

// TestErrors is what is wrong with a definition beyond its types, and where.
func TestErrors(t *testing.T) {
	for _, c := range []struct{ name, text, want string }{
		{"unknown type", `{ services.postgresq.db.enable = true; }`, `or "postgresql"?`},
		{"unknown option", `{ services.redis.r = { enable = true; prot = 1; }; }`, `did you mean "port"`},
		{"no command", `{ services.custom.a.enable = true; }`, "command"},
		{"empty command", `{ services.custom.a = { enable = true; command = ""; }; }`, `command of "a" must not be empty`},
		{"unknown dependency", `{ services.custom.a = { enable = true; command = "x"; depends_on.b = "ready"; }; }`, `"a" depends on "b": no service "b"`},
		{"disabled dependency by its instance", `{ services.custom.a = { enable = true; command = "x"; depends_on.r = "ready"; }; services.redis.r = { }; }`, `"a" depends on "redis.r", which is disabled`},
		{"the first of the disabled", `{ services.custom.a = { enable = true; command = "x"; depends_on.redis = "ready"; }; services.redis = { z = { }; y = { }; x = { }; q = { }; r = { }; s = { }; t = { }; }; }`, `"a" depends on "redis.q", which is disabled`},
		{"disabled dependency", `{ services.custom.a = { enable = true; command = "x"; depends_on.redis = "ready"; }; services.redis.r = { }; }`, `"a" depends on "redis.r", which is disabled`},
		{"condition", `{ services.custom.a = { enable = true; command = "x"; depends_on.b = "redy"; }; services.custom.b = { enable = true; command = "x"; }; }`, `condition must be one of "started", "ready"`},
		{"restart", `{ services.custom.a = { enable = true; command = "x"; restart = "sometimes"; }; }`, `not "sometimes"`},
		{"delay", `{ services.custom.a = { enable = true; command = "x"; restart_delay = "5 parsecs"; }; }`, `must be a length of time such as`},
		{"no check", `{ services.custom.a = { enable = true; command = "x"; readiness_probe = { }; }; }`, `readiness_probe must have exactly one of`},
		{"two checks", `{ services.custom.a = { enable = true; command = "x"; liveness_probe = { exec.command = "x"; tcp_socket.port = 1; }; }; }`, `it has 2`},
		{"signal", `{ services.custom.a = { enable = true; command = "x"; shutdown.signal = "SIGFOO"; }; }`, `signal must be a name such as`},
		{"memory", `{ services.custom.a = { enable = true; command = "x"; limits.memory = "lots"; }; }`, `must be a number of bytes`},
		{"port clash", `{ services.redis.a.enable = true; services.redis.b.enable = true; }`, `port 6379 is used twice`},
		{"always completed", `{ services.custom.a = { enable = true; command = "x"; depends_on.b = "completed"; }; services.custom.b = { enable = true; command = "x"; restart = "always"; }; }`, `which never happens`},
		{"same name", `{ services.custom."redis.a" = { enable = true; command = "x"; }; services.redis.a.enable = true; }`, `another service has the name`},
		{"redis nowhere", `{ services.redis.a = { enable = true; port = 0; }; }`, `listens nowhere`},
		{"clause", `{ services.postgresql.a = { enable = true; ensureUsers = [ { name = "u"; ensureClauses.fly = true; } ]; }; }`, `clause must be one of`},
		{"owner", `{ services.postgresql.a = { enable = true; ensureUsers = [ { name = "u"; ensureDBOwnership = true; } ]; }; }`, `not among databases`},
		{"certificate", `{ services.nginx.a = { enable = true; virtualHosts.x.forceSSL = true; }; }`, `needs sslCertificate`},
		{"zookeeper without itself", `{ services.zookeeper.a = { enable = true; id = 3; servers = "server.1=a:1:2"; }; }`, `no line server.3`},
		{"zookeeper with one port", `{ services.zookeeper.a = { enable = true; servers = "server.0=a:1"; }; }`, `must be host:port:port, not "a:1"`},
		{"users of pgbouncer twice", `{ services.pgbouncer.a = { enable = true; users.a = null; authFile = "./f"; }; }`, `must not both be set`},
		{"extensions", `{ services.postgresql.a = { enable = true; extensions = [ 1 ]; }; }`, `must be a list of packages`},
		{"extensions as one", `{ services.postgresql.a = { enable = true; extensions = ps: ps.hypopg; }; }`, `must be a list of packages`},
		{"slot", `{ services.postgresql.a = { enable = true; standbyOf = { port = 1; slot = "a-b"; }; }; }`, `not "a-b"`},
		{"standby of itself", `{ services.postgresql.a = { enable = true; standbyOf.slot = "a"; }; }`, `standbyOf must be another server: this one listens at 127.0.0.1:5432 itself`},
		{"standby of itself everywhere", `{ services.postgresql.a = { enable = true; port = 1; enableTCPIP = true; standbyOf = { host = "localhost"; port = 1; }; }; }`, `this one listens at localhost:1 itself`},
		{"replica of itself", `{ services.redis.a = { enable = true; replicaOf = { }; }; }`, `replicaOf must be another server: this one listens at 127.0.0.1:6379 itself`},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := generate(t, "/definition/t.nix", c.text)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Fatalf("got %v, want %q", err, c.want)
			}
			if !strings.Contains(err.Error(), "t.nix:1:") {
				t.Errorf("no position in %v", err)
			}
		})
	}
}

// TestEveryOptionIsDocumented keeps the reference page whole.
func TestEveryOptionIsDocumented(t *testing.T) {
	var check func(path string, options module.Options)
	check = func(path string, options module.Options) {
		for name, o := range options {
			if o.Set != nil {
				check(path+name+".", o.Set)
			} else if o.Description == "" && o.AliasOf == nil {
				t.Errorf("%s%s has no description", path, name)
			}
		}
	}
	for _, typ := range catalog.Types() {
		if typ.Doc == "" {
			t.Errorf("%s has no description", typ.Name)
		}
		check(typ.Name+".", typ.Schema().Options)
	}
}

// TestShutdownSignal wants every way to name a signal to mean the same one.
func TestShutdownSignal(t *testing.T) {
	for text, want := range map[string]project.Signal{
		`"SIGTERM"`: 15, `"term"`: 15, `13`: 13, `64`: 64, `"SIGRTMAX"`: 64, `"SIGRTMAX-1"`: 63, `"SIGRTMIN+3"`: 37,
	} {
		p, err := generate(t, "/definition/a.nix", `{ services.custom.a = { enable = true; command = "x"; shutdown.signal = `+text+`; }; }`)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		if got := p.Processes["a"].Shutdown.Signal; got != want {
			t.Errorf("%s is %v, want %v", text, got, want)
		}
	}
}
