package catalog_test

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"nix2gpu/catalog"
	"nix2gpu/internal/testkit"
	"nix2gpu/nix/module"
	"nix2gpu/packages"
	"nix2gpu/project"
)

// servers are the programs with which [TestExamplesRun] tries the types of services: those
// of Debian 12, and two of npm. A type that is not among them was never tried with its server.
var servers = map[string]string{
	"alertmanager": "prometheus-alertmanager", "apache-httpd": "apache2", "azurite": "azurite", "caddy": "caddy", "custom": "python3", "dynamodb-local": "dynalite", "etcd": "etcd",
	"jupyter": "jupyter-notebook", "memcached": "memcached",
	"mysql": "mariadbd", "nats-server": "nats-server", "nginx": "nginx", "node-exporter": "prometheus-node-exporter", "pgbouncer": "pgbouncer",
	"phpfpm": "php-fpm8.2", "postgresql": "pg_ctlcluster", "prometheus": "prometheus", "rabbitmq": "rabbitmq-server", "redis": "redis-server", "redis-cluster": "redis-server", "zookeeper": "java",
}

// sourceOf is where the test gets the server of a type.
func sourceOf(typ string) string {
	switch typ {
	case "azurite":
		return "npm, version 3.35"
	case "dynamodb-local":
		return "npm, dynalite 4.0, an emulator"
	}
	return "Debian 12"
}

// standIns are the types that [TestStandInsRun], [TestStandInsLive], [TestStandInsOfThePageLive] and [TestStandInsOfToolsLive]
// try with a program that takes what the server's documentation names, and nothing else.
var standIns = []string{"alloy", "apache-kafka", "cassandra", "chromadb", "clickhouse", "comfyui", "elasticmq", "elasticsearch", "grafana", "jaeger", "loki", "mailpit", "minio", "mlflow", "mongodb", "neo4j", "ollama", "open-webui", "pgadmin",
	"plantuml", "pubsub-emulator", "pyroscope", "qdrant", "searxng", "seaweedfs", "tempo", "tika", "vllm", "weaviate"}

const pages = "../docs/reference/services"

