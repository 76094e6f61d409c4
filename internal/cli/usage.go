package cli

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"
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
	slices.SortStableFunc(all, func(a, b *cobra.Command) int {
		return strings.Compare(a.Annotations[orderKey], b.Annotations[orderKey])
	})
	return slices.DeleteFunc(all, func(c *cobra.Command) bool { return !c.IsAvailableCommand() })
}

// writeUsage prints the usage of cmd.
func writeUsage(cmd *cobra.Command) error {
	var b strings.Builder
	b.WriteString("Usage:")
	if cmd.Runnable() {
		b.WriteString("\n  " + cmd.UseLine())
	}
	// The usage line of the program itself contains VERB already.
	if cmd.HasAvailableSubCommands() && cmd.HasParent() {
		b.WriteString("\n  " + cmd.CommandPath() + " VERB")
	}
	if cmd.HasExample() {
		b.WriteString("\n\nExamples:\n" + cmd.Example)
	}
	if cmd.HasAvailableSubCommands() {
		list := func(title string, listed func(c *cobra.Command) bool) {
			b.WriteString("\n\n" + title)
			for _, c := range verbs(cmd) {
				if listed(c) {
					fmt.Fprintf(&b, "\n  %-*s %s", c.NamePadding(), c.Name(), hanging(c.Short, helpWidth, c.NamePadding()+3))
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
		b.WriteString("\n\nFlags:\n" + strings.TrimRight(cmd.LocalFlags().FlagUsagesWrapped(helpWidth), " \n"))
	}
	if cmd.HasAvailableInheritedFlags() {
		b.WriteString("\n\nFlags of every verb:\n" + strings.TrimRight(cmd.InheritedFlags().FlagUsagesWrapped(helpWidth), " \n"))
	}
	if cmd.HasAvailableSubCommands() {
		b.WriteString("\n\n\"" + cmd.CommandPath() + " VERB --help\" says more about a verb.")
	}
	b.WriteString("\n")
	_, err := io.WriteString(cmd.OutOrStderr(), b.String())
	return err
}
