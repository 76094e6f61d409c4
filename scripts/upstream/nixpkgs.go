package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"nix2gpu/nix/eval"
	"nix2gpu/nix/module"
	"nix2gpu/nix/osfs"
)

// instantiate is the name by which nixpkgs' tests call an evaluator.
const instantiate = "nix-instantiate"

// Variables that tell a program of that name, which stands in for our library, what to do.
const (
	libVariable     = "UPSTREAM_LIB"     // the folder of the real library
	programVariable = "UPSTREAM_PROGRAM" // nix2gpu
	storeVariable   = "UPSTREAM_STORE"   // a folder that has what is printed of a store
)

// checkNixpkgs runs the tests that nixpkgs has for its library, in a copy of the folder
// lib, and prints what came of each:
//
//   - with the library itself, so that only the language is tested;
//   - with ours in its place. There an error has to come where theirs has one, but the words
//     of ours are its own.
func checkNixpkgs(title, root, program string, out io.Writer) error {
	lib := filepath.Join(root, "lib")
	for _, ours := range []bool{false, true} {
		whose := "nixpkgs' lib"
		if ours {
			whose = "the lib of nix2gpu"
		}
		say := func(name string, passed, all int, lines []string) error {
			_, err := fmt.Fprintf(out, "%s: %s, with %s: %d of %d pass\n%s", title, name, whose, passed, all, strings.Join(lines, ""))
			return err
		}
		for _, name := range []string{"tests/misc.nix", "tests/systems.nix", "tests/fetchers.nix"} {
			cases := filepath.Join(lib, name)
			if _, err := os.Stat(cases); err != nil && name != "tests/misc.nix" {
				continue // of another version
			}
			passed, all, lines, err := runTests(cases, lib, ours)
			if err != nil {
				return err
			}
			if err := say(name, passed, all, lines); err != nil {
				return err
			}
		}
		passed, all, lines, err := runSingles(root, lib, program, ours)
		if err != nil {
			return err
		}
		if all > 0 {
			if err := say("tests that end at the first failure", passed, all, lines); err != nil {
				return err
			}
		}
		if passed, all, lines, err = runScript(filepath.Join(lib, "tests/modules.sh"), lib, program, ours); err != nil {
			return err
		}
		if err := say("tests/modules.sh", passed, all, lines); err != nil {
			return err
		}
	}
	return nil
}

// ourFS shows our library in place of the one in a folder.
type ourFS struct {
	osfs.FS
	lib string
}

// ourLib is the name of our library in the file that takes the place of theirs.
const ourLib = "__ourLib"

func (f ourFS) ReadFile(name string) ([]byte, error) {
	if name == filepath.Join(f.lib, "default.nix") {
		return []byte(ourLib), nil
	}
	return f.FS.ReadFile(name)
}

// newEvaluator returns an evaluator that has our library in place of that in a folder; ""
// for no folder.
func newEvaluator(lib string, trace io.Writer, abortOnWarn bool) *eval.Evaluator {
	var system *module.System
	opts := eval.Options{FS: osfs.FS{}, Store: true, Getenv: os.Getenv, TraceTo: trace, AbortOnWarn: abortOnWarn}
	if prefix, path, found := strings.Cut(os.Getenv("NIX_PATH"), "="); found { // as the scripts set it
		opts.SearchPath = []eval.SearchEntry{{Prefix: prefix, Path: path}}
	}
	if lib != "" {
		opts.FS = ourFS{lib: lib}
		opts.Globals = map[string]eval.Value{ourLib: eval.Lazy(func(t *eval.Thread) eval.Value { return t.Force(system.Lib()) })}
	}
	ev := eval.New(opts)
	system = module.NewSystem(ev)
	return ev
}

