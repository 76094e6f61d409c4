// Command mutate changes the code of packages in small ways, and expects the tests of
// the package to notice. If no test notices a change, it fails, unless the list of
// survivors has the change with a reason.
//
//	go run ./scripts/mutate [-seed N] [-n 40] [-skip REGEXP] PACKAGE...
//
// go-gremlins finds where code can be changed, often in many hundreds of places, and
// the seed picks some of them. The changes are made here, in an overlay over the
// checkout. gremlins itself tests a copy of the module: there, tests that need their
// surroundings fail whatever the code does, and gremlins takes that for noticing.
package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

const (
	gremlins = "github.com/go-gremlins/gremlins/cmd/gremlins@v0.6.0"
	listFile = "scripts/survivors.txt"
)

func main() {
	var opts options
	flag.Uint64Var(&opts.seed, "seed", 1, "decides which mutants are taken")
	flag.IntVar(&opts.n, "n", 40, "mutants of each package, where it has so many")
	flag.StringVar(&opts.skip, "skip", "", "tests that are left out, such as those of real servers, by name")
	flag.Parse()
	listed, err := readList(listFile)
	if err == nil {
		err = run(os.Stdout, flag.Args(), opts, listed)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "mutate:", err)
		os.Exit(1)
	}
}

type options struct {
	seed uint64
	n    int
	skip string
}

// A report is what gremlins writes.
type report struct {
	Files []struct {
		Name      string   `json:"file_name"`
		Mutations []mutant `json:"mutations"`
	} `json:"files"`
}

type mutant struct {
	file   string
	Type   string `json:"type"`
	Status string `json:"status"`
	Line   int    `json:"line"`
	Column int    `json:"column"`
}

func run(out io.Writer, packages []string, opts options, listed map[string]bool) error {
	if len(packages) == 0 {
		return errors.New("no package is named: mutate [-seed N] [-n N] [-skip REGEXP] PACKAGE")
	}
	unlisted := 0
	for _, pkg := range packages {
		n, err := mutate(out, pkg, opts, listed)
		if err != nil {
			return fmt.Errorf("%s: %v", pkg, err)
		}
		unlisted += n
	}
	if unlisted > 0 {
		return fmt.Errorf("%d mutants survived: give each a test, or a line in %s with the reason why none can notice it", unlisted, listFile)
	}
	return nil
}

// mutate tries some mutants of a package, and returns how many survived that are not on
// the list.
func mutate(out io.Writer, pkg string, opts options, listed map[string]bool) (unlisted int, err error) {
	all, err := candidates(pkg)
	if err != nil {
		return 0, err
	}
	work, err := os.MkdirTemp("", "mutate-")
	if err != nil {
		return 0, err
	}
	defer os.RemoveAll(work)
	start := time.Now()
	if text, ok, err := test(pkg, "", opts.skip, time.Hour); err != nil || !ok {
		return 0, fmt.Errorf("the tests fail without any change: %v\n%s", err, text)
	}
	// A change can make a loop endless. One that takes ten times as long as all tests,
	// building included, counts as noticed.
	limit := 10*time.Since(start) + time.Minute
	rand.New(rand.NewPCG(opts.seed, 0)).Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	tried, lived, late := 0, 0, 0
	for _, m := range all {
		if tried == opts.n {
			break
		}
		changed, key, err := m.apply()
		if err != nil {
			return 0, err
		}
		overlay, err := writeOverlay(work, m.file, changed)
		if err != nil {
			return 0, err
		}
		text, ok, err := test(pkg, overlay, opts.skip, limit)
		switch {
		case err != nil:
			return 0, err
		case ok:
			lived++
			if !listed[key] {
				unlisted++
				fmt.Fprintf(out, "line %d, no test notices: %s\n", m.Line, key)
			}
		case bytes.Contains(text, []byte("panic: test timed out")):
			late++
			fmt.Fprintf(out, "line %d, only the time limit notices: %s\n", m.Line, key)
		case bytes.Contains(text, []byte("[build failed]")):
			continue // without a program there is no mutant
		}
		tried++
	}
	fmt.Fprintf(out, "%s: %d of %d mutants tried: %d noticed (%d by the time limit alone), %d listed, %d not noticed\n",
		pkg, tried, len(all), tried-lived, late, lived-unlisted, unlisted)
	if tried == 0 {
		return 0, errors.New("no mutant was tried")
	}
	return unlisted, nil
}

// candidates returns the mutants that the tests of a package reach.
func candidates(pkg string) ([]mutant, error) {
	f, err := os.CreateTemp("", "mutants-")
	if err != nil {
		return nil, err
	}
	f.Close()
	defer os.Remove(f.Name())
	cmd := exec.Command("go", "run", gremlins, "unleash", "./"+pkg, "--dry-run", "--output", f.Name())
	if text, err := cmd.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("gremlins: %v\n%s", err, text)
	}
	data, err := os.ReadFile(f.Name())
	if err != nil {
		return nil, err
	}
	return readReport(pkg, data)
}

