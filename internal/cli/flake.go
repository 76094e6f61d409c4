package cli

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/spf13/cobra"

	"nix2gpu/definition"
	"nix2gpu/nix/eval"
	"nix2gpu/nix/flake"
	"nix2gpu/nix/flakeref"
	"nix2gpu/nix/osfs"
	"nix2gpu/safefile"
)

func newFlake(env *Env) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "flake",
		Short: "Lock the inputs of a flake, or show what they are",
		Long: `Works on a flake.nix and its flake.lock, in the format of Nix. Folders are locked by
the hash of what is in them. Nothing is downloaded, unless --fetch lets the nix of this
machine do that.`,
		Args: unknownVerb,
		RunE: help,
	}
	addVerbs(cmd, newFlakeLock(env), newFlakeMetadata(env), newFlakeShow(env))
	return cmd
}

type flakeOptions struct {
	update bool
	inputs []string // those to update, as paths of names
	fetch  bool
	check  bool
	json   bool
}

func newFlakeLock(env *Env) *cobra.Command {
	var opts flakeOptions
	cmd := &cobra.Command{
		Use:   "lock [FOLDER]",
		Short: "Write flake.lock",
		Long: `Writes the flake.lock of the flake in FOLDER, or in this folder, and says what changed. An
input that is locked stays as it is, as long as flake.nix says the same of it. Inputs that
are built in, such as nixpkgs, need no lock.`,
		Example: `  nix2gpu flake lock
  nix2gpu flake lock --update-input lib
  nix2gpu flake lock --fetch ./elsewhere`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return opts.lock(cmd.Context(), env, args)
		},
	}
	f := cmd.Flags()
	f.BoolVar(&opts.update, "update", false, "look up all inputs anew")
	f.StringArrayVar(&opts.inputs, "update-input", nil, "look up this `input` anew, or NAME/NAME for one of an input")
	f.BoolVar(&opts.fetch, "fetch", false, "let the nix of this machine fetch what is not here")
	f.BoolVar(&opts.check, "check", false, "write nothing, and fail if the file would change")
	return cmd
}

func newFlakeMetadata(env *Env) *cobra.Command {
	var opts flakeOptions
	cmd := &cobra.Command{
		Use:     "metadata [FOLDER]",
		Aliases: []string{"info"},
		Short:   "Show a flake's inputs, and what they are locked to",
		Args:    cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return opts.metadata(cmd.Context(), env, args)
		},
	}
	cmd.Flags().BoolVar(&opts.json, "json", false, "print JSON, as nix does")
	return cmd
}

func newFlakeShow(env *Env) *cobra.Command {
	var opts flakeOptions
	cmd := &cobra.Command{
		Use:   "show [FOLDER]",
		Short: "Show a flake's outputs",
		Long: `Shows the names of a flake's outputs as a tree. Packages, which only Nix can build, are
named and not evaluated.`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return opts.show(cmd.Context(), env, args)
		},
	}
	cmd.Flags().BoolVar(&opts.json, "json", false, "print JSON")
	return cmd
}

// folder returns the folder of the flake that args name.
func (opts *flakeOptions) folder(env *Env, args []string) (string, error) {
	named := "."
	if len(args) > 0 {
		named = strings.TrimPrefix(args[0], "path:")
	}
	dir := env.path(named)
	if filepath.Base(dir) == "flake.nix" {
		dir = filepath.Dir(dir)
	}
	dir, err := filepath.EvalSymlinks(dir)
	if err == nil {
		_, err = os.Stat(filepath.Join(dir, "flake.nix"))
	}
	if errors.Is(err, fs.ErrNotExist) {
		return "", hint(&exitError{exitUsage, fmt.Errorf("there is no flake.nix in %s", named)}, "name the folder of one")
	}
	return dir, err
}

