package project_test

import (
	"testing"

	"nix2gpu/project"
)

func TestPassageAt(t *testing.T) {
	p := &project.Passage{Pos: project.Pos{File: "a", Line: 1, Col: 2}, Spans: []project.Span{
		{First: 2, Lines: 3, Pos: project.Pos{File: "a", Line: 10, Col: 5}}, {First: 5, Lines: 1, Pos: project.Pos{File: "b", Line: 3, Col: 1}}}}
	for n, want := range map[int]string{1: "a:1:2 ?", 2: "a:10:5", 3: "a:11", 4: "a:12", 5: "b:3:1", 6: "a:1:2 ?"} {
		pos, exact := p.At(n)
		got := pos.String()
		if !exact {
			got += " ?"
		}
		if got != want {
			t.Errorf("line %d is at %q, want %q", n, got, want)
		}
	}
	if pos, exact := (*project.Passage)(nil).At(1); exact || pos != (project.Pos{}) {
		t.Errorf("nothing is at %v, %t", pos, exact)
	}
}

// The place where a text is written is no part of how a service runs.
func TestMovedTextIsNoChange(t *testing.T) {
	with := func(line int) *project.Project {
		pos := &project.Passage{Pos: project.Pos{File: "a", Line: line}, Spans: make([]project.Span, line)}
		return &project.Project{
			Services: map[project.ID]*project.Service{"a": {ID: "a", Main: "a"}},
			Processes: map[project.ID]*project.Process{"a": {ID: "a", Service: "a", Command: project.Command{Exec: []project.Text{project.FilePath("f")}},
				Files: []project.File{{Path: project.RunPath("/x"), Content: project.Lit("x"), Pos: pos}}}},
			Files: map[string]*project.File{"f": {Content: project.Lit("f"), Pos: pos}},
		}
	}
	if c := with(1).Diff(with(2)); !c.IsEmpty() {
		t.Errorf("changes = %+v", c)
	}
}
