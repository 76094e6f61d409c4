package cli

import (
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// WriteReference writes the page of the command line, made of the command table.
func WriteReference(w io.Writer) error {
	var b strings.Builder
	root := newRoot(&Env{Args: []string{"nix2gpu"}})
	b.WriteString("# Command line\n\nThis page is made from the program itself.\n\n")
	fmt.Fprintf(&b, "```\n%s\n```\n", root.Long)
	for _, g := range root.Groups() {
		fmt.Fprintf(&b, "\n## %s\n", strings.TrimSuffix(g.Title, ":"))
		for _, cmd := range verbs(root) {
			if cmd.GroupID == g.ID {
				writeCommand(&b, cmd)
			}
		}
	}
	b.WriteString("\n## Flags of every verb\n\n")
	writeFlags(&b, root.PersistentFlags())
	b.WriteString("\n## As process-compose\n\n")
	pc := newProcessCompose(&Env{Args: []string{processCompose}})
	b.WriteString(pc.Long + "\n\n| verb | |\n|---|---|\n")
	for _, cmd := range visible(pc) {
		fmt.Fprintf(&b, "| `%s` | %s |\n", strings.TrimSuffix(cmd.UseLine(), " [flags]"), cmd.Short)
	}
	b.WriteString("\n## Exit codes\n\nThey have [a page of their own](exit-codes.md).\n")
	b.WriteString("\n## Control API\n\nIt has [a page of its own](api.md).\n")
	_, err := io.WriteString(w, b.String())
	return err
}

func writeCommand(b *strings.Builder, cmd *cobra.Command) {
	fmt.Fprintf(b, "\n### `%s`\n\n", strings.TrimSuffix(cmd.UseLine(), " [flags]"))
	if len(cmd.Aliases) > 0 {
		fmt.Fprintf(b, "Also `%s`.\n\n", strings.Join(cmd.Aliases, "`, `"))
	}
	fmt.Fprintf(b, "```\n%s\n```\n\n", longOf(cmd))
	if cmd.Example != "" {
		fmt.Fprintf(b, "```console\n%s\n```\n\n", strings.ReplaceAll(strings.TrimPrefix(cmd.Example, "  "), "\n  ", "\n"))
	}
	writeFlags(b, cmd.LocalNonPersistentFlags())
	for _, sub := range verbs(cmd) {
		writeCommand(b, sub)
	}
}

func writeFlags(b *strings.Builder, flags *pflag.FlagSet) {
	first := true
	flags.VisitAll(func(f *pflag.Flag) {
		if f.Hidden || f.Name == "help" {
			return
		}
		if first {
			b.WriteString("| flag | |\n|---|---|\n")
			first = false
		}
		_, usage := pflag.UnquoteUsage(f)
		fmt.Fprintf(b, "| `%s` | %s |\n", flagName(f), strings.ReplaceAll(usage, "|", `\|`))
	})
}

// WriteExitCodes writes the reference page of the exit codes, for scripts.
func WriteExitCodes(w io.Writer) error {
	var b strings.Builder
	b.WriteString(exitCodesIntro)
	for _, e := range exitCodes {
		fmt.Fprintf(&b, "| %s | %s |\n", e.code, e.meaning)
	}
	b.WriteString(exitCodesOwn)
	_, err := io.WriteString(w, b.String())
	return err
}

const exitCodesIntro = `# Exit codes

This page is made from the program itself. Scripts may rely on it: a code that
has a meaning keeps it.

| code | meaning |
|---|---|
`

const exitCodesOwn = `
Some verbs pass on the code of a service:

- ` + "`up`" + `, when everything has ended by itself: the code of the first service that failed
  for good. If none has, 1 if a service was skipped, because it can't run on this
  machine or because of what it depends on, or else 0. The code of a service that
  a signal killed is 128+n. A service that could not be started gives 127, or 126
  if its program can't be executed.
- ` + "`up`" + `, when a service has ended it (` + "`exit_on_end`, `exit_on_failure`" + `): the code of that
  service; 1 instead of 0 if another one can't run on this machine.
- ` + "`wait --for completed`" + ` and ` + "`wait --for exited`" + `: the code of the first service
  that failed.

A service can't run on this machine if a package, a program, a user or a folder is
missing, if its port is taken, or if it needs an option of process-compose that is not
supported.
` + "`ps`" + ` says why, and the others run. If nothing that was asked for can run, and
with ` + "`up --strict`" + `, nothing is started, and the code is 1.

` + "`up -d`" + ` gives 1 if a service failed or was skipped while it was watched,
` + "`status SERVICE`" + ` when it has failed or was skipped. A second Ctrl-C in ` + "`up`" + `
kills what is left, and gives 0 too: the project was stopped as asked.
`
