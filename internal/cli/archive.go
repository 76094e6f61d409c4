package cli

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
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
	networkFlags
}

func (f *archiveFlags) add(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.mirror, "mirror", "", "`URL` of Debian's archive, its security archive beside it; default: $NIX2GPU_MIRROR, or else this machine's apt sources")
	cmd.Flags().StringVar(&f.suite, "suite", "", "`name` of Debian's release; default: the lock's, or else "+repo.DefaultSuite)
	cmd.Flags().StringVar(&f.keyring, "keyring", "", "`file` with the keys that may sign the archive, instead of Debian's")
	cmd.Flags().BoolVar(&f.offline, "offline", false, "use only the cache, and no network")
	f.indexes.add(cmd)
	f.networkFlags.add(cmd)
	cmd.RegisterFlagCompletionFunc("mirror", cobra.NoFileCompletions)
	cmd.RegisterFlagCompletionFunc("suite", cobra.FixedCompletions([]string{"bullseye", "bookworm", "trixie"}, cobra.ShellCompDirectiveNoFileComp))
}

// keys returns the keys that sign the apt sources. They come from file, the lock,
// which may be nil, or from the definition.
func (f *archiveFlags) keys(ctx context.Context, env *Env, root string, file *lock.File, sources []packages.AptSource, believe bool, take []string) ([]lock.Key, error) {
	opts := lock.KeyOptions{
		Sources: sources, Believe: believe, Take: take,
		Read: func(path string) ([]byte, error) { return os.ReadFile(absolute(root, path)) },
		Get: func(ctx context.Context, url string, vouched bool) ([]byte, error) {
			dir, err := cache.Locate(env.Getenv)
			if err != nil {
				return nil, err
			}
			client, err := repo.NewClient(ctx, repo.Options{Cache: dir, Offline: f.offline, Now: env.Now, Stall: f.stall(), Retries: f.retries})
			if err != nil {
				return nil, err
			}
			defer client.Close()
			return client.Page(ctx, url, vouched)
		},
	}
	keys, err := lock.Keys(ctx, file, opts)
	return keys, lockError(root, err)
}

// client opens the archives and the cache for a definition. Its lock and the base
// of its images are nil where it has none. The client must be closed.
func (f *archiveFlags) client(ctx context.Context, env *Env, file *lock.File, base *image.Base, sources []packages.AptSource, keys []lock.Key) (*repo.Client, error) {
	place := repo.Place{Suite: f.suiteOf(file, base), Mirror: orElse(f.mirror, env.Getenv("NIX2GPU_MIRROR"))}
	if base != nil {
		place.Trusted = trusted(base, base.Distribution)
	}
	var err error
	if place.Others, err = archives(sources, keys); err != nil {
		return nil, err
	}
	if f.keyring != "" {
		if place.Keyring, err = os.ReadFile(env.path(f.keyring)); err != nil {
			return nil, usageError("--keyring: %v", err)
		}
	}
	opts := repo.Options{
		Offline: f.offline, Snapshot: env.Getenv("NIX2GPU_SNAPSHOT"), Now: env.Now, Progress: env.progressOf("downloading"),
		Stall: f.stall(), Retries: f.retries,
	}
	var config *repo.AptConfig
	var unreadable error    // reported only to those who use the network
	if place.Mirror == "" { // as apt on this machine
		if place.Sources, err = repo.ReadSources("/"); err != nil {
			return nil, hint(err, "correct it, or name a mirror with --mirror URL")
		}
		config, unreadable = repo.ReadAptConfig("/", env.Getenv)
		opts.Proxy = func(r *http.Request) (*url.URL, error) {
			if unreadable != nil {
				return nil, unreadable
			}
			return config.Proxy(r)
		}
	}
	if opts.Archives, err = place.Archives(); err != nil {
		return nil, &exitError{exitUsage, err}
	}
	if config != nil {
		unreadable = config.Patience(&opts)
	}
	if opts.Cache, err = cache.Locate(env.Getenv); err != nil {
		return nil, err
	}
	return repo.NewClient(ctx, opts)
}

// suiteOf returns the release that packages come from: the base's, if there is a base.
func (f *archiveFlags) suiteOf(file *lock.File, base *image.Base) string {
	if base != nil {
		return base.Suite
	}
	return orElse(f.suite, orElse(file.Release(), repo.DefaultSuite))
}

// lockName is the name of the container in the lock.
func (l *loaded) lockName() string { return orElse(l.container, l.project.Name) }

// lockFile is the path of the definition's lock.
func (l *loaded) lockFile() string { return filepath.Join(l.root, lock.Name) }

// needs lists what a container's image needs from the release suite, on top of
// base, which may be nil.
func (l *loaded) needs(suite string, base *image.Base) (*lock.Needs, error) {
	brought := lock.Brought{Suite: suite}
	if l.config != nil {
		brought = lock.Brought{Suite: suite, Sources: definition.AptSources(l.config), Archives: definition.Archives(l.config)}
	}
	for i, s := range brought.Sources {
		brought.Sources[i].Pos.File = strings.TrimPrefix(s.Pos.File, l.root+"/")
	}
	for i, a := range brought.Archives {
		for _, placed := range l.project.Container.Archives {
			if placed.Attr == a.Attr {
				brought.Archives[i].Pos = placed.Pos
			}
		}
	}
	if l.python != nil {
		for _, line := range l.python.Lines {
			brought.Wheels = append(brought.Wheels, line.Name)
		}
	}
	needs, err := lock.FindNeeds(l.project, brought)
	if err != nil {
		return nil, lockError(l.root, err)
	}
	needs.Wants = l.wantPython(needs.Wants)
	vouchedByBase(needs, brought, base)
	return needs, nil
}

