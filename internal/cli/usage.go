package cli

import (
	"fmt"
	"io"
	"slices"
	"sort"
	"strings"
	"unicode/utf8"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// orderKey is the annotation that holds a verb's place in lists: what a newcomer
// needs comes first. Cobra sorts by name unless a global variable is changed.
const orderKey = "order"

// addVerbs adds verbs to root, listed behind those that it has.
func addVerbs(root *cobra.Command, verbs ...*cobra.Command) {
	for _, v := range verbs {
		if v.Annotations == nil {
			v.Annotations = map[string]string{}
		}
		v.Annotations[orderKey] = fmt.Sprintf("%03d", len(root.Commands()))
		root.AddCommand(v)
	}
}

// verbs returns the verbs of cmd that are not hidden, in the order of addVerbs.
func verbs(cmd *cobra.Command) []*cobra.Command {
	all := slices.Clone(cmd.Commands())
	sort.SliceStable(all, func(i, j int) bool {
		a, b := all[i], all[j]
		return strings.Compare(a.Annotations[orderKey], b.Annotations[orderKey]) < 0
	})
	return slices.DeleteFunc(all, func(c *cobra.Command) bool { return !c.IsAvailableCommand() })
}

// writeUsage prints the usage of cmd.
func writeUsage(cmd *cobra.Command, width int) error {
	var b strings.Builder
	b.WriteString("Usage:")
	if cmd.Runnable() {
		b.WriteString("\n  " + hanging(cmd.UseLine(), width, 6))
	}
	// The usage line of the program itself contains VERB already.
	if cmd.HasAvailableSubCommands() && cmd.HasParent() {
		b.WriteString("\n  " + cmd.CommandPath() + " VERB")
	}
	if cmd.HasExample() {
		b.WriteString("\n\nExamples:\n" + foldLines(cmd.Example, width))
	}
	if cmd.HasAvailableSubCommands() {
		column := 0
		for _, c := range verbs(cmd) {
			column = max(column, 2+len(c.Name())+2)
		}
		list := func(title string, listed func(c *cobra.Command) bool) {
			b.WriteString("\n\n" + title)
			for _, c := range verbs(cmd) {
				if listed(c) {
					b.WriteString("\n" + beside("  "+c.Name(), c.Short, column, 6, width))
				}
			}
		}
		if len(cmd.Groups()) == 0 {
			list("Verbs:", func(*cobra.Command) bool { return true })
		}
		for _, group := range cmd.Groups() {
			list(group.Title, func(c *cobra.Command) bool { return c.GroupID == group.ID })
		}
	}
	if cmd.HasAvailableLocalFlags() {
		b.WriteString("\n\nFlags:" + listFlags(cmd.LocalFlags(), width))
	}
	if cmd.HasAvailableInheritedFlags() {
		b.WriteString("\n\nFlags of every verb:" + listFlags(cmd.InheritedFlags(), width))
	}
	if cmd.HasAvailableSubCommands() {
		b.WriteString("\n\n" + reflow("\""+cmd.CommandPath()+" VERB --help\" says more about a verb.", width))
	}
	b.WriteString("\n")
	_, err := io.WriteString(cmd.OutOrStderr(), b.String())
	return err
}

// listFlags is a list of flags, and what each is for.
func listFlags(flags *pflag.FlagSet, width int) string {
	var names, usages []string
	column := 0
	flags.VisitAll(func(f *pflag.Flag) {
		if f.Hidden {
			return
		}
		name := "  " + flagName(f)
		if f.Shorthand == "" {
			name = "      " + flagName(f)
		}
		_, usage := pflag.UnquoteUsage(f)
		switch f.DefValue {
		case "", "false", "0", "0s", "[]": // it is off
		default:
			if f.Value.Type() == "string" {
				usage += fmt.Sprintf(" (default %q)", f.DefValue)
			} else {
				usage += fmt.Sprintf(" (default %s)", f.DefValue)
			}
		}
		names, usages = append(names, name), append(usages, usage)
		column = max(column, utf8.RuneCountInString(name)+3)
	})
	var b strings.Builder
	for i, name := range names {
		b.WriteString("\n" + beside(name, usages[i], column, 10, width))
	}
	return b.String()
}
