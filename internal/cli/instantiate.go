package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"nix2gpu/nix/eval"
	"nix2gpu/nix/syntax"
	"nix2gpu/spelling"
)

// nixInstantiate is the name under which the program takes that tool's command line.
const nixInstantiate = "nix-instantiate"

// instantiateIgnores are switches of Nix that mean nothing here, with the number of words
// that follow each. Names and meanings are those of its manual, "Common Options" and
// "nix-instantiate".
var instantiateIgnores = map[string]int{
	"read-write-mode": 0, "show-trace": 0, "impure": 0, "no-location": 0, "indirect": 0, "fallback": 0,
	"repair": 0, "quiet": 0, "debug": 0, "verbose": 0, "keep-going": 0, "keep-failed": 0, "no-build-output": 0,
	"print-build-logs": 0, "offline": 0, "refresh": 0, "accept-flake-config": 0,
	"timeout": 1, "max-silent-time": 1, "max-jobs": 1, "cores": 1, "log-format": 1, "add-root": 1, "store": 1,
	"substituters": 1, "extra-substituters": 1, "builders": 1, "trusted-public-keys": 1, "extra-trusted-public-keys": 1,
	"allowed-uris": 1, "access-tokens": 1, "extra-platforms": 1, "system-features": 1,
}

const instantiateHelp = `nix-instantiate: evaluate Nix, as nix2gpu eval does

  nix-instantiate --eval [--strict] [--json | --xml | --raw] [-A ATTR]... [FILE...]
  nix-instantiate --eval -E EXPRESSION...
  nix-instantiate --parse [FILE... | -E EXPRESSION...]
  nix-instantiate --find-file NAME...
  nix-instantiate --dry-run [FILE...]      the paths of derivations; nothing is written

  --arg NAME EXPRESSION, --argstr NAME TEXT, -I FOLDER, --max-call-depth NUMBER,
  --trace-verbose, --option NAME VALUE; a FILE of - is stdin, and without any it is
  ./default.nix

This is nix2gpu under the name nix-instantiate. Switches about builds, stores and
downloads are accepted, and mean nothing: nothing is built or written.
`

// An instantiation is a command line of nix-instantiate.
type instantiation struct {
	evalOptions
	eval, parse, findFile, dryRun bool
	exprs                         bool // the names are expressions
	names                         []string
}

// runInstantiate is the program under the name nix-instantiate. Its exit code is 1
// whatever is wrong, as that of nix-instantiate.
func runInstantiate(ctx context.Context, env *Env) int {
	err := instantiate(ctx, env, arguments(env))
	if err == nil {
		return exitOK
	}
	report(env, &cobra.Command{Use: nixInstantiate}, err)
	if by, ok := errors.AsType[*interruption](context.Cause(ctx)); ok {
		return by.code()
	}
	return exitFailed
}

func instantiate(ctx context.Context, env *Env, args []string) error {
	if slices.Contains(args, "--version") {
		_, err := fmt.Fprintf(env.Stdout, "%s (nix2gpu) %s\n", nixInstantiate, eval.NixVersion)
		return err
	}
	in, err := readInstantiation(args)
	if err != nil || in == nil {
		if in == nil && err == nil {
			_, err = io.WriteString(env.Stdout, instantiateHelp)
		}
		return err
	}
	ev, err := newEvaluator(env, in.evalOptions)
	if err != nil {
		return err
	}
	if in.findFile {
		return evalFailed(ev.Do(ctx, func(t *eval.Thread) {
			for _, name := range in.names {
				fmt.Fprintln(env.Stdout, string(t.FindFile(name)))
			}
		}))
	}
	if !in.eval && !in.parse && !in.dryRun {
		return hint(errors.New("not supported: writing the files of derivations into a store"), "--eval evaluates, and --dry-run prints the paths that these files would have")
	}
	if len(in.names) == 0 && !in.exprs {
		in.names = []string{"default.nix"}
	}
	for _, name := range in.names {
		if err := in.one(ctx, env, ev, name); err != nil {
			return err
		}
	}
	return nil
}

