package cli

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"nix2gpu/project"
	"nix2gpu/spelling"
)

// profilesVar names profiles where no flag does.
const profilesVar = project.ProfilesVar

// addProfileFlag adds the flag for verbs that say what is started: all others take
// definitions as they are written.
func addProfileFlag(env *Env, cmd *cobra.Command, t *target) {
	t.takesProfiles = true
	cmd.Flags().StringArrayVar(&t.profiles, "profile", nil, "start the services of this `profile` too, as "+profilesVar+" does; \"*\" is all; may be repeated")
	cmd.RegisterFlagCompletionFunc("profile", func(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
		t, ctx, cancel, ok := completed(cmd, env, args)
		if !ok {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		defer cancel()
		l, err := t.load(ctx, env)
		if err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		return l.project.Profiles(), cobra.ShellCompDirectiveNoFileComp
	})
}

// wantedProfiles are those that were named, by flags or else by the environment.
func (t *target) wantedProfiles(env *Env) (names []string) {
	if !t.takesProfiles {
		return nil
	}
	given := t.profiles
	if v := env.Getenv(profilesVar); len(given) == 0 && v != "" {
		given = []string{v}
	} else if len(given) == 0 {
		given = t.keptProfiles
	}
	for _, list := range given {
		for name := range strings.SplitSeq(list, ",") {
			if name = strings.TrimSpace(name); name != "" {
				names = append(names, name)
			}
		}
	}
	return names
}

// checkProfiles says which of them no service has: that is wrong on the command line;
// the variable may be meant for another project as well.
func (t *target) checkProfiles(env *Env, l *loaded) error {
	known, source := l.project.Profiles(), profilesVar
	if env.Getenv(profilesVar) == "" {
		source = "the project that runs"
	}
	for _, name := range t.wantedProfiles(env) {
		switch {
		case name == project.AllProfiles, slices.Contains(known, name):
			continue
		case len(t.profiles) == 0:
			l.notes = append(l.notes, fmt.Sprintf("note: no service has the profile %q of %s", name, source))
			continue
		}
		err := usageError("no service has the profile %q", name)
		switch near := spelling.Nearest(name, known); {
		case near != "":
			return hint(err, "did you mean %q?", near)
		case len(known) > 0:
			return hint(err, "the profiles are %s", strings.Join(known, ", "))
		}
		return err
	}
	return nil
}
