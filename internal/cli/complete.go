package cli

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"nix2gpu/project"
	"nix2gpu/servicelog"
)

// completePatience limits how long a press of the tab key takes.
const completePatience = 2 * time.Second

type completer = func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective)

// completeServices completes the names of services: those of the running project,
// or else those of the definition.
func completeServices(env *Env) completer {
	return func(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
		names := serviceNames(cmd, env, args)
		if names == nil {
			return nil, cobra.ShellCompDirectiveDefault
		}
		return names, cobra.ShellCompDirectiveNoFileComp
	}
}

// completeLogs completes services, and their copies whose logs are kept.
func completeLogs(env *Env) completer {
	services := completeServices(env)
	return func(cmd *cobra.Command, args []string, begun string) ([]string, cobra.ShellCompDirective) {
		names, directive := services(cmd, args, begun)
		t, ctx, cancel, ok := completed(cmd, env, args)
		if !ok {
			return names, directive
		}
		defer cancel()
		_, layout, _ := t.find(ctx, env) // logs are there also when nothing runs
		there, err := servicelog.NewReader(layout.Logs).Sources()
		if err != nil {
			return names, directive
		}
		for _, name := range labels(layout).copies(there) {
			if !slices.Contains(t.services, name) {
				names = append(names, name)
			}
		}
		return names, directive
	}
}

// completeDefined completes the services of the definition, and files.
func completeDefined(env *Env) completer {
	return func(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
		return serviceNames(cmd, env, args), cobra.ShellCompDirectiveDefault
	}
}

// completeContainers completes the containers of a definition.
func completeContainers(env *Env) completer {
	return func(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
		t, ctx, cancel, ok := completed(cmd, env, args)
		if !ok {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		defer cancel()
		t.container = ""
		all, _ := t.loadAll(ctx, env) // a container with errors does not hide the others
		var names []string
		for _, l := range all {
			if l.container != "" {
				names = append(names, l.container)
			}
		}
		return names, cobra.ShellCompDirectiveNoFileComp
	}
}

// completed parses the target of a command line that is still being typed.
func completed(cmd *cobra.Command, env *Env, args []string) (t *target, ctx context.Context, cancel func(), ok bool) {
	t = &target{}
	for _, name := range []string{"file", "config"} {
		if f := cmd.Flags().Lookup(name); f != nil && f.Changed {
			t.files, _ = cmd.Flags().GetStringArray(name)
		}
	}
	if f := cmd.Flags().Lookup("container"); f != nil && f.Changed {
		t.container = f.Value.String()
	}
	ctx, cancel = context.WithTimeout(cmd.Context(), completePatience)
	if t.take(ctx, env, args) != nil {
		cancel()
		return nil, nil, nil, false
	}
	return t, ctx, cancel, true
}

func serviceNames(cmd *cobra.Command, env *Env, args []string) (names []string) {
	t, ctx, cancel, ok := completed(cmd, env, args)
	if !ok {
		return nil
	}
	defer cancel()
	if c, err := t.running(ctx, env); err == nil {
		if state, err := c.State(ctx); err == nil {
			for _, s := range state.Services {
				names = append(names, s.Label)
			}
		}
	}
	if names == nil {
		l, err := t.load(ctx, env)
		if err != nil {
			return nil
		}
		names = l.project.Names()
	}
	return slices.DeleteFunc(names, func(name string) bool { return slices.Contains(t.services, name) })
}

// completeSignals completes names of signals, with SIG where that was typed.
func completeSignals(_ *cobra.Command, _ []string, typed string) (names []string, _ cobra.ShellCompDirective) {
	for s := project.Signal(1); s <= 31; s++ {
		name := s.String()
		if !strings.HasPrefix(typed, "SIG") {
			name = strings.TrimPrefix(name, "SIG")
		}
		names = append(names, name)
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}

// noFiles keeps the shell from offering files for flags whose values are numbers or
// lengths of time, of a command and all below it.
func noFiles(cmd *cobra.Command) {
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		if kind := f.Value.Type(); kind == "int" || kind == "duration" || kind == "seconds" {
			_ = cmd.RegisterFlagCompletionFunc(f.Name, cobra.NoFileCompletions) // it may have one
		}
	})
	for _, sub := range cmd.Commands() {
		noFiles(sub)
	}
}
