package cli

import (
	"context"
	"os"

	"github.com/spf13/cobra"

	"nix2gpu/definition"
)

// A target is what a command is about: a definition, as the user named it, and
// services of it.
type target struct {
	files     []string // as typed; empty: to be discovered. Only process-compose has several
	container string
	services  []string
	modules   []string // files to merge into the definition

	scales map[string]int // how many replicas, by the service; nil: as defined

	takesProfiles bool     // the verb is about what is started
	profiles      []string // as typed; none: those of the environment

	// What stays of a project that runs, where nothing else is said: profiles, and
	// services of scales.
	keptProfiles []string
	keptScales   map[string]bool

	// Only files of process-compose have these.
	envFiles   []string
	noDotEnv   bool
	namespaces []string
	disabled   []string // processes that start only if they are named
	noWatch    bool     // "watch" of a process has no effect
}

// addTargetFlags adds the flags that name a definition and its container, which an
// argument can do as well. short is the one-letter form of --file, or "".
func addTargetFlags(env *Env, cmd *cobra.Command, t *target, short string) {
	cmd.Flags().StringArrayVarP(&t.files, "file", short, nil, "`definition`: a file or folder, with #NAME for one of several containers")
	cmd.Flags().StringVar(&t.container, "container", "", "`name` of the container, if the definition has several")
	cmd.RegisterFlagCompletionFunc("container", completeContainers(env))
}

// addModuleFlag adds --module, for verbs that evaluate.
func addModuleFlag(cmd *cobra.Command, t *target) {
	cmd.Flags().StringArrayVar(&t.modules, "module", nil, "merge the options in this `file` into the definition; may be repeated")
	cmd.Flags().StringArrayVar(&t.modules, "overlay", nil, "the same as --module")
	cmd.Flags().MarkHidden("overlay")
}

// isService reports whether an argument is the name of a service. One that looks like a
// definition is, if there is no such file and the project has such a service: files of
// process-compose give any names.
func (t *target) isService(ctx context.Context, env *Env, arg string) bool {
	if !definition.IsRef(arg) {
		return len(t.files) > 0 || !t.isFolder(ctx, env, arg)
	}
	path := arg
	if ref := definition.ParseRef(arg); ref.Path != "" {
		path = ref.Path
	}
	if info, err := os.Stat(env.path(path)); err == nil {
		if found, _ := definitionsIn(env, env.path(path)); !info.IsDir() || len(found) > 0 {
			return false
		}
	}
	own := target{files: t.files, container: t.container}
	c, layout, err := own.find(ctx, env)
	if err == nil {
		if p, err := c.Project(ctx, false); err == nil {
			_, err = p.Resolve(arg)
			return err == nil
		}
	}
	if _, err := labels(layout).project.Resolve(arg); err == nil {
		return true
	}
	l, err := own.load(ctx, env)
	if err != nil {
		return false
	}
	_, err = l.project.Resolve(arg)
	return err == nil
}

// take separates the arguments into the definition and the services.
func (t *target) take(ctx context.Context, env *Env, args []string) error {
	fromFlag := len(t.files) > 0
	for _, arg := range args {
		if t.isService(ctx, env, arg) {
			t.services = append(t.services, arg)
			continue
		}
		if fromFlag {
			return usageError("definition %q and --file exclude each other", arg)
		}
		if len(t.files) > 0 {
			return usageError("two definitions are named: %q and %q", t.files[0], arg)
		}
		t.files = append(t.files, arg)
	}
	for i, file := range t.files {
		ref := definition.ParseRef(file)
		if t.files[i] = ref.Path; ref.Path == "" {
			t.files[i] = "."
			if found, err := discoverAbove(env); err == nil && found[0].root != env.Dir {
				t.files[i] = found[0].root
			}
		}
		if ref.Container == "" {
			continue
		}
		if t.container != "" && t.container != ref.Container {
			return usageError("two containers are named: %q and %q", t.container, ref.Container)
		}
		t.container = ref.Container
	}
	return nil
}
