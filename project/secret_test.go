package project_test

import (
	"fmt"
	"strings"
	"testing"

	"nix2gpu/project"
)

// A process gets the secrets that it names itself, or through its generated files or
// the container's variables.
func TestSecretUses(t *testing.T) {
	p := build(t, "api", "web", "db")
	p.Secrets = map[string]project.Secret{"one": {Env: "ONE"}, "two": {Env: "TWO"}, "three": {Env: "THREE"}}
	p.Container.Env = map[string]project.Value{"ALL": {Text: project.SecretPath("three")}}
	p.Processes["api"].Env = map[string]project.Value{"TOKEN": {Text: project.SecretContent("one"), Secret: true}}
	p.Processes["api"].Credentials = map[string]string{"f": "two"}
	p.Processes["web"].Command.Shell = project.FilePath("outer")
	p.Files = map[string]*project.File{"outer": {Content: project.FilePath("inner")}, "inner": {Content: project.SecretPath("two")}}
	const all = "{three %s env ALL true} "
	for id, want := range map[project.ID]string{
		"api": fmt.Sprintf(all, "api") + "{one api env TOKEN false} {two api credentials f true}",
		"web": fmt.Sprintf(all, "web") + "{two web files  true}",
		"db":  strings.TrimSpace(fmt.Sprintf(all, "db")),
	} {
		if got := strings.Trim(fmt.Sprint(p.SecretUses(p.Processes[id])), "[]"); got != want {
			t.Errorf("%s gets %s, want %s", id, got, want)
		}
	}
	p.Services["db"].System = true // a system service gets no secret of the container
	p.Container.Env["MODE"] = project.Value{Text: project.Lit("fast")}
	if got := p.SecretUses(p.Processes["db"]); len(got) > 0 || len(p.SharedEnv(p.Processes["db"])) != 1 || len(p.SharedEnv(p.Processes["api"])) != 2 {
		t.Errorf("a system service gets %v, and of variables %v", got, p.SharedEnv(p.Processes["db"]))
	}
	p.Services["db"].System = false
	delete(p.Container.Env, "MODE")
	// A new identity, owner or source of a secret restarts the services that get it.
	q := build(t, "api", "web", "db")
	q.Secrets = map[string]project.Secret{"one": {Env: "ONE"}, "two": {Env: "OTHER"}, "three": {Env: "THREE"}}
	q.Container, q.Processes, q.Files = p.Container, p.Processes, p.Files
	if got := fmt.Sprint(p.Diff(q).Changed); got != "[api web]" {
		t.Errorf("changed are %s, want [api web]", got)
	}
}

func TestSecretOwner(t *testing.T) {
	p := build(t, "a", "b", "c", "d")
	p.Secrets = map[string]project.Secret{"s": {Env: "S"}, "owned": {Env: "S", Owner: "x"}}
	owner := func(want string) {
		t.Helper()
		got, several := p.SecretOwner("s")
		if text := got + strings.Join(several, "+"); text != want {
			t.Errorf("the owner is %q, want %q", text, want)
		}
	}
	uses := func(id project.ID, user string) {
		p.Processes[id].User = user
		p.Processes[id].Env = map[string]project.Value{"F": {Text: project.SecretPath("s")}}
	}
	owner("")
	uses("a", "root")
	owner("")
	uses("b", "postgres")
	owner("postgres")
	p.Processes["c"].User, p.Processes["c"].Credentials = "redis", map[string]string{"f": "s"} // it gets a file of its own
	p.Processes["d"].User, p.Processes["d"].Env = "app", map[string]project.Value{"V": {Text: project.SecretContent("s")}}
	owner("postgres")
	uses("c", "redis")
	owner("postgres+redis")
	if got, _ := p.SecretOwner("owned"); got != "x" {
		t.Errorf("an owner that is set: %q", got)
	}
}

func TestValidateSecrets(t *testing.T) {
	for want, change := range map[string]func(p *project.Project){
		`secret "x" has no source`:                             func(p *project.Project) { p.Secrets["x"] = project.Secret{} },
		`must have one source, and has age and env`:            func(p *project.Project) { p.Secrets["x"] = project.Secret{Env: "A", Age: project.Lit("/a")} },
		`there is no identity`:                                 func(p *project.Project) { p.Secrets["x"] = project.Secret{Age: project.Lit("/a")} },
		`must be a name such as "HF_TOKEN", not "1A"`:          func(p *project.Project) { p.Secrets["x"] = project.Secret{Env: "1A"} },
		`must be octal, such as "0440", not "8"`:               func(p *project.Project) { p.Secrets["x"] = project.Secret{Env: "A", Mode: "8"} },
		`must be octal, such as "0440", not "4755"`:            func(p *project.Project) { p.Secrets["x"] = project.Secret{Env: "A", Mode: "4755"} },
		`the owner of secret "x" must be the name of a user`:   func(p *project.Project) { p.Secrets["x"] = project.Secret{Env: "A", Owner: "a b"} },
		`secret name "../x" must consist of`:                   func(p *project.Project) { p.Secrets["../x"] = project.Secret{Env: "A"} },
		`secret "x" cannot come from another secret`:           func(p *project.Project) { p.Secrets["x"] = project.Secret{File: project.SecretPath("hf")} },
		`process "api": there is no secret "hff"`:              func(p *project.Project) { p.Processes["api"].Dir = project.SecretPath("hff") },
		`did you mean "hf"?`:                                   func(p *project.Project) { p.Processes["api"].Credentials = map[string]string{"f": "hff"} },
		`the credential "a/b" must have a plain name`:          func(p *project.Project) { p.Processes["api"].Credentials = map[string]string{"a/b": "hf"} },
		`the content of secret "hf" must not stand in command`: func(p *project.Project) { p.Processes["api"].Command.Shell = project.SecretContent("hf") },
		`generated file "g": the content of secret "hf"`: func(p *project.Project) {
			p.Files = map[string]*project.File{"g": {Content: project.SecretContent("hf")}}
		},
		`extraStartupScript cannot read`: func(p *project.Project) { p.Container.Startup = project.SecretPath("hf") },
		`the file of secret "hf" is read by several users: one, two`: func(p *project.Project) {
			for id, user := range map[project.ID]string{"api": "one", "web": "two"} {
				p.Processes[id].User, p.Processes[id].Path = user, []project.Text{project.SecretPath("hf")}
			}
		},
	} {
		p := build(t, "api", "web")
		p.Secrets = map[string]project.Secret{"hf": {File: project.Lit("/run/secrets/hf")}, "api/option": {File: project.Lit("/x")}}
		if err := p.Validate(); err != nil {
			t.Fatal(err)
		}
		change(p)
		if err := p.Validate(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
}
