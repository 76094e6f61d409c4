package catalog_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"nix2gpu/internal/testkit"
)

// Scripts for set-up in every form that no real server can be asked to run: those of ClickHouse
// run at each start, which services-flake's do on the first alone, and that of MongoDB once. Its
// client's language is run by Node, behind what the client's documentation has of arguments.
func TestScriptsOfStandIns(t *testing.T) {
	t.Parallel()
	needs(t, "python3")
	needs(t, "node")
	s := testkit.NewStackFrom(t, "")
	useStandIns(t, s, "clickhouse", "clickhouse-server", "clickhouse-client", "mongod")
	programs := filepath.Join(s.Dir, "programs")
	standIn(t, filepath.Join(programs, "strict"), "mongosh")
	for name, text := range map[string]string{
		"mongosh": "#!/bin/sh -e\n" + programs + "/strict/mongosh \"$@\"\nexec node " + programs + "/mongosh.js \"$@\"\n",
		"mongosh.js": mongosh + `
			globalThis.db.ran = { insertOne: d => require("fs").appendFileSync(process.env.HOME + "/ran", d.form + "\n") };
			globalThis.load = file => require("vm").runInThisContext(require("fs").readFileSync(file, "utf8"));
			globalThis.require = require;
			load(process.argv.find(word => word.startsWith("--file=")).slice(7));`,
	} {
		if err := os.WriteFile(filepath.Join(programs, name), []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	s.Write("nix2gpu.nix", `{ pkgs, ... }: { services = {
	  clickhouse.a = { enable = true; initialDatabases = [ { name = "c"; schemas = [ ./path.sql "./string.sql" (pkgs.writeText "a schema.sql" "SELECT 'writeText';") "SELECT 'text';" ]; } ]; };
	  mongodb.text = { enable = true; initialScript = "db.ran.insertOne({form: 'text'})"; };
	  mongodb.path = { enable = true; port = 27018; initialScript = ./path.js; };
	  mongodb.string = { enable = true; port = 27019; initialScript = "./string.js"; };
	  mongodb.writeText = { enable = true; port = 27020; initialScript = pkgs.writeText "a script.js" "db.ran.insertOne({form: 'writeText'})"; };
	}; }`)
	for _, form := range []string{"path", "string"} {
		s.Write(form+".sql", "SELECT '"+form+"';")
		s.Write(form+".js", "db.ran.insertOne({form: '"+form+"'})")
	}
	all := ""
	for range 2 {
		run := s.Start("up")
		run.WaitLine("all services healthy")
		all += "SELECT 'path';SELECT 'string';SELECT 'writeText';SELECT 'text';"
		s.WantBody("http://127.0.0.1:8123/kept/ran", all)
		run.Stop()
		for _, form := range []string{"text", "path", "string", "writeText"} {
			ran, err := os.ReadFile(filepath.Join(s.Dir, "data/mongodb", form, "ran"))
			if err != nil || strings.TrimSpace(string(ran)) != form {
				t.Errorf("the script as %s: ran %q, %v, want once", form, ran, err)
			}
		}
	}
}
