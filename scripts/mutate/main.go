// Command mutate changes the code of packages in small ways, by go-gremlins,
// and wants the package's own tests to notice. A change that no test notices
// fails, unless it stands on the list of survivors with its reason.
//
//	go run ./scripts/mutate [-seed N] [-min 40] PACKAGE...
//
// Of each package it takes files in an order that the seed decides, until they
// hold enough mutants: all of a large package would take a day.
package main

import (
	"cmp"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

const (
	gremlins = "github.com/go-gremlins/gremlins/cmd/gremlins@v0.6.0"
	listFile = "scripts/survivors.txt"
)

func main() {
	seed := flag.Uint64("seed", 1, "decides which files are taken")
	least := flag.Int("min", 40, "mutants of each package, at least, where it has so many")
	flag.Parse()
	listed, err := readList(listFile)
	if err == nil {
		err = run(os.Stdout, flag.Args(), *seed, *least, listed)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "mutate:", err)
		os.Exit(1)
	}
}

// A report is what gremlins writes.
type report struct {
	Files []struct {
		Name      string   `json:"file_name"`
		Mutations []mutant `json:"mutations"`
	} `json:"files"`
}

type mutant struct {
	Type   string `json:"type"`
	Status string `json:"status"` // KILLED, LIVED, TIMED OUT, NOT COVERED, RUNNABLE
	Line   int    `json:"line"`
	Column int    `json:"column"`
}

func run(out io.Writer, packages []string, seed uint64, least int, listed map[string]bool) error {
	if len(packages) == 0 {
		return errors.New("usage: mutate [-seed N] [-min N] PACKAGE...")
	}
	unlisted := 0
	for _, pkg := range packages {
		all, err := unleash(pkg, "--dry-run")
		if err != nil {
			return fmt.Errorf("%s: %v", pkg, err)
		}
		chosen := choose(all, seed, least)
		var exclude []string
		for _, f := range all.Files {
			if !slices.Contains(chosen, f.Name) {
				exclude = append(exclude, "--exclude-files", `(^|/)`+regexp.QuoteMeta(filepath.Base(f.Name))+"$")
			}
		}
		r, err := unleash(pkg, exclude...)
		if err != nil {
			return fmt.Errorf("%s: %v", pkg, err)
		}
		count := map[string]int{}
		for _, f := range r.Files {
			for _, m := range f.Mutations {
				count[m.Status]++
				if m.Status != "LIVED" {
					continue
				}
				path := filepath.Join(pkg, filepath.Base(f.Name))
				key := keyOf(path, m)
				if listed[key] {
					continue
				}
				unlisted++
				fmt.Fprintf(out, "%s:%d:%d: no test notices: %s\n", path, m.Line, m.Column, key)
			}
		}
		tried := count["KILLED"] + count["TIMED OUT"] + count["LIVED"]
		fmt.Fprintf(out, "%s: %d mutants of %s: %d killed, %d lived\n", pkg, tried, strings.Join(chosen, ", "), tried-count["LIVED"], count["LIVED"])
		if tried == 0 {
			return fmt.Errorf("%s: no mutant was tried", pkg)
		}
	}
	if unlisted > 0 {
		return fmt.Errorf("%d mutants survived: give each a test, or a line in %s with the reason why none can notice it", unlisted, listFile)
	}
	return nil
}

// unleash runs gremlins on a package.
func unleash(pkg string, flags ...string) (*report, error) {
	f, err := os.CreateTemp("", "mutants-")
	if err != nil {
		return nil, err
	}
	f.Close()
	defer os.Remove(f.Name())
	// A mutant that is slow is no survivor, but one that was given no time
	// would be no evidence.
	args := append([]string{"run", gremlins, "unleash", "./" + pkg, "--workers", "1", "--timeout-coefficient", "20", "--output", f.Name()}, flags...)
	cmd := exec.Command("go", args...)
	if text, err := cmd.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("%v\n%s", err, text)
	}
	data, err := os.ReadFile(f.Name())
	if err != nil {
		return nil, err
	}
	var r report
	if err := json.Unmarshal(data, &r); err != nil {
		return nil, fmt.Errorf("what gremlins wrote: %v", err)
	}
	return &r, nil
}

// choose picks files until they hold enough mutants that a test could notice.
func choose(r *report, seed uint64, least int) []string {
	could := map[string]int{}
	for _, f := range r.Files {
		for _, m := range f.Mutations {
			if m.Status == "RUNNABLE" {
				could[f.Name]++
			}
		}
	}
	names := slices.Sorted(maps.Keys(could))
	rand.New(rand.NewPCG(seed, 0)).Shuffle(len(names), func(i, j int) { names[i], names[j] = names[j], names[i] })
	n := 0
	for i, name := range names {
		if n += could[name]; n >= least {
			return names[:i+1]
		}
	}
	return names
}

// keyOf names a mutant by the text of its line, so that it is the same after
// lines have moved.
func keyOf(path string, m mutant) string {
	data, err := os.ReadFile(path)
	lines := strings.Split(string(data), "\n")
	if err != nil || m.Line < 1 || m.Line > len(lines) {
		return fmt.Sprintf("%s %s", path, m.Type)
	}
	return fmt.Sprintf("%s %s `%s`", path, m.Type, strings.TrimSpace(lines[m.Line-1]))
}

// readList reads pairs of lines: a survivor as it is printed, and an indented
// reason.
func readList(file string) (map[string]bool, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	listed, last := map[string]bool{}, ""
	for i, line := range strings.Split(string(data), "\n") {
		text := strings.TrimSpace(line)
		switch {
		case text == "" || text[0] == '#':
		case line[0] == ' ' || line[0] == '\t':
			if last == "" {
				return nil, fmt.Errorf("%s:%d: a reason without a survivor", file, i+1)
			}
			listed[last], last = true, ""
		default:
			if last != "" {
				return nil, fmt.Errorf("%s:%d: no reason for %s", file, i+1, cmp.Or(last, text))
			}
			last = text
		}
	}
	if last != "" {
		return nil, fmt.Errorf("%s: no reason for %s", file, last)
	}
	return listed, nil
}
