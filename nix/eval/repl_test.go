package eval_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"

	"nix2gpu/nix/eval"
	"nix2gpu/nix/osfs"
)

// A verdict is what became of an expression: a value, printed by the prelude's check; or
// an error that tryEval catches; or another error.
type verdict struct {
	value  string // "caught" if tryEval catches it, "" if nothing does
	reason string // the first line of the error that nothing catches
}

func (v verdict) String() string {
	if v.value == "" {
		return "error: " + v.reason
	}
	return v.value
}

// A repl answers thousands of expressions in one process of each evaluator, since to
// start one for each would take hours. What is bound in the prelude is known to all.
type repl struct {
	program string
	env     []string
	dir     string // relative paths are relative to it
	prelude string
}

// newRepl makes a folder for the expressions to look at, and asks `nix repl`.
func newRepl(t *testing.T) *repl {
	t.Helper()
	o := newOracle(t).withStore(t)
	program, err := exec.LookPath("nix")
	if err != nil {
		t.Skip("nix is not installed; apt-get install nix-bin")
	}
	dir := t.TempDir()
	for name, text := range map[string]string{"file.nix": "{ a = 1; }\n", "d/default.nix": "x: x\n", "d/text": "some text\n"} {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	prelude, err := filepath.Abs("testdata/coverage/prelude.nix")
	if err != nil {
		t.Fatal(err)
	}
	env := append(o.env, "NIX_REMOTE="+o.args[2], "NIX_PATH=", "HOME="+dir, "TERM=dumb")
	for i, e := range env {
		if strings.HasPrefix(e, "NIX_CONFIG=") {
			env[i] = e + "\nfsync-metadata = false\ndownload-attempts = 1\nconnect-timeout = 1"
		}
	}
	return &repl{program, env, dir, prelude}
}

// line returns the text of an expression as one line; other texts become files.
func (r *repl) line(t *testing.T, text string) string {
	if !strings.ContainsAny(text, "\n\r\t\x00") {
		return text
	}
	f, err := os.CreateTemp(r.dir, "case-*.nix")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteString(text); err != nil {
		t.Fatal(err)
	}
	return "import " + f.Name()
}

// theirs asks Nix, in as many processes as there are lines that end one.
func (r *repl) theirs(t *testing.T, lines []string) []verdict {
	const processes = 2
	verdicts := make([]verdict, len(lines))
	var group sync.WaitGroup
	for i := range processes {
		from, to := len(lines)*i/processes, len(lines)*(i+1)/processes
		group.Go(func() {
			for from < to {
				n, err := r.ask(t, lines[from:to], verdicts[from:to])
				if err != nil {
					t.Errorf("nix repl: %v", err)
					return
				}
				from += n
			}
		})
	}
	group.Wait()
	return verdicts
}

const prompt = "\nnix-repl> "

var (
	colors    = regexp.MustCompile("\x1b\\[[0-9;]*m")
	unescaper = strings.NewReplacer(`\\`, `\`, `\n`, "\n", `\"`, `"`, `\$`, `$`)
)

// ask returns how many lines a process answered. It ends early when a line ends it: then
// that is the answer to the last.
func (r *repl) ask(t *testing.T, lines []string, verdicts []verdict) (int, error) {
	var in strings.Builder
	for _, line := range lines {
		fmt.Fprintf(&in, "check (%s)\n", line)
	}
	cmd := exec.CommandContext(t.Context(), r.program, "repl", r.prelude)
	cmd.Env, cmd.Dir = r.env, r.dir
	cmd.Stdin = strings.NewReader(in.String())
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	err := cmd.Run()
	answers := strings.Split(out.String(), prompt)[1:]
	answers = answers[:min(len(answers), len(lines))]
	for i, answer := range answers {
		// It repeats the line; of a long one, as an editor does that scrolls.
		echo, answer, _ := strings.Cut(answer, "\n")
		if end := lines[i] + ")"; !strings.HasSuffix(echo, end[max(0, len(end)-20):]) {
			return 0, fmt.Errorf("the answer to %s begins with %q", lines[i], echo)
		}
		answer = strings.TrimSpace(colors.ReplaceAllString(answer, ""))
		last := answer[strings.LastIndexByte(answer, '\n')+1:]
		if at := strings.LastIndex("\n"+answer, "\nerror: "); at >= 0 {
			reason, _, _ := strings.Cut(answer[at+len("error: "):], "\n")
			verdicts[i] = verdict{reason: reason}
		} else if len(last) >= 2 && last[0] == '"' {
			verdicts[i] = verdict{value: unescaper.Replace(last[1 : len(last)-1])}
		} else {
			verdicts[i] = verdict{reason: "no answer: " + answer}
		}
	}
	if len(answers) == 0 || err == nil && len(answers) < len(lines) {
		return 0, fmt.Errorf("%d answers for %d lines: %v: %.1000s", len(answers), len(lines), err, out.String())
	}
	return len(answers), nil
}

// ours asks our evaluator.
func (r *repl) ours(t *testing.T, lines []string) []verdict {
	ev := eval.New(eval.Options{FS: osfs.FS{}, Store: true, Home: r.dir})
	prelude, err := ev.EvalFile(t.Context(), r.prelude, nil)
	if err != nil {
		t.Fatal(err)
	}
	scope := eval.Scope{}
	for name, v := range prelude.(*eval.Attrs).All() {
		scope[name] = v
	}
	verdicts := make([]verdict, len(lines))
	for i, line := range lines {
		v, err := ev.EvalText(t.Context(), "check ("+line+")", "check ("+line+")", r.dir, scope)
		if err == nil {
			verdicts[i] = verdict{value: v.(*eval.String).Text()}
			continue
		}
		verdicts[i] = verdict{reason: err.Error()}
		if e, ok := errors.AsType[*eval.Error](err); !ok || e.Kind == eval.KindInternal {
			t.Errorf("%s: %v", line, err)
		}
	}
	return verdicts
}

// parse lets Nix parse a text, and returns the first line of its message.
func (r *repl) parse(t *testing.T, text string) (string, error) {
	cmd := exec.CommandContext(t.Context(), "nix-instantiate", "--parse", "-")
	cmd.Env, cmd.Dir = r.env, r.dir
	cmd.Stdin = strings.NewReader(text)
	out, err := cmd.CombinedOutput()
	reason, _, _ := strings.Cut(string(out), "\n")
	return reason, err
}

// both asks both at the same time.
func (r *repl) both(t *testing.T, lines []string) (ours, theirs []verdict) {
	var group sync.WaitGroup
	group.Go(func() { theirs = r.theirs(t, lines) })
	ours = r.ours(t, lines)
	group.Wait()
	return ours, theirs
}
