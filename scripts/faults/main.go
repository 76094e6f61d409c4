// Command faults makes the faults of internal/faults, each more often than the tests of
// each day do, and prints a table: what goes wrong, what is promised then, what came of
// it, and what was counted or measured.
//
//	go run ./scripts/faults [-keep FILE] [-record FILE] [ID...]
//
// It fails if a promise was not kept, or if a row with tests had none that ran. With -keep,
// what came of each test is written to that file when the test ends, and a test of which it
// says that it passed is not run again: so all rows can be made in parts. Who changes the
// program removes the file. With -record it writes what docs/explanation/faults.md says of the
// numbers to that file (internal/faults/testdata/counted.md), for all rows.
package main

import (
	"bufio"
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"slices"
	"strings"

	"nix2gpu/internal/faults"
)

func main() {
	code, err := run(os.Args[1:], os.Stdout)
	if err != nil {
		fmt.Fprintln(os.Stderr, "faults:", err)
	}
	os.Exit(code)
}

func run(args []string, out io.Writer) (int, error) {
	flags := flag.NewFlagSet("faults", flag.ContinueOnError)
	keep := flags.String("keep", "", "the `file` of what came of each test")
	record := flags.String("record", "", "the `file` that gets the numbers for the page")
	if err := flags.Parse(args); err != nil {
		return 2, nil // the flags have said it
	}
	ids := flags.Args()
	var rows []faults.Row
	for _, r := range faults.Rows() {
		if len(ids) == 0 || slices.Contains(ids, r.ID) {
			rows = append(rows, r)
		}
	}
	if len(rows) == 0 {
		return 2, fmt.Errorf("there is no row %s", strings.Join(ids, ", "))
	}
	res := newResults()
	if data, err := exec.Command("git", "rev-parse", "--short", "HEAD").Output(); err == nil {
		res.commit = strings.TrimSpace(string(data))
	}
	if *keep != "" {
		file, err := res.open(*keep)
		if err != nil {
			return 2, err
		}
		defer file.Close()
	}
	for _, c := range calls(rows, res.passed) {
		fmt.Fprintln(os.Stderr, "go", strings.Join(c, " "))
		if err := res.test(c); err != nil {
			return 2, err
		}
	}
	if *record != "" {
		if err := os.WriteFile(*record, []byte(counted(rows, res)), 0o644); err != nil {
			return 2, err
		}
	}
	return report(rows, res, out), nil
}

// calls returns the arguments of go for all tests of the rows but those that were done: one
// call for a package, and one for each test of which only a part is to run.
func calls(rows []faults.Row, done func(test string) bool) (list [][]string) {
	whole := map[string][]string{}
	var order []string
	var parts [][]string
	for _, r := range rows {
		for _, full := range r.Tests {
			if done(full) {
				continue
			}
			pkg, name := faults.Split(full)
			if test, part, ok := strings.Cut(name, "/"); ok {
				parts = append(parts, arguments(pkg, "^"+test+"$/^"+part+"$"))
				continue
			}
			if whole[pkg] == nil {
				order = append(order, pkg)
			}
			if !slices.Contains(whole[pkg], name) {
				whole[pkg] = append(whole[pkg], name)
			}
		}
	}
	for _, pkg := range order {
		list = append(list, arguments(pkg, "^("+strings.Join(whole[pkg], "|")+")$"))
	}
	return append(list, parts...)
}

func arguments(pkg, pattern string) []string {
	return []string{"test", "-json", "-count=1", "-timeout=60m", "-run", pattern, "./" + pkg}
}

// results are those of tests, by "package.Test", with parts as "package.Test/part".
type results struct {
	ended   map[string]string   // pass, fail or skip
	numbers map[string][]string // by id and test: "R1 process.TestX"
	output  map[string][]string
	at      map[string]string // the commit, by test
	commit  string            // of what runs now
	kept    *json.Encoder     // gets what came of each test
	err     error             // of kept
}

func newResults() *results {
	return &results{ended: map[string]string{}, numbers: map[string][]string{}, output: map[string][]string{}, at: map[string]string{}}
}

// outcome is what came of one test, as a line of the file of -keep.
type outcome struct {
	Test    string
	Ended   string
	Commit  string              `json:",omitempty"`
	Numbers map[string][]string `json:",omitempty"` // by the row's id
}

// open takes over what a file says, if it is there, and lets it get what follows.
func (r *results) open(name string) (io.Closer, error) {
	data, err := os.ReadFile(name)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	for i, line := range bytes.Split(data, []byte("\n")) {
		var o outcome
		if len(line) == 0 {
			continue
		}
		if err := json.Unmarshal(line, &o); err != nil {
			return nil, fmt.Errorf("%s:%d: %w; remove the file to make all rows anew", name, i+1, err)
		}
		r.ended[o.Test], r.at[o.Test] = o.Ended, o.Commit
		for id, numbers := range o.Numbers {
			r.numbers[id+" "+o.Test] = numbers
		}
	}
	file, err := os.OpenFile(name, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o644)
	if err != nil {
		return nil, err
	}
	r.kept = json.NewEncoder(file)
	return file, nil
}

