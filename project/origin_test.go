package project_test

import (
	"testing"

	"nix2gpu/project"
)

func TestOrigin(t *testing.T) {
	sources := []project.Source{{Name: "a.nix", Text: "{\n  proxy_pss x;\n  common;\n  keepalive = 5;\n}\n"}, {Name: "b.nix", Text: "  common;\n}\n  ./certs/site.pem\n"}}
	for line, want := range map[string]string{
		"proxy_pss x;": "a.nix:2:3", "common;": "", "keepalive_timeout 5; keepalive": "a.nix:4:3", "}": "", "": "", "x; y": "",
		"ssl_certificate /run/site.pem;": "b.nix:3:11",
	} {
		pos, ok := project.Origin(line, sources)
		if pos.String() != want || ok != (want != "") {
			t.Errorf("%q is at %q, %t, want %q", line, pos, ok, want)
		}
	}
}

// Each line of a configuration carries its position, for where the definition is not at
// hand.
func TestPlaceTexts(t *testing.T) {
	file := project.File{Path: project.RunPath("/c"), Content: project.Lit("ours\nwrong thing;\nlast thing;\nmore\n"), Pos: &project.Passage{
		Pos: project.Pos{File: "d.nix", Line: 9}, Spans: []project.Span{{First: 4, Lines: 1, Pos: project.Pos{File: "d.nix", Line: 7}}}}}
	p := &project.Project{
		Services: map[project.ID]*project.Service{"a": {Main: "a", Pos: project.Pos{File: "d.nix", Line: 1}}, "b": {Main: "b", Pos: project.Pos{File: "d.nix", Line: 1}}},
		Processes: map[project.ID]*project.Process{
			"a": {Test: &project.ConfigTest{}, Files: []project.File{file, {Path: project.RunPath("/k"), Source: project.Lit("/key")}}},
			"b": {Files: []project.File{{Content: project.Lit("wrong thing;\n")}}},
		},
	}
	p.PlaceTexts(func(name string) (string, bool) {
		return "{\n  x = ''\n    wrong thing;\n    last thing;\n", name == "d.nix"
	})
	pass := p.Processes["a"].Files[0].Pos
	for n, want := range map[int]string{1: "d.nix:9", 2: "d.nix:3:5", 3: "d.nix:4", 4: "d.nix:7", 5: "d.nix:9"} {
		if pos, exact := pass.At(n); pos.String() != want || exact != (want != "d.nix:9") {
			t.Errorf("line %d is at %q, %t, want %q", n, pos, exact, want)
		}
	}
	if p.Processes["a"].Files[1].Pos != nil || p.Processes["b"].Files[0].Pos != nil {
		t.Error("places of what is not tested, or is the user's own file")
	}
}
