package debian_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"nix2gpu/debian"
)

func TestParseRelations(t *testing.T) {
	got, err := debian.ParseRelations("libc6 (>= 2.36), python3:any(<<3.12) | py ( = 1:2-3 ),\n x,, y (> 1),z:arm64")
	want := []debian.Alternatives{
		{{Name: "libc6", Op: ">=", Version: "2.36"}},
		{{Name: "python3", Qual: "any", Op: "<<", Version: "3.12"}, {Name: "py", Op: "=", Version: "1:2-3"}},
		{{Name: "x"}},
		{{Name: "y", Op: ">=", Version: "1"}},
		{{Name: "z", Qual: "arm64"}},
	}
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("ParseRelations: %v\n%s", err, diff)
	}
}

func TestParseRelationsRefuses(t *testing.T) {
	for text, want := range map[string]string{
		"a |":         `relation "": "" is not the name of a package`,
		"a (1)":       `relation "a (1)": "" must be <<, <=, =, >= or >>`,
		"a (>= )":     `relation "a (>= )": "" is not a version`,
		"a (>= 1":     `relation "a (>= 1": after the name there must be a version in parentheses`,
		"a [amd64]":   `relation "a [amd64]": after the name there must be a version in parentheses`,
		"a:":          `relation "a:": "" is not an architecture`,
		"../a":        `relation "../a": "../a" is not the name of a package`,
		"a (>< 1)":    `relation "a (>< 1)": "><" must be <<, <=, =, >= or >>`,
		"a (>= 1 2)":  `relation "a (>= 1 2)": "1 2" is not a version`,
		"a, b c":      `relation "b c": after the name there must be a version in parentheses`,
		"(>= 1)":      `relation "(>= 1)": "" is not the name of a package`,
		"a (>= 1)(b)": `relation "a (>= 1)(b)": "1)(b" is not a version`,
	} {
		if _, err := debian.ParseRelations(text); err == nil || err.Error() != want {
			t.Errorf("ParseRelations(%q): %v, want %s", text, err, want)
		}
	}
}

func TestAdmits(t *testing.T) {
	for op, want := range map[string][3]bool{ // older, same, newer
		"": {true, true, true}, "<<": {true, false, false}, "<=": {true, true, false},
		"=": {false, true, false}, ">=": {false, true, true}, ">>": {false, false, true},
	} {
		r := debian.Relation{Name: "a", Op: op, Version: "2"}
		if got := [3]bool{r.Admits("1"), r.Admits("2"), r.Admits("3")}; got != want {
			t.Errorf("%s admits older, same, newer: %v, want %v", r, got, want)
		}
	}
}

// FuzzRelations wants that what was read prints to something that reads the same.
func FuzzRelations(f *testing.F) {
	f.Add("libc6 (>= 2.36), python3:any(<<3.12) | py ( = 1:2-3 ),\n x,, y (> 1)")
	f.Fuzz(func(t *testing.T, text string) {
		groups, err := debian.ParseRelations(text)
		if err != nil {
			return
		}
		var printed string
		for _, g := range groups {
			printed += g.String() + ", "
		}
		again, err := debian.ParseRelations(printed)
		if diff := cmp.Diff(groups, again); err != nil || diff != "" {
			t.Errorf("%q printed as %q: %v\n%s", text, printed, err, diff)
		}
	})
}