// runTests evaluates each test of a file that is a call of runTests.
func runTests(file, lib string, ours bool) (passed, all int, lines []string, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	// The file has a library of its own, whose runTests is to return its argument.
	const tests = `{ file, lib }: builtins.scopedImport {
  import = path: if path == lib || path == dirOf lib then import path // { runTests = tests: tests; } else import path;
} file`
	replaced := ""
	if ours {
		replaced = lib
	}
	ev := newEvaluator(replaced, io.Discard, false)
	err = ev.Do(ctx, func(t *eval.Thread) {
		f := t.EvalText("(tests)", tests, "/", nil)
		set := t.Attrs(t.Call(f, eval.AttrsOf(map[string]eval.Value{"file": eval.Path(file), "lib": eval.Path(filepath.Join(lib, "default.nix"))})))
		for _, name := range set.Names() {
			if !strings.HasPrefix(name, "test") {
				continue
			}
			all++
			wrong := ""
			if err := t.Try(func() {
				test, _ := set.Get(name)
				got, want := t.Select(test, "expr"), t.Select(test, "expected")
				if !t.Equal(got, want) {
					wrong = fmt.Sprintf("%s, not %s", shorten(t, got), shorten(t, want))
				}
			}); err != nil {
				wrong = firstLine(err.Error())
			}
			if wrong == "" {
				passed++
			} else {
				lines = append(lines, fmt.Sprintf("  %-20s %s\n", name, wrong))
			}
		}
	})
	return passed, all, lines, err
}

// shorten returns a value as one line.
func shorten(t *eval.Thread, v eval.Value) string {
	const width = 200
	text := "(an error)"
	_ = t.Try(func() { text = t.Print(t.ForceDeep(v), eval.PrintOptions{Force: true}) })
	if len(text) > width {
		text = text[:width] + "…"
	}
	return text
}

func firstLine(text string) string {
	line, _, _ := strings.Cut(text, "\n")
	return line
}

// runScript runs a script that calls nix-instantiate and counts.
func runScript(script, lib, program string, ours bool) (passed, all int, lines []string, err error) {
	target := program
	if ours {
		if target, err = os.Executable(); err != nil {
			return 0, 0, nil, err
		}
	}
	output, err := calling(target, program, lib, "", "bash", script)
	if err != nil && !hasFailed(err) {
		return 0, 0, nil, err
	}
	passed, failed, lines := scriptResult(output)
	if passed+failed == 0 {
		return 0, 0, nil, fmt.Errorf("%s counts nothing: %s", script, output)
	}
	return passed, passed + failed, lines, nil
}

// hasFailed reports whether a command has ended by itself.
func hasFailed(err error) bool {
	_, failed := errors.AsType[*exec.ExitError](err)
	return failed
}

// calling runs a command for which target is nix-instantiate, and returns what it prints. Our
// library is in the place of that in the folder lib, if that is not "", and files of a store
// come into a folder.
func calling(target, program, lib, store string, args ...string) (string, error) {
	program, err := filepath.Abs(program)
	if err != nil {
		return "", err
	}
	if target, err = filepath.Abs(target); err != nil {
		return "", err
	}
	temp, err := os.MkdirTemp("", "upstream-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(temp)
	if err := os.Symlink(target, filepath.Join(temp, instantiate)); err != nil {
		return "", err
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt)
	defer stop()
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	if args[0] == instantiate {
		cmd.Path, cmd.Err = filepath.Join(temp, instantiate), nil
	}
	cmd.Env = append(os.Environ(), "PATH="+temp+":"+os.Getenv("PATH"), libVariable+"="+lib, programVariable+"="+program, storeVariable+"="+store)
	var output bytes.Buffer
	cmd.Stdout, cmd.Stderr = &output, &output
	err = cmd.Run()
	if ctx.Err() != nil {
		err = ctx.Err()
	}
	return output.String(), err
}

// scriptResult reads what a script of nixpkgs prints: of each test that fails, how it was
// called, what came of it, what was expected, and where it is; and at the end the counts.
func scriptResult(text string) (passed, failed int, lines []string) {
	ending := regexp.MustCompile(`(?m)^(\d+) (Pass|Fail)$`)
	for _, m := range ending.FindAllStringSubmatch(text, -1) {
		n := &passed
		if m[2] == "Fail" {
			n = &failed
		}
		fmt.Sscan(m[1], n)
	}
	place := regexp.MustCompile(`TEST FAILED\S* at .*?([^/]+:\d+)$`)
	var before []string
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\n")
		m := place.FindStringSubmatch(line)
		if m == nil {
			before = append(before, line)
			continue
		}
		first := ""
		for i, said := range before {
			if strings.HasPrefix(said, "$ ") && i+1 < len(before) {
				first = before[i+1] // what it printed
			}
		}
		if want := slices.IndexFunc(before, func(s string) bool { return strings.HasPrefix(s, "EXPECTED: ") }); want >= 0 {
			first += " (" + strings.TrimPrefix(before[want], "EXPECTED: ") + " was expected)"
		}
		lines = append(lines, fmt.Sprintf("  %-20s %s\n", m[1], first))
		before = nil
	}
	return passed, failed, lines
}
