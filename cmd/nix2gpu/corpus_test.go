package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"nix2gpu/internal/testkit"
)

//go:generate go test . -run TestCorpusTable$ -update

const (
	corpusDir  = "testdata/process-compose"
	corpusPage = "../../docs/reference/process-compose.md"
)

// A corpusFile is a file of process-compose with the behaviour that the documentation of
// process-compose promises. testdata/process-compose/README.md describes its head.
type corpusFile struct {
	name, yaml  string
	doc         string // the page that promises it
	args        []string
	env         []string
	exit        string
	root        bool              // only root can run it
	files       map[string]string // beside it
	out, no     []string
	err         []string
	holds       [][2]string // a file, and a line of it
	steps       []step      // while it runs
	theirs, why string      // of a difference
	ours        string
}

// A step is a command, or an answer to wait for.
type step struct {
	args []string
	path string   // of the API
	want []string // "key=value" of the answer
}

func readCorpusFile(path string) (*corpusFile, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	f := &corpusFile{name: strings.TrimSuffix(filepath.Base(path), ".yaml"), yaml: string(data), exit: "0", files: map[string]string{}}
	for line := range strings.Lines(f.yaml) {
		text, ok := strings.CutPrefix(strings.TrimSuffix(line, "\n"), "#| ")
		if !ok {
			continue
		}
		key, value, _ := strings.Cut(text, ": ")
		key, arg, _ := strings.Cut(key, " ")
		switch key {
		case "doc":
			f.doc = value
		case "args":
			f.args = strings.Fields(value)
		case "env":
			f.env = append(f.env, value)
		case "exit":
			f.exit = value
		case "root":
			f.root = true
		case "file":
			f.files[arg] += value + "\n"
		case "out":
			f.out = append(f.out, value)
		case "no":
			f.no = append(f.no, value)
		case "err":
			f.err = append(f.err, value)
		case "holds":
			f.holds = append(f.holds, [2]string{arg, value})
		case "get":
			f.steps = append(f.steps, step{path: arg, want: strings.Split(value, ", ")})
		case "then":
			f.steps = append(f.steps, step{args: strings.Fields(value)})
		case "theirs":
			f.theirs = value
		case "ours":
			f.ours = value
		case "why":
			f.why = value
		default:
			return nil, fmt.Errorf("%s: unknown key %q", path, key)
		}
	}
	if f.doc == "" || (f.theirs == "") != (f.ours == "") || (f.theirs == "") != (f.why == "") {
		return nil, fmt.Errorf("%s: needs doc, and theirs, ours and why together", path)
	}
	if len(f.out)+len(f.no)+len(f.err)+len(f.holds)+len(f.steps) == 0 && f.exit == "0" {
		return nil, fmt.Errorf("%s expects nothing", path)
	}
	return f, nil
}

func corpus(t *testing.T) (all []*corpusFile) {
	paths, err := filepath.Glob(corpusDir + "/*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range paths {
		f, err := readCorpusFile(path)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, f)
	}
	if len(all) < 120 {
		t.Fatalf("%d files, want at least 120", len(all))
	}
	return all
}

// TestCorpus runs each file under the name process-compose, several at a time.
func TestCorpus(t *testing.T) {
	bin := filepath.Join(filepath.Dir(testkit.Binary(t)), "process-compose")
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.Path == "/gone":
			w.WriteHeader(http.StatusServiceUnavailable)
		case r.URL.Path == "/empty":
			w.WriteHeader(http.StatusNoContent)
		case r.URL.Path == "/secret" && r.Header.Get("X-Token") != "yes":
			w.WriteHeader(http.StatusForbidden)
		}
	}))
	defer web.Close()
	port := fmt.Sprint(web.Listener.Addr().(*net.TCPAddr).Port)
	files := corpus(t)
	wrong := make([]string, len(files))
	var group sync.WaitGroup
	room := make(chan struct{}, 8)
	for i, f := range files {
		if f.root && os.Geteuid() != 0 {
			continue
		}
		dir := filepath.Join(t.TempDir(), "work")
		group.Go(func() {
			room <- struct{}{}
			defer func() { <-room }()
			wrong[i] = f.run(bin, dir, port)
		})
	}
	group.Wait()
	for i, f := range files {
		t.Run(f.name, func(t *testing.T) {
			if f.root && os.Geteuid() != 0 {
				t.Skip("only root can run it")
			}
			if wrong[i] != "" {
				t.Error(wrong[i])
			}
		})
	}
}