// example is the definition that the page of a type shows.
func example(t *testing.T, typ string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", "services", typ+".nix"))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// TestServicePages writes a page for each type, from its declaration and what its example
// comes to, and the table of all.
func TestServicePages(t *testing.T) {
	var index strings.Builder
	index.WriteString("# Types of services\n\n" +
		"Each has the [options of every service](../options.md#every-service) as well. Of those that were tried with the server of Debian 12, or of npm,\n" +
		"a test runs the example of the page: it is killed, comes back, and listens nowhere else. A stand-in is a small program that takes what the\n" +
		"documentation of the server names, and nothing else. On the pages,\n" +
		"`<redis>` is the folder of a package, `<run>` that of a running project's files, and `.` that of the definition.\n\n" +
		"| type | is | tried with |\n|---|---|---|\n")
	want := map[string]bool{"README.md": true}
	for _, typ := range catalog.Types() {
		text := example(t, typ.Name)
		p, err := generate(t, typ.Name+".nix", text)
		if err != nil {
			t.Errorf("the example of %s: %v", typ.Name, err)
			continue
		}
		tried := "its documentation alone"
		if _, real := servers[typ.Name]; real {
			tried = "the server of " + sourceOf(typ.Name)
		} else if slices.Contains(standIns, typ.Name) {
			tried = "a stand-in for it"
		}
		doc, _, _ := strings.Cut(typ.Doc, " Written after")
		fmt.Fprintf(&index, "| [`%s`](%s.md) | %s | %s |\n", typ.Name, typ.Name, doc, tried)
		testkit.Golden(t, filepath.Join(pages, typ.Name+".md"), []byte(page(t, typ, text, p)))
		want[typ.Name+".md"] = true
	}
	index.WriteString(readiness(t))
	testkit.Golden(t, filepath.Join(pages, "README.md"), []byte(index.String()))
	there, _ := filepath.Glob(filepath.Join(pages, "*"))
	for _, file := range there {
		if !want[filepath.Base(file)] {
			t.Errorf("%s is the page of no type: remove it", file)
		}
	}
}

// page is the page of a type: its example, what that comes to, and the options.
func page(t *testing.T, typ *catalog.ServiceType, example string, p *project.Project) string {
	t.Helper()
	var b strings.Builder
	fmt.Fprintf(&b, "# `services.%s`\n\n%s\n", typ.Name, typ.Doc)
	if len(typ.Aliases) > 0 {
		fmt.Fprintf(&b, "\nAlso called `services.%s`.\n", strings.Join(typ.Aliases, "`, `services."))
	}
	if _, real := servers[typ.Name]; real {
		fmt.Fprintf(&b, "\nA test runs this example with the server of %s:\n", sourceOf(typ.Name))
	} else {
		b.WriteString("\nA test evaluates this example:\n")
	}
	fmt.Fprintf(&b, "\n```nix\n%s```\n\nIt comes to:\n\n| | |\n|---|---|\n", example)
	row := func(name string, values []string) {
		if len(values) > 0 {
			fmt.Fprintf(&b, "| %s | %s |\n", name, strings.ReplaceAll(strings.Join(values, "<br>"), "|", `\|`))
		}
	}
	code := func(text string) string { return "`" + text + "`" }
	var s *project.Service // the last of several, which is as those before
	var runs, listens []string
	for _, one := range slices.Sorted(maps.Keys(p.Services)) {
		if p.Services[one].Type != typ.Name {
			continue
		}
		s = p.Services[one]
		runs = append(runs, commandOf(p.Processes[s.Main].Command)...)
		for _, port := range s.Ports {
			at := fmt.Sprintf("%s:%d", port.Address, port.Port)
			if strings.HasPrefix(at, ":") {
				at = "127.0.0.1" + at
			}
			if port.Protocol != "" {
				at += "/" + port.Protocol
			}
			listens = append(listens, code(at))
		}
	}
	main := p.Processes[s.Main]
	if typ.Package != "" {
		row("package", []string{packageOf(typ.Package)})
	}
	row("runs", runs)
	if main.User != "" {
		row("as", []string{code(main.User)})
	}
	row("listens at", listens)
	var kept, made, written []string
	for _, one := range s.ProcessIDs() {
		for _, d := range p.Processes[one].Dirs {
			if d.Keep {
				kept = append(kept, code(d.Path.String()))
			} else {
				made = append(made, code(d.Path.String()))
			}
		}
		for _, f := range p.Processes[one].Files {
			written = append(written, code(f.Path.String()))
		}
	}
	compact := func(list []string) []string { slices.Sort(list); return slices.Compact(list) }
	row("keeps its data in", compact(kept))
	row("makes", compact(made))
	row("writes", compact(written))
	var env []string
	for _, name := range slices.Sorted(maps.Keys(main.Env)) {
		env = append(env, code(name+"="+main.Env[name].Text.String()))
	}
	row("sets", env)
	for _, one := range s.Init {
		row("before it", commandOf(p.Processes[one].Command))
	}
	for _, one := range s.Setup {
		row("once it serves", commandOf(p.Processes[one].Command))
	}
	row("is ready", []string{readyOf(main.Readiness)})
	if main.Test != nil {
		row("tests its configuration", commandOf(main.Test.Command))
	}
	if sig := main.Shutdown.Signal; sig != 0 && sig != project.SIGTERM {
		row("stops by", []string{sig.String()})
	}
	var secrets []string
	docs := module.Describe(typ.Options())
	for _, d := range docs {
		if strings.Contains(d.Type, "submodule") && (strings.Contains(d.Description, "secret") || strings.HasSuffix(d.String(), "File") || strings.HasSuffix(d.String(), "Key")) {
			secrets = append(secrets, code(d.String()))
		}
	}
	row("takes secrets in", secrets)
	b.WriteString("\n## Options\n\n")
	if err := module.WriteMarkdown(&b, docs); err != nil {
		t.Fatal(err)
	}
	return strings.TrimRight(b.String(), "\n") + "\n"
}

// packageOf is where the package of a type comes from.
func packageOf(attr string) string {
	p, text := packages.Lookup(attr), "`pkgs."+attr+"`"
	switch {
	case len(p.Debian) > 0:
		return text + ": `" + strings.Join(p.Debian, "`, `") + "` of Debian"
	case p.Source != "" || p.Archive != nil:
		return text + ": of its vendor; see [software that Debian lacks](../../how-to/vendors.md)"
	case p.From != "":
		return text + ": " + p.From
	}
	return text
}

// commandOf is a command as a line.
func commandOf(c project.Command) []string {
	var words []string
	for _, word := range c.Exec {
		text := word.String()
		if strings.ContainsAny(text, " \t\n") || text == "" {
			text = "'" + strings.ReplaceAll(text, "\n", " ") + "'"
		}
		words = append(words, text)
	}
	if len(words) == 0 {
		words = []string{c.Shell.String()}
	}
	return []string{"`" + strings.Join(words, " ") + "`"}
}

// readyOf says when a probe succeeds.
func readyOf(p *project.Probe) string {
	host := func(h string) string {
		if h == "" {
			return "127.0.0.1"
		}
		return h
	}
	switch {
	case p == nil:
		return "once it runs"
	case p.HTTP != nil:
		scheme := p.HTTP.Scheme
		if scheme == "" {
			scheme = "http"
		}
		with := "2xx or 3xx"
		if p.HTTP.Status != 0 {
			with = fmt.Sprint(p.HTTP.Status)
		}
		return fmt.Sprintf("when `%s://%s:%d%s` answers with %s", scheme, host(p.HTTP.Host), p.HTTP.Port, p.HTTP.Path, with)
	case p.TCP != nil:
		return fmt.Sprintf("when `%s:%d` accepts connections", host(p.TCP.Host), p.TCP.Port)
	case p.Server != nil && p.Server.Protocol == "http":
		return fmt.Sprintf("when a worker of it answers at `%s:%d`, whatever it says", host(p.Server.Host), p.Server.Port)
	case p.Server != nil && !p.Server.Socket.IsEmpty():
		return fmt.Sprintf("when it answers at `%s` as %s does", p.Server.Socket, p.Server.Protocol)
	case p.Server != nil:
		return fmt.Sprintf("when it answers at `%s:%d` as %s does", host(p.Server.Host), p.Server.Port, p.Server.Protocol)
	}
	return "by a probe of its own"
}

// The examples of the pages run on the real servers, all together: healthy, as their own
// users, where they say and nowhere else; killed, they come back.
func TestExamplesRun(t *testing.T) {
	var files, texts []string
	s := testkit.NewStackFrom(t, "")
	for _, typ := range slices.Sorted(maps.Keys(servers)) {
		if typ != "pgbouncer" { // which brings a PostgreSQL of its own
			needs(t, servers[typ])
		}
		s.Write(typ+".nix", example(t, typ))
		files = append(files, "./"+typ+".nix")
		texts = append(texts, example(t, typ))
	}
	s.Write("nix2gpu.nix", "{ imports = [ "+strings.Join(files, " ")+" ]; }\n")
	run := s.Start("up")
	run.WaitLine("all services healthy")
	want := map[string]bool{}
	for i, text := range texts {
		p, err := generate(t, files[i], text)
		if err != nil {
			t.Fatal(err)
		}
		maps.Copy(want, declared(p))
	}
	before := healthyMains(t, s)
	if len(before) < len(servers) {
		t.Errorf("only %v run", before)
	}
	for label, pid := range before {
		if uid, ok := uidOf(pid); !ok || uid == 0 && label != "api" && label != "jupyter" { // which run as whoever runs us
			t.Errorf("%s runs as %d", label, uid)
		}
	}
	killAndBack(t, s, before)
	var got map[string]bool
	if !testkit.Eventually(func() bool { got = listeners(t, s.Net); return len(missing(want, got)) == 0 }) {
		t.Errorf("declared, and nobody listens: %v", missing(want, got))
	}
	if more := missing(got, want); len(more) > 0 {
		t.Errorf("listened on, and not declared: %v", more)
	}
	run.Stop()
}

// Servers that no test can have start as their documentation says.
func TestStandInsRun(t *testing.T) {
	needs(t, "python3")
	s := testkit.NewStackFrom(t, "")
	for from, to := range map[string]string{"vllm": "programs/vllm", "main.py": "comfyui/main.py"} {
		text, err := os.ReadFile(filepath.Join("testdata", "standins", from))
		if err != nil {
			t.Fatal(err)
		}
		s.Write(to, string(text))
	}
	if err := os.Chmod(filepath.Join(s.Dir, "programs", "vllm"), 0o755); err != nil {
		t.Fatal(err)
	}
	s.Env = append(s.Env, "PATH="+filepath.Join(s.Dir, "programs")+":"+filepath.Dir(s.Bin)+":"+os.Getenv("PATH"))
	s.Write("models/loras/small.safetensors", "")
	s.Write("key", "of a file\n")
	const services = `
	  vllm.chat = { enable = true; model = "a/model"; servedModelName = "m"; maxModelLen = 512; gpuMemoryUtilization = 0.5; apiKeyFile = "./key"; gpus = "none"; };
	  vllm.second = { enable = true; port = 8001; model = "b/model"; extraArgs = [ "--enforce-eager" "--host" "127.0.0.2" ]; gpus = "none"; };
	  comfyui.pictures = { enable = true; source = "./comfyui"; modelsDir = "./models"; cpu = true; };
	  comfyui.second = { enable = true; port = 8189; source = "./comfyui"; cpu = true; databasePath = "./data/pictures.db"; };`
	s.Write("nix2gpu.nix", "{ services = {"+services+"}; }\n")
	run := s.Start("up")
	run.WaitLine("all services healthy")
	s.WantBody("http://127.0.0.1:8188/models", `{"loras": ["small.safetensors"]}`)
	s.WantBody("http://127.0.0.1:8189/models", "{}")
	s.WantBody("http://127.0.0.2:8001/v1/models", "b/model")
	if out, _, _ := s.ExecCommand("curl", "-s", "http://127.0.0.1:8000/v1/models"); !strings.Contains(out, "Unauthorized") {
		t.Errorf("without the key it answers %q", out)
	}
	if out, _, _ := s.ExecCommand("curl", "-s", "-H", "Authorization: Bearer of a file", "http://127.0.0.1:8000/v1/models"); !strings.Contains(out, `"m"`) {
		t.Errorf("with the key it answers %q", out)
	}
	audit(t, s, services)
	run.Stop()
}
