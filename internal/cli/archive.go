package cli

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"nix2gpu/cache"
	"nix2gpu/debian/repo"
	"nix2gpu/definition"
	"nix2gpu/image"
	"nix2gpu/lock"
	"nix2gpu/packages"
	"nix2gpu/project"
)

// archiveFlags say where Debian's packages come from.
type archiveFlags struct {
	mirror, suite, keyring string
	offline                bool
	indexes                indexFlags
}

func (f *archiveFlags) add(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.mirror, "mirror", "", "`URL` of Debian's archive, its security archive beside it; default: $NIX2GPU_MIRROR, else this machine's apt sources")
	cmd.Flags().StringVar(&f.suite, "suite", "", "`name` of Debian's release; default: that of the lock, else "+repo.DefaultSuite)
	cmd.Flags().StringVar(&f.keyring, "keyring", "", "`file` with the keys that the archive is signed by, instead of Debian's")
	cmd.Flags().BoolVar(&f.offline, "offline", false, "use what the cache has, and no network")
	f.indexes.add(cmd)
	cmd.RegisterFlagCompletionFunc("mirror", cobra.NoFileCompletions)
	cmd.RegisterFlagCompletionFunc("suite", cobra.FixedCompletions([]string{"bullseye", "bookworm", "trixie"}, cobra.ShellCompDirectiveNoFileComp))
}

// client opens archives and cache for containers of a definition whose lock, if
// it has one, is given, and so is the base of its images. It must be closed.
func (f *archiveFlags) client(ctx context.Context, env *Env, file *lock.File, base *image.Base, containers ...*loaded) (*repo.Client, error) {
	place := repo.Place{Suite: f.suiteOf(file, base), Mirror: orElse(f.mirror, env.Getenv("NIX2GPU_MIRROR"))}
	if base != nil {
		place.Trusted = trusted(base, base.Distribution)
	}
	var err error
	if place.Others, err = aptSources(containers, place.Suite, base); err != nil {
		return nil, err
	}
	if f.keyring != "" {
		if place.Keyring, err = os.ReadFile(env.path(f.keyring)); err != nil {
			return nil, usageError("--keyring: %v", err)
		}
	}
	if place.Mirror == "" {
		if place.Sources, err = repo.ReadSources("/"); err != nil {
			return nil, hint(err, "correct it, or name a mirror with --mirror URL")
		}
	}
	archives, err := place.Archives()
	if err != nil {
		return nil, &exitError{exitUsage, err}
	}
	dir, err := cache.Locate(env.Getenv)
	if err != nil {
		return nil, err
	}
	return repo.NewClient(ctx, repo.Options{
		Cache: dir, Archives: archives, Offline: f.offline, Snapshot: env.Getenv("NIX2GPU_SNAPSHOT"), Now: env.Now,
		Progress: env.progressOf("downloading"),
	})
}

// suiteOf is the release that packages are of: that of the base, where there is one.
func (f *archiveFlags) suiteOf(file *lock.File, base *image.Base) string {
	if base != nil {
		return base.Suite
	}
	suite := f.suite
	if suite == "" && file != nil {
		suite = file.Suite
	}
	return orElse(suite, repo.DefaultSuite)
}

// lockName is how the lock calls the container of a definition.
func (l *loaded) lockName() string { return orElse(l.container, l.project.Name) }

// lockFile is the path of the definition's lock.
func (l *loaded) lockFile() string { return filepath.Join(l.root, lock.Name) }

// wants are the Debian packages that a container's image needs, and its archives.
func (l *loaded) wants() ([]lock.Want, []packages.Archive, error) {
	sources := lock.Sources{Packages: map[string][]string{}}
	if l.config != nil {
		for _, s := range definition.AptSources(l.config) {
			sources.Packages[s.Name] = s.Packages
		}
		sources.Archives = definition.Archives(l.config)
	}
	for i, a := range sources.Archives {
		for _, placed := range l.project.Container.Archives {
			if placed.Attr == a.Attr {
				sources.Archives[i].Pos = placed.Pos
			}
		}
	}
	if l.python != nil {
		for _, line := range l.python.Lines {
			sources.Wheels = append(sources.Wheels, line.Name)
		}
	}
	wants, archives, err := lock.Wants(l.project, sources)
	return l.wantPython(wants), archives, lockError(l.root, err)
}

// recipes are those by which the image leaves out parts of packages; variant is
// that of the command line, or "".
func (l *loaded) recipes(variant string) []packages.Recipe {
	if orElse(variant, l.project.Container.Variant) == string(image.Full) {
		return nil
	}
	return lock.Recipes(l.project)
}

// sources are the archives beyond Debian's that each container may use, by its
// name, for [lock.Options].
func sources(containers ...*loaded) map[string][]string {
	out := map[string][]string{}
	for _, l := range containers {
		for _, s := range l.aptSources(repo.DefaultSuite) {
			out[l.lockName()] = append(out[l.lockName()], s.Name)
		}
	}
	return out
}

