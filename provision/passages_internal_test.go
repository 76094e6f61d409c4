package provision

import (
	"testing"

	"nix2gpu/project"
)

// What the clients of databases say of a script is said of the definition, where the
// script stands there.
func TestPassages(t *testing.T) {
	p := passages{"/run/after.sql": {Pos: project.Pos{File: "def.nix", Line: 3, Col: 5}, Spans: []project.Span{{First: 1, Lines: 2, Pos: project.Pos{File: "def.nix", Line: 4, Col: 7}}}}}
	for in, want := range map[string]string{
		"psql:/run/after.sql:1: ERROR:  syntax error\nLINE 1: x": "psql:def.nix:4: ERROR:  syntax error\nLINE 1: x",
		"psql:/run/after.sql:2: NOTICE:  a: b":                   "psql:def.nix:5: NOTICE:  a: b",
		"psql:/run/after.sql:7: ERROR:  x":                       "psql:def.nix:3: line 7 of the text: ERROR:  x",
		"psql:/run/other.sql:7: ERROR:  x":                       "psql:/run/other.sql:7: ERROR:  x",
		"psql: error: connection":                                "psql: error: connection",
	} {
		if got := p.psql(in, "/run/after.sql"); got != want {
			t.Errorf("psql %q = %q, want %q", in, got, want)
		}
	}
	for _, c := range []struct{ in, file, want string }{
		{"ERROR 1064 (42000) at line 2: You have an error: near 'x' at line 1", "/run/after.sql", "def.nix:5: ERROR 1064 (42000): You have an error: near 'x' at line 1"},
		{"ERROR 1064 (42000) at line 2: x", "/w/a.sql", "/w/a.sql:2: ERROR 1064 (42000): x"},
		{"ERROR 1064 (42000) at line 2 in file: 'b.sql': x", "/w/a.sql", "b.sql:2: ERROR 1064 (42000): x"},
		{"ERROR 1064 (42000) at line 2: near ' in file: 'b': x", "/w/a.sql", "/w/a.sql:2: ERROR 1064 (42000): near ' in file: 'b': x"},
		{"ERROR 2002 (HY000): Can't connect", "/w/a.sql", "ERROR 2002 (HY000): Can't connect"},
	} {
		if got := p.mysql(c.in, c.file); got != c.want {
			t.Errorf("mysql %q = %q, want %q", c.in, got, c.want)
		}
	}
	if got := p.name("/run/after.sql"); got != "after.sql (def.nix:3:5)" {
		t.Errorf("name = %q", got)
	}
	if got := p.name("/w/a.sql"); got != "/w/a.sql" {
		t.Errorf("name = %q", got)
	}
}
