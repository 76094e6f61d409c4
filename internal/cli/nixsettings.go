package cli

import (
	"errors"
	"io/fs"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"nix2gpu/nix/eval"
	"nix2gpu/nix/osfs"
)

// switchSettings are settings of Nix that are switches, too.
var switchSettings = []string{
	"lint-url-literals", "lint-short-path-literals", "lint-absolute-path-literals", "extra-experimental-features", "experimental-features",
	"system",
}

// switchFlags are settings of Nix that are true or false. --NAME and --no-NAME set them.
var switchFlags = []string{
	"pure-eval", "restrict-eval", "abort-on-warn", "allow-import-from-derivation", "eval-cache", "sandbox", "substitute",
	"warn-dirty", "auto-optimise-store", "keep-outputs", "keep-derivations", "use-xdg-base-directories", "require-sigs",
}

// flagSetting returns the setting that a word such as --no-sandbox makes; "" for any other word.
func flagSetting(word string) string {
	name, dashed := strings.CutPrefix(word, "--")
	if on, negated := strings.CutPrefix(name, "no-"); dashed && negated && slices.Contains(switchFlags, on) {
		return on + "=false"
	}
	if dashed && slices.Contains(switchFlags, name) {
		return name + "=true"
	}
	return ""
}

// A settingFlag adds a setting to others, so that the last one of a name counts however it is
// given.
type settingFlag struct {
	name string
	all  *[]string
}

func (f settingFlag) String() string { return "" }
func (f settingFlag) Type() string   { return "string" }
func (f settingFlag) Set(value string) error {
	*f.all = append(*f.all, f.name+"="+value)
	return nil
}

// applySettings sets what settings of Nix say of an evaluation: first those of a text with
// lines such as nix.conf's, then others, NAME=VALUE. Most mean nothing here.
func applySettings(opts *eval.Options, config string, more []string) error {
	var pure, restricted bool
	for line := range strings.Lines(config) {
		line, _, _ = strings.Cut(line, "#")
		if err := applySetting(opts, &pure, &restricted, "NIX_CONFIG", line); err != nil {
			return err
		}
	}
	for _, setting := range more {
		if err := applySetting(opts, &pure, &restricted, "--option", setting); err != nil {
			return err
		}
	}
	switch {
	case pure:
		opts.Now, opts.SearchPath = nil, nil
		opts.FS = fencedFS{refusal: errors.New("access is forbidden in pure evaluation mode; leave out pure-eval, or add --impure")}
	case restricted:
		fenced := fencedFS{refusal: errors.New("access is forbidden in restricted mode; name a folder that may be read with -I")}
		for _, e := range opts.SearchPath {
			fenced.roots = append(fenced.roots, linkless(e.Path))
		}
		opts.FS = fenced
	}
	if pure || restricted {
		opts.Getenv = nil
	}
	return nil
}

// A fencedFS has only what is below some folders, as Nix has it with pure-eval or
// restrict-eval. It guards programs against reading by mistake or malice; it does not guard
// against someone who changes links meanwhile.
type fencedFS struct {
	osfs.FS
	refusal error
	roots   []string
}

// allows returns an error for a path that is outside.
func (f fencedFS) allows(path string) error {
	real := linkless(path)
	for _, root := range f.roots {
		if rest, ok := strings.CutPrefix(real, root); ok && (rest == "" || rest[0] == '/' || root == "/") {
			return nil
		}
	}
	return &fs.PathError{Op: "open", Path: path, Err: f.refusal}
}

// linkless returns a path without symbolic links, as far as it exists.
func linkless(path string) string {
	path = filepath.Clean(path)
	if real, err := filepath.EvalSymlinks(path); err == nil {
		return real
	}
	if dir := filepath.Dir(path); dir != path {
		return filepath.Join(linkless(dir), filepath.Base(path))
	}
	return path
}

func (f fencedFS) ReadFile(path string) ([]byte, error) {
	if err := f.allows(path); err != nil {
		return nil, err
	}
	return f.FS.ReadFile(path)
}

func (f fencedFS) ReadDir(path string) ([]fs.DirEntry, error) {
	if err := f.allows(path); err != nil {
		return nil, err
	}
	return f.FS.ReadDir(path)
}

func (f fencedFS) Stat(path string) (fs.FileInfo, error) {
	if err := f.allows(path); err != nil {
		return nil, err
	}
	return f.FS.Stat(path)
}

// Lstat and ReadLink look at a link itself: its folder counts.
func (f fencedFS) Lstat(path string) (fs.FileInfo, error) {
	if err := f.allowsLink(path); err != nil {
		return nil, err
	}
	return f.FS.Lstat(path)
}

func (f fencedFS) ReadLink(path string) (string, error) {
	if err := f.allowsLink(path); err != nil {
		return "", err
	}
	return f.FS.ReadLink(path)
}

func (f fencedFS) allowsLink(path string) error {
	if f.allows(path) == nil {
		return nil
	}
	// What leads to a root, such as /srv for /srv/site, may be looked at for links.
	for _, root := range f.roots {
		if clean := filepath.Clean(path); clean == "/" || strings.HasPrefix(root, clean+"/") {
			return nil
		}
	}
	return f.allows(filepath.Dir(path))
}

func applySetting(opts *eval.Options, pure, restricted *bool, where, setting string) error {
	name, value, _ := strings.Cut(setting, "=")
	name, value = strings.TrimSpace(name), strings.TrimSpace(value)
	var level *eval.LintLevel
	var flag *bool
	switch name {
	case "lint-url-literals":
		level = &opts.Lints.URL
	case "lint-short-path-literals":
		level = &opts.Lints.ShortPath
	case "lint-absolute-path-literals":
		level = &opts.Lints.AbsolutePath
	case "abort-on-warn":
		flag = &opts.AbortOnWarn
	case "trace-verbose":
		flag = &opts.TraceVerbose
	case "pure-eval":
		flag = pure
	case "restrict-eval":
		flag = restricted
	case "system":
		opts.CurrentSystem = value
	case "experimental-features", "extra-experimental-features":
		on := slices.Contains(strings.Fields(value), "parse-toml-timestamps")
		opts.TOMLTimestamps = on || opts.TOMLTimestamps && name != "experimental-features"
	case "max-call-depth":
		depth, err := strconv.Atoi(value)
		if err != nil || depth < 1 {
			return usageError("%s: max-call-depth must be a number of 1 or more, not %q", where, value)
		}
		opts.MaxDepth = depth
	}
	switch {
	case level != nil:
		l, ok := map[string]eval.LintLevel{"ignore": eval.LintIgnore, "warn": eval.LintWarn, "fatal": eval.LintFatal}[value]
		if !ok {
			return usageError("%s: %s must be ignore, warn or fatal, not %q", where, name, value)
		}
		*level = l
	case flag != nil:
		switch value {
		case "true", "yes", "1":
			*flag = true
		case "false", "no", "0":
			*flag = false
		default:
			return usageError("%s: %s must be true or false, not %q", where, name, value)
		}
	}
	return nil
}