// evaluate locks the flake in dir, without writing anything.
func (opts *flakeOptions) evaluate(ctx context.Context, env *Env, dir string) (l *flake.Locking, description string, err error) {
	lock := flake.LockOptions{FS: osfs.FS{}, BuiltIn: definition.IsBuiltInFlake, Update: opts.updates}
	if opts.fetch {
		if _, err := exec.LookPath("nix"); err != nil {
			return nil, "", hint(errors.New("there is no nix on this machine to fetch with"), "install it, or check the inputs out and write path:./…")
		}
		lock.Fetch = func(ref flakeref.Ref, plain bool) (flake.Fetched, error) {
			return fetchByNix(ctx, env, ref, plain)
		}
	}
	ev, err := newEvaluator(env, evalOptions{})
	if err != nil {
		return nil, "", err
	}
	err = ev.Do(ctx, func(t *eval.Thread) {
		l = flake.Lock(t, dir, lock)
		if v, ok := t.Lookup(t.EvalFile(filepath.Join(dir, "flake.nix"), nil), "description"); ok {
			description = t.Text(v)
		}
	})
	if err != nil {
		return nil, "", evalFailed(err)
	}
	return l, description, nil
}

// updates reports whether an input is looked up anew. What is looked up below one is what
// that one has locked.
func (opts *flakeOptions) updates(input []string) bool {
	return opts.update && len(input) == 1 || slices.Contains(opts.inputs, strings.Join(input, "/"))
}

func (opts *flakeOptions) lock(ctx context.Context, env *Env, args []string) error {
	dir, err := opts.folder(env, args)
	if err != nil {
		return err
	}
	l, _, err := opts.evaluate(ctx, env, dir)
	if err != nil {
		return err
	}
	known := map[string]bool{}
	l.File.Walk(func(input []string, _ *flake.LockedNode, _ []string) { known[strings.Join(input, "/")] = true })
	for _, name := range opts.inputs {
		if !known[name] {
			return hint(usageError("there is no input %q to update", name), "the inputs are %s", strings.Join(slices.Sorted(maps.Keys(known)), ", "))
		}
	}
	for _, name := range l.BuiltIn {
		if !known[name] {
			say(env.Stderr, "%s is built in and needs no lock; with --fetch it gets one", name)
		}
	}
	for _, line := range l.Changes() {
		say(env.Stderr, "%s", line)
	}
	file, data := filepath.Join(dir, "flake.lock"), l.File.Bytes()
	before, err := os.ReadFile(file)
	switch {
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return err
	case bytes.Equal(before, data), errors.Is(err, fs.ErrNotExist) && len(l.File.Nodes) == 1:
		return nil // without inputs there is nothing to lock
	case opts.check:
		return hint(fmt.Errorf("flake.lock is out of date"), "nix2gpu flake lock")
	}
	if err := safefile.Replace(file, data, 0o644); err != nil {
		return fmt.Errorf("cannot write flake.lock: %w", err)
	}
	return nil
}

func (opts *flakeOptions) metadata(ctx context.Context, env *Env, args []string) error {
	dir, err := opts.folder(env, args)
	if err != nil {
		return err
	}
	l, description, err := opts.evaluate(ctx, env, dir)
	if err != nil {
		return err
	}
	ref := flakeref.Ref{"type": "path", "path": dir}
	if opts.json {
		return writeJSON(env.Stdout, struct {
			Description string          `json:"description,omitempty"`
			Locks       *flake.LockFile `json:"locks"`
			Original    flakeref.Ref    `json:"original"`
			Path        string          `json:"path"`
			URL         string          `json:"url"`
			BuiltIn     []string        `json:"builtIn,omitempty"`
		}{description, l.File, ref, dir, ref.String(), l.BuiltIn})
	}
	fmt.Fprintf(env.Stdout, "URL:         %s\n", ref)
	if description != "" {
		fmt.Fprintf(env.Stdout, "Description: %s\n", description)
	}
	var inputs []definition.Output
	l.File.Walk(func(input []string, node *flake.LockedNode, follows []string) {
		what := "follows " + cmp.Or(strings.Join(follows, "/"), "the flake itself")
		if node != nil {
			what = node.Locked.String()
			if at := node.Locked.Int("lastModified"); at > 0 {
				what += time.Unix(at, 0).UTC().Format(" (2006-01-02)")
			}
		}
		list := &inputs
		for range input[:len(input)-1] { // they come in this order
			list = &(*list)[len(*list)-1].Below
		}
		*list = append(*list, definition.Output{Name: input[len(input)-1], What: what})
	})
	for _, name := range l.BuiltIn {
		if !strings.Contains(name, "/") {
			inputs = append(inputs, definition.Output{Name: name, What: "built in"})
		}
	}
	if len(inputs) > 0 {
		fmt.Fprintln(env.Stdout, "Inputs:")
		writeOutputs(env, inputs, "")
	}
	return nil
}

