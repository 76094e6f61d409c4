package cli

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"nix2gpu/definition"
	"nix2gpu/nix/module"
	"nix2gpu/project"
	"nix2gpu/spelling"
)

func newOptions(env *Env) *cobra.Command {
	var output string
	cmd := &cobra.Command{
		Use:   "options [TYPE] [WORD]",
		Short: "Look up the options of containers and services",
		Long: `Without TYPE, lists what there is: the types of services, "service" for what all of
them have, and "container". With a type, prints its options: type, default, example.
WORD keeps those whose name holds it.`,
		Example: `  nix2gpu options
  nix2gpu options nginx
  nix2gpu options postgresql port
  nix2gpu options service restart`,
		ValidArgsFunction: func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
			var names []string
			for _, c := range definition.Reference() {
				names = append(names, c.Name)
			}
			return names, cobra.ShellCompDirectiveNoFileComp
		},
		RunE: func(cmd *cobra.Command, args []string) error { return runOptions(env, output, args) },
	}
	cmd.Flags().StringVarP(&output, "output", "o", "text", "`format`: text, markdown or json")
	return cmd
}

func runOptions(env *Env, output string, args []string) error {
	if err := oneOf("output", output, "text", "markdown", "json"); err != nil {
		return err
	}
	chapters := definition.Reference()
	switch len(args) {
	case 0:
		return listChapters(env.Stdout, chapters)
	case 1, 2:
	default:
		return usageError("options takes a type and a word, got %d arguments", len(args))
	}
	c := findChapter(chapters, args[0])
	if c == nil {
		var names []string
		for _, c := range chapters {
			names = append(names, c.Name)
		}
		err := usageError("no type of service %q", args[0])
		if near := spelling.Nearest(args[0], names); near != "" {
			return hint(err, "did you mean %q?", near)
		}
		return hint(err, "see \"nix2gpu options\" for all")
	}
	docs := c.Options
	if len(args) == 2 {
		word := strings.ToLower(args[1])
		docs = slices.DeleteFunc(slices.Clone(docs), func(d module.Doc) bool {
			return !strings.Contains(strings.ToLower(d.String()), word)
		})
		if len(docs) == 0 {
			return usageError("%s has no option whose name holds %q", c.Name, args[1])
		}
	}
	switch output {
	case "json":
		return writeJSON(env.Stdout, optionsJSON(docs))
	case "markdown":
		return module.WriteMarkdown(env.Stdout, docs)
	}
	if len(args) == 1 {
		fmt.Fprintf(env.Stdout, "%s\n\n", strings.TrimSpace(c.Doc))
	}
	return module.WriteText(env.Stdout, docs)
}

func findChapter(chapters []definition.Chapter, name string) *definition.Chapter {
	for i, c := range chapters {
		if c.Name == name || slices.Contains(c.Aliases, name) || c.Name == project.CanonicalType(name) {
			return &chapters[i]
		}
	}
	return nil
}

// listChapters prints a line for each: its name and the first sentence.
func listChapters(w io.Writer, chapters []definition.Chapter) error {
	width := 0
	for _, c := range chapters {
		width = max(width, len(c.Name))
	}
	for _, c := range chapters {
		first, _, _ := strings.Cut(strings.TrimSpace(c.Doc), ". ")
		first, _, _ = strings.Cut(first, "\n")
		if _, err := fmt.Fprintf(w, "%-*s  %s\n", width, c.Name, strings.TrimSuffix(first, ".")); err != nil {
			return err
		}
	}
	return nil
}

// An optionJSON is an option for programs.
type optionJSON struct {
	Name        string `json:"name"`
	Type        string `json:"type"`
	Default     string `json:"default,omitempty"`
	Example     string `json:"example,omitempty"`
	Description string `json:"description,omitempty"`
	AliasOf     string `json:"aliasOf,omitempty"`
}

func optionsJSON(docs []module.Doc) []optionJSON {
	out := make([]optionJSON, len(docs))
	for i, d := range docs {
		out[i] = optionJSON{d.String(), d.Type, d.Default, d.Example, d.Description, d.AliasOf}
	}
	return out
}
