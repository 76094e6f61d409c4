package cli

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"nix2gpu/nix/eval"
	"nix2gpu/nix/osfs"
	"nix2gpu/nix/syntax"
)

type evalOptions struct {
	expr    string
	json    bool
	strict  bool
	raw     bool
	attrs   []string
	args    []string // NAME, EXPR, NAME, EXPR: as --arg has them
	strings []string
	xml     bool
	// of attributes and functions in XML; those that nix2gpu eval prints have none
	noPlaces bool
	search   []string // entries of the search path: FOLDER or PREFIX=PATH
	depth    int      // of calls; 0: the usual one
	verbose  bool     // print what traceVerbose says
	// settings of Nix, NAME=VALUE, as --option has them; later ones count
	settings []string
}

func newEval(env *Env) *cobra.Command {
	var opts evalOptions
	cmd := &cobra.Command{
		Use:   "eval [FILE | -E EXPRESSION] [flags]",
		Short: "Evaluate Nix",
		Long: `Evaluates a file in the Nix language, or an expression, and prints its value. Values
that are not needed are not computed, and print as <CODE>; --strict computes them all.
A function is called with the arguments of --arg and --argstr.

FILE may be - for stdin. <name> is looked for in the folders of -I, then in those of
NIX_PATH. Paths of Nix's store are worked out as Nix does, and nothing is written or built.

Under the name nix-instantiate, as that of a link, the program takes that one's command
line; switches of Nix that mean nothing here are accepted by either.`,
		Example: `  nix2gpu eval -E '1 + 1'
  nix2gpu eval --json -A services nix2gpu.nix
  nix2gpu eval -E '{ n }: n * 2' --arg n 21`,
		RunE: func(cmd *cobra.Command, args []string) error {
			return runEval(cmd.Context(), env, opts, args)
		},
	}
	f := cmd.Flags()
	f.StringVarP(&opts.expr, "expr", "E", "", "evaluate this `expression`")
	f.BoolVar(&opts.json, "json", false, "print JSON; implies --strict")
	f.BoolVar(&opts.strict, "strict", false, "compute everything")
	f.BoolVar(&opts.raw, "raw", false, "print a string without quotes")
	f.StringArrayVarP(&opts.attrs, "attr", "A", nil, "print this `attribute`, such as services.nginx")
	f.StringArrayVar(&opts.args, "arg", nil, "`name=expression` to call a function with; or two words, as for nix")
	f.StringArrayVar(&opts.strings, "argstr", nil, "`name=text` to call a function with; or two words, as for nix")
	f.BoolVar(&opts.xml, "xml", false, "print XML; implies --strict")
	f.StringArrayVarP(&opts.search, "include", "I", nil, "look for <name> in this `folder`, or for <prefix/…> in prefix=folder")
	f.IntVar(&opts.depth, "max-call-depth", 0, "how many calls may be nested (default 10000)")
	f.BoolVar(&opts.verbose, "trace-verbose", false, "print what builtins.traceVerbose says")
	f.StringArrayVar(&opts.settings, "option", nil, "`name=value`: a setting of Nix; or two words, as for nix")
	for _, name := range switchSettings {
		f.Var(settingFlag{name, &opts.settings}, name, "")
		_ = f.MarkHidden(name)
	}
	for _, name := range switchFlags {
		for _, word := range []string{name, "no-" + name} {
			f.BoolFunc(word, "", func(string) error {
				opts.settings = append(opts.settings, flagSetting("--"+word))
				return nil
			})
			_ = f.MarkHidden(word)
		}
	}
	cmd.MarkFlagsMutuallyExclusive("json", "raw", "xml")
	for name, values := range instantiateIgnores {
		if values == 0 {
			f.Bool(name, false, "")
		} else {
			f.String(name, "", "")
		}
		_ = f.MarkHidden(name)
	}
	return cmd
}