// aptSources are the repositories that the container's definition names, and
// those that the package table knows of.
func (l *loaded) aptSources(suite string) []definition.AptSource {
	if l.config == nil {
		return nil
	}
	all := definition.AptSources(l.config)
	for i := range all {
		all[i].Pos = strings.TrimPrefix(all[i].Pos, l.root+"/")
	}
	return withNVIDIA(l.project, all, suite)
}

// aptSources are the archives beyond Debian's that containers take packages from.
// Several may name the same one.
func aptSources(containers []*loaded, suite string, base *image.Base) ([]repo.Archive, error) {
	var out []repo.Archive
	have := map[string]definition.AptSource{}
	for _, l := range containers {
		for _, s := range l.aptSources(suite) {
			if other, ok := have[s.Name]; ok {
				if !maps.Equal(other.URL, s.URL) || other.Suite != s.Suite || other.Key != s.Key || !slices.Equal(other.Components, s.Components) {
					return nil, &exitError{exitUsage, fmt.Errorf("%s: apt source %q is another than at %s: one name must mean one repository", s.Pos, s.Name, other.Pos)}
				}
				continue
			}
			have[s.Name] = s
			keys, err := keysOf(l.root, s, suite, base)
			if err != nil {
				return nil, &exitError{exitUsage, err}
			}
			for _, arch := range slices.Sorted(maps.Keys(s.URL)) {
				a := repo.Archive{
					Name: s.Name, URL: strings.TrimRight(s.URL[arch], "/"), Suite: s.Suite, Components: s.Components, Keys: keys, Expires: true, From: s.Pos,
				}
				if arch != "" {
					a.Arches = []string{arch}
				}
				out = append(out, a)
			}
		}
	}
	return out, nil
}

// keysOf reads the keys that a repository is signed by.
func keysOf(root string, s definition.AptSource, suite string, base *image.Base) (repo.Keyring, error) {
	if s.Key == "" && s.Name == packages.NVIDIA {
		if base != nil {
			if keys, err := repo.NewKeyring(trusted(base, "cuda")); err == nil {
				return keys, nil // the base, which the definition names by its digest, has them
			}
		}
		return repo.Keyring{}, noNVIDIAKey(s, suite)
	}
	data := []byte(s.Key)
	if !strings.Contains(s.Key, "-----BEGIN PGP") {
		var err error
		if data, err = os.ReadFile(absolute(root, s.Key)); err != nil {
			return repo.Keyring{}, fmt.Errorf("%s: cannot read the key of apt source %q: %w", s.Pos, s.Name, err)
		}
	}
	keys, err := repo.NewKeyring(data)
	if err != nil {
		return repo.Keyring{}, fmt.Errorf("%s: the key of apt source %q: %w", s.Pos, s.Name, err)
	}
	return keys, nil
}

// checkSuite wants every package to be one that the release has, as far as the
// package table knows.
func (l *loaded) checkSuite(wants []lock.Want, suite string) error {
	var wrong project.Errors
	seen := map[string]bool{}
	for _, w := range wants {
		has, lacks := packages.NotIn(suite, w.Attr)
		if !lacks || seen[w.Attr] {
			continue
		}
		seen[w.Attr] = true
		e := &project.Error{Pos: w.Pos, Msg: fmt.Sprintf("package %q is not in %s: %s", w.Attr, packages.Release(suite), inReleases(has))}
		if l.project.Container.FromImage != "" {
			e.Hint = "take a base of that release, or another package"
		} else {
			e.Hint = "--suite " + has[0] + ", or another package"
		}
		wrong = append(wrong, e)
	}
	if len(wrong) > 0 {
		return &invalid{l.root, wrong}
	}
	return nil
}

// inReleases says in words which releases have something.
func inReleases(suites []string) string {
	var names []string
	for _, s := range suites {
		names = append(names, packages.Release(s))
	}
	if len(names) == 1 {
		return names[0] + " has it"
	}
	return strings.Join(names[:len(names)-1], ", ") + " and " + names[len(names)-1] + " have it"
}

// lockError tells what is wrong in the definition from what failed elsewhere.
func lockError(root string, err error) error {
	var wrong project.Errors
	if errors.As(err, &wrong) {
		return &invalid{root, wrong}
	}
	var one *project.Error
	if errors.As(err, &one) {
		return &invalid{root, project.Errors{one}}
	}
	return err
}

// architectures are those that --platform names, in Debian's words.
func architectures(platforms []string) ([]string, error) {
	var out []string
	for _, p := range platforms {
		arch := strings.TrimPrefix(p, "linux/")
		switch arch {
		case "amd64", "arm64":
			out = append(out, arch)
		default:
			return nil, usageError("--platform must be linux/amd64 or linux/arm64, is %q", p)
		}
	}
	return out, nil
}

// hostArchitecture is that of this machine, as far as images are made for it.
func hostArchitecture() (string, error) {
	switch runtime.GOARCH {
	case "amd64", "arm64":
		return runtime.GOARCH, nil
	}
	return "", hint(fmt.Errorf("images are not made for %s", runtime.GOARCH), "name another with --platform linux/amd64")
}
