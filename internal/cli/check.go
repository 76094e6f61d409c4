package cli

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"
)

func newCheck(env *Env) *cobra.Command {
	var t target
	cmd := &cobra.Command{
		Use:   "check [DEFINITION]",
		Short: "Report everything that is wrong with a definition",
		Long: `Evaluates a definition, or reads a process-compose.yaml, without running anything,
and reports every error with its place, all at once. Exit code 0 when there is none,
else 2.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := t.take(args); err != nil {
				return err
			}
			if len(t.services) > 0 {
				return usageError("check takes a definition, and %q does not look like one", t.services[0])
			}
			return runCheck(cmd.Context(), env, &t)
		},
	}
	addTargetFlags(cmd, &t, "f")
	addModuleFlag(cmd, &t)
	return cmd
}

func runCheck(ctx context.Context, env *Env, t *target) error {
	all, err := t.loadAll(ctx, env)
	for _, l := range all {
		l.writeNotes(env)
		if l.none {
			fmt.Fprintf(env.Stdout, "%s: ok, no containers\n", l.name)
			continue
		}
		enabled := 0
		for _, s := range l.project.Services {
			if !s.Disabled {
				enabled++
			}
		}
		fmt.Fprintf(env.Stdout, "%s: ok, %s\n", l.name, count(enabled, "service"))
		if text := l.nothing(); enabled == 0 && text != nothingDefined {
			fmt.Fprintln(env.Stderr, text)
		}
	}
	return err
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
