package eval_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
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
	broken bool   // for ours: it is no expression, or it has names that nobody knows
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
	// Two processes that begin with a store that is not there yet stand in each other's way.
	cmd := exec.CommandContext(t.Context(), "nix-store", "--init")
	cmd.Env = env
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("nix-store: %v\n%s", err, out)
	}
	return &repl{program, env, dir, prelude}
}

// file makes a file beside those that are looked at, and returns its path.
func (r *repl) file(t *testing.T, text string) string {
	t.Helper()
	f, err := os.CreateTemp(r.dir, "case-*.nix")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteString(text); errors.Join(err, f.Close()) != nil {
		t.Fatal(err)
	}
	return f.Name()
}

// line returns the text of an expression as one line; other texts become files.
func (r *repl) line(t *testing.T, text string) string {
	if !strings.ContainsAny(text, "\n\r\t\x00") {
		return text
	}
	return "import " + r.file(t, text)
}

// halves calls f for both halves of n things at the same time.
func halves(n int, f func(from, to int)) {
	var group sync.WaitGroup
	group.Go(func() { f(0, n/2) })
	group.Go(func() { f(n/2, n) })
	group.Wait()
}

// theirs asks Nix, in as many processes as there are lines that end one. It takes our
// verdicts to see which lines would spoil a file that they are in.
func (r *repl) theirs(t *testing.T, lines []string, ours []verdict) []verdict {
	const most = 2000 // lines of a process
	verdicts := make([]verdict, len(lines))
	halves(len(lines), func(from, to int) {
		for from < to {
			end := min(to, from+most)
			n, err := r.ask(t, lines[from:end], ours[from:end], verdicts[from:end])
			if err != nil {
				t.Errorf("nix repl: %v", err)
				return
			}
			from += n
		}
	})
	return verdicts
}

// ownLine reports whether a text depends on where it is, or Nix 2.8 can't parse it.
func ownLine(text string) bool {
	return slices.ContainsFunc([]string{"__curPos", "GetAttrPos", "|>", "<|", "a//b"}, func(part string) bool { return strings.Contains(text, part) })
}

const prompt = "\nnix-repl> "

var unescaper = strings.NewReplacer(`\\`, `\`, `\n`, "\n", `\"`, `"`, `\$`, `$`)

// colorless returns a text without the sequences that color it.
func colorless(text string) string {
	var b strings.Builder
	for {
		before, after, found := strings.Cut(text, "\x1b[")
		b.WriteString(before)
		if !found {
			return b.String()
		}
		_, text, _ = strings.Cut(after, "m")
	}
}

// numbered returns what to type for each line, and the text of a file in which it is looked
// up: a repl reads and writes a line byte by byte. Some lines must be typed as they are.
func (r *repl) numbered(lines []string, ours []verdict) (typed []string, scope string) {
	var cases strings.Builder
	n := 0
	for i, line := range lines {
		if ours[i].broken || ownLine(line) {
			typed = append(typed, "check ("+line+")")
			continue
		}
		typed = append(typed, fmt.Sprintf("nth %d", n))
		fmt.Fprintf(&cases, "(%s)\n", line)
		n++
	}
	return typed, fmt.Sprintf("let prelude = import %s; cases = { check, drv, ctx }: [\n%s]; in\n"+
		"prelude // { nth = let all = cases prelude; in n: prelude.check (builtins.elemAt all n); }\n", r.prelude, cases.String())
}

// ask returns how many lines a process answered. It ends early when a line ends it: then
// that is the answer to the last.
func (r *repl) ask(t *testing.T, lines []string, ours, verdicts []verdict) (int, error) {
	typed, text := r.numbered(lines, ours)
	scope := r.file(t, text)
	cmd := exec.CommandContext(t.Context(), r.program, "repl", scope)
	cmd.Env, cmd.Dir = r.env, r.dir
	in, err := cmd.StdinPipe()
	if err != nil {
		return 0, err
	}
	read, write, err := os.Pipe()
	if err != nil {
		return 0, err
	}
	defer read.Close()
	cmd.Stdout, cmd.Stderr = write, write
	err = cmd.Start()
	write.Close()
	if err != nil {
		return 0, err
	}
	var out bytes.Buffer
	for !bytes.HasSuffix(out.Bytes(), []byte(prompt)) && err == nil {
		_, err = io.CopyN(&out, read, 1)
	}
	// It has read the file. For each error it would read it again, byte by byte, to show the
	// line.
	os.Remove(scope)
	go func() {
		io.WriteString(in, strings.Join(typed, "\n")+"\n") // fails if a line ends the process
		in.Close()
	}()
	io.Copy(&out, read)
	err = cmd.Wait()
	answers := strings.Split(out.String(), prompt)[1:]
	answers = answers[:min(len(answers), len(lines))]
	for i, answer := range answers {
		// It repeats the line; of a long one, as an editor does that scrolls.
		echo, answer, _ := strings.Cut(answer, "\n")
		if end := typed[i]; !strings.HasSuffix(echo, end[max(0, len(end)-20):]) {
			return 0, fmt.Errorf("the answer to %s begins with %q", lines[i], echo)
		}
		answer = strings.TrimSpace(colorless(answer))
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
	verdicts := make([]verdict, len(lines))
	halves(len(lines), func(from, to int) { r.answer(t, lines[from:to], verdicts[from:to]) })
	return verdicts
}

// answer evaluates lines with an evaluator of their own.
func (r *repl) answer(t *testing.T, lines []string, verdicts []verdict) {
	ev := eval.New(eval.Options{FS: osfs.FS{}, Store: true, Home: r.dir})
	prelude, err := ev.EvalFile(t.Context(), r.prelude, nil)
	if err != nil {
		t.Error(err)
		return
	}
	scope := eval.Scope{}
	for name, v := range prelude.(*eval.Attrs).All() {
		scope[name] = v
	}
	for i, line := range lines {
		v, err := ev.EvalText(t.Context(), "check ("+line+")", "check ("+line+")", r.dir, scope)
		if err == nil {
			verdicts[i] = verdict{value: v.(*eval.String).Text()}
			continue
		}
		e, ok := errors.AsType[*eval.Error](err)
		if !ok || e.Kind == eval.KindInternal {
			t.Errorf("%s: %v", line, err)
			continue
		}
		verdicts[i] = verdict{reason: err.Error(), broken: e.Kind == eval.KindSyntax || strings.HasPrefix(e.Msg, "undefined variable")}
	}
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

// both asks both.
func (r *repl) both(t *testing.T, lines []string) (ours, theirs []verdict) {
	ours = r.ours(t, lines)
	return ours, r.theirs(t, lines, ours)
}