// readInstantiation reads a command line; nil: help is wanted. Switches and names may
// come in any order, as there.
func readInstantiation(args []string) (*instantiation, error) {
	in := &instantiation{}
	for len(args) > 0 {
		word := args[0]
		if words := apart(word); len(words) > 1 {
			args = slices.Concat(words, args[1:])
			word = words[0]
		}
		args = args[1:]
		take := func(n int) (out []string, err error) {
			if len(args) < n {
				return nil, usageError("%s needs %s", word, []string{"", "a word behind it", "two words behind it"}[n])
			}
			out, args = args[:n], args[n:]
			return out, nil
		}
		var err error
		var values []string
		switch name := strings.TrimPrefix(word, "--"); word {
		case "--help":
			return nil, nil
		case "--eval", "--eval-only":
			in.eval = true
		case "--parse", "--parse-only":
			in.parse = true
		case "--find-file":
			in.findFile = true
		case "--dry-run":
			in.dryRun = true
		case "--expr", "-E":
			in.exprs = true
		case "--strict":
			in.strict = true
		case "--json", "--xml", "--raw": // the last one counts
			in.json, in.xml, in.raw = word == "--json", word == "--xml", word == "--raw"
		case "--no-location":
			in.noPlaces = true
		case "--impure":
			in.settings = append(in.settings, "pure-eval=false")
		case "--trace-verbose":
			in.verbose = true
		case "-A", "--attr":
			if values, err = take(1); err == nil {
				in.attrs = append(in.attrs, values[0])
			}
		case "-I", "--include":
			if values, err = take(1); err == nil {
				in.search = append(in.search, values[0])
			}
		case "--arg", "--argstr":
			if values, err = take(2); err != nil {
				break
			}
			given := &in.args
			if word == "--argstr" {
				given = &in.strings
			}
			*given = append(*given, values[0]+"="+values[1])
		case "--max-call-depth":
			if values, err = take(1); err != nil {
				break
			}
			if in.depth, err = strconv.Atoi(values[0]); err != nil || in.depth < 1 {
				err = usageError("--max-call-depth needs a number, not %q", values[0])
			}
		case "--option":
			if values, err = take(2); err == nil {
				in.settings = append(in.settings, values[0]+"="+values[1])
			}
		case "-v", "-Q", "-k", "-K":
		case "-j":
			_, err = take(1)
		case "-":
			in.names = append(in.names, word)
		default:
			n, known := instantiateIgnores[name]
			switch {
			case flagSetting(word) != "":
				in.settings = append(in.settings, flagSetting(word))
			case slices.Contains(switchSettings, name) && strings.HasPrefix(word, "--"):
				if values, err = take(1); err == nil {
					in.settings = append(in.settings, name+"="+values[0])
				}
			case known && strings.HasPrefix(word, "--"):
				_, err = take(n)
			case strings.HasPrefix(word, "-I"):
				in.search = append(in.search, word[2:])
			case strings.HasPrefix(word, "-"):
				err = hint(usageError("unrecognised option '%s'", word), "nix-instantiate --help")
			default:
				in.names = append(in.names, word)
			}
		}
		if err != nil {
			return nil, err
		}
	}
	return in, nil
}

