package catalog_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"nix2gpu/catalog"
	"nix2gpu/internal/testkit"
	"nix2gpu/nix/module"
)

// A script is an option for what a real server is to run in its set-up.
type script struct {
	typ, option string
	define      string   // a definition of it, or an element of initialDatabases, with § for the script
	database    string   // where the script runs
	forms       []string // of setUpForms, those that it takes
}

// setUpForms are the ways in which a definition gives a script: its text, or the path FILE.
var setUpForms = map[string]string{
	"text":      `"SQL"`,
	"path":      `./FILE.sql`,
	"string":    `"./FILE.sql"`,
	"writeText": `(pkgs.writeText "a script.sql" "SQL")`,
	"folder":    `./FILE`,
}

var scripts = []script{
	{"postgresql", "initialScript", `initialScript = §;`, "postgres", []string{"text", "path", "string", "writeText"}},
	{"postgresql", "initialDatabases.*.schemas", `{ name = "one"; schemas = [ § ]; }`, "one", []string{"path", "string", "writeText", "folder", "text"}},
	{"postgresql", "initialScript.before", `initialScript.before = §;`, "postgres", []string{"", "", "", "", "text"}}, // not beside initialScript
	{"postgresql", "initialScript.after", `initialScript.after = §;`, "postgres", []string{"", "", "", "", "text"}},
	{"mysql", "initialScript", `databases = [ "own" ]; initialScript = §;`, "own", []string{"text", "path", "string", "writeText"}},
	{"mysql", "initialDatabases.*.schema", `{ name = "one"; schema = §; }`, "one", []string{"path", "string", "writeText", "folder", "text"}},
	{"mysql", "initialDatabases.*.schemas", `{ name = "two"; schemas = [ § ]; }`, "two", []string{"path", "string", "writeText", "folder", "text"}},
}

// Every option for a script is run by the real server in every form that it takes, and once:
// not again on the second start. It takes ten seconds: ten servers make their data folders.
func TestScriptsInEveryForm(t *testing.T) {
	t.Parallel()
	needs(t, "mariadbd")
	for _, typ := range catalog.Types() {
		for _, d := range module.Describe(typ.Options()) {
			tried := slices.ContainsFunc(scripts, func(s script) bool { return s.typ == typ.Name && s.option == d.String() })
			if (typ.Name == "postgresql" || typ.Name == "mysql") && strings.Contains(strings.ToLower(d.String()), "script") != tried && !strings.Contains(d.String(), ".*.schema") {
				t.Errorf("%s.%s: tried is %t", typ.Name, d, tried)
			}
		}
	}
	s := testkit.NewStackFrom(t, "")
	var services strings.Builder
	type question struct{ typ, port, database, file string }
	var questions []question
	for round := range 5 {
		for i, typ := range []string{"postgresql", "mysql"} {
			port := 5000 + 10*i + round
			var databases, others []string
			for n, sc := range scripts {
				if sc.typ != typ || round >= len(sc.forms) || sc.forms[round] == "" {
					continue
				}
				file := fmt.Sprintf("s%d-%d", n, round)
				sql := fmt.Sprintf("create table if not exists ran (what varchar(80)); insert into ran values ('%s');", file)
				if sc.typ == "mysql" && sc.option == "initialScript" { // which runs in no database
					sql = "use own; " + sql
				}
				for name, text := range map[string]string{".sql": sql, "/1.sql": sql, "/2.txt": "no script"} {
					s.Write(file+name, text+"\n")
				}
				form := strings.NewReplacer("SQL", sql, "FILE", file).Replace(setUpForms[sc.forms[round]])
				if define := strings.ReplaceAll(sc.define, "§", form); define[0] == '{' {
					databases = append(databases, define)
				} else {
					others = append(others, define)
				}
				questions = append(questions, question{typ, fmt.Sprint(port), sc.database, file})
			}
			if len(others)+len(databases) > 0 {
				fmt.Fprintf(&services, "%s.r%d = { enable = true; port = %d; initialDatabases = [ %s ]; %s };\n", typ, round, port, strings.Join(databases, " "), strings.Join(others, " "))
			}
		}
	}
	s.Write("nix2gpu.nix", "{ pkgs, ... }: { services = {\n"+services.String()+"}; }\n")
	for range 2 {
		run := s.Start("up")
		run.WaitLine("all services healthy")
		for _, q := range questions {
			sql := fmt.Sprintf("select concat('times:', count(*), ';') from ran where what = '%s'", q.file)
			if q.typ == "mysql" {
				asks(t, s, "times:1;", "mariadb", "--no-defaults", "-h127.0.0.1", "-P"+q.port, "-uroot", "-BN", q.database, "-e", sql)
			} else {
				asks(t, s, "times:1;", "psql", "-h", "127.0.0.1", "-p", q.port, "-U", "postgres", "-Atc", sql, q.database)
			}
		}
		run.Stop()
	}
}
