package cli

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"nix2gpu/rundir"
	"nix2gpu/session"
)

func newSecret(env *Env) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "secret",
		Short: "Look at the secrets of a definition",
		Long: `Shows which secrets a definition has, and which services get them, but never a secret
itself.`,
		Args: unknownVerb,
		RunE: help,
	}
	addVerbs(cmd, newSecretList(env))
	return cmd
}

func newSecretList(env *Env) *cobra.Command {
	var t target
	output := ""
	cmd := &cobra.Command{
		Use:     "ls [DEFINITION]",
		Aliases: []string{"list"},
		Short:   "List secrets: where they come from, who gets them, and whether they can be read",
		Long: `Lists the secrets of a definition, and its environment files: where each comes from,
which services get it and how, and whether you can read it on this machine now. The
secrets themselves are not shown.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := t.take(cmd.Context(), env, args); err != nil {
				return err
			}
			if len(t.services) > 0 {
				return usageError("secret ls takes a definition, and %q does not look like one", t.services[0])
			}
			return runSecretList(cmd.Context(), env, &t, output)
		},
	}
	addTargetFlags(env, cmd, &t, "f")
	addModuleFlag(cmd, &t)
	addOutputFlag(cmd, &output, "table", "json")
	return cmd
}

func runSecretList(ctx context.Context, env *Env, t *target, output string) error {
	if err := oneOf("output", output, "table", "json"); err != nil {
		return err
	}
	l, err := t.load(ctx, env)
	if err != nil {
		return err
	}
	m, err := l.machine(env, rundir.Locate(env.rundirEnv(), l.instance(), l.root))
	if err != nil {
		return err
	}
	found := m.Secrets(l.project)
	if output == "json" {
		if found == nil {
			found = []session.SecretReport{}
		}
		return writeJSON(env.Stdout, found)
	}
	if len(found) == 0 {
		fmt.Fprintf(env.Stderr, "%s has no secrets\n", l.name)
		return nil
	}
	rows := [][]string{{"NAME", "SOURCE", "READ BY", "STATE"}}
	for _, s := range found {
		state := "present"
		if !s.Present {
			state = s.Why
		}
		rows = append(rows, []string{dash(s.Name), s.Source, dash(strings.Join(s.Readers, ", ")), state})
	}
	writeColumns(env, rows)
	return nil
}
