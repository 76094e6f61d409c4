package cli

import (
	"fmt"
	"io"
	"slices"
	"strconv"
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
		Use:   "options [TYPE] [WORD...]",
		Short: "Look up the options of containers and services",
		Long: `Without arguments, lists the service types, "service" for the options that all of them
have, and "container". With a type, it prints its options: type, default, example. With
words, it prints only options whose name or description contains all words; without a
type, it searches all types, and prints options that several share once.

At a terminal, $PAGER (else less) shows what is longer than the screen; with PAGER=cat
or NO_PAGER=1 nothing does.`,
		Example: `  nix2gpu options
  nix2gpu options nginx
  nix2gpu options postgresql port
  nix2gpu options secret`,
		ValidArgsFunction: func(_ *cobra.Command, args []string, _ string) (names []string, _ cobra.ShellCompDirective) {
			if len(args) > 0 {
				return nil, cobra.ShellCompDirectiveNoFileComp // words to look for
			}
			for _, c := range definition.Reference() {
				names = append(names, c.Name)
			}
			return names, cobra.ShellCompDirectiveNoFileComp
		},
		RunE: func(cmd *cobra.Command, args []string) error { return runOptions(env, output, args) },
	}
	addOutputFlag(cmd, &output, "text", "markdown", "json")
	return cmd
}

func runOptions(env *Env, output string, args []string) error {
	if err := oneOf("output", output, "text", "markdown", "json"); err != nil {
		return err
	}
	chapters := definition.Reference()
	if len(args) == 0 {
		if output == "text" {
			return listChapters(env, chapters)
		}
		return writeOptions(env, output, chapters)
	}
	if c := findChapter(chapters, args[0]); c != nil {
		found := *c
		if len(args) > 1 {
			found.Doc, found.Options = "", matching(c.Options, args[1:])
		}
		if len(found.Options) == 0 {
			return hint(usageError("%s has no option with %s in its name or description", c.Name, quoted(args[1:])),
				"\"nix2gpu options %s\" lists all of them", c.Name)
		}
		return writeOptions(env, output, []definition.Chapter{found})
	}
	var found []definition.Chapter
	for _, c := range shareOptions(chapters) {
		if c.Options = matching(c.Options, args); len(c.Options) > 0 {
			c.Doc = ""
			found = append(found, c)
		}
	}
	if len(found) > 0 {
		return writeOptions(env, output, found)
	}
	var names []string
	for _, c := range chapters {
		names = append(names, c.Name)
	}
	err := usageError("no type of service is called %q, and no option has %s in its name or description", args[0], quoted(args))
	if near := spelling.Nearest(args[0], names); near != "" {
		return hint(err, "did you mean %q?", near)
	}
	return hint(err, "see \"nix2gpu options\" for all types")
}

func quoted(words []string) string {
	quoted := make([]string, len(words))
	for i, word := range words {
		quoted[i] = strconv.Quote(word)
	}
	return strings.Join(quoted, " and ")
}

// matching returns the options whose name or description contains all words.
func matching(docs []module.Doc, words []string) []module.Doc {
	return slices.DeleteFunc(slices.Clone(docs), func(d module.Doc) bool {
		text := strings.ToLower(d.String() + "\n" + d.Description)
		return slices.ContainsFunc(words, func(word string) bool { return !strings.Contains(text, strings.ToLower(word)) })
	})
}

// shared is the heading of options that several types have.
const shared = "several types"