// readReport returns the mutants of a report that can be run, in the order of the
// source: gremlins lists them in another order each time, and a seed must pick the same
// ones.
func readReport(pkg string, data []byte) ([]mutant, error) {
	var r report
	if err := json.Unmarshal(data, &r); err != nil {
		return nil, fmt.Errorf("what gremlins wrote: %v", err)
	}
	var all []mutant
	for _, f := range r.Files {
		for _, m := range f.Mutations {
			if m.Status == "RUNNABLE" {
				m.file = filepath.Join(pkg, filepath.Base(f.Name))
				all = append(all, m)
			}
		}
	}
	slices.SortFunc(all, func(a, b mutant) int {
		return cmp.Or(cmp.Compare(a.file, b.file), cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column), cmp.Compare(a.Type, b.Type))
	})
	return all, nil
}

// changes lists, for each type of mutant, what replaces an operator.
var changes = map[string]map[string]string{
	"CONDITIONALS_BOUNDARY": {"<=": "<", ">=": ">", "<": "<=", ">": ">="},
	"CONDITIONALS_NEGATION": {"==": "!=", "!=": "==", "<=": ">", ">=": "<", "<": ">=", ">": "<="},
	"ARITHMETIC_BASE":       {"+": "-", "-": "+", "*": "/", "/": "*", "%": "*"},
	"INCREMENT_DECREMENT":   {"++": "--", "--": "++"},
	"INVERT_NEGATIVES":      {"-": "+"},
}

// apply returns the file with the change made, and the key of the mutant on the list:
// the text of its line with the change marked, which stays the same when lines move.
func (m mutant) apply() (changed []byte, key string, err error) {
	data, err := os.ReadFile(m.file)
	if err != nil {
		return nil, "", err
	}
	lines := bytes.SplitAfter(data, []byte("\n"))
	if m.Line < 1 || m.Line > len(lines) || m.Column < 1 || m.Column > len(lines[m.Line-1]) {
		return nil, "", fmt.Errorf("%s has no place %d:%d", m.file, m.Line, m.Column)
	}
	line := lines[m.Line-1]
	before, rest := line[:m.Column-1], line[m.Column-1:]
	for _, width := range []int{2, 1} { // "<=" before "<"
		if len(rest) < width {
			continue
		}
		from, after := string(rest[:width]), rest[width:]
		if to, ok := changes[m.Type][from]; ok {
			key := fmt.Sprintf("%s `%s`", m.file, strings.TrimSpace(fmt.Sprintf("%s[%s to %s]%s", before, from, to, after)))
			lines[m.Line-1] = bytes.Join([][]byte{before, []byte(to), after}, nil)
			return bytes.Join(lines, nil), key, nil
		}
	}
	return nil, "", fmt.Errorf("%s:%d:%d: %s can't change %q", m.file, m.Line, m.Column, m.Type, rest)
}

// writeOverlay writes the file for "go test -overlay" that replaces file by text.
func writeOverlay(work, file string, text []byte) (string, error) {
	changed, overlay := filepath.Join(work, "changed.go"), filepath.Join(work, "overlay.json")
	if err := os.WriteFile(changed, text, 0o600); err != nil {
		return "", err
	}
	file, err := filepath.Abs(file)
	if err != nil {
		return "", err
	}
	data, err := json.Marshal(map[string]map[string]string{"Replace": {file: changed}})
	if err != nil {
		return "", err
	}
	return overlay, os.WriteFile(overlay, data, 0o600)
}

// test reports whether the package's tests pass.
func test(pkg, overlay, skip string, limit time.Duration) (text []byte, ok bool, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), limit+time.Minute)
	defer cancel()
	isolated, err := filepath.Abs("scripts/mutate/isolated")
	if err != nil {
		return nil, false, err
	}
	args := []string{"test", "-exec", isolated, "-vet=off", "-failfast", "-count=1", "-timeout", limit.String(), "-overlay", overlay, "-skip", skip, "./" + pkg}
	text, err = exec.CommandContext(ctx, "go", args...).CombinedOutput()
	var failed *exec.ExitError
	if errors.As(err, &failed) {
		return text, false, nil
	}
	return text, err == nil, err
}

// readList reads survivors as they are printed, each with its reason on indented lines
// below it.
func readList(file string) (map[string]bool, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	listed, last, reasoned := map[string]bool{}, "", true
	for i, line := range strings.Split(string(data), "\n") {
		text := strings.TrimSpace(line)
		switch {
		case text == "" || text[0] == '#':
		case line[0] == ' ' || line[0] == '\t':
			if last == "" {
				return nil, fmt.Errorf("%s:%d: a reason without a survivor", file, i+1)
			}
			listed[last], reasoned = true, true
		case !reasoned:
			return nil, fmt.Errorf("%s:%d: no reason for %s", file, i+1, last)
		default:
			last, reasoned = text, false
		}
	}
	if !reasoned {
		return nil, fmt.Errorf("%s: no reason for %s", file, last)
	}
	return listed, nil
}