// recipes returns the rules by which the image leaves out parts of packages.
// variant is the one given on the command line, or "".
func (l *loaded) recipes(variant string) []packages.Recipe {
	if orElse(variant, l.project.Container.Variant) == string(image.Full) {
		return nil
	}
	return lock.Recipes(l.project)
}

// vouchedByBase takes the key of NVIDIA's repository from a base that has it, unless
// the definition gives one. The base can be trusted with that because the
// definition pins it by digest.
func vouchedByBase(needs *lock.Needs, brought lock.Brought, base *image.Base) {
	if base == nil || slices.ContainsFunc(brought.Sources, func(s packages.AptSource) bool { return s.Name == packages.NVIDIA && s.Key != "" }) {
		return
	}
	for i, s := range needs.Sources {
		if s.Name != packages.NVIDIA {
			continue
		}
		if ring, err := repo.NewKeyring(trusted(base, "cuda")); err == nil {
			if text, err := ring.Armoured(); err == nil {
				needs.Sources[i].Key, needs.Sources[i].Fingerprints = text, nil
			}
		}
	}
}

// sourceNames returns the archives other than Debian's that each container may
// use, for [lock.Options].
func sourceNames(needs map[string]*lock.Needs) map[string][]string {
	out := map[string][]string{}
	for container, n := range needs {
		for _, s := range n.Sources {
			out[container] = append(out[container], s.Name)
		}
	}
	return out
}

// aptSources collects the apt sources of all containers, each one once.
func aptSources(root string, needs map[string]*lock.Needs) ([]packages.AptSource, error) {
	var out []packages.AptSource
	for _, container := range slices.Sorted(maps.Keys(needs)) {
		for _, s := range needs[container].Sources {
			i := slices.IndexFunc(out, func(have packages.AptSource) bool { return have.Name == s.Name })
			if i < 0 {
				out = append(out, s)
				continue
			}
			other := out[i]
			if !maps.Equal(other.URL, s.URL) || other.Suite != s.Suite || other.Key != s.Key || !slices.Equal(other.Components, s.Components) || !slices.Equal(other.Fingerprints, s.Fingerprints) {
				return nil, lockError(root, &project.Error{Pos: s.Pos,
					Msg: fmt.Sprintf("apt source %q is not the one at %s:%d:%d: one name must mean one repository", s.Name, other.Pos.File, other.Pos.Line, other.Pos.Col)})
			}
		}
	}
	return out, nil
}

// archives joins the apt sources with the keys that sign them.
func archives(sources []packages.AptSource, keys []lock.Key) ([]repo.Archive, error) {
	var out []repo.Archive
	for _, s := range sources {
		a := repo.Archive{Name: s.Name, Suite: s.Suite, Components: s.Components, Expires: true}
		if s.Pos.File != "" {
			a.From = fmt.Sprintf("%s:%d:%d", s.Pos.File, s.Pos.Line, s.Pos.Col)
		}
		if s.HasURL() {
			a.KeyCure = fmt.Sprintf("if its vendor signs with another key now: nix2gpu lock --take-key %s", s.Name)
		}
		for _, k := range keys {
			if k.Source != s.Name {
				continue
			}
			var err error
			if a.Keys, err = repo.NewKeyring([]byte(k.Key)); err != nil {
				return nil, fmt.Errorf("the key of apt source %q: %w", s.Name, err)
			}
		}
		for _, arch := range slices.Sorted(maps.Keys(s.URL)) {
			if a.URL, a.Arches = strings.TrimRight(s.URL[arch], "/"), nil; arch != "" {
				a.Arches = []string{arch}
			}
			out = append(out, a)
		}
	}
	return out, nil
}

// checkSuite rejects packages that the release lacks according to the package
// table.
func (l *loaded) checkSuite(wants []lock.Want, suite string) error {
	var wrong project.Errors
	seen := map[string]bool{}
	for _, w := range wants {
		has, lacks := packages.NotIn(suite, w.Attr)
		if !lacks || seen[w.Attr] {
			continue
		}
		seen[w.Attr] = true
		e := &project.Error{Pos: w.Pos, Msg: fmt.Sprintf("package %q is not in %s: %s", w.Attr, packages.Release(suite), inReleases(has)),
			Hint: "--suite " + has[0] + ", or another package"}
		if l.project.Container.FromImage != "" {
			e.Hint = "take a base of that release, or another package"
		}
		wrong = append(wrong, e)
	}
	if len(wrong) > 0 {
		return &invalid{l.root, wrong}
	}
	return nil
}

// inReleases formats a list of releases for a message.
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

// lockError makes an error of the definition an *invalid, and leaves others alone.
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

// architectures translates the values of --platform to Debian's names.
func architectures(platforms []string) ([]string, error) {
	var out []string
	for _, p := range platforms {
		arch := strings.TrimPrefix(p, "linux/")
		switch arch {
		case "amd64", "arm64":
			out = append(out, arch)
		default:
			return nil, usageError("--platform must be linux/amd64 or linux/arm64, not %q", p)
		}
	}
	return out, nil
}

// hostArchitecture returns Debian's name of this machine's architecture. It fails
// where no images can be made for that.
func hostArchitecture() (string, error) {
	switch runtime.GOARCH {
	case "amd64", "arm64":
		return runtime.GOARCH, nil
	}
	return "", hint(fmt.Errorf("images are not made for %s", runtime.GOARCH), "name another with --platform linux/amd64")
}