// apart takes apart short switches that are written as one word, such as -vv or -j8. -Ia=b
// stays whole.
func apart(word string) []string {
	isLetter := func(c byte) bool { return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' }
	if len(word) < 3 || word[0] != '-' || !isLetter(word[1]) || word[1] == 'I' {
		return []string{word}
	}
	var out []string
	for i := 1; i < len(word); i++ {
		if !isLetter(word[i]) {
			return append(out, word[i:])
		}
		out = append(out, "-"+word[i:i+1])
	}
	return out
}

// one evaluates or parses a file or an expression.
func (in *instantiation) one(ctx context.Context, env *Env, ev *eval.Evaluator, arg string) error {
	expr, args := "", []string{arg}
	if in.exprs {
		expr, args = arg, nil
	}
	if err := findNamed(ctx, ev, args); err != nil {
		return err
	}
	name, text, dir, file, err := nixSource(env, expr, args)
	if err != nil {
		return err
	}
	if file != "" && !in.parse { // a program may not be allowed to read it
		if _, err := ev.Files().Stat(file); err != nil {
			return err
		}
	}
	tree, err := syntax.Parse(name, text)
	if err != nil {
		return &invalid{dir, err}
	}
	if in.parse {
		// A function is only looked at, but names that it does not know are found.
		if _, err := ev.EvalExpr(ctx, &syntax.Lambda{Formals: &syntax.Formals{}, Body: tree}, dir, nil); err != nil {
			return evalFailed(err)
		}
		fmt.Fprintln(env.Stdout, syntax.Normal(tree, dir, env.Getenv("HOME")))
		return nil
	}
	attrs := in.attrs
	if len(attrs) == 0 {
		attrs = []string{""}
	}
	var out []string
	err = ev.Do(ctx, func(t *eval.Thread) {
		given := argumentsOf(t, in.evalOptions, env.Dir)
		root := t.EvalText(name, text, dir, nil, pathsOf(file)...)
		for _, path := range attrs {
			v := t.Force(root)
			if path != "" {
				v = pick(t, v, path, given)
			}
			if in.eval && len(given) > 0 { // else a function is what it is, as there
				v = autoCall(t, v, given)
			}
			if in.eval {
				out = append(out, in.show(t, v))
			} else {
				out = append(out, derivationsIn(t, v, given)...)
			}
		}
	})
	end := "\n"
	if in.raw {
		end = ""
	}
	for _, text := range out { // also what came before an error
		if _, err := io.WriteString(env.Stdout, text+end); err != nil {
			return err
		}
	}
	return placed(evalFailed(err), tree)
}

// pick follows a selection path, with Nix's own errors.
func pick(t *eval.Thread, v eval.Value, path string, given map[string]eval.Value) eval.Value {
	for _, part := range splitPath(t, path) {
		v = autoCall(t, v, given)
		if list, ok := v.(*eval.List); ok {
			i, err := strconv.Atoi(part)
			if err != nil {
				t.Throw("the expression selected by the selection path '%s' should be a set but is a list", path)
			}
			if i < 0 || i >= list.Len() {
				t.Throw("list index %d in selection path '%s' is out of range", i, path)
			}
			v = t.Force(list.At(i))
			continue
		}
		set, ok := v.(*eval.Attrs)
		switch {
		case !ok:
			t.Throw("the expression selected by the selection path '%s' should be a set but is %s", path, eval.WithArticle(v))
		case part == "":
			t.Throw("empty attribute name in selection path '%s'", path)
		}
		next, found := set.Get(part)
		if !found {
			cure := "there are no attributes"
			if near := spelling.Nearest(part, set.Names()); near != "" {
				cure = fmt.Sprintf("did you mean %q?", near)
			} else if names := set.Names(); len(names) > 0 {
				cure = "there are " + strings.Join(names[:min(len(names), 10)], ", ")
			}
			t.Raise(&eval.Error{Msg: fmt.Sprintf("attribute '%s' in selection path '%s' not found", part, path), Hint: cure})
		}
		v = t.Force(next)
	}
	return v
}

// maxSets limits how deeply sets and lists are looked through for derivations.
const maxSets = 100

// A finder finds derivations as nix-instantiate does.
type finder struct {
	t     *eval.Thread
	given map[string]eval.Value
	seen  map[*eval.Attrs]bool // a derivation with two names is found once
	paths []string
}

// derivationsIn returns the paths of the derivations in a value, each with its output if that
// is not out.
func derivationsIn(t *eval.Thread, v eval.Value, given map[string]eval.Value) []string {
	f := finder{t: t, given: given, seen: map[*eval.Attrs]bool{}}
	f.in(v, 0)
	return f.paths
}

// is reports whether a value is a derivation, and notes its path.
func (f *finder) is(v eval.Value) bool {
	set, ok := v.(*eval.Attrs)
	if !ok || !f.t.IsDerivation(set) {
		return false
	}
	if f.seen[set] {
		return true
	}
	f.seen[set] = true
	path := f.t.Text(f.t.Select(set, "drvPath"))
	if out := f.t.Text(f.t.Select(set, "outputName")); out != "out" {
		path += "!" + out
	}
	f.paths = append(f.paths, path)
	return true
}

// in looks into a value: a list, in which all must be or have derivations, or a set, in which
// only those sets are looked into that say so. Functions in a set are left alone.
func (f *finder) in(v eval.Value, depth int) {
	if depth > maxSets {
		f.t.Throw("sets with recurseForDerivations, or lists, are nested more than %d deep", maxSets)
	}
	v = autoCall(f.t, v, f.given)
	if f.is(v) {
		return
	}
	switch v := v.(type) {
	case *eval.Attrs:
		for name, v := range v.All() {
			if !isPlainName(name) {
				continue
			}
			v = f.t.Force(v)
			if f.is(v) {
				continue
			}
			if set, ok := v.(*eval.Attrs); ok {
				if more, found := set.Get("recurseForDerivations"); found && f.t.Bool(more) {
					f.in(set, depth+1)
				}
			}
		}
	case *eval.List:
		for i := range v.Len() {
			if elem := f.t.Force(v.At(i)); !f.is(elem) {
				f.in(elem, depth+1)
			}
		}
	default:
		f.t.Throw("expression does not evaluate to a derivation (or a set or list of those), but to %s", eval.WithArticle(v))
	}
}

// isPlainName reports whether an attribute can be named on a command line without quotes.
// Others are not looked at.
func isPlainName(name string) bool {
	for i := range len(name) {
		switch c := name[i]; {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c == '_':
		case i > 0 && (c >= '0' && c <= '9' || c == '-' || c == '+'):
		default:
			return false
		}
	}
	return name != ""
}
