package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"

	"nix2gpu/nix/eval"
)

// A single is a test of nixpkgs' lib that ends with its first failure.
type single struct {
	file  string   // below lib
	args  []string // of the script; or, for a file of Nix, of nix-instantiate
	store bool     // it looks into what is in a store
	needs string   // below nixpkgs; "": nothing else
}

var singles = [...]single{
	{file: "tests/sources.sh", store: true},
	{file: "tests/filesystem.sh"},
	{file: "tests/network.sh"},
	{file: "tests/debug.sh"},
	{file: "fileset/tests.sh", store: true},
	{file: "path/tests/prop.sh", args: []string{"1"}}, // the seed
	{file: "path/tests/unit.nix"},
	{file: "services/test.nix", needs: "modules/generic/meta-maintainers.nix"},
}

// runSingles runs those tests that a copy has.
func runSingles(root, lib, program string, ours bool) (passed, all int, lines []string, err error) {
	self, err := os.Executable()
	if err != nil {
		return 0, 0, nil, err
	}
	for _, s := range singles {
		file := filepath.Join(lib, s.file)
		if _, err := os.Stat(file); err != nil {
			continue
		}
		if _, err := os.Stat(filepath.Join(root, s.needs)); err != nil {
			lines = append(lines, fmt.Sprintf("  %-20s not run: it needs %s\n", s.file, s.needs))
			continue
		}
		store, err := os.MkdirTemp("", "upstream-store-")
		if err != nil {
			return 0, 0, nil, err
		}
		defer os.RemoveAll(store)
		target, replaced := program, ""
		if ours {
			replaced = lib
		}
		if ours || s.store {
			target = self
		}
		args := append([]string{"bash", file}, s.args...)
		if filepath.Ext(file) == ".nix" {
			args = []string{instantiate, "--eval", "--strict", "--json", "--argstr", "libpath", lib, file}
		}
		output, err := calling(target, program, replaced, store, args...)
		if err != nil && !hasFailed(err) {
			return 0, 0, nil, err
		}
		all++
		if err == nil {
			passed++
			continue
		}
		lines = append(lines, fmt.Sprintf("  %-20s %s\n", s.file, reason(output)))
	}
	return passed, all, lines, nil
}

// reason returns the line with which such a test says what has failed.
func reason(output string) string {
	all := strings.Split(strings.TrimSpace(output), "\n")
	for _, line := range all {
		if strings.HasPrefix(line, "test case") {
			return line
		}
	}
	return all[0]
}

// A call is a command line of nix-instantiate, as the tests have it.
type call struct {
	expr, selection     string
	json, strict, abort bool
}

func readCall(args []string) (c call) {
	var given []string
	for len(args) > 0 {
		word := args[0]
		args = args[1:]
		take := func(n int) []string {
			n = min(n, len(args))
			out := args[:n]
			args = args[n:]
			return out
		}
		switch word {
		case "-E", "--expr":
			c.expr = strings.Join(take(1), "")
		case "-A":
			c.selection = strings.Join(take(1), "")
		case "--timeout":
			take(1)
		case "--option":
			setting := take(2)
			c.abort = c.abort || len(setting) == 2 && setting[0] == "abort-on-warn" && setting[1] == "true"
		case "--argstr":
			if pair := take(2); len(pair) == 2 {
				given = append(given, pair[0]+" = "+quoted(pair[1])+";")
			}
		case "--json":
			c.json = true
		case "--strict":
			c.strict = true
		default:
			if !strings.HasPrefix(word, "-") {
				if !strings.HasPrefix(word, "/") {
					word = "./" + strings.TrimPrefix(word, "./")
				}
				c.expr = "import " + word
			}
		}
	}
	if len(given) > 0 {
		c.expr = fmt.Sprintf("let f = %s; in if builtins.isFunction f then f (builtins.intersectAttrs (builtins.functionArgs f) { %s }) else f", c.expr, strings.Join(given, " "))
	}
	return c
}

// quoted is a string as Nix writes it.
func quoted(text string) string {
	return strings.ReplaceAll(strconv.Quote(text), "${", `\${`)
}

// standIn is this program under the name nix-instantiate, for a test: it prints a value as our
// library gives it, and what nixpkgs' says if that fails, too. So the script finds the
// words that it looks for, but only if ours is an error. A path in a store becomes that of a
// copy, which the script can look into.
func standIn(args []string, stdout, stderr io.Writer) int {
	c := readCall(args)
	dir, err := os.Getwd()
	if err != nil {
		fmt.Fprintln(stderr, err)
		return 1
	}
	lib := os.Getenv(libVariable)
	ev := newEvaluator(lib, stderr, c.abort)
	text := ""
	err = ev.Do(context.Background(), func(t *eval.Thread) {
		v := t.EvalText("(test)", selected(c.expr, c.selection), dir, nil)
		switch {
		case c.json:
			text = t.ToJSON(v).Text()
		case c.strict:
			text = t.Print(t.ForceDeep(v), eval.PrintOptions{Force: true})
		default:
			text = t.Print(t.Force(v), eval.PrintOptions{})
		}
	})
	if stored, ok := strings.CutPrefix(text, `"/nix/store/`); err == nil && ok && os.Getenv(storeVariable) != "" {
		name := strings.TrimSuffix(stored, `"`)
		base, _, _ := strings.Cut(name, "/")
		if err = copyStored(ev.Files(), "/nix/store/"+base, filepath.Join(os.Getenv(storeVariable), base)); err == nil {
			text = `"` + filepath.Join(os.Getenv(storeVariable), name) + `"`
		}
	}
	if err == nil {
		fmt.Fprintln(stdout, text)
		return 0
	}
	said := []byte(err.Error() + "\n")
	if lib != "" {
		theirs := exec.Command(os.Getenv(programVariable), args...)
		theirs.Args[0] = instantiate
		if words, err := theirs.CombinedOutput(); err != nil {
			said = words
		}
	}
	_, _ = stderr.Write(said)
	return 1
}

// copyStored copies what an evaluation has in its store into a folder.
func copyStored(from eval.FS, source, target string) error {
	info, err := from.Lstat(source)
	if err != nil {
		return err
	}
	if _, err := os.Lstat(target); err == nil {
		return nil // of a call before
	}
	switch {
	case info.IsDir():
		entries, err := from.ReadDir(source)
		if err != nil {
			return err
		}
		if err := os.Mkdir(target, 0o777); err != nil {
			return err
		}
		for _, e := range entries {
			if err := copyStored(from, path.Join(source, e.Name()), filepath.Join(target, e.Name())); err != nil {
				return err
			}
		}
		return nil
	case !info.Mode().IsRegular():
		link, err := from.ReadLink(source)
		if err != nil {
			return err
		}
		return os.Symlink(link, target)
	}
	data, err := from.ReadFile(source)
	if err != nil {
		return err
	}
	return os.WriteFile(target, data, 0o666|info.Mode().Perm()&0o111)
}

// selected is an expression with a selection path, in which numbers are places in lists.
func selected(expr, path string) string {
	out := "(" + expr + ")"
	for _, part := range regexp.MustCompile(`"[^"]*"|[^."]+`).FindAllString(path, -1) {
		if n, err := strconv.Atoi(part); err == nil {
			out = fmt.Sprintf("(builtins.elemAt %s %d)", out, n)
		} else {
			out += "." + part
		}
	}
	return out
}
