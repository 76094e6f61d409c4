package catalog_test

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"

	"nix2gpu/catalog"
)

// setUps are the options of each type for what the server has to have before it counts as ready,
// and cannot have from its configuration.
var setUps = map[string][]string{
	"apache-kafka":  {"topics"},
	"clickhouse":    {"databases", "ensureDatabases", "initialDatabases"},
	"minio":         {"buckets"},
	"mongodb":       {"user", "replSetName", "initialScript"},
	"mysql":         {"databases", "ensureDatabases", "initialDatabases", "ensureUsers", "initialScript", "importTimeZones", "replication"},
	"neo4j":         {"initialPassword"}, // of its first user
	"ollama":        {"models", "loadModels"},
	"pgadmin":       {"initialEmail", "initialPassword"},
	"postgresql":    {"createDatabase", "databases", "ensureDatabases", "initialDatabases", "ensureUsers", "initialScript"},
	"redis-cluster": {"nodes", "replicas"},
}

// configured are options that sound like that, and are lines of a configuration.
var configured = []string{"pgbouncer.databases", "pgbouncer.users", "grafana.provision", "redis.databases"}

// readiness is the table of when each type is ready.
func readiness(t *testing.T) string {
	t.Helper()
	var b strings.Builder
	b.WriteString("\n## When it is ready\n\n" +
		"What waits for a service waits until it serves, and has what its options name: the first start, and each one after a kill\n" +
		"in between, goes on until all of that is there. A server is asked for its page of health, or by its protocol; by its open port\n" +
		"alone only where its settings let nobody have an answer without a key or a password, and RabbitMQ, which opens it last.\n\n" +
		"| type | of the example | and, from its options |\n|---|---|---|\n")
	for _, typ := range catalog.Types() {
		p, err := generate(t, typ.Name+".nix", example(t, typ.Name))
		if err != nil {
			t.Fatal(err)
		}
		for _, id := range slices.Sorted(maps.Keys(p.Services)) {
			s := p.Services[id]
			if s.Type != typ.Name {
				continue
			}
			made := ""
			if options := setUps[typ.Name]; len(options) > 0 {
				made = "`" + strings.Join(options, "`, `") + "`"
			}
			main := p.Processes[s.Main]
			if typ.Name == "redis-cluster" && main.Readiness == nil {
				continue
			}
			fmt.Fprintf(&b, "| [`%s`](%s.md) | %s | %s |\n", typ.Name, typ.Name, readyOf(main.Readiness), made)
			break
		}
	}
	return b.String()
}

// What an option asks for is made by a process that the service is not ready without; a server that
// is asked says something that it says only while it serves.
func TestReadyIncludesTheSetUp(t *testing.T) {
	sounds := regexp.MustCompile(`^(ensure|initial(Databases|Script|Email|Password)|load|create)|^(databases|users|models|nodes|topics|buckets|provision|replication)$|^replSet`)
	for _, typ := range catalog.Types() {
		p, err := generate(t, "t.nix", everything(t, typ.Name))
		if err != nil {
			t.Fatal(err)
		}
		listed := setUps[typ.Name]
		for _, option := range slices.Sorted(maps.Keys(typ.Options())) {
			if o := typ.Options()[option]; !sounds.MatchString(option) || o.AliasOf != nil || o.NoEffect != "" || strings.HasSuffix(option, "File") {
				continue
			}
			if !slices.Contains(listed, option) && !slices.Contains(configured, typ.Name+"."+option) {
				t.Errorf("%s.%s: is it there before the service is ready?", typ.Name, option)
			}
		}
		made := false
		for _, s := range p.Services {
			if s.Type != typ.Name {
				continue
			}
			made = made || len(s.Setup) > 0 || len(s.Init) > 0 || typ.Name == "redis-cluster" // whose nodes are services, too
			for _, dir := range p.Processes[s.Main].Dirs {
				made = made || typ.Name == "minio" && strings.Contains(dir.Path.String(), "/data/")
			}
		}
		if len(listed) > 0 && !made {
			t.Errorf("%s makes nothing", typ.Name)
		}
		if typ.Name == "custom" {
			continue
		}
		p, err = generate(t, "t.nix", example(t, typ.Name))
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range p.Services {
			if r := p.Processes[s.Main].Readiness; s.Type == typ.Name && r != nil && r.TCP != nil && typ.Name != "rabbitmq" { // which listens last
				t.Errorf("%s is ready by an open port", typ.Name)
			}
		}
	}
}
