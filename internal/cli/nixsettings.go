package cli

import (
	"slices"
	"strconv"
	"strings"

	"nix2gpu/nix/eval"
)

// switchSettings are settings of Nix that are switches, too.
var switchSettings = []string{
	"lint-url-literals", "lint-short-path-literals", "lint-absolute-path-literals", "extra-experimental-features", "experimental-features",
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
	for line := range strings.Lines(config) {
		line, _, _ = strings.Cut(line, "#")
		if err := applySetting(opts, "NIX_CONFIG", line); err != nil {
			return err
		}
	}
	for _, setting := range more {
		if err := applySetting(opts, "--option", setting); err != nil {
			return err
		}
	}
	return nil
}

func applySetting(opts *eval.Options, where, setting string) error {
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