func (opts *flakeOptions) show(ctx context.Context, env *Env, args []string) error {
	dir, err := opts.folder(env, args)
	if err != nil {
		return err
	}
	outputs, err := definition.Outputs(ctx, dir, (&target{}).definitionOptions(env))
	if err != nil {
		return err
	}
	if opts.json {
		return writeJSON(env.Stdout, outputs)
	}
	writeOutputs(env, outputs, "")
	return nil
}

// writeOutputs prints a tree of names.
func writeOutputs(env *Env, list []definition.Output, indent string) {
	for i, o := range list {
		branch, below := "├── ", "│   "
		if i == len(list)-1 {
			branch, below = "└── ", "    "
		}
		text := o.Name
		if o.What != "" {
			text += ": " + o.What
		}
		text = strings.Map(func(r rune) rune { // it may be a stranger's
			if !unicode.IsPrint(r) {
				return '�'
			}
			return r
		}, text)
		fmt.Fprintln(env.Stdout, indent+branch+text)
		writeOutputs(env, o.Below, indent+below)
	}
}

// fetchByNix lets the nix of this machine fetch what a reference means. plain says that it
// need not be a flake.
func fetchByNix(ctx context.Context, env *Env, ref flakeref.Ref, plain bool) (found flake.Fetched, err error) {
	run := func(into any, args ...string) error {
		cmd := exec.CommandContext(ctx, "nix", slices.Concat([]string{"--extra-experimental-features", "nix-command flakes"}, args)...)
		cmd.Env = env.Environ
		out, err := cmd.Output()
		var exit *exec.ExitError
		if errors.As(err, &exit) {
			var why []string
			for line := range strings.Lines(string(exit.Stderr)) { // git's come before nix's
				if line = strings.TrimSpace(line); strings.HasPrefix(line, "fatal: ") || strings.HasPrefix(line, "error: ") {
					why = append(why, line[len("fatal: "):])
				}
			}
			if len(why) == 0 { // what it says last, or how it ended
				last := bytes.TrimSpace(exit.Stderr)
				why = []string{cmp.Or(string(last[bytes.LastIndexByte(last, '\n')+1:]), exit.Error())}
			}
			return fmt.Errorf("nix says: %s", strings.Join(why, "; "))
		}
		if err != nil {
			return err
		}
		return json.Unmarshal(out, into)
	}
	if !plain {
		var answer struct {
			Locked flakeref.Ref
			Path   string
		}
		if err := run(&answer, "flake", "metadata", "--json", "--no-write-lock-file", "--", ref.String()); err != nil {
			return found, err
		}
		return flake.Fetched{Locked: answer.Locked, Dir: answer.Path}, nil
	}
	if ref.Type() == "indirect" { // its locked attributes are told for flakes alone
		return found, errors.New("what is looked up in the registry must be a flake; write github:owner/repo or the like")
	}
	attrs := maps.Clone(ref)
	delete(attrs, "dir")
	text, err := json.Marshal(attrs)
	if err != nil {
		return found, err
	}
	var tree struct {
		Path         string
		NarHash      string
		Rev          string
		RevCount     int64
		LastModified int64
	}
	expr := "let t = builtins.fetchTree (builtins.fromJSON " + nixString(string(text)) + "); in { path = \"${t}\"; inherit (t) narHash; } // builtins.intersectAttrs { rev = 1; revCount = 1; lastModified = 1; } t"
	if err := run(&tree, "eval", "--json", "--impure", "--expr", expr); err != nil {
		return found, err
	}
	locked := maps.Clone(ref)
	locked["narHash"] = tree.NarHash
	if tree.LastModified > 0 {
		locked["lastModified"] = tree.LastModified
	}
	if tree.Rev != "" && strings.Trim(tree.Rev, "0") != "" {
		locked["rev"] = tree.Rev
		if ref.Type() != "git" {
			delete(locked, "ref")
		}
		if tree.RevCount > 0 {
			locked["revCount"] = tree.RevCount
		}
	}
	return flake.Fetched{Locked: locked, Dir: tree.Path}, nil
}

// nixString writes a string of Nix.
func nixString(text string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "${", `\${`).Replace(text) + `"`
}
