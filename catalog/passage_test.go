package catalog_test

import (
	"strings"
	"testing"
)

// Each line of a text that became a file is known where the user has written it.
func TestPassage(t *testing.T) {
	const begin, end = "{ services.postgresql.db = { enable=true; ", " }; }"
	for name, c := range map[string]struct {
		text string
		want string // the place of each line; "?" before that of the whole text
	}{
		"indented":      {begin + "initialScript.after = ''\n    create table a;\n\n    creat table b;\n  '';" + end, "2:5 3 4"},
		"in the line":   {begin + `initialScript.after = "creat table b;";` + end, "1:66"},
		"a line below":  {begin + "initialScript.after =\n  ''\n    one;\n    two;\n  '';" + end, "3:5 4"},
		"escaped ends":  {begin + `initialScript.after = "create a;\ncreat b;";` + end, "1:66 1:77"},
		"escaped quote": {begin + "initialScript.after = \"\n  create \\\"a\\\";\n  creat b;\";" + end, "? 2:3 3"},
		"with others":   {begin + "initialScript.after = ''\n    one ${\"x\"};\n    two;\n    three ${\"y\"};\n  '';" + end, "2 3 4"},
		"only others":   {begin + `initialScript.after = "a${"b"}";` + end, "?"},
		"by a name": {"let text = ''\n  create table t;\n  creat table u;\n''; in\n" +
			begin + "initialScript.after = text;" + end, "2:3 3"},
		"not there": {"let text = ''\n  create table t;\n  create table t;\n''; in\n" +
			begin + "initialScript.after = text;" + end, "? ?"},
	} {
		t.Run(name, func(t *testing.T) {
			p, err := generate(t, "/definition/def.nix", c.text)
			if err != nil {
				t.Fatal(err)
			}
			files := p.Processes["postgresql.db-setup"].Files
			if len(files) != 1 {
				t.Fatal("the script is not there")
			}
			file := files[0]
			var got []string
			for n := range len(strings.Fields(c.want)) {
				pos, exact := file.Pos.At(n + 1)
				place := strings.TrimPrefix(pos.String(), "def.nix:")
				if !exact {
					place = "?"
					if !strings.HasPrefix(pos.String(), "def.nix:") {
						t.Errorf("line %d has no place at all: %q", n+1, pos)
					}
				}
				got = append(got, place)
			}
			if g := strings.Join(got, " "); g != c.want {
				t.Errorf("%s\nis at %q, want %q", c.text, g, c.want)
			}
		})
	}
}