// joinArgs joins the two words behind nix's --arg, --argstr and --option into one, which
// is all that a flag of ours can take. Those of other verbs are left alone: they may be
// another program's, such as jq's.
func joinArgs(root *cobra.Command, args []string) []string {
	if cmd, _, err := root.Find(args); err != nil || cmd.Flags().Lookup("argstr") == nil {
		return args
	}
	var out []string
	for i := 0; i < len(args); i++ {
		if slices.Contains([]string{"--arg", "--argstr", "--option"}, args[i]) && i+2 < len(args) && !strings.Contains(args[i+1], "=") {
			out = append(out, args[i], args[i+1]+"="+args[i+2])
			i += 2
			continue
		}
		out = append(out, args[i])
	}
	return out
}

// newEvaluator returns an evaluator of what people type: it sees the machine's files and
// variables, as Nix does when it is not told to be pure.
func newEvaluator(env *Env, opts evalOptions) (*eval.Evaluator, error) {
	all := eval.Options{
		FS:     osfs.FS{},
		Store:  true,
		Getenv: env.Getenv,
		Now:    func() int64 { return env.Now().Unix() },
		Home:   env.Getenv("HOME"),
		// A trace is a message, not a result.
		TraceTo:      env.Stderr,
		TraceVerbose: opts.verbose,
		AbortOnWarn:  slices.Contains([]string{"1", "true", "yes"}, env.Getenv("NIX_ABORT_ON_WARN")),
		SearchPath:   searchPath(env, opts.search),
		MaxMemory:    memoryLimit(),
		Unforced:     !opts.strict && !opts.json && !opts.raw,
	}
	if env.Getenv("GOGC") == "" {
		if _, limited := addressSpace(); !limited && all.MaxMemory >= 2*heapRoom { // what fails in Go's heap ends the program
			debug.SetGCPercent(smallFactor)
			all.Grow = []eval.Growth{{Heap: startUnused, Do: dropStart}, {Heap: smallHeap, Do: growHeap}}
		}
	}
	if err := applySettings(&all, env.Getenv("NIX_CONFIG"), opts.settings); err != nil {
		return nil, err
	}
	all.MaxDepth = cmp.Or(opts.depth, all.MaxDepth)
	return eval.New(all), nil
}

// searchPath returns where <name> is looked for: first in what -I says, then in NIX_PATH.
// What would have to be downloaded stays an address, which is refused when it is needed.
func searchPath(env *Env, given []string) []eval.SearchEntry {
	var out []eval.SearchEntry
	for _, entry := range slices.Concat(given, splitNixPath(env.Getenv("NIX_PATH"))) {
		prefix, path, found := strings.Cut(entry, "=")
		if !found {
			prefix, path = "", entry
		}
		if !eval.IsAddress(path) {
			path = env.path(path)
		}
		out = append(out, eval.SearchEntry{Prefix: prefix, Path: path})
	}
	return out
}

// splitNixPath splits at colons, except those of addresses such as https://….
func splitNixPath(text string) []string {
	var out []string
	for text != "" {
		end := 0
		for end < len(text) && (text[end] != ':' || isAddress(text[:end+1])) {
			end++
		}
		if end > 0 {
			out = append(out, text[:end])
		}
		text = text[min(len(text), end+1):]
	}
	return out
}

// isAddress reports whether an entry that ends in a colon goes on behind it.
func isAddress(entry string) bool {
	_, path, found := strings.Cut(entry, "=")
	if !found {
		path = entry
	}
	return strings.Index(path, ":") == len(path)-1 && eval.IsAddress(path)
}

// findNamed puts the path of <name> in the place of that, where it names the file to be evaluated.
func findNamed(ctx context.Context, ev *eval.Evaluator, args []string) error {
	for i, arg := range args {
		if len(arg) < 3 || arg[0] != '<' || arg[len(arg)-1] != '>' {
			continue
		}
		err := ev.Do(ctx, func(t *eval.Thread) { args[i] = string(t.FindFile(arg[1 : len(arg)-1])) })
		if err != nil {
			return evalFailed(err)
		}
	}
	return nil
}

