package cli

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"nix2gpu/definition"
	"nix2gpu/image"
	"nix2gpu/lock"
	"nix2gpu/packages"
)

type lockFlags struct {
	archiveFlags
	update    bool
	frozen    bool
	takeKeys  []string
	platforms []string
}

func newLock(env *Env) *cobra.Command {
	var t target
	var f lockFlags
	cmd := &cobra.Command{
		Use:   "lock [DEFINITION] [--update [PACKAGE...]]",
		Short: "Choose the exact packages that images are made of",
		Long: `Writes nix2gpu.lock beside the definition: each Debian package that its containers
need, by version and SHA-256, each file of its archives, and the keys that sign its
apt sources. "build" takes exactly these, so that the same image can be made again in
a year; put the file under version control.

What the lock has stays as it is. What is new in the definition is added, and what is no
longer needed is removed. --update takes the newest versions of the named packages, and
of those that stand in their way, or of all packages; of an archive without a sha256 it
takes the present file. Only --take-key changes a key.

Packages come from this machine's apt sources for Debian, through apt's proxies, from
--mirror, or from Debian itself, and from the aptSources of the definition. Versions
that are no longer there are looked for at $NIX2GPU_SNAPSHOT, a URL in which {archive} is
"debian" or "debian-security".

The wheels of python.requirements are locked, too, and downloaded for that. If a
requirement has no hash, the index is trusted once, and from then on the lock has the
hash; if it has no version, the newest that fits is taken.`,
		Example: `  nix2gpu lock                        add what the definition needs
  nix2gpu lock --update               take the newest version of everything
  nix2gpu lock --update libssl3       of one package
  nix2gpu lock --platform linux/arm64 lock another architecture too`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := t.take(cmd.Context(), env, args); err != nil {
				return err
			}
			if !f.update && len(t.services) > 0 {
				return hint(usageError("lock takes a definition, and %q does not look like one", t.services[0]), "packages are named behind --update")
			}
			return runLock(cmd.Context(), env, &t, &f)
		},
	}
	addTargetFlags(env, cmd, &t, "f")
	addModuleFlag(cmd, &t)
	f.add(cmd)
	cmd.Flags().BoolVarP(&f.update, "update", "u", false, "take the newest versions: of the named packages, or else of all")
	cmd.Flags().BoolVar(&f.frozen, "locked", false, "change nothing, and fail if something would")
	cmd.Flags().StringSliceVar(&f.takeKeys, "take-key", nil, "take the key that signs this `source` now, instead of the lock's")
	cmd.Flags().StringSliceVar(&f.platforms, "platform", nil, "`platform` to lock beside those of the lock: linux/amd64, linux/arm64; default: this machine's")
	cmd.RegisterFlagCompletionFunc("platform", cobra.FixedCompletions([]string{"linux/amd64", "linux/arm64"}, cobra.ShellCompDirectiveNoFileComp))
	cmd.ValidArgsFunction = func(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
		return lockedNames(cmd.Context(), env, args, f.update)
	}
	return cmd
}

// lockedNames completes the values of --update.
func lockedNames(ctx context.Context, env *Env, args []string, update bool) ([]string, cobra.ShellCompDirective) {
	if !update {
		return nil, cobra.ShellCompDirectiveDefault
	}
	var t target
	if t.take(ctx, env, slices.DeleteFunc(slices.Clone(args), func(a string) bool { return !definition.IsRef(a) })) != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	file, err := lock.Read((&loaded{root: t.folder(env)}).lockFile())
	if err != nil || file == nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	names := map[string]bool{}
	for _, list := range file.Packages {
		for _, p := range list {
			names[p.Name] = true
		}
	}
	return slices.Sorted(maps.Keys(names)), cobra.ShellCompDirectiveNoFileComp
}

