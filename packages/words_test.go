package packages_test

import (
	"strings"
	"testing"

	"nix2gpu/packages"
	"nix2gpu/project"
)

func TestBareWords(t *testing.T) {
	shell := func(texts ...project.Text) project.Command { return project.Command{Shell: project.Join(texts...)} }
	for _, c := range []struct {
		command       project.Command
		refs, unknown string
	}{
		{shell(project.Lit("python -m training.train --config x")), "python", ""},
		{shell(project.Lit("mlflow server --host 0.0.0.0")), "", "mlflow"},
		{shell(project.Lit("curl -f http://x/")), "curl", ""},
		{shell(project.Lit("user-service --port 3001")), "", "user-service"},
		{shell(project.Lit("nvidia-smi")), "", ""},
		{shell(project.Lit("/workspace/run --x")), "", ""},
		{shell(project.PackagePath("python3", "/bin/python"), project.Lit(" -m x")), "", ""},
		{shell(project.Lit("\n  cd /workspace && \\\n  "), project.PackagePath("python3", "/bin/python"), project.Lit(" -m uvicorn")), "", ""},
		{shell(project.Lit("cd /workspace && PORT=1 exec my-server")), "", "my-server"},
		{shell(project.Lit("# a remark\nexport A=b; jq .")), "jq", ""},
		{shell(project.Lit("$CMD --x")), "", ""},
		{shell(project.Lit("echo hi")), "", ""},
		{project.Command{Exec: []project.Text{project.Lit("redis-cli"), project.Lit("ping")}}, "redis", ""},
		{project.Command{Exec: []project.Text{project.Lit("./run")}}, "", ""},
	} {
		p := &project.Project{
			Services:  map[project.ID]*project.Service{"a": {ID: "a", Main: "a", Pos: project.Pos{File: "x.nix", Line: 3}}, "off": {ID: "off", Main: "off", Disabled: true}},
			Processes: map[project.ID]*project.Process{"a": {ID: "a", Command: c.command}, "off": {ID: "off", Command: shell(project.Lit("nobody-has-it"))}},
		}
		w := packages.BareWords(p)
		var refs, unknown []string
		for _, r := range w.Refs {
			refs = append(refs, r.Attr)
		}
		for _, u := range w.Unknown {
			unknown = append(unknown, u.Word)
			if u.Pos.Line != 3 {
				t.Errorf("%q is at %v", u.Word, u.Pos)
			}
		}
		if strings.Join(refs, " ") != c.refs || strings.Join(unknown, " ") != c.unknown {
			t.Errorf("%v: got %v, unknown %v; want %q, %q", c.command, refs, unknown, c.refs, c.unknown)
		}
	}
}