func runEval(ctx context.Context, env *Env, opts evalOptions, args []string) error {
	ev, err := newEvaluator(env, opts)
	if err != nil {
		return err
	}
	if err := findNamed(ctx, ev, args); err != nil {
		return err
	}
	name, text, dir, file, err := nixSource(env, opts.expr, args)
	if err != nil {
		return err
	}
	opts.noPlaces = true
	// The text is parsed first, because a parse error has an exit code of its own.
	tree, err := syntax.Parse(name, text)
	if err != nil {
		return &invalid{dir, err}
	}
	opts.strict = opts.strict || opts.xml
	var out string
	err = ev.Do(ctx, func(t *eval.Thread) {
		given := argumentsOf(t, opts, env.Dir)
		v := autoCall(t, t.EvalText(name, text, dir, nil, pathsOf(file)...), given)
		for _, path := range opts.attrs {
			v = selectPath(t, v, path, given)
		}
		out = opts.show(t, v)
	})
	if err != nil {
		return placed(evalFailed(err), tree)
	}
	if opts.json {
		var b bytes.Buffer
		if json.Indent(&b, []byte(out), "", "  ") == nil {
			out = b.String()
		}
	}
	if opts.raw {
		_, err = io.WriteString(env.Stdout, out)
		return err
	}
	fmt.Fprintln(env.Stdout, out)
	return nil
}

// show returns a value as it is printed.
func (opts evalOptions) show(t *eval.Thread, v eval.Value) string {
	switch {
	case opts.json:
		return t.ToJSON(v).Text()
	case opts.xml:
		out := t.ToXML
		if !opts.noPlaces {
			out = t.ToXMLWithPlaces
		}
		return strings.TrimSuffix(out(v, opts.strict).Text(), "\n")
	case opts.raw:
		return t.Interpolate(v).Text()
	case opts.strict:
		v = t.ForceDeep(v)
	}
	return t.Print(t.Force(v), eval.PrintOptions{Force: opts.strict})
}

// An evalError prints with its source line and trace.
type evalError struct{ err *eval.Error }

func (e *evalError) Error() string { return strings.TrimRight(e.err.Backtrace(), "\n") }
func (e *evalError) Unwrap() error { return e.err }

func evalFailed(err error) error {
	var e *eval.Error
	if errors.As(err, &e) {
		if errors.Is(err, context.Canceled) {
			return context.Canceled
		}
		return &evalError{e}
	}
	return err
}

// placed gives an error without a place that of the expression: its value can't be printed as
// is wished.
func placed(err error, tree syntax.Expr) error {
	if e, ok := errors.AsType[*evalError](err); ok && !e.err.Pos.IsValid() {
		e.err.Pos = tree.Pos()
	}
	return err
}

// nixSource reads the text to be evaluated or parsed: an expression, a file or stdin. name is
// its name in messages, and file the path of a file; "" for none.
func nixSource(env *Env, expr string, args []string) (name, text, dir, file string, err error) {
	switch {
	case expr != "" && len(args) > 0:
		return "", "", "", "", usageError("a file and --expr exclude each other")
	case expr != "":
		return "«expr»", expr, env.Dir, "", nil
	case len(args) > 1:
		return "", "", "", "", usageError("at most one file can be named, got %d", len(args))
	case len(args) == 0:
		return "", "", "", "", hint(usageError("nothing to evaluate"), "name a file, or give an expression with -E")
	case args[0] == "-":
		text, err := osfs.ReadStream(env.Stdin, "the standard input")
		return "«stdin»", text, env.Dir, "", err
	}
	if eval.IsAddress(args[0]) {
		return "", "", "", "", hint(usageError("%q would have to be downloaded", args[0]), "unpack it here, and name the folder")
	}
	path := env.path(args[0])
	shown := args[0]
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		path, shown = filepath.Join(path, "default.nix"), filepath.Join(shown, "default.nix")
	}
	text, err = osfs.ReadNamed(path)
	if err != nil {
		return "", "", "", "", &exitError{exitUsage, fmt.Errorf("cannot read %q: %v", shown, errors.Unwrap(err))}
	}
	// Paths in a file are relative to the file itself, not to a link to it.
	if path, err = eval.FollowLinks(osfs.FS{}, path); err != nil {
		return "", "", "", "", &exitError{exitUsage, fmt.Errorf("cannot read %q: %v", shown, err)}
	}
	return args[0], text, filepath.Dir(path), path, nil
}