func runLock(ctx context.Context, env *Env, t *target, f *lockFlags) error {
	var all []*loaded
	var err error
	if t.container != "" {
		var one *loaded
		one, err = t.load(ctx, env)
		all = []*loaded{one}
	} else {
		all, err = t.loadAll(ctx, env)
	}
	if err != nil {
		return err
	}
	root := all[0].root
	opts := lock.Options{
		File: all[0].lockFile(), Suite: f.suite, All: t.container == "", Frozen: f.frozen, Wants: map[string][]lock.Want{},
		Archives: map[string][]packages.Archive{}, Believe: true, Update: t.services, UpdateAll: f.update && len(t.services) == 0,
		Recipes: map[string][]packages.Recipe{},
	}
	file, err := lock.Read(opts.File)
	if err != nil {
		return err
	}
	needs := map[string]*lock.Needs{}
	for _, l := range all {
		l.writeNotes(env)
		switch {
		case l.none:
			return hint(usageError("%s defines no container: there is nothing to lock", l.name), defineContainer)
		case l.config == nil:
			return usageError("%s is a file for process-compose: only container definitions have a lock", l.name)
		}
		opts.Recipes[l.lockName()] = l.recipes("")
	}
	if opts.Arches, err = f.arches(file, slices.Sorted(maps.Keys(opts.Recipes))); err != nil {
		return err
	}
	bases, err := f.lockBases(ctx, env, all, &opts)
	if err != nil {
		return err
	}
	of := releases{}
	defer of.close()
	for _, l := range all {
		base := bases[l.lockName()]
		suite := f.suiteOf(file, base)
		n, err := l.needs(suite, base)
		if err != nil {
			return err
		}
		of.add(suite, base, l.lockName(), n)
		needs[l.lockName()], opts.Wants[l.lockName()], opts.Archives[l.lockName()] = n, n.Wants, n.Archives
		if err := l.checkNVIDIA(n, suite, opts.Arches); err != nil {
			return err
		}
		if err := l.checkSuite(n.Wants, suite); err != nil {
			return err
		}
	}
	opts.Sources = sourceNames(needs)
	sources, err := of.sources(root)
	if err != nil {
		return err
	}
	if opts.Keys, err = f.keys(ctx, env, root, file, sources, true, f.takeKeys); err != nil {
		return err
	}
	if err := of.open(ctx, env, f, file, opts.Keys); err != nil {
		return err
	}
	opts.Index, opts.Learn = of.index, of.learn
	house, err := f.wheelhouse(ctx, env, all...)
	if err != nil {
		return err
	}
	defer house.Close()
	opts.Python = house.requirements(all...)
	result, err := lock.Ensure(ctx, opts)
	if err != nil {
		return lockError(root, err)
	}
	for _, c := range result.Changes {
		fmt.Fprintln(env.Stdout, c)
	}
	fmt.Fprintln(env.Stdout, lockSummary(env, opts, result))
	return nil
}

// lockBases reads the bases of containers, by the containers' names. --suite holds
// for containers without a base.
func (f *lockFlags) lockBases(ctx context.Context, env *Env, all []*loaded, opts *lock.Options) (map[string]*image.Base, error) {
	opts.Bases = map[string]map[string]lock.Base{}
	out := map[string]*image.Base{}
	own := f.archiveFlags
	if slices.ContainsFunc(all, func(l *loaded) bool { return l.project.Container.FromImage == "" }) {
		own.suite = "" // --suite is about containers without a base
	} else {
		opts.Suite = ""
	}
	for _, l := range all {
		bases, err := own.bases(ctx, env, l, opts.Arches)
		if err != nil {
			return nil, err
		}
		if base := anyBase(bases); base != nil {
			out[l.lockName()], opts.Bases[l.lockName()] = base, lockBases(bases)
		}
	}
	return out, nil
}

// arches returns the architectures to lock: those in the file and those asked for,
// or else that of this machine.
func (f *lockFlags) arches(file *lock.File, containers []string) ([]string, error) {
	arches, err := architectures(f.platforms)
	if err != nil {
		return nil, err
	}
	if file != nil {
		for _, name := range containers {
			arches = append(arches, slices.Collect(maps.Keys(file.Containers[name]))...)
		}
		if len(arches) == 0 { // a new container is locked for what the others are
			arches = file.Arches()
		}
	}
	if len(arches) == 0 {
		host, err := hostArchitecture()
		return []string{host}, err
	}
	slices.Sort(arches)
	return slices.Compact(arches), nil
}

// lockSummary describes what the lock holds now.
func lockSummary(env *Env, opts lock.Options, r *lock.Result) string {
	var parts []string
	for _, arch := range opts.Arches {
		names := map[string]bool{}
		for container := range opts.Wants {
			for _, p := range r.Packages(container, arch) {
				names[p.String()] = true // one package may have several versions, of several releases
			}
		}
		files := map[string]bool{}
		for container := range opts.Wants {
			for _, f := range r.Archives(container, arch) {
				files[f.URL] = true
			}
		}
		counts := []string{count(len(names), "package")}
		if len(files) > 0 {
			counts = append(counts, count(len(files), "archive"))
		}
		if n := r.CountWheels(arch, slices.Collect(maps.Keys(opts.Python))); n > 0 {
			counts = append(counts, count(n, "wheel"))
		}
		text := counts[len(counts)-1]
		if before := counts[:len(counts)-1]; len(before) > 0 {
			text = strings.Join(before, ", ") + " and " + text
		}
		parts = append(parts, text+" for "+arch)
	}
	text := within(env.Dir, opts.File) + ": " + strings.Join(parts, ", ")
	if !r.Wrote {
		text += ", unchanged"
	}
	return text
}
