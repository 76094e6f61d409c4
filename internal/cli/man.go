package cli

import (
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

func newMan(env *Env) *cobra.Command {
	return &cobra.Command{
		Use:   "man",
		Short: "Print the manual page",
		Long: `Prints the manual page in the format of man.

    nix2gpu man | man -l -`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			writeMan(env.Stdout, cmd.Root())
			return nil
		},
	}
}

// writeMan prints the command table as a manual page, in roff.
func writeMan(w io.Writer, root *cobra.Command) {
	fmt.Fprintf(w, ".TH %s 1 \"\" \"nix2gpu %s\"\n", strings.ToUpper(root.Name()), Version)
	fmt.Fprintf(w, ".SH NAME\n%s \\- %s\n", root.Name(), roff(root.Short))
	fmt.Fprintf(w, ".SH SYNOPSIS\n.nf\n%s\n.fi\n", roff(root.Use))
	fmt.Fprintf(w, ".SH DESCRIPTION\n.nf\n%s\n.fi\n", roff(root.Long))
	fmt.Fprintf(w, ".SH VERBS\n")
	for _, cmd := range visible(root) {
		fmt.Fprintf(w, ".SS %s\n.nf\n%s\n.fi\n", roff(cmd.UseLine()), roff(longOf(cmd)))
		cmd.NonInheritedFlags().VisitAll(func(f *pflag.Flag) {
			if f.Hidden {
				return
			}
			_, usage := pflag.UnquoteUsage(f)
			fmt.Fprintf(w, ".TP\n\\fB%s\\fR\n%s\n", roff(flagName(f)), roff(usage))
		})
	}
	fmt.Fprintf(w, ".SH EXIT STATUS\n")
	for _, e := range exitCodes {
		fmt.Fprintf(w, ".TP\n%s\n%s\n", roff(e.code), roff(strings.ReplaceAll(e.meaning, "`", "")))
	}
}

// visible returns the verbs that the help of root shows, with their subcommands.
func visible(root *cobra.Command) []*cobra.Command {
	var out []*cobra.Command
	for _, cmd := range verbs(root) {
		out = append(out, cmd)
		out = append(out, visible(cmd)...)
	}
	return out
}

func longOf(cmd *cobra.Command) string {
	if cmd.Long != "" {
		return foldLines(cmd.Long, usualWidth)
	}
	return cmd.Short + "."
}

// flagName formats a flag as help does: "-n, --tail lines".
func flagName(f *pflag.Flag) string {
	name := "--" + f.Name
	if f.Shorthand != "" {
		name = "-" + f.Shorthand + ", " + name
	}
	if kind, _ := pflag.UnquoteUsage(f); kind != "" {
		name += " " + kind
	}
	return name
}

// roff escapes characters that have a meaning in roff.
func roff(s string) string {
	s = strings.NewReplacer(`\`, `\e`, "-", `\-`).Replace(s)
	lines := strings.Split(s, "\n")
	for i, l := range lines {
		if strings.HasPrefix(l, ".") || strings.HasPrefix(l, "'") {
			lines[i] = `\&` + l
		}
	}
	return strings.Join(lines, "\n")
}
