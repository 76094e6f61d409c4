package cli

import (
	"fmt"
	"slices"
	"strings"
	"text/template"

	"github.com/spf13/cobra"
)

// orderKey is the annotation that holds a verb's place in the lists: that of a
// newcomer's need. Cobra sorts by name, unless a global is changed.
const orderKey = "order"

// addVerbs adds verbs to root, to be listed after those that it has.
func addVerbs(root *cobra.Command, verbs ...*cobra.Command) {
	for _, v := range verbs {
		if v.Annotations == nil {
			v.Annotations = map[string]string{}
		}
		v.Annotations[orderKey] = fmt.Sprintf("%03d", len(root.Commands()))
		root.AddCommand(v)
	}
}

// verbs are the verbs of cmd that people are shown, in the order in which they
// were added.
func verbs(cmd *cobra.Command) []*cobra.Command {
	all := slices.Clone(cmd.Commands())
	slices.SortStableFunc(all, func(a, b *cobra.Command) int {
		return strings.Compare(a.Annotations[orderKey], b.Annotations[orderKey])
	})
	return slices.DeleteFunc(all, func(c *cobra.Command) bool { return !c.IsAvailableCommand() })
}

// writeUsage prints how cmd is used.
func writeUsage(cmd *cobra.Command) error {
	t, err := template.New("usage").Funcs(template.FuncMap{
		"verbs":                   verbs,
		"rpad":                    func(s string, width int) string { return fmt.Sprintf("%-*s", width, s) },
		"trimTrailingWhitespaces": func(s string) string { return strings.TrimRight(s, " \n") },
	}).Parse(usageTemplate)
	if err != nil {
		return err
	}
	return t.Execute(cmd.OutOrStderr(), cmd)
}

// usageTemplate is cobra's, without the line that shows the program with any
// command: the usage of the program itself says that already.
const usageTemplate = `Usage:{{if .Runnable}}
  {{.UseLine}}{{end}}{{if and .HasAvailableSubCommands .HasParent}}
  {{.CommandPath}} VERB{{end}}{{if .HasExample}}

Examples:
{{.Example}}{{end}}{{if .HasAvailableSubCommands}}{{$cmds := verbs .}}{{if eq (len .Groups) 0}}

Verbs:{{range $cmds}}{{if .IsAvailableCommand}}
  {{rpad .Name .NamePadding }} {{.Short}}{{end}}{{end}}{{else}}{{range $group := .Groups}}

{{.Title}}{{range $cmds}}{{if and (eq .GroupID $group.ID) .IsAvailableCommand}}
  {{rpad .Name .NamePadding }} {{.Short}}{{end}}{{end}}{{end}}{{end}}{{end}}{{if .HasAvailableLocalFlags}}

Flags:
{{.LocalFlags.FlagUsages | trimTrailingWhitespaces}}{{end}}{{if .HasAvailableInheritedFlags}}

Flags of every verb:
{{.InheritedFlags.FlagUsages | trimTrailingWhitespaces}}{{end}}{{if .HasAvailableSubCommands}}

"{{.CommandPath}} VERB --help" says more about a verb.{{end}}
`