// shareOptions moves options that several types have in the same form into a
// chapter of their own. The name of the type is no difference.
func shareOptions(chapters []definition.Chapter) []definition.Chapter {
	const anyType = "<type>"
	key := func(d module.Doc) string {
		if len(d.Path) < 4 || d.Path[0] != "services" {
			return ""
		}
		return strings.Join(append(slices.Clone(d.Path[3:]), d.Type, strings.ReplaceAll(d.Description, d.Path[1], anyType)), "\x00")
	}
	types := map[string][]string{}
	defaults := map[string][]string{}
	for _, c := range chapters {
		for _, d := range c.Options {
			if k := key(d); k != "" && c.Name != "service" {
				types[k] = append(types[k], c.Name)
				defaults[k] = append(defaults[k], strings.ReplaceAll(d.Default, c.Name, anyType))
			}
		}
	}
	var out []definition.Chapter
	common := definition.Chapter{Name: shared}
	for _, c := range chapters {
		own := c
		own.Options = nil
		for _, d := range c.Options {
			of := types[key(d)]
			switch {
			case len(of) < 2:
				own.Options = append(own.Options, d)
			case of[0] == c.Name:
				d.Default = sharedDefault(of, defaults[key(d)])
				d.Path = append([]string{"services", anyType}, d.Path[2:]...)
				d.Description = strings.TrimSpace(strings.ReplaceAll(d.Description, c.Name, anyType) + "\nOf " + strings.Join(of, ", ") + ".")
				common.Options = append(common.Options, d)
			}
		}
		out = append(out, own)
	}
	return append(out, common)
}

// sharedDefault is the default of an option of several types, or that of each.
func sharedDefault(types, defaults []string) string {
	if len(slices.Compact(slices.Clone(defaults))) == 1 {
		return defaults[0]
	}
	of := make([]string, len(types))
	for i, name := range types {
		of[i] = name + ": " + orElse(defaults[i], "none")
	}
	return strings.Join(of, "\n")
}

// writeOptions prints chapters of options, each under its heading.
func writeOptions(env *Env, output string, chapters []definition.Chapter) error {
	switch output {
	case "json":
		var docs []module.Doc
		for _, c := range chapters {
			docs = append(docs, c.Options...)
		}
		return writeJSON(env.Stdout, optionsJSON(docs))
	case "markdown":
		for i, c := range chapters {
			if len(chapters) > 1 {
				fmt.Fprintf(env.Stdout, "%s## %s\n\n", strings.Repeat("\n", min(i, 1)), c.Name)
			}
			if err := module.WriteMarkdown(env.Stdout, c.Options); err != nil {
				return err
			}
		}
		return nil
	}
	width := env.helpWidth()
	return env.page(func(w io.Writer) error {
		for i, c := range chapters {
			if i > 0 {
				fmt.Fprintln(w)
			}
			if len(chapters) > 1 {
				fmt.Fprintf(w, "%s\n%s\n\n", c.Name, strings.Repeat("-", len(c.Name)))
			}
			if c.Doc != "" {
				fmt.Fprintf(w, "%s\n\n", reflow(strings.TrimSpace(c.Doc), width))
			}
			docs := slices.Clone(c.Options)
			for i := range docs {
				docs[i].Description = reflow(docs[i].Description, width-4)
			}
			if err := module.WriteText(w, docs); err != nil {
				return err
			}
		}
		if len(chapters) == 1 && chapters[0].Doc != "" && chapters[0].Name != "container" && chapters[0].Name != "service" {
			fmt.Fprintf(w, "\nAnd those that every service has: \"nix2gpu options service\".\n")
		}
		return nil
	})
}

func findChapter(chapters []definition.Chapter, name string) *definition.Chapter {
	for i, c := range chapters {
		if c.Name == name || slices.Contains(c.Aliases, name) || c.Name == project.CanonicalType(name) {
			return &chapters[i]
		}
	}
	return nil
}

// listChapters prints for each its name and the first sentence: a line, which a
// terminal may be too narrow for.
func listChapters(env *Env, chapters []definition.Chapter) error {
	width := 0
	for _, c := range chapters {
		width = max(width, len(c.Name))
	}
	for _, c := range chapters {
		first, _, _ := strings.Cut(strings.TrimSpace(c.Doc), ". ")
		first, _, _ = strings.Cut(first, "\n")
		first = strings.TrimSuffix(first, ".")
		if env.Width > 0 {
			first = hanging(first, env.helpWidth(), width+2)
		}
		if _, err := fmt.Fprintf(env.Stdout, "%-*s  %s\n", width, c.Name, first); err != nil {
			return err
		}
	}
	return nil
}

// An optionJSON is an option as JSON.
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
