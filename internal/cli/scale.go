package cli

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"nix2gpu/control"
	"nix2gpu/project"
	"nix2gpu/spelling"
)

// A scaleFlag collects SERVICE=NUMBER, and in kept those that may have gone from the
// definition.
type scaleFlag struct {
	to   *map[string]int
	kept *map[string]bool // nil: none of them may
}

func addScaleFlag(cmd *cobra.Command, t *target) {
	cmd.Flags().Var(scaleFlag{to: &t.scales}, "scale", "run so many replicas of a service, as `service=number`; may be repeated")
}

// addKeptScaleFlag adds what a supervisor passes on of the numbers that run.
func addKeptScaleFlag(cmd *cobra.Command, t *target) {
	cmd.Flags().Var(scaleFlag{to: &t.scales, kept: &t.keptScales}, "kept-scale", "")
	cmd.Flags().MarkHidden("kept-scale")
}

func (f scaleFlag) String() string { return "" }

func (f scaleFlag) Type() string { return "scale" }

// Set takes one.
func (f scaleFlag) Set(text string) error {
	name, number, _ := strings.Cut(text, "=")
	n, err := strconv.Atoi(number)
	if name == "" || err != nil || n < 0 || n > control.MaxReplicas {
		return fmt.Errorf("must be SERVICE=NUMBER, at most %d, not %q", control.MaxReplicas, text)
	}
	if *f.to == nil {
		*f.to = map[string]int{}
	}
	(*f.to)[name] = n
	if f.kept != nil {
		if *f.kept == nil {
			*f.kept = map[string]bool{}
		}
		(*f.kept)[name] = true
	}
	return nil
}

// scaled says which number was given for what has no replicas.
func (t *target) scaled(l *loaded) error {
	for _, name := range slices.Sorted(maps.Keys(t.scales)) {
		if t.keptScales[name] {
			continue // it may have gone from the definition
		}
		if slices.ContainsFunc(slices.Collect(maps.Values(l.project.Services)), func(s *project.Service) bool { return s.Family == name }) {
			continue
		}
		if ids, err := l.project.Resolve(name); err == nil {
			s := l.project.Services[ids[0]]
			if s.Family != "" {
				return hint(usageError("%q is one of several", name), "scale all of them: %s=%d", s.Family, t.scales[name])
			}
			return usageError("%s cannot be scaled: only custom services can, and it is of type %s", s.Label, s.Type)
		}
		var names []string
		for _, s := range l.project.Services {
			if s.Type == "custom" {
				names = append(names, cmp.Or(s.Family, s.Label))
			}
		}
		slices.Sort(names)
		names = slices.Compact(names)
		err := &control.Error{Code: control.CodeNotFound, Msg: fmt.Sprintf("no service %q", name), Hint: "those that can be scaled are " + strings.Join(names, ", ")}
		if near := spelling.Nearest(name, names); near != "" {
			err.Hint = fmt.Sprintf("did you mean %q?", near)
		}
		return err
	}
	return nil
}

func newScale(env *Env) *cobra.Command {
	var opts reloadOptions
	cmd := &cobra.Command{
		Use:   "scale [DEFINITION] SERVICE=NUMBER...",
		Short: "Run more or fewer replicas of services of a running project",
		Long: `Reads the definition of a running project anew, with another number of replicas of
custom services, and brings the project to it: what is too much is stopped, what is
missing is started, and servers that name all of them, as nginx and caddy can, get the
new ones and restart. Other numbers that were given before stay.

It lasts until the next "up" or "reload", or the end of the project: what is to last
longer is "replicas" in the definition, or the flag --scale of "up".`,
		Example: `  nix2gpu scale worker=5            run five
  nix2gpu scale worker=1 --dry-run  what would be stopped?`,
		ValidArgsFunction: completeFamilies(env),
		RunE: func(cmd *cobra.Command, args []string) error {
			var rest []string
			for _, arg := range args {
				if !strings.Contains(arg, "=") {
					rest = append(rest, arg)
				} else if err := (scaleFlag{to: &opts.target.scales}).Set(arg); err != nil {
					return usageError("%v", err)
				}
			}
			if err := opts.target.take(cmd.Context(), env, rest); err != nil {
				return err
			}
			if len(opts.target.services) > 0 {
				return hint(usageError("scale needs a number for %q", opts.target.services[0]), "nix2gpu scale %s=3", opts.target.services[0])
			}
			if len(opts.target.scales) == 0 {
				return usageError("scale needs the name of a service and a number: SERVICE=NUMBER")
			}
			if env.remote.host != "" {
				return runReload(cmd.Context(), env, &opts) // the supervisor keeps the other numbers itself
			}
			if err := opts.keepScales(cmd.Context(), env); err != nil {
				return err
			}
			return runReload(cmd.Context(), env, &opts)
		},
	}
	opts.addFlags(env, cmd)
	return cmd
}

// keepScales adds the numbers of replicas that run of services that are not named.
func (opts *reloadOptions) keepScales(ctx context.Context, env *Env) error {
	_, state, err := askState(ctx, env, &target{files: opts.target.files, container: opts.target.container})
	if err != nil {
		return err
	}
	for _, s := range state.Services {
		if s.Family == "" || s.Family == string(s.ID) {
			continue
		}
		if _, named := opts.target.scales[s.Family]; !named || opts.target.keptScales[s.Family] {
			if opts.target.keptScales == nil {
				opts.target.keptScales = map[string]bool{}
			}
			opts.target.keptScales[s.Family] = true
			if !s.Disabled {
				opts.target.scales[s.Family]++
			}
		}
	}
	return nil
}

// completeFamilies completes the names of those that may be scaled.
func completeFamilies(env *Env) completer {
	return func(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
		const directive = cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveNoSpace
		t, ctx, cancel, ok := completed(cmd, env, nil)
		if !ok {
			return nil, directive
		}
		defer cancel()
		c, err := t.running(ctx, env)
		if err != nil {
			return nil, directive
		}
		state, err := c.State(ctx)
		if err != nil {
			return nil, directive
		}
		var names []string
		for _, s := range state.Services {
			if name := s.Family + "="; s.Family != "" && !slices.Contains(names, name) {
				names = append(names, name)
			}
		}
		return names, directive
	}
}
