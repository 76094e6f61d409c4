// Command faults makes the faults of internal/faults, each more often than the tests of
// each day do, and prints a table: what goes wrong, what is promised then, what came of
// it, and what was counted or measured.
//
//	go run ./scripts/faults [ID...]
//
// It fails if a promise was not kept, or if a row with tests had none that ran.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
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

func run(ids []string, out io.Writer) (int, error) {
	var rows []faults.Row
	for _, r := range faults.Rows() {
		if len(ids) == 0 || slices.Contains(ids, r.ID) {
			rows = append(rows, r)
		}
	}
	if len(rows) == 0 {
		return 2, fmt.Errorf("there is no row %s", strings.Join(ids, ", "))
	}
	res := results{ended: map[string]string{}, numbers: map[string][]string{}, output: map[string][]string{}}
	for _, c := range calls(rows) {
		fmt.Fprintln(os.Stderr, "go", strings.Join(c, " "))
		if err := res.test(c); err != nil {
			return 2, err
		}
	}
	return report(rows, &res, out), nil
}

// calls returns the arguments of go for all tests of the rows: one call for a package, and
// one for each test of which only a part is to run.
func calls(rows []faults.Row) (list [][]string) {
	whole := map[string][]string{}
	var order []string
	var parts [][]string
	for _, r := range rows {
		for _, full := range r.Tests {
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
	return scan.Err()
}

// line takes one line of go test -json.
func (r *results) line(data []byte) {
	var ev struct{ Action, Package, Test, Output, Key, Value string }
	if json.Unmarshal(data, &ev) != nil || ev.Test == "" {
		return
	}
	test := strings.TrimPrefix(ev.Package, "nix2gpu/") + "." + ev.Test
	switch ev.Action {
	case "output":
		r.output[test] = append(r.output[test], ev.Output)
	case "attr":
		at := ev.Key + " " + test
		r.numbers[at] = append(r.numbers[at], ev.Value)
	case "pass", "fail", "skip":
		r.ended[test] = ev.Action
	}
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
