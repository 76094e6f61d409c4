package catalog

import (
	"testing"

	"nix2gpu/nix/module"
)

// What is text of a script, and what is the path of one.
func TestScriptsAreTextOrPaths(t *testing.T) {
	for s, want := range map[string]bool{
		"create table t (n int);": true, "SELECT 1": true, "select(1)": true, "/* why */ select 1;": true, "one\ntwo": true,
		"a.sql": false, "./a b.sql": false, "/srv/my folder": false, "my script.sql": false, "~/my scripts": false, "../up (1)": false, "folder": false,
	} {
		if got := isScript(module.Str{S: s}, ".sql"); got != want {
			t.Errorf("isScript(%q) = %t", s, got)
		}
	}
}
