package catalog_test

import (
	"bytes"
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"

	"nix2gpu/catalog"
	"nix2gpu/nix/module"
	"nix2gpu/nix/syntax"
	"nix2gpu/project"
)

// readElsewhere are bindings of testdata/everything that change nothing of a
// project, and why that is right.
var readElsewhere = map[string]string{}

// TestNothingIsIgnored takes each binding of testdata/everything away, one at a time:
// together they set every option that there is (TestEverythingIsSet). Without it the
// project must be another, or there must be an error; or the option says itself that
// it has no effect, of which there is a note.
func TestNothingIsIgnored(t *testing.T) {
	var inert, options [][]string
	for _, doc := range module.Describe(catalog.Options()) {
		options = append(options, doc.Path)
		if doc.NoEffect != "" {
			inert = append(inert, doc.Path)
		}
	}
	used := map[string]bool{}
	for _, typ := range catalog.Types() {
		t.Run(typ.Name, func(t *testing.T) {
			root, err := syntax.Parse("t.nix", everything(t, typ.Name))
			if err != nil {
				t.Fatal(err)
			}
			whole, err := generate(t, "t.nix", syntax.Print(root))
			if err != nil {
				t.Fatal(err)
			}
			want := withoutPlaces(t, whole)
			works := map[string]bool{}
			eachBinding(root, nil, func(path []string, print func() string) {
				if len(path) < 4 || path[0] != "services" || isInert(inert, path[1:]) {
					return
				}
				option := optionAt(options, path[1:])
				if option == "" || works[option] {
					return // inside a value, or known to work by another instance
				}
				got, err := generate(t, "t.nix", print())
				works[option] = err != nil || !bytes.Equal(withoutPlaces(t, got), want)
			})
			for _, option := range slices.Sorted(maps.Keys(works)) {
				if works[option] {
					continue
				}
				if readElsewhere[option] == "" {
					t.Errorf("%s: nothing comes of it, and nothing is said", option)
				}
				used[option] = true
			}
		})
	}
	for _, path := range slices.Sorted(maps.Keys(readElsewhere)) {
		if !used[path] {
			t.Errorf("%s is not ignored: take it off the list", path)
		}
	}
}

// eachBinding calls do for each attribute of the sets in e, with a text of the root
// that lacks it.
func eachBinding(root syntax.Expr, path []string, do func(path []string, without func() string)) {
	var walk func(e syntax.Expr, path []string)
	walk = func(e syntax.Expr, path []string) {
		switch e := e.(type) {
		case *syntax.List:
			for _, elem := range e.Elems {
				walk(elem, append(slices.Clone(path), "*"))
			}
		case *syntax.AttrSet:
			for i := range e.Attrs {
				at := append(slices.Clone(path), e.Attrs[i].Name)
				do(at, func() string {
					all := e.Attrs
					e.Attrs = slices.Delete(slices.Clone(all), i, i+1)
					defer func() { e.Attrs = all }()
					return syntax.Print(root)
				})
				walk(e.Attrs[i].Value, at)
			}
		}
	}
	walk(root, path)
}

// optionAt is the option at a path, "" where none is declared there.
func optionAt(options [][]string, path []string) string {
	for _, known := range options {
		if len(known) == len(path) && matches(known, path) {
			return strings.Join(known, ".")
		}
	}
	return ""
}

// isInert reports whether a path is of an option without effect, or inside one.
func isInert(inert [][]string, path []string) bool {
	return slices.ContainsFunc(inert, func(known []string) bool { return len(known) <= len(path) && matches(known, path) })
}

func matches(pattern, parts []string) bool {
	for i, p := range pattern {
		if !strings.HasPrefix(p, "<") && p != "*" && p != parts[i] {
			return false
		}
	}
	return true
}

// withoutPlaces is a project as JSON, without the places that its parts come from.
func withoutPlaces(t *testing.T, p *project.Project) []byte {
	t.Helper()
	data, err := p.Encode()
	if err != nil {
		t.Fatal(err)
	}
	var tree any
	if err := json.Unmarshal(data, &tree); err != nil {
		t.Fatal(err)
	}
	var strip func(v any)
	strip = func(v any) {
		switch v := v.(type) {
		case map[string]any:
			delete(v, "pos")
			for _, one := range v {
				strip(one)
			}
		case []any:
			for _, one := range v {
				strip(one)
			}
		}
	}
	strip(tree)
	out, err := json.Marshal(tree)
	if err != nil {
		t.Fatal(err)
	}
	return out
}
