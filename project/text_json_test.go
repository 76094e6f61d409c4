package project_test

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	"nix2gpu/project"
)

// What a copy leaves out survives the way through JSON, of paths in the root and of others.
func TestWithoutSurvivesJSON(t *testing.T) {
	root := project.RootPath("/app")
	root[0].Without = []string{".env", "cache/big"}
	other := project.Text{{Literal: "/srv/app", Without: []string{".git"}}}
	for want, text := range map[string]project.Text{
		`[{"root":"/app","without":[".env","cache/big"]}]`: root,
		`[{"literal":"/srv/app","without":[".git"]}]`:      other,
	} {
		got, err := json.Marshal(text)
		if err != nil || string(got) != want {
			t.Errorf("got %s, %v, want %s", got, err, want)
		}
		var back project.Text
		if err := json.Unmarshal(got, &back); err != nil || !reflect.DeepEqual(back, text) {
			t.Errorf("%s became %#v, %v", got, back, err)
		}
	}
}

// A string is read as encoding/json reads it, with escapes or without, in a text of its own
// and as a part of one; what is no JSON is refused, whoever calls.
func TestStringsOfTexts(t *testing.T) {
	for _, in := range []string{
		`""`, `"a"`, `"a b/c-\u00e9é<&>"`, `"a\nb"`, `"a\\"`, `"\""`, "\"\x7f\"", "\"\xff\"", "\"a\xc3\"", `"\ud800"`, `"☃"`,
		`"a`, `"`, `"a"b"`, "\"a\nb\"", `a"`,
	} {
		var want string
		wrong := json.Unmarshal([]byte(in), &want)
		var got project.Text
		if err := got.UnmarshalJSON([]byte(in)); (err == nil) != (wrong == nil) {
			t.Errorf("%q: %v, want %v", in, err, wrong)
		} else if err == nil && got.String() != want {
			t.Errorf("%q is %q, want %q", in, got, want)
		}
		if wrong != nil {
			continue
		}
		if err := got.UnmarshalJSON([]byte(`[` + in + `,{"root":"/x"}]`)); err != nil || got[0].Literal != want {
			t.Errorf("a part %q is %q, %v, want %q", in, got[0].Literal, err, want)
		}
		for _, place := range []func(*project.Part) **string{
			func(p *project.Part) **string { return &p.Root }, func(p *project.Part) **string { return &p.State },
			func(p *project.Part) **string { return &p.Run }, func(p *project.Part) **string { return &p.File },
			func(p *project.Part) **string { return &p.Secret },
		} {
			var part project.Part
			*place(&part) = &want
			text, err := project.Text{part}.MarshalJSON()
			if err != nil {
				t.Fatal(err)
			}
			for _, text := range []string{string(text), strings.Replace(string(text), ":", " : ", 1)} {
				if err := got.UnmarshalJSON([]byte(text)); err != nil || !reflect.DeepEqual(got, project.Text{part}) {
					t.Errorf("%s is %#v, %v", text, got, err)
				}
			}
		}
	}
	for _, in := range []string{`[{"root":"/x","run":"/y"}]`, `[{"rot":"/x"}]`, `[{"root":"/x"]`, `[{"root":"/x}]`, `[{"root":}]`, `[{}]`} {
		var got project.Text
		if err := got.UnmarshalJSON([]byte(in)); err == nil && in != `[{"root":"/x","run":"/y"}]` {
			t.Errorf("%s is %#v, want an error", in, got)
		} else if err == nil && (got[0].Root == nil || got[0].Run == nil) {
			t.Errorf("%s is %#v", in, got)
		}
	}
}