// run returns what is not as it should be.
func (f *corpusFile) run(bin, dir, port string) string {
	f.files["process-compose.yaml"] = f.yaml
	for name, text := range f.files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err.Error()
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			return err.Error()
		}
	}
	short, err := os.MkdirTemp("", "pc-") // a socket's path must be short
	if err != nil {
		return err.Error()
	}
	defer os.RemoveAll(short)
	socket := filepath.Join(short, "s")
	env := append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + dir, "NO_COLOR=1", "USER=somebody", "PORT=" + port, "NIX2GPU_SOCKET=" + socket}, f.env...)
	ctx, cancel := context.WithTimeout(context.Background(), testkit.Patience)
	defer cancel()
	start := func(args ...string) (stdout, stderr, code string) {
		var out, errs bytes.Buffer
		cmd := exec.CommandContext(ctx, bin, args...)
		cmd.Dir, cmd.Env, cmd.Stdout, cmd.Stderr = dir, env, &out, &errs
		cmd.WaitDelay = 10 * time.Second
		err := cmd.Run()
		if cmd.ProcessState == nil {
			return "", err.Error(), "none"
		}
		return out.String(), errs.String(), fmt.Sprint(cmd.ProcessState.ExitCode())
	}
	args := slices.Clone(f.args)
	if len(f.steps) > 0 {
		args = append(args, "-D")
	}
	stdout, stderr, code := start(args...)
	if code != f.exit {
		return fmt.Sprintf("exit code %s, want %s\n%s%s", code, f.exit, stdout, stderr)
	}
	if len(f.steps) > 0 {
		wrong := f.follow(ctx, socket, start)
		out, errs, code := start("down")
		if wrong != "" || code != "0" && code != "3" { // 3: it has ended by itself
			return fmt.Sprintf("%s\ndown: exit code %s\n%s%s", wrong, code, out, errs)
		}
		out, _, _ = start("logs")
		stdout += out
	}
	return f.check(dir, stdout, stderr)
}

// follow takes the steps in their order.
func (f *corpusFile) follow(ctx context.Context, socket string, start func(...string) (string, string, string)) string {
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", socket)
	}}}
	for _, s := range f.steps {
		if s.args != nil {
			if out, errs, code := start(s.args...); code != "0" {
				return fmt.Sprintf("%v: exit code %s\n%s%s", s.args, code, out, errs)
			}
			continue
		}
		last := ""
		if !testkit.Eventually(func() bool {
			answer := map[string]any{}
			req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://x"+s.path, nil)
			if err != nil {
				return false
			}
			resp, err := client.Do(req)
			if err != nil {
				last = err.Error()
				return false
			}
			defer resp.Body.Close()
			if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil {
				last = err.Error()
				return false
			}
			last = fmt.Sprint(answer)
			return !slices.ContainsFunc(s.want, func(want string) bool {
				key, value, _ := strings.Cut(want, "=")
				return fmt.Sprint(answer[key]) != value
			})
		}) {
			return fmt.Sprintf("GET %s: %s, want %s", s.path, last, s.want)
		}
	}
	return ""
}

// check compares what was printed and written.
func (f *corpusFile) check(dir, stdout, stderr string) string {
	has := func(text, line string) bool { return slices.Contains(strings.Split(text, "\n"), line) }
	for _, line := range f.out {
		if !has(stdout, line) {
			return fmt.Sprintf("stdout has no line %q:\n%s%s", line, stdout, stderr)
		}
	}
	for _, line := range f.no {
		if has(stdout, line) {
			return fmt.Sprintf("stdout has the line %q:\n%s%s", line, stdout, stderr)
		}
	}
	for _, text := range f.err {
		if !strings.Contains(stderr, text) {
			return fmt.Sprintf("stderr lacks %q:\n%s%s", text, stdout, stderr)
		}
	}
	for _, h := range f.holds {
		data, err := os.ReadFile(filepath.Join(dir, h[0]))
		if !regexp.MustCompile(`(?m)^` + h[1] + `$`).Match(data) {
			return fmt.Sprintf("%s has no line %s (%v):\n%s\n%s%s", h[0], h[1], err, data, stdout, stderr)
		}
	}
	return ""
}

// TestCorpusTable keeps the page's table of differences: those that files of the corpus
// show.
func TestCorpusTable(t *testing.T) {
	const begin, end = "<!-- differences: generated -->\n", "<!-- end -->\n"
	type row struct{ theirs, ours, why string }
	files := map[row][]string{}
	var rows []row
	for _, f := range corpus(t) {
		if f.theirs == "" {
			continue
		}
		r := row{f.theirs, f.ours, f.why}
		if files[r] == nil {
			rows = append(rows, r)
		}
		files[r] = append(files[r], "`"+f.name+"`")
	}
	slices.SortFunc(rows, func(a, b row) int { return cmp.Compare(files[a][0], files[b][0]) })
	var b strings.Builder
	b.WriteString(begin + "\n| process-compose | here | why | shown by |\n|---|---|---|---|\n")
	for _, r := range rows {
		fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", r.theirs, r.ours, r.why, strings.Join(files[r], ", "))
	}
	b.WriteString("\n" + end)
	page, err := os.ReadFile(corpusPage)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, ok1 := strings.Cut(string(page), begin)
	_, after, ok2 := strings.Cut(rest, end)
	if !ok1 || !ok2 {
		t.Fatalf("%s has no place for the table", corpusPage)
	}
	want := before + b.String() + after
	if testkit.Updating() {
		if err := os.WriteFile(corpusPage, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	} else if want != string(page) {
		t.Errorf("%s is stale: make generate", corpusPage)
	}
}
