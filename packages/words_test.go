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
		{shell(project.Lit("env FOO=1 BAR=2 my-server --x")), "", "my-server"},
		{shell(project.Lit("env -i -u HOME A=b mlflow ui")), "", "mlflow"},
		{shell(project.Lit("FOO=1 exec -a name python x.py")), "python", ""},
		{shell(project.Lit("curl -f x && jq . || my-fallback; wget y | pv > out")), "curl jq wget", "my-fallback pv"},
		{shell(project.Lit("if curl -sf x; then git pull; else rsync a b; fi")), "curl git rsync", ""},
		{shell(project.Lit("while ! nc -z db 1; do sleep 1; done\nuvicorn main:app")), "netcat", "uvicorn"},
		{shell(project.Lit("for f in curl wget; do my-job $f; done")), "", "my-job"},
		{shell(project.Lit("case $1 in curl|wget) jq . ;; *) my-other ;; esac; git pull")), "git jq", "my-other"},
		{shell(project.Lit("export X=$(git rev-parse HEAD); echo \"$(jq -r .a f)\" '$(curl x)' `sqlite3 db`")), "git jq sqlite", ""},
		{shell(project.Lit("helper() { curl x; }; helper; function other { git x; }\nother")), "curl git", ""},
		{shell(project.Lit("cat <<EOF | jq .\ncurl is no command here\nEOF\nwget x")), "jq wget", ""},
		{shell(project.Lit("my-server 2>&1 >log.txt & wait")), "", "my-server"},
		{shell(project.Lit("bash -c 'redis-cli ping && my-check'")), "redis", "my-check"},
		{shell(project.Lit("timeout -k 5 10 nohup nice -n 5 my-job")), "", "my-job"},
		{shell(project.Lit("command -v curl || exit 1")), "", ""},
		{shell(project.Lit("sleep 1; sed s/a/b/ f | grep x | sort | awk 1")), "", ""},
		{shell(project.Lit("\"my server\" x; ./run; ~/run; $RUN; \"${RUN}\" x; a/b")), "", "my server"},
		{shell(project.Lit("(cd x && make all) && { cmake .; }")), "cmake gnumake", ""},
		{project.Command{Exec: []project.Text{project.Lit("env"), project.Lit("A=b"), project.Lit("my-server")}}, "", "my-server"},
		{project.Command{Exec: []project.Text{project.Lit("sh"), project.Lit("-c"), project.Lit("curl x || exit 1")}}, "curl", ""},
		{project.Command{Shell: project.Lit("print hi"), ShellArgv: []string{"zsh", "-c"}}, "zsh", "print"},
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

// One-shots, probes, shutdown commands and the startup script run programs too.
func TestBareWordsEverywhere(t *testing.T) {
	shell := func(line string) project.Command { return project.Command{Shell: project.Lit(line)} }
	stop := shell("rabbitmqctl stop")
	p := &project.Project{
		Services: map[project.ID]*project.Service{"a": {ID: "a", Main: "a", Init: []project.ID{"a-init"}, Setup: []project.ID{"a-setup"}, Pos: project.Pos{File: "x.nix", Line: 3},
			Options: map[string]project.Pos{"command": {File: "x.nix", Line: 4}}}},
		Processes: map[project.ID]*project.Process{
			"a-init": {ID: "a-init", Command: shell("git clone x")}, "a-setup": {ID: "a-setup", Command: shell("my-setup")},
			"a": {ID: "a", Command: shell("my-server"), Shutdown: project.Shutdown{Command: &stop},
				Readiness: &project.Probe{Exec: &project.ExecCheck{Command: shell("curl -f x")}}, Liveness: &project.Probe{Exec: &project.ExecCheck{Command: shell("my-probe")}},
				Startup: &project.Probe{Exec: &project.ExecCheck{Command: project.Command{Exec: []project.Text{project.Lit("jq")}}}}},
		},
		Container: project.Container{Startup: project.Lit("mkdir -p /x\nrsync a b\n")},
	}
	w := packages.BareWords(p)
	var got []string
	for _, r := range w.Refs {
		got = append(got, r.Attr)
	}
	for _, u := range w.Unknown {
		got = append(got, u.Word+"@"+u.Pos.String())
	}
	if want := "curl git jq rabbitmq-server rsync my-probe@x.nix:3 my-server@x.nix:4 my-setup@x.nix:4"; strings.Join(got, " ") != want {
		t.Errorf("got %s, want %s", strings.Join(got, " "), want)
	}
}

// For every line, parsing ends, and the name of a program has no slash.
func FuzzBareWords(f *testing.F) {
	for _, line := range []string{"a && b", "case x in a) b;; esac", "x() { y; }", "cat <<A\nb\nA", "$(a `b` \"c\")", "for", "\"", "'", "\\", "bash -c \"bash -c 'x'\"", "2>&1 x", "function", "case", "$(("} {
		f.Add(line)
	}
	f.Fuzz(func(t *testing.T, line string) {
		p := &project.Project{
			Services:  map[project.ID]*project.Service{"a": {ID: "a", Main: "a"}},
			Processes: map[project.ID]*project.Process{"a": {ID: "a", Command: project.Command{Shell: project.Lit(line)}}},
		}
		for _, u := range packages.BareWords(p).Unknown {
			if u.Word == "" || strings.Contains(u.Word, "/") {
				t.Errorf("%q runs %q", line, u.Word)
			}
		}
	})
}
