package cli

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"nix2gpu/control/client"
	"nix2gpu/lock"
	"nix2gpu/project"
	"nix2gpu/rundir"
	"nix2gpu/session"
)

func newCheck(env *Env) *cobra.Command {
	var t target
	here := false
	cmd := &cobra.Command{
		Use:   "check [DEFINITION]",
		Short: "Report everything that is wrong with a definition",
		Long: `Evaluates a definition, or reads a process-compose.yaml, without running anything,
and reports all errors, each with its position. The exit code is 0 if there are none,
and 2 otherwise.

The answer depends on the text alone: it is the same on every machine.

With --here, it also reports what would fail on this machine now: ports that are taken;
packages, programs, Python modules, users, folders, keys and secrets that are missing or
can't be used; and the errors of servers that can test their own configuration, as with
nginx -t or caddy validate: as the user of the service, on a copy, without a network
(where the kernel can't keep them from it, a note says so), for five seconds at most.
up, boot and reload check the same, and each server tests before it starts.
The exit code is then 1.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := t.take(cmd.Context(), env, args); err != nil {
				return err
			}
			if len(t.services) > 0 {
				return usageError("check takes a definition, and %q does not look like one", t.services[0])
			}
			return runCheck(cmd.Context(), env, &t, here)
		},
	}
	addTargetFlags(env, cmd, &t, "f")
	addModuleFlag(cmd, &t)
	cmd.Flags().BoolVar(&here, "here", false, "also report what would fail on this machine now")
	return cmd
}

func runCheck(ctx context.Context, env *Env, t *target, here bool) error {
	all, err := t.loadAll(ctx, env)
	for _, l := range all {
		l.writeNotes(env)
		l.writeRisks(env)
		if l.none {
			fmt.Fprintf(env.Stdout, "%s: ok, no containers\n", l.name)
			continue
		}
		if l.config != nil { // a file of process-compose has no image
			_, found := l.project.WithoutLiterals()
			l.warnOfLiterals(env, found)
			file, err := lock.Read(l.lockFile())
			if err != nil {
				file = nil // a bad lock is no error of the definition; build reports it
			}
			l.writeWords(env, file)
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
	if err != nil || !here {
		return err
	}
	for _, l := range all {
		l.unusedUsers(env)
		if refusal, failed := lookHere(ctx, env, l); failed != nil {
			return failed
		} else if refusal != nil {
			writeFaults(env, l.root, faults(refusal))
			err = &exitError{code: exitFailed}
		}
	}
	return err
}

// lookHere finds what would make services of l fail at once on this machine. Ports
// that are held by services of l that already run don't count.
func lookHere(ctx context.Context, env *Env, l *loaded) (*session.Refusal, error) {
	if l.none {
		return nil, nil
	}
	layout := rundir.Locate(env.rundirEnv(), l.instance(), l.root)
	var held []project.Port
	if layout.Holder() != 0 {
		state, err := client.New(layout.Socket).State(ctx)
		if err != nil {
			return nil, err
		}
		for _, s := range state.Services {
			if own := l.project.Services[s.ID]; s.PID != 0 && (own == nil || !l.project.Apart(own)) {
				held = append(held, s.Ports...)
			}
		}
	}
	m, err := l.tryingMachine(ctx, env, layout)
	if err != nil {
		return nil, err
	}
	m.Anew, m.Note, m.Shared = true, noteUntested(env), noteShared(env)
	unmet, err := m.Preconditions(ctx, l.project, l.project.Select(l.project.Enabled(), false), held)
	if err != nil || len(unmet) == 0 {
		return nil, err
	}
	return &session.Refusal{Root: l.root, Unmet: unmet}, nil
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	if strings.HasSuffix(what, "s") {
		what += "e"
	}
	return fmt.Sprintf("%d %ss", n, what)
}
