package stage

import (
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"

	"nix2gpu/project"
)

// A one-shot finds where its generated files come from; a main process needs no such
// thing, and who has no such files neither.
func TestPassagesOfAOneShot(t *testing.T) {
	s := newStage(t)
	at := func(line int) *project.Passage {
		return &project.Passage{Pos: project.Pos{File: "def.nix", Line: line}}
	}
	p := &project.Project{Files: map[string]*project.File{
		"db/a.sql": {Content: project.Lit("a"), Pos: at(1)}, "db/b.sql": {Content: project.Lit("b")}, "other": {Content: project.Lit("c"), Pos: at(2)},
	}}
	proc := exe("true")
	proc.Role = project.Setup
	proc.Command.Exec = append(proc.Command.Exec, project.Join(project.Lit("--before="), project.FilePath("db/a.sql")), project.FilePath("db/b.sql"))
	proc.Files = []project.File{{Path: project.RunPath("/x.sql"), Content: project.Lit("x"), Pos: at(3)}}
	of := func(proc project.Process) string {
		l, err := s.Prepare(p, &proc)
		if err != nil {
			t.Fatal(err)
		}
		for _, kv := range l.Env {
			if v, ok := strings.CutPrefix(kv, project.PassagesVar+"="); ok {
				return v
			}
		}
		return ""
	}
	var got map[string]*project.Passage
	if err := json.Unmarshal([]byte(of(proc)), &got); err != nil {
		t.Fatal(err)
	}
	a, x := got[filepath.Join(s.at.Run, "files", "db/a.sql")], got[filepath.Join(s.at.Run, "x.sql")]
	if len(got) != 2 || a == nil || a.Pos.Line != 1 || x == nil || x.Pos.Line != 3 {
		t.Errorf("passages = %v", got)
	}
	proc.Role = project.Main
	if v := of(proc); v != "" {
		t.Errorf("a main process has %q", v)
	}
	none := exe("true")
	none.Role = project.Init
	if v := of(none); v != "" {
		t.Errorf("who has no files has %q", v)
	}
}
