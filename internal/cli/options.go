package cli

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"nix2gpu/definition"
	"nix2gpu/nix/module"
)

func newOptions(env *Env) *cobra.Command {
	return &cobra.Command{
		Use:   "options [TYPE]",
		Short: "Print the options that a definition can set",
		Long: `Prints what a definition can set: type, default, example and meaning.

TYPE is "container" for the options of a container, "service" for those that every
service has, or a type of service such as postgresql. Without one the types are listed.`,
		Example: "  nix2gpu options\n  nix2gpu options postgresql",
		ValidArgsFunction: func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
			var names []string
			for _, c := range definition.Reference() {
				names = append(names, c.Name)
			}
			return names, cobra.ShellCompDirectiveNoFileComp
		},
		RunE: func(_ *cobra.Command, args []string) error {
			switch len(args) {
			case 0:
				return listChapters(env)
			case 1:
				return printChapter(env, args[0])
			}
			return usageError("one type at a time, got %d", len(args))
		},
	}
}

func listChapters(env *Env) error {
	for _, c := range definition.Reference() {
		name := strings.Join(append([]string{c.Name}, c.Aliases...), ", ")
		if _, err := fmt.Fprintf(env.Stdout, "%-24s %s\n", name, c.Doc); err != nil {
			return err
		}
	}
	return nil
}

func printChapter(env *Env, name string) error {
	for _, c := range definition.Reference() {
		if c.Name == name || slices.Contains(c.Aliases, name) {
			return module.WriteText(env.Stdout, c.Options)
		}
	}
	return hint(usageError("no type of service %q", name), "nix2gpu options lists all")
}
