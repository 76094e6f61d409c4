package catalog_test

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"nix2gpu/catalog"
	"nix2gpu/nix/module"
	"nix2gpu/project"
)

// testdata/everything has a definition for each type, whose instances set
// every option that it has. What comes from the user is called user-something
// or user.something.
func everything(t *testing.T, typ string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", "everything", typ+".nix"))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// writtenByServers are the paths that a process is told of and makes itself:
// below its run folder, and below its data.
var writtenByServers = map[string][]string{
	"postgresql":   {"run/.s.PGSQL.6000", "run/.s.PGSQL.6001", "run/.s.PGSQL.6002", "run/.s.PGSQL.6003", "run/.s.PGSQL.6004", "run/.s.PGSQL.6005", "data/postmaster.pid"},
	"mysql":        {"run/mysql.sock", "run/mysqld.pid"},
	"apache-httpd": {"run/httpd.pid", "data/acme/a.b.pem"},
	"nginx":        {"data/nginx.pid", "data/acme/a.b.pem"},
	"rabbitmq":     {"run/pid", "data/mnesia", "data/log"},
	"apache-kafka": {"data/logs", "data/app-logs"},
	"clickhouse":   {"data/tmp/", "data/user_files/", "data/format_schemas/"},
	"grafana":      {"data/log"},
	"jaeger":       {"data/keys", "data/values"},
	"caddy":        {"data/config"},
	"loki":         {"data/chunks", "data/rules"},
	"tempo":        {"data/wal", "data/blocks", "data/live-store/traces", "data/live-store/shutdown-marker", "data/work", "data/block-builder"},
	"pyroscope":    {"data/data", "data/blocks"},
	"mailpit":      {"data/mailpit.db"},
	"phpfpm":       {"data/a.sock"},
	"memcached":    {"run/memcached.sock"},
	"mongodb":      {"data/nix2gpu-initial-script"},
	"neo4j":        {"data/data/databases/system"},
	"pgadmin":      {"data/pgadmin4.db", "data/pgadmin4.log"},
}

var ofUser = regexp.MustCompile(`/user[-.]`)

var placeInText = regexp.MustCompile("\x00(root|run|state|file)([/A-Za-z0-9._+@%-]*)")

// Every path that a process is told of is there by then: written as a file or
// made as a folder by it or a process before it, made by the server itself, or
// given by the user.
func TestEveryPathIsWritten(t *testing.T) {
	for _, typ := range catalog.Types() {
		t.Run(typ.Name, func(t *testing.T) {
			p, err := generate(t, "t.nix", everything(t, typ.Name))
			if err != nil {
				t.Fatal(err)
			}
			used := map[string]bool{}
			for _, wrong := range unwritten(p, func(typ, short string) bool {
				used[short] = true
				return slices.Contains(writtenByServers[typ], short)
			}) {
				t.Error(wrong)
			}
			for _, path := range writtenByServers[typ.Name] {
				if !used[path] {
					t.Errorf("no process is told of %q: take it off the list", path)
				}
			}
			for name, s := range p.Secrets {
				if !ofUser.MatchString(marked(s.File)) && name != "user-secret" {
					t.Errorf("secret %q is in %q, which is not the user's", name, s.File)
				}
			}
		})
	}
}

// unwritten lists the paths that processes of a project are told of and that nobody
// writes. byServer reports whether a server of that type makes one itself, which is given
// as writtenByServers has them.
func unwritten(p *project.Project, byServer func(typ, short string) bool) (wrong []string) {
	for _, s := range p.Services {
		there := map[string]bool{} // what exists when the process starts
		ids := s.ProcessIDs()
		if s.System && len(s.DependsOn) > 0 {
			continue // it is part of the service that it works for
		}
		for _, helper := range p.Services {
			if _, ok := helper.DependsOn[s.ID]; ok && helper.System {
				ids = append(ids, helper.ProcessIDs()...)
			}
		}
		for _, id := range ids {
			proc := p.Processes[id]
			for _, d := range proc.Dirs {
				addPath(there, marked(d.Path))
			}
			for _, f := range proc.Files {
				addPath(there, marked(f.Path))
			}
			proc.EachText(func(o project.Owner, text *project.Text) {
				if o.Field == "dirs" {
					return
				}
				for _, m := range placeInText.FindAllString(marked(*text), -1) {
					if there[m] || there[strings.TrimSuffix(m, "/")] || ofUser.MatchString(m) || m == "\x00root" || m == "\x00root/bin" {
						continue
					}
					if name, ok := strings.CutPrefix(m, "\x00file/"); ok && p.Files[name] != nil {
						continue
					}
					short := strings.Replace(m, "\x00run/"+string(s.ID), "run", 1)
					short = strings.Replace(short, "\x00root/data/"+s.Type+"/"+s.Instance, "data", 1)
					if !byServer(s.Type, short) {
						wrong = append(wrong, fmt.Sprintf("%s, %s: nobody writes %q", id, o.Field, strings.TrimPrefix(m, "\x00")))
					}
				}
			})
		}
	}
	return wrong
}

// marked is a text with its places as paths that nothing else is.
func marked(t project.Text) string {
	var b strings.Builder
	for _, p := range t {
		switch {
		case p.Root != nil:
			b.WriteString("\x00root" + *p.Root)
		case p.Run != nil:
			b.WriteString("\x00run" + *p.Run)
		case p.State != nil:
			b.WriteString("\x00state" + *p.State)
		case p.File != nil:
			b.WriteString("\x00file/" + *p.File)
		case p.IsLiteral():
			b.WriteString(p.Literal)
		}
	}
	return b.String()
}

// addPath adds a path and the folders that lead to it.
func addPath(there map[string]bool, path string) {
	for ; strings.Contains(path, "/"); path = path[:strings.LastIndexByte(path, '/')] {
		there[path] = true
	}
}

// The definitions above set every option there is: a new one fails here until
// it is tried.
func TestEverythingIsSet(t *testing.T) {
	text := map[string]string{}
	for _, typ := range catalog.Types() {
		text[typ.Name] = everything(t, typ.Name)
	}
	common := catalog.ServiceType{Name: "x", Package: "x"}
	shared := common.Schema().Options
	for _, doc := range module.Describe(catalog.Options()) {
		name := doc.Path[len(doc.Path)-1]
		if len(doc.Path) < 3 || doc.AliasOf != "" || strings.HasPrefix(name, "<") || name == "*" || strings.HasPrefix(doc.Description, "Not supported") {
			continue
		}
		typ := doc.Path[0]
		if _, ok := shared[doc.Path[2]]; ok && typ != "custom" {
			continue // tried with custom
		}
		if !regexp.MustCompile(`(^|[^A-Za-z])` + regexp.QuoteMeta(name) + `([^A-Za-z]|$)`).MatchString(text[typ]) {
			t.Errorf("testdata/everything/%s.nix does not set %s", typ, doc)
		}
	}
}