// pathsOf returns the path of a text, if it has one.
func pathsOf(file string) []string {
	if file == "" {
		return nil
	}
	return []string{file}
}

// argumentsOf evaluates --arg and --argstr. Paths in them are relative to dir, where
// they were typed.
func argumentsOf(t *eval.Thread, opts evalOptions, dir string) map[string]eval.Value {
	given := map[string]eval.Value{}
	for _, arg := range opts.args {
		name, expr, _ := strings.Cut(arg, "=")
		given[name] = t.EvalText("--arg "+name, expr, dir, nil)
	}
	for _, arg := range opts.strings {
		name, text, _ := strings.Cut(arg, "=")
		given[name] = eval.Str(text)
	}
	return given
}

// autoCall calls a function that takes a set, as nix does, if every argument without
// a default is given.
func autoCall(t *eval.Thread, v eval.Value, given map[string]eval.Value) eval.Value {
	v = t.Force(v)
	if !eval.IsFunction(v) {
		return v
	}
	formals := t.FunctionArgs(v)
	if len(formals) == 0 {
		return v
	}
	args := map[string]eval.Value{}
	for _, f := range formals {
		if value, ok := given[f.Name]; ok {
			args[f.Name] = value
		} else if !f.HasDefault {
			t.Throw("cannot call the function: it needs the argument '%s' (give it with --arg or --argstr)", f.Name)
		}
	}
	return t.Force(t.Call(v, eval.AttrsOf(args)))
}

// selectPath follows a path of attribute names and list positions.
func selectPath(t *eval.Thread, v eval.Value, path string, given map[string]eval.Value) eval.Value {
	for _, part := range splitPath(t, path) {
		v = autoCall(t, v, given)
		if list, ok := v.(*eval.List); ok {
			i, err := strconv.Atoi(part)
			if err != nil || i < 0 || i >= list.Len() {
				t.Throw("a list of %d has no element '%s'", list.Len(), part)
			}
			v = t.Force(list.At(i))
			continue
		}
		v = t.Force(t.Select(v, part))
	}
	return autoCall(t, v, given)
}

// splitPath splits at dots that are not inside quotes. Nothing behind the last dot is no part.
func splitPath(t *eval.Thread, path string) []string {
	var parts []string
	var b strings.Builder
	quoted := false
	for _, r := range path {
		switch {
		case r == '"':
			quoted = !quoted
		case r == '.' && !quoted:
			parts = append(parts, b.String())
			b.Reset()
		default:
			b.WriteRune(r)
		}
	}
	if quoted {
		t.Throw("missing closing quote in selection path '%s'", path)
	}
	if b.Len() > 0 {
		parts = append(parts, b.String())
	}
	return parts
}

func newParse(env *Env) *cobra.Command {
	var expr string
	cmd := &cobra.Command{
		Use:   "parse [FILE | -E EXPRESSION]",
		Short: "Parse Nix, and print how it was understood",
		Long: `Parses a file in the Nix language, or an expression, and prints it with all the
parentheses that the grammar implies. Nothing is evaluated.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			name, text, dir, _, err := nixSource(env, expr, args)
			if err != nil {
				return err
			}
			tree, err := syntax.Parse(name, text)
			if err != nil {
				return &invalid{dir, err}
			}
			fmt.Fprintln(env.Stdout, syntax.Print(tree))
			return nil
		},
	}
	cmd.Flags().StringVarP(&expr, "expr", "E", "", "parse this `expression`")
	return cmd
}
