package catalog_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// A trial says which tests show what a real server does: life the whole life of two instances,
// from a set-up that is killed on (see [TestDemands]), and secrets that it takes a secret from
// a file; "" for a type that takes none.
type trial struct{ life, secrets string }

var trials = map[string]trial{
	"alertmanager":   {life: "TestServersLive"},
	"apache-httpd":   {"TestPairsOfServersLive", "TestWebServersReadRootsKeys"},
	"azurite":        {life: "TestAzuriteLives"},
	"caddy":          {life: "TestPairsOfServersLive"},
	"dynamodb-local": {life: "TestDynamoDBLives"},
	"etcd":           {life: "TestServersLive"},
	"jupyter":        {"TestPairsOfServersLive", "TestPairsOfServersLive"},
	"memcached":      {life: "TestPairsOfServersLive"},
	"mysql":          {"TestPairsOfServersLive", "TestPasswordsOfServers"},
	"nats-server":    {life: "TestPairsOfServersLive"},
	"nginx":          {"TestPairsOfServersLive", "TestWebServersReadRootsKeys"},
	"node-exporter":  {life: "TestServersLive"},
	"pgbouncer":      {life: "TestServersLive"},
	"phpfpm":         {life: "TestServersLive"},
	"postgresql":     {"TestPairsOfServersLive", "TestPostgreSQLStandby"},
	"prometheus":     {life: "TestPairsOfServersLive"},
	"rabbitmq":       {"TestPairsOfServersLive", "TestPasswordsOfServers"},
	"redis":          {"TestPairsOfServersLive", "TestRedisPasswordFromRootsFile"},
	"redis-cluster":  {"TestRedisClustersLive", "TestRedisClustersLive"},
	"zookeeper":      {life: "TestServersLive"},
}

// Each real server has its trials, and they show what they should: two instances that are
// killed in their set-up and go on, are ready, killed and back, no root, on loopback unless
// asked otherwise, and stopped in order, twice, since their data is there on the second start.
func TestDemands(t *testing.T) {
	tests := testsOf(t, ".", "../internal/faults")
	for _, typ := range slices.Sorted(maps.Keys(servers)) {
		if typ == "custom" {
			continue
		}
		body, there := tests[trials[typ].life]
		if !there {
			t.Errorf("no test shows the life of %s", typ)
			continue
		}
		for what, parts := range map[string][]string{
			"two instances":             {typ + ".", typ + "."},
			"a set-up that is killed":   {"killInSetUp"},
			"ready, and a second start": {"all services healthy", "all services healthy"},
			"killed and back":           {"killAndBack"},
			"not as root":               {"noneAsRoot"},
			"where it listens":          {"audit"},
			"stopped in order":          {"run.Stop", "run.Stop"},
		} {
			rest := body
			for _, part := range parts {
				_, after, found := strings.Cut(rest, part)
				if !found {
					t.Errorf("%s does not show of %s: %s", trials[typ].life, typ, what)
					break
				}
				rest = after
			}
		}
		takes := false
		for _, p := range passwords {
			takes = takes || p.name == typ
		}
		if secrets := trials[typ].secrets; secrets != "" && tests[secrets] == "" || secrets == "" && takes {
			t.Errorf("no test shows that %s takes a secret: %q", typ, secrets)
		}
	}
	for typ := range trials {
		if servers[typ] == "" {
			t.Errorf("%s is no real server", typ)
		}
	}
}

// testsOf returns the text of each test in these folders, by name.
func testsOf(t *testing.T, folders ...string) map[string]string {
	t.Helper()
	out := map[string]string{}
	for _, folder := range folders {
		files, err := filepath.Glob(filepath.Join(folder, "*_test.go"))
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			set := token.NewFileSet()
			parsed, err := parser.ParseFile(set, file, text, 0)
			if err != nil {
				t.Fatal(err)
			}
			for _, decl := range parsed.Decls {
				if f, ok := decl.(*ast.FuncDecl); ok && strings.HasPrefix(f.Name.Name, "Test") {
					out[f.Name.Name] = string(text[set.Position(f.Pos()).Offset:set.Position(f.End()).Offset])
				}
			}
		}
	}
	return out
}
