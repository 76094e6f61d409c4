package session

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"nix2gpu/process"
	"nix2gpu/project"
	"nix2gpu/rundir"
)

// In an overlay the folders on the way to what will be made are its own; all else is
// what is there.
func TestOverlay(t *testing.T) {
	real, own := t.TempDir(), filepath.Join(t.TempDir(), "own")
	for _, file := range []string{"site/index.html", "data/web/nginx.conf", "data/web/cache/a", "data/db/rows", "top"} {
		write(t, filepath.Join(real, file), "real")
	}
	o, err := newOverlay(real, own, []string{"data/web"}, []string{"data/web/nginx.conf"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(own, "data/web")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("data/web is there before others make it: %v", err)
	}
	write(t, filepath.Join(own, "data/web/nginx.conf"), "ours")
	o.complete()
	for file, want := range map[string]string{
		"site/index.html": "real", "data/web/nginx.conf": "ours", "data/web/cache/a": "real", "data/db/rows": "real", "top": "real",
	} {
		if got, err := os.ReadFile(filepath.Join(own, file)); err != nil || string(got) != want {
			t.Errorf("%s = %q, %v; want %q", file, got, err, want)
		}
	}
	if got, _ := os.ReadFile(filepath.Join(real, "data/web/nginx.conf")); string(got) != "real" {
		t.Errorf("the real file holds %q", got)
	}
	if got, want := o.back("in "+own+"/data/x:3"), "in "+real+"/data/x:3"; got != want {
		t.Errorf("back = %q, want %q", got, want)
	}
}

func write(t *testing.T, file, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// What servers of Debian 12 print.
func TestConfigErrors(t *testing.T) {
	for _, c := range []struct {
		name, out string
		want      configError
	}{
		{"nginx", "2026/11/25 22:46:05 [emerg] 26968#26968: unknown directive \"proxy_pss\" in /x/n.conf:3\nnginx: configuration file /x/n.conf test failed\n",
			configError{`unknown directive "proxy_pss"`, "/x/n.conf", 3}},
		{"nginx without a line", "2026/11/25 22:50:23 [emerg] 1#1: cannot load certificate key \"/x/key\": no PEM\nnginx: configuration file /x/n.conf test failed\n",
			configError{`cannot load certificate key "/x/key": no PEM`, "", 0}},
		{"caddy", "{\"level\":\"info\",\"msg\":\"using provided configuration\",\"config_file\":\"/x/n.conf\"}\nError: adapting config using caddyfile: /x/n.conf:2: unrecognized directive: respnd\n",
			configError{"adapting config using caddyfile: unrecognized directive: respnd", "/x/n.conf", 2}},
		{"apache", "AH00526: Syntax error on line 12 of /x/n.conf:\nInvalid command 'Foo', perhaps misspelled\n",
			configError{"Invalid command 'Foo', perhaps misspelled", "/x/n.conf", 12}},
		{"promtool", "Checking /x/n.conf\n  FAILED: parsing YAML file /x/n.conf: yaml: unmarshal errors:\n  line 5: field globl not found in type config.plain\n",
			configError{"field globl not found in type config.plain", "/x/n.conf", 5}},
		{"nats", "nats-server: /x/n.conf:4:6: max_mem_store: invalid syntax\n", configError{"max_mem_store: invalid syntax", "/x/n.conf", 4}},
		{"postgres", "2026-11-25 GMT [1] LOG:  unrecognized configuration parameter \"a\" in file \"/x/n.conf\" line 1\n2026-11-25 GMT [1] FATAL:  configuration file \"/x/n.conf\" contains errors\n",
			configError{`unrecognized configuration parameter "a"`, "/x/n.conf", 1}},
		{"mariadb", "2026-11-26  1:36:00 0 [ERROR] /usr/sbin/mariadbd: unknown variable 'max_conections=50'\n/usr/sbin/mariadbd  Ver 10.11\n/x/n.conf\n  --error line 3\n2026-11-26 [ERROR] Aborting\n",
			configError{"unknown variable 'max_conections=50'", "", 0}},
		{"mariadb, of a value", "2026-11-26 [Warning] Could not\n2026-11-26  1:48:45 0 [ERROR] Buffered error: mariadbd: Error while setting value 'abc' to 'max_connections'\n",
			configError{"Error while setting value 'abc' to 'max_connections'", "", 0}},
		{"mariadb, before its log", "/x/bin/mysqld: Character set 'utf9' is not a compiled character set\n", configError{"Character set 'utf9' is not a compiled character set", "", 0}},
		{"redis", "\n*** FATAL CONFIG FILE ERROR (Redis 7.0.15) ***\nReading the configuration file, at line 4\n>>> 'maxmemry 1gb'\nBad directive or wrong number of arguments\n",
			configError{"Bad directive or wrong number of arguments", "/x/n.conf", 4}},
		{"pg_hba", "2026-11-25 GMT LOG:  listening on socket\n2026-11-25 GMT LOG:  invalid authentication method \"trst\"\n2026-11-25 GMT CONTEXT:  line 2 of configuration file \"/x/n.conf\"\n2026-11-25 GMT FATAL:  could not load pg_hba.conf\n",
			configError{`invalid authentication method "trst"`, "/x/n.conf", 2}},
		{"rabbitmq", "nix2gpu: rabbitmq: exit status 1\n/x/n.conf:2: Error transforming datatype for: channel_max: \"many\" cannot be converted to a(n) integer\n",
			configError{`Error transforming datatype for: channel_max: "many" cannot be converted to a(n) integer`, "/x/n.conf", 2}},
		{"nothing", "", configError{"it says nothing", "", 0}},
	} {
		if got := findConfigError(c.out, []string{"/x/n.conf"}); got != c.want && !(c.want.line == 0 && got.text == c.want.text && got.line == 0) {
			t.Errorf("%s: %+v, want %+v", c.name, got, c.want)
		}
	}
}

// trialMachine is a machine with a server whose test does what a function says.
func trialMachine(t *testing.T, test Tester) (Machine, *project.Project) {
	t.Helper()
	t.Setenv("TMPDIR", t.TempDir())
	root := t.TempDir()
	write(t, filepath.Join(root, "def.nix"), "{ services.web.x = {\n  enable = true;\n  lines = ''\n    wrong thing;\n  ''; }; }\n# max_words\n")
	write(t, filepath.Join(root, "included"), "a\n")
	for _, dir := range []string{root, filepath.Dir(root)} {
		if err := os.Chmod(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	m := Machine{Layout: rundir.Locate(rundir.Env{UID: os.Getuid()}, "", root), Root: root, Self: "/bin/true", Trial: test}
	conf := project.RootPath("/data/conf")
	p := &project.Project{Version: project.Version, Name: "t",
		Services: map[project.ID]*project.Service{"web": {ID: "web", Type: "web", Label: "web", Main: "web", Pos: project.Pos{File: "def.nix", Line: 2, Col: 3}}},
		Processes: map[project.ID]*project.Process{"web": {ID: "web", Service: "web", Role: project.Main,
			Command: project.Command{Exec: []project.Text{project.Lit("true")}},
			Dirs:    []project.Dir{{Path: project.RootPath("/data")}},
			Files:   []project.File{{Path: conf, Content: project.Join(project.Lit("wrong thing;\nworks;\ninclude "), project.RootPath("/included"), project.Lit(";\n"))}},
			Test: &project.ConfigTest{Command: project.Command{Exec: []project.Text{project.Lit("true"), project.Lit("-t"), conf}},
				Inconclusive: []string{"host not found"}, Passes: []string{"end-of-test"}, Fails: []string{"is bad"}},
		}}}
	return m, p
}

func TestTrials(t *testing.T) {
	for _, c := range []struct {
		name, out string
		code      int
		err       error
		want      string // the place and the message; "": none
		note      string
		waits     bool // for another service
	}{
		{"right", "", 0, nil, "", "", false},
		{"the user's text", "error: no such thing in %s:1", 1, nil, `def.nix:4:5: service "web": web rejects its configuration: error: no such thing`, "", false},
		{"a line of ours", "error: bad in %s:2", 1, nil, `def.nix:2:3: service "web": web rejects its configuration: error: bad`, "", false},
		{"a word of it", "error: what is 'wrong thing'?", 1, nil, `def.nix:4:5: service "web": web rejects its configuration: error: what is 'wrong thing'?`, "", false},
		{"all was read", "error: end-of-test is unknown", 1, nil, "", "", false},
		{"it ends well, and would not", "error: 'max-words' is bad", 0, nil, `def.nix:6:3: service "web": web rejects its configuration: error: 'max-words' is bad`, "", false},
		{"no network", "error: host not found in %s:1", 1, nil, "", "host not found", false},
		{"it can reach a network", "nix2gpu: no network of its own: refused\nerror: bad in %s:2", 1, nil, `def.nix:2:3: service "web": web rejects its configuration: error: bad`, "", false},
		{"it can't be run", "cannot execute it", process.TrialBroken, nil, "", "cannot execute it", false},
		{"it can't be started", "", 0, errors.New("no processes"), "", "no processes", false},
		{"a file is not there", "error: open key: no such file or directory", 1, nil, `def.nix:2:3: service "web": web rejects its configuration: error: open key: no such file or directory`, "", false},
		{"a file is not there yet", "error: open key: no such file or directory", 1, nil, "", "no such file or directory", true},
		{"and it waits", "error: bad in %s:2", 1, nil, `def.nix:2:3: service "web": web rejects its configuration: error: bad`, "", true},
	} {
		t.Run(c.name, func(t *testing.T) {
			m, p := trialMachine(t, func(_ context.Context, tr process.Trial, _ []string) (string, int, error) {
				conf := tr.Argv[len(tr.Argv)-1]
				if text, err := os.ReadFile(conf); err != nil || !strings.HasPrefix(string(text), "wrong thing;\n") {
					t.Errorf("the test finds %q, %v", text, err)
				}
				return strings.ReplaceAll(c.out, "%s", conf), c.code, c.err
			})
			if c.waits {
				p.Services["db"] = &project.Service{ID: "db", Type: "custom", Label: "db", Main: "db"}
				p.Processes["db"] = &project.Process{ID: "db", Service: "db", Role: project.Main, Command: project.Command{Exec: []project.Text{project.Lit("true")}}}
				p.Services["web"].DependsOn = map[project.ID]project.Dependency{"db": {}}
			}
			note, shared := "", ""
			m.Note = func(_ *project.Service, why string) { note = why }
			m.Shared = func(why string) { shared = why }
			unmet, err := m.Preconditions(t.Context(), p, []project.ID{"web"}, nil)
			if err != nil {
				t.Fatal(err)
			}
			if (shared == "refused") != strings.Contains(c.out, "refused") {
				t.Errorf("it had the machine's network because of %q", shared)
			}
			got := ""
			for _, u := range unmet {
				got += u.Pos.String() + ": " + u.String()
			}
			if got != c.want || !strings.Contains(note, c.note) || c.note == "" && note != "" {
				t.Errorf("found %q and noted %q, want %q and %q", got, note, c.want, c.note)
			}
			if _, err := os.Stat(filepath.Join(m.Root, "data")); !errors.Is(err, os.ErrNotExist) {
				t.Errorf("the test has left its folder: %v", err)
			}
		})
	}
}

// What a process has said of a file that was written for it is found where the user
// has written that: by the place of the text, else by its words.
func TestExplain(t *testing.T) {
	m, p := trialMachine(t, nil)
	proc := p.Processes["web"]
	if err := os.MkdirAll(filepath.Join(m.Root, "data"), 0o755); err != nil {
		t.Fatal(err)
	}
	conf := filepath.Join(m.Root, "data/conf")
	write(t, conf, "wrong thing;\nworks;\nsame;\n")
	for name, c := range map[string]struct{ said, want string }{
		"by its words":    {"bad word in " + conf + ":1", "def.nix:4:5: bad word"},
		"by its place":    {"bad word in " + conf + ":3", "own.nix:7: bad word"},
		"a line of ours":  {"bad word in " + conf + ":2", ""},
		"another file":    {"bad word in /etc/conf:1", ""},
		"without a line":  {"bad word in " + conf, ""},
		"nothing of that": {"out of memory at line 3", ""},
	} {
		proc.Files[0].Pos = &project.Passage{Pos: project.Pos{File: "own.nix", Line: 5}, Spans: []project.Span{{First: 3, Lines: 1, Pos: project.Pos{File: "own.nix", Line: 7}}}}
		got := ""
		if pos, text, ok := m.Explain(p, proc, []string{"starting", c.said, "the end"}); ok {
			got = pos.String() + ": " + text
		}
		if got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}

// A tool that is not there is a note, and no reason to refuse the service.
func TestTrialWithoutItsTool(t *testing.T) {
	m, p := trialMachine(t, func(context.Context, process.Trial, []string) (string, int, error) {
		t.Error("it was run")
		return "", 0, nil
	})
	p.Processes["web"].Test.Command.Exec[0] = project.Lit("no-such-tool")
	note := ""
	m.Note = func(_ *project.Service, why string) { note = why }
	unmet, err := m.Preconditions(t.Context(), p, []project.ID{"web"}, nil)
	if err != nil || len(unmet) > 0 || !strings.Contains(note, "no-such-tool") {
		t.Errorf("unmet %v, noted %q, %v", unmet, note, err)
	}
}

// What has passed is not tested again until it, or what it names, has changed.
func TestTrialOnlyOfWhatChanged(t *testing.T) {
	runs := 0
	m, p := trialMachine(t, func(context.Context, process.Trial, []string) (string, int, error) { runs++; return "", 0, nil })
	m.Passed = func(id project.ID, digest string) { keepTested(m.Layout, id, digest) }
	look := func(want int, why string) {
		t.Helper()
		if _, err := m.Preconditions(t.Context(), p, []project.ID{"web"}, nil); err != nil {
			t.Fatal(err)
		}
		if runs != want {
			t.Errorf("%s: %d runs, want %d", why, runs, want)
		}
	}
	look(1, "new")
	look(1, "the same")
	write(t, filepath.Join(m.Root, "included"), "another\n")
	look(2, "a file that it includes has changed")
	look(2, "the same")
	file := &p.Processes["web"].Files[0]
	file.Content = slices.Concat(file.Content, project.Lit("more;\n"))
	look(3, "its text has changed")
	look(3, "the same")
	m.Anew = true
	look(4, "asked to test all")
}

// What a session begins with is tested beside its start: only the main process that has
// the configuration waits for that, and only the first time.
func TestRehearsal(t *testing.T) {
	for _, c := range []struct {
		name, out string
		code      int
		want      string
		kept      bool
	}{
		{"right", "", 0, "", true},
		{"wrong", "error: no such thing in %s:1", 1, "def.nix:4:5: web rejects its configuration: error: no such thing", false},
		{"inconclusive", "error: host not found", 1, "", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			answer := make(chan struct{})
			m, p := trialMachine(t, func(_ context.Context, tr process.Trial, _ []string) (string, int, error) {
				<-answer
				return strings.ReplaceAll(c.out, "%s", tr.Argv[len(tr.Argv)-1]), c.code, nil
			})
			m.Passed = func(id project.ID, digest string) { keepTested(m.Layout, id, digest) }
			valid, err := project.Validated(p)
			if err != nil {
				t.Fatal(err)
			}
			s := &session{Machine: m, job: &Job{Project: valid, Services: []project.ID{"web"}, Untested: true}, log: slog.New(slog.DiscardHandler)}
			p = valid.Project()
			end := s.rehearse(t.Context())
			said := make(chan error, 1)
			go func() { said <- s.admit(p, p.Processes["web"], nil) }()
			other := *p.Processes["web"]
			other.Service = "api"
			if err := s.admit(p, &other, nil); err != nil {
				t.Errorf("another service: %v", err)
			}
			if err := s.admit(new(project.Project), p.Processes["web"], nil); err != nil {
				t.Errorf("after a reload: %v", err)
			}
			select {
			case err := <-said:
				t.Errorf("it was not waited for: %v", err)
			default:
			}
			close(answer)
			got := ""
			if err := <-said; err != nil {
				got = err.Error()
			}
			if got != c.want {
				t.Errorf("admit says %q, want %q", got, c.want)
			}
			if kept := tested(m.Layout, "web") != ""; kept != c.kept {
				t.Errorf("the digest is kept: %t", kept)
			}
			if err := s.admit(p, p.Processes["web"], nil); err != nil {
				t.Errorf("the next start: %v", err)
			}
			end()
			if left, _ := filepath.Glob(filepath.Join(os.TempDir(), "nix2gpu-*")); len(left) > 0 {
				t.Errorf("left behind: %v", left)
			}
		})
	}
}

// Whoever ends the wait for a test is not held by it, nor is the end of the session.
func TestRehearsalIsInterrupted(t *testing.T) {
	m, p := trialMachine(t, func(ctx context.Context, _ process.Trial, _ []string) (string, int, error) {
		<-ctx.Done()
		return "", 0, ctx.Err()
	})
	valid, err := project.Validated(p)
	if err != nil {
		t.Fatal(err)
	}
	s := &session{Machine: m, job: &Job{Project: valid, Services: []project.ID{"web"}, Untested: true}, log: slog.New(slog.DiscardHandler)}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	end := s.rehearse(ctx)
	stopped := make(chan struct{})
	close(stopped)
	if err := s.admit(valid.Project(), valid.Project().Processes["web"], stopped); err != nil {
		t.Errorf("admit: %v", err)
	}
	cancel()
	end()
}
