package project_test

import (
	"fmt"
	"strings"
	"testing"

	"nix2gpu/project"
)

func TestWithoutLiterals(t *testing.T) {
	p := build(t, "api", "web")
	p.Secrets = map[string]project.Secret{"hf": {Env: "HF"}}
	lit := func(s string) project.Value { return project.Value{Text: project.Lit(s)} }
	p.Container.Env = map[string]project.Value{
		"HF_TOKEN": lit("hunter-1"), "MODE": lit("fast"), "TLS_KEY": lit("/run/secrets/tls"), "OPENAI_KEY": lit("$OTHER"), "SSH_KEY": {Text: project.RootPath("/key")},
		"MAX_TOKENS": lit("4096"), "ALLOW_EMPTY_PASSWORD": lit("yes"), "EMPTY_TOKEN": lit(""), "TOKENIZERS_PARALLELISM": lit("false"), "PASSWORD_FILE": lit("./x"),
		"GIVEN": {Text: project.SecretContent("hf"), Secret: true}, "FLAGGED": {Text: project.Lit("hunter-2"), Secret: true},
	}
	p.Processes["api"].Env = map[string]project.Value{
		"DATABASE_URL": {Text: project.Join(project.Lit("postgresql://u:hunter-3@localhost/?sslrootcert="), project.RootPath("/ca"))},
		"HF_TOKEN":     lit("hunter-1"), "my.api-key": lit("hunter-4"), "4_PASSWORD": lit("12345678"),
	}
	p.Processes["web"].Env = map[string]project.Value{"HF_TOKEN": lit("hunter-5"), "DATABASE_URL": lit("postgresql://localhost/x")}
	before := encode(t, p)
	q, found := p.WithoutLiterals()
	want := `[{ env FLAGGED FLAGGED} { env HF_TOKEN HF_TOKEN} {api env 4_PASSWORD V4_PASSWORD} {api env DATABASE_URL DATABASE_URL} ` +
		`{api env HF_TOKEN HF_TOKEN} {api env my.api-key my_api_key} {web env HF_TOKEN WEB_HF_TOKEN}]`
	if got := fmt.Sprint(found); got != want {
		t.Errorf("found\n%s\nwant\n%s", got, want)
	}
	if encode(t, p) != before {
		t.Error("the project itself has changed")
	}
	if text := encode(t, q); strings.Contains(text, "hunter-") || strings.Contains(text, "12345678") {
		t.Errorf("still there:\n%s", text)
	}
	if err := q.Validate(); err != nil {
		t.Error(err)
	}
	// The processes that had them get them, and nothing else changes.
	if got := fmt.Sprint(q.SecretUses(q.Processes["web"])); !strings.Contains(got, "{env/WEB_HF_TOKEN web env HF_TOKEN false}") || strings.Contains(got, "DATABASE_URL") {
		t.Errorf("web gets %s", got)
	}
	for _, name := range []string{"MODE", "TLS_KEY", "OPENAI_KEY", "SSH_KEY", "MAX_TOKENS", "ALLOW_EMPTY_PASSWORD", "EMPTY_TOKEN", "TOKENIZERS_PARALLELISM", "PASSWORD_FILE", "GIVEN"} {
		if got, want := q.Container.Env[name].Text.String(), p.Container.Env[name].Text.String(); got != want {
			t.Errorf("%s is now %q, want %q", name, got, want)
		}
	}
	if again, found := q.WithoutLiterals(); again != q || len(found) > 0 {
		t.Errorf("a second time finds %v", found)
	}
}

// A secret in another place stays there, and is reported.
func TestLiteralsElsewhere(t *testing.T) {
	p := build(t, "api", "web")
	p.Processes["api"].Command = project.Command{Exec: []project.Text{project.Lit("x"), project.Lit("--password"), project.Lit("hunter-1")}}
	p.Processes["api"].Readiness = &project.Probe{HTTP: &project.HTTPCheck{Port: 1, Headers: map[string]string{"Authorization": "Bearer hunter-2"}}}
	p.Processes["web"].Command = project.Command{Shell: project.Lit("x --api-token=hunter-3")}
	p.Processes["web"].Files = []project.File{{Path: project.RunPath("/f"), Content: project.Lit("password = hunter-4\n")}}
	p.Files = map[string]*project.File{"conf": {Content: project.Lit(`{ "apiKey": "hunter-5" }`)}}
	q, found := p.WithoutLiterals()
	if want := "[{web command  } {web files  } { files conf } {api command  } {api readiness  }]"; q != p || fmt.Sprint(found) != want {
		t.Errorf("found %v, want %s", found, want)
	}
	p = build(t, "api")
	p.Processes["api"].Command = project.Command{Shell: project.Lit(`exec x --db-password "hunter 6" -v --token hunter-7 --token $TOKEN --password /run/secrets/x`)}
	_, found = p.WithoutLiterals()
	if shown := p.Masked().Processes["api"].Command.Shell.String(); fmt.Sprint(found) != "[{api command  }]" ||
		shown != `exec x --db-password ******** -v --token ******** --token $TOKEN --password /run/secrets/x` {
		t.Errorf("found %v in %s", found, shown)
	}
	// The same holds for every other command of a process.
	ping := project.Command{Exec: []project.Text{project.Lit("ping"), project.Lit("--password"), project.Lit("hunter-8")}}
	p.Processes["api"].Command = project.Command{Exec: []project.Text{project.Lit("x")}}
	p.Processes["api"].Liveness = &project.Probe{Exec: &project.ExecCheck{Command: ping}}
	p.Processes["api"].Test = &project.ConfigTest{Command: project.Command{Shell: project.Lit("x --token hunter-9")}}
	p.Processes["api"].Shutdown.Command = &project.Command{Shell: project.Lit("x --token hunter-10")}
	_, found = p.WithoutLiterals()
	if shown := encode(t, p.Masked()); fmt.Sprint(found) != "[{api liveness  } {api test  } {api shutdown  }]" || strings.Contains(shown, "hunter") {
		t.Errorf("found %v in %s", found, shown)
	}
	p = build(t, "api")
	p.Processes["api"].Command = project.Command{Exec: []project.Text{project.Lit("x"), project.Lit("--password-file"), project.SecretPath("s"), project.Lit("--token"), project.SecretPath("s")}}
	if _, found = p.WithoutLiterals(); len(found) > 0 {
		t.Errorf("found %v, want nothing", found)
	}
}

func encode(t *testing.T, p *project.Project) string {
	t.Helper()
	data, err := p.Encode()
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}