func (r *results) passed(test string) bool { return r.ended[test] == "pass" }

// end notes how a test has ended.
func (r *results) end(test, how string) {
	r.ended[test], r.at[test] = how, r.commit
	if r.kept == nil || r.err != nil {
		return
	}
	o := outcome{Test: test, Ended: how, Commit: r.commit, Numbers: map[string][]string{}}
	for at, numbers := range r.numbers {
		if id, of, _ := strings.Cut(at, " "); of == test {
			o.Numbers[id] = numbers
		}
	}
	r.err = r.kept.Encode(o)
}

// test runs go with the arguments.
func (r *results) test(args []string) error {
	cmd := exec.Command("go", args...)
	cmd.Env = append(os.Environ(), "NIX2GPU_FAULTS=many")
	cmd.Stderr = os.Stderr
	lines, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	scan := bufio.NewScanner(lines)
	scan.Buffer(nil, 64<<20)
	for scan.Scan() {
		r.line(scan.Bytes())
	}
	_ = cmd.Wait() // what failed is among the results, or has none
	return cmp.Or(scan.Err(), r.err)
}

// line takes one line of go test -json.
func (r *results) line(data []byte) {
	var ev struct{ Action, Package, Test, Output, Key, Value string }
	if json.Unmarshal(data, &ev) != nil || ev.Test == "" {
		return
	}
	test := strings.TrimPrefix(ev.Package, "nix2gpu/") + "." + ev.Test
	switch ev.Action {
	case "run": // perhaps anew
		delete(r.output, test)
		for at := range r.numbers {
			if strings.HasSuffix(at, " "+test) {
				delete(r.numbers, at)
			}
		}
	case "output":
		r.output[test] = append(r.output[test], ev.Output)
	case "attr":
		at := ev.Key + " " + test
		r.numbers[at] = append(r.numbers[at], ev.Value)
	case "pass", "fail", "skip":
		r.end(test, ev.Action)
	}
}

// counted returns the numbers of the rows for the page: those of tests that have passed.
func counted(rows []faults.Row, r *results) string {
	var b strings.Builder
	var commits []string
	b.WriteString("| | what was counted |\n|---|---|\n")
	for _, row := range rows {
		var numbers []string
		for _, test := range row.Tests {
			if !r.passed(test) {
				numbers = append(numbers, "*not made*: `"+test+"`")
				continue
			}
			numbers = append(numbers, r.numbers[row.ID+" "+test]...)
			if !slices.Contains(commits, r.at[test]) {
				commits = append(commits, r.at[test])
			}
		}
		fmt.Fprintf(&b, "| %s | %s |\n", row.ID, strings.Join(numbers, "; "))
	}
	slices.Sort(commits)
	return "Made at " + strings.Join(commits, ", ") + ".\n\n" + b.String()
}

// report prints the table, and returns the exit code.
func report(rows []faults.Row, r *results, out io.Writer) int {
	code := 0
	fmt.Fprint(out, "| | when | promised | result | number |\n|---|---|---|---|---|\n")
	var failed []string
	for _, row := range rows {
		var numbers, bad, skipped []string
		for _, test := range row.Tests {
			numbers = append(numbers, r.numbers[row.ID+" "+test]...)
			switch r.ended[test] {
			case "pass":
			case "skip":
				skipped = append(skipped, test)
			default:
				bad = append(bad, test)
			}
		}
		result, gap := "holds", ""
		if row.Gap != "" {
			gap = "not tested: " + row.Gap
		}
		switch {
		case len(bad) > 0:
			result = "**FAILS**: " + strings.Join(bad, ", ")
			failed = append(failed, bad...)
			code = 1
		case len(row.Tests) == 0:
			result, gap = gap, ""
		case len(skipped) > 0:
			result = "holds, but not run here: " + strings.Join(skipped, ", ")
			if len(skipped) == len(row.Tests) {
				result, code = "**not run here**", 1
			}
		}
		if gap != "" {
			result += " (" + gap + ")"
		}
		if len(bad) == 0 && len(numbers) == 0 && len(row.Tests) > len(skipped) {
			result, code = "**no number**", 1
		}
		fmt.Fprintf(out, "| %s | %s | %s | %s | %s |\n", row.ID, row.Fault, row.Promise, result, strings.Join(numbers, "; "))
	}
	for _, test := range failed {
		fmt.Fprintf(out, "\n%s:\n%s", test, strings.Join(r.output[test], ""))
	}
	return code
}
