package doctest

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"nix2gpu/internal/engine"
	"nix2gpu/internal/gputest"
	"nix2gpu/internal/testkit"
)

func TestMain(m *testing.M) {
	code := m.Run()
	engine.Stop()
	testkit.RemoveBinary()
	os.Exit(code)
}

// TestPages follows every page as a reader would.
func TestPages(t *testing.T) {
	found := 0
	for _, pattern := range []string{"docs/tutorial/*.md", "docs/how-to/*.md"} {
		pages, err := filepath.Glob(filepath.Join(testkit.Root(), pattern))
		if err != nil {
			t.Fatal(err)
		}
		for _, page := range pages {
			found++
			t.Run(strings.TrimSuffix(filepath.Base(page), ".md"), func(t *testing.T) { follow(t, page) })
		}
	}
	if found == 0 {
		t.Fatal("no pages found")
	}
}

func follow(t *testing.T, page string) {
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	steps, err := parsePage(string(text))
	if err != nil {
		t.Fatalf("%s: %v", page, err)
	}
	stacks := map[string]*testkit.Stack{} // by example; "" is the reader's own folder
	running := map[string][]*testkit.Run{}
	var docker *engine.Engine    // of a page with images
	var standin *gputest.Standin // of a page with a GPU
	if slices.ContainsFunc(steps, func(st step) bool { return st.image != "" }) {
		docker = engine.Docker(t)
		docker.Env = append(docker.Env, "PATH="+filepath.Dir(testkit.Binary(t))+":"+docker.Path())
		stacks[""] = docker.Stack
	}
	for _, st := range steps {
		s := stacks[st.example]
		if s == nil {
			if st.example == "" {
				s = testkit.NewStackFrom(t, "")
			} else {
				s = testkit.NewStack(t, st.example)
			}
			stacks[st.example] = s
		}
		switch {
		case st.file != "":
			s.Write(st.file, st.content)
			if st.image != "" {
				docker.PlainOf(st.image, filepath.Join(s.Dir, st.file), standIns(t, page))
			}
			continue
		case st.command == "^C":
			runs := running[st.example]
			if len(runs) == 0 {
				t.Fatalf("%s:%d: ^C, but nothing goes on", page, st.line)
			}
			last := runs[len(runs)-1]
			running[st.example] = runs[:len(runs)-1]
			last.Signal(syscall.SIGINT)
			last.Wait()
			continue
		}
		if st.online {
			cmd := exec.CommandContext(t.Context(), "bash", "-c", "exec 2>&1; "+st.command)
			cmd.Dir, cmd.Env = s.Dir, append(os.Environ(), s.Env...)
			out, _ := cmd.Output() // a failure shows in what it printed
			if n := missing(st, func() string { return string(out) }, func() bool { return true }); n >= 0 {
				t.Fatalf("%s:%d: %s\ndoes not print %q after the lines before it; it printed\n%s", page, st.line+n+1, st.command, st.prints[n], out)
			}
			continue
		}
		env := s.Env
		if st.gpu {
			if standin == nil {
				standin = gputest.New(t, gputest.H100())
				if docker != nil {
					standin.DockerCommand(engine.CLI)
				}
			}
			s.Env = append(slices.Clone(env), standin.Env(pathOf(env))...)
		}
		run := s.StartCommand("bash", "-c", "exec 2>&1; "+execIfSimple(st.command))
		s.Env = env
		if goesOn(st.command) {
			running[st.example] = append(running[st.example], run)
		} else {
			run.Wait()
		}
		wantShown(t, page, st, run)
		if t.Failed() {
			return
		}
	}
	for example, runs := range running {
		for _, run := range runs {
			run.Signal(syscall.SIGINT)
			run.Wait()
		}
		if docker == nil {
			stacks[example].WantNothingLeft()
		}
	}
}

// pathOf returns the last PATH in an environment.
func pathOf(env []string) string {
	path := os.Getenv("PATH")
	for _, kv := range env {
		if p, ok := strings.CutPrefix(kv, "PATH="); ok {
			path = p
		}
	}
	return path
}

// standIns returns programs that the images of a page have besides Debian's: the page
// on tailscale has a stand-in of it.
func standIns(t *testing.T, page string) map[string]string {
	t.Helper()
	if filepath.Base(page) != "tailscale.md" {
		return nil
	}
	program, err := os.ReadFile(engine.Program(t, filepath.Join(testkit.Root(), "container/testdata/tailscale")))
	if err != nil {
		t.Fatal(err)
	}
	return map[string]string{"/usr/local/bin/tailscale": string(program), "/usr/local/bin/tailscaled": string(program)}
}

// execIfSimple lets a signal reach the program instead of a shell around it.
func execIfSimple(command string) string {
	if strings.ContainsAny(command, "|&;<>") {
		return command
	}
	return "exec " + command
}

func wantShown(t *testing.T, page string, st step, run *testkit.Run) {
	t.Helper()
	if n := missing(st, func() string { return run.Stdout() }, func() bool { return !run.Running() }); n >= 0 {
		t.Errorf("%s:%d: %s\ndoes not print %q after the lines before it; it printed\n%s",
			page, st.line+n+1, st.command, st.prints[n], run.Stdout())
	}
}

// missing returns the number of the first shown line that a command did not print after
// the lines before it; -1 if there is none.
func missing(st step, printed func() string, hasEnded func() bool) int {
	at := 0 // in the output: what earlier lines have used
	for n, shown := range st.prints {
		if s := strings.TrimSpace(shown); s == "" || s == "…" {
			continue
		}
		want := pattern(strings.TrimRight(shown, " "))
		found := false
		testkit.Eventually(func() bool {
			ended := hasEnded() // asked first, so that its last output is looked at
			if where := want.FindStringIndex(trimLines(printed())[at:]); where != nil {
				at += where[1]
				found = true
			}
			return found || ended
		})
		if !found {
			return n
		}
	}
	return -1
}

// trimLines drops what a page can't show at the ends of lines: spaces, and the
// carriage returns of HTTP.
func trimLines(s string) string {
	lines := strings.Split(s, "\n")
	for i, l := range lines {
		lines[i] = strings.TrimRight(l, " \r")
	}
	return strings.Join(lines, "\n")
}
