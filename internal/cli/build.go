package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/spf13/cobra"

	"nix2gpu/cache"
	"nix2gpu/debian"
	"nix2gpu/debian/deb"
	"nix2gpu/debian/repo"
	"nix2gpu/image"
	"nix2gpu/image/registry"
	"nix2gpu/lock"
	"nix2gpu/packages"
	"nix2gpu/project"
	"nix2gpu/wheel"
)

type buildOptions struct {
	target target
	archiveFlags
	output      string
	tags        []string
	imageRefs   string
	sbom        string
	labels      map[string]string
	annotations map[string]string
	platforms   []string
	binaries    map[string]string
	compression string
	variant     string
	frozen      bool
	explain     bool
	withoutBase bool
}

func newBuild(env *Env) *cobra.Command {
	var opts buildOptions
	cmd := &cobra.Command{
		Use:   "build [DEFINITION]",
		Short: "Make the image of a container",
		Long: `Makes the OCI image of a container definition from Debian packages: no Nix, no
daemon, no root, and no script of a package. The versions are those in nix2gpu.lock
beside the definition; if there is no such file, it is written. The same lock gives the
same image, byte for byte, on any machine.

-o says where the image goes: to a folder, as an OCI layout; to a file that ends in .tar,
as an archive that "docker load", podman and skopeo read; or with - to stdout, as such an
archive. The default is the layout CONTAINER.oci in the current folder.

The digest is printed to stdout, or with -o - to stderr. SOURCE_DATE_EPOCH is respected.`,
		Example: `  nix2gpu build                                  the layout web.oci
  nix2gpu build -o - | docker load               into docker
  nix2gpu build --platform linux/amd64,linux/arm64 -o web.tar`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := opts.target.takeOne(cmd, env, args); err != nil {
				return err
			}
			return runBuild(cmd.Context(), env, &opts)
		},
	}
	opts.addFlags(env, cmd)
	f := cmd.Flags()
	f.StringVarP(&opts.output, "output", "o", "", "where the image goes: a `path`, or -")
	f.StringArrayVar(&opts.tags, "tag", nil, "call the image this `name` (web:dev) or, without a colon, CONTAINER with this tag")
	f.StringVar(&opts.imageRefs, "image-refs", "", "write the names of the images, by digest, to this `file`, one in each line")
	f.StringVar(&opts.sbom, "sbom", "", "write the SBOM, an SPDX document, to this `file`; with several platforms one file each, with the architecture before the ending")
	f.BoolVar(&opts.withoutBase, "without-base", false, "leave the layers of fromImage out of a layout; \"push --from\" takes them from their registry")
	f.BoolVar(&opts.explain, "explain", false, "say which option asks for each package")
	return cmd
}

// addFlags adds the flags of every verb that builds.
func (o *buildOptions) addFlags(env *Env, cmd *cobra.Command) {
	addTargetFlags(env, cmd, &o.target, "f")
	addModuleFlag(cmd, &o.target)
	o.add(cmd)
	f := cmd.Flags()
	f.StringToStringVar(&o.labels, "label", nil, "add a label, as `name=value`; may be repeated")
	f.StringToStringVar(&o.annotations, "annotation", nil, "add an annotation of the manifest, as `name=value`; may be repeated")
	f.StringSliceVar(&o.platforms, "platform", nil, "build for this `platform`: linux/amd64, linux/arm64; default: this machine's")
	f.StringToStringVar(&o.binaries, "binary", nil, "nix2gpu itself for another platform, as `arch=file`; default: nix2gpu-linux-ARCH beside this program")
	for _, name := range []string{"label", "annotation", "binary"} {
		f.Lookup(name).DefValue = "" // or help prints it, as []
	}
	f.StringVar(&o.compression, "compression", "", "compress layers with gzip or zstd, at a `level` if one is given: gzip:9, zstd:19; default: gzip, or gzip:9 for the variant minimal")
	f.StringVar(&o.variant, "variant", "", "`how much` of the packages: slim, full or minimal; default: the definition's")
	f.BoolVar(&o.frozen, "locked", false, "fail if nix2gpu.lock would change; also with CI=1")
	cmd.RegisterFlagCompletionFunc("compression", cobra.FixedCompletions([]string{"gzip", "zstd"}, cobra.ShellCompDirectiveNoFileComp))
	cmd.RegisterFlagCompletionFunc("variant", cobra.FixedCompletions([]string{"slim", "full", "minimal"}, cobra.ShellCompDirectiveNoFileComp))
	cmd.RegisterFlagCompletionFunc("platform", cobra.FixedCompletions([]string{"linux/amd64", "linux/arm64"}, cobra.ShellCompDirectiveNoFileComp))
}

func runBuild(ctx context.Context, env *Env, opts *buildOptions) error {
	l, err := opts.target.load(ctx, env)
	if err != nil {
		return err
	}
	l.writeNotes(env)
	if place := opts.place(l); place != "-" && !strings.HasSuffix(place, ".tar") { // refused before the work is done
		if err := image.CanHoldLayout(env.path(place)); err != nil {
			return hint(&exitError{exitUsage, err}, "name another folder with -o")
		}
	} else if opts.withoutBase {
		return hint(usageError("--without-base is for layouts: an archive is loaded by engines, which want every layer"), "name a folder with -o")
	}
	out, err := opts.build(ctx, env, l)
	if err != nil {
		return err
	}
	digest, err := out.Digest()
	if err != nil {
		return err
	}
	if err := opts.write(ctx, env, l, out); err != nil {
		return err
	}
	if opts.sbom != "" {
		if err := opts.writeSBOM(ctx, env, out); err != nil {
			return err
		}
	}
	if opts.imageRefs != "" {
		repository, _, _ := strings.Cut(out.Name, ":")
		if err := os.WriteFile(env.path(opts.imageRefs), []byte(repository+"@"+digest.String()+"\n"), 0o666); err != nil {
			return fmt.Errorf("built, but cannot write %q: %w", opts.imageRefs, cause(err))
		}
	}
	to := env.Stdout
	if opts.output == "-" {
		to = env.Stderr
	}
	_, err = fmt.Fprintln(to, digest)
	return err
}

// place returns where the image is written: a folder, an archive, or "-" for stdout.
func (o *buildOptions) place(l *loaded) string { return orElse(o.output, l.imageName()+".oci") }

// write writes the image to the place that -o names.
func (o *buildOptions) write(ctx context.Context, env *Env, l *loaded, out *image.Output) error {
	var err error
	switch place := o.place(l); {
	case place == "-":
		err = out.WriteArchive(env.Stdout, runtime.GOARCH)
	case strings.HasSuffix(place, ".tar"):
		err = out.WriteArchiveFile(env.path(place), runtime.GOARCH)
	default:
		var artifacts []v1.Image
		if artifacts, err = env.artifacts(ctx, out); err != nil {
			return err
		}
		if err = out.WriteLayout(ctx, env.path(place), artifacts...); err == nil {
			fmt.Fprintf(env.Stderr, "%s: %s\n", place, out.Name)
		}
	}
	switch {
	case errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) || errors.Is(err, syscall.EROFS):
		return hint(fmt.Errorf("cannot write the image: %w", err), "name another place with -o")
	case err != nil:
		return fmt.Errorf("cannot write the image: %w", err)
	}
	return nil
}

// build makes the images of all platforms. Their layers are in the cache.
func (o *buildOptions) build(ctx context.Context, env *Env, l *loaded) (*image.Output, error) {
	// Main lets the heap of short commands grow. Here most of it is the windows
	// of decoders, which stay, so a smaller share of garbage is enough.
	debug.SetGCPercent(50)
	switch {
	case l.none:
		return nil, hint(usageError("%s defines no container: there is nothing to build", l.name), defineContainer)
	case l.config == nil:
		return nil, usageError("%s is a file for process-compose: only container definitions have an image", l.name)
	}
	l, err := l.forImage(env)
	if err != nil {
		return nil, err
	}
	spec, err := o.spec(env, l)
	if err != nil {
		return nil, err
	}
	arches, err := architectures(o.platforms)
	if err != nil {
		return nil, err
	}
	if len(arches) == 0 {
		host, err := hostArchitecture()
		if err != nil {
			return nil, err
		}
		arches = []string{host}
	}
	slices.Sort(arches)
	arches = slices.Compact(arches)
	ref, err := o.name(l)
	if err != nil {
		return nil, err
	}
	binaries := map[string]string{}
	for _, arch := range arches {
		if binaries[arch], err = o.binary(env, arch); err != nil {
			return nil, err
		}
	}
	bases, err := o.bases(ctx, env, l, arches)
	if err != nil {
		return nil, err
	}
	file, err := lock.Read(l.lockFile())
	if err != nil {
		return nil, err
	}
	needs, err := l.needs(o.suiteOf(file, anyBase(bases)), anyBase(bases))
	if err != nil {
		return nil, err
	}
	spec.More, spec.Stand = needs.More, needs.Stand
	locked, client, err := o.locked(ctx, env, l, file, needs, arches, bases)
	if err != nil {
		return nil, err
	}
	defer client.Close()
	defer locked.house.Close()
	for _, w := range baseWarnings(l.project, anyBase(bases)) {
		fmt.Fprintln(env.Stderr, warning(w))
	}
	out := &image.Output{Name: ref, Annotations: o.annotations, WithoutBase: o.withoutBase}
	for _, arch := range arches {
		out.Suite = locked.Suite(l.lockName(), arch)
		list := locked.Packages(l.lockName(), arch)
		if err := client.Fetch(ctx, list); err != nil {
			return nil, err
		}
		files, err := fetchArchives(ctx, l, client, arch, locked.archives[arch])
		if err != nil {
			return nil, err
		}
		s := *spec
		s.Arch, s.Binary, s.Base, s.Asked = arch, binaries[arch], bases[arch], locked.asked[arch]
		var wheels []wheel.Locked
		wheels, s.Python = locked.Wheels(l.lockName(), arch)
		if s.Wheels, err = locked.house.images(ctx, l.lockName(), wheels); err != nil {
			return nil, err
		}
		for _, p := range list {
			s.Packages = append(s.Packages, image.Package{Locked: p, Open: func(ctx context.Context) (io.ReadCloser, error) { return client.Open(ctx, p) }})
		}
		s.Packages = append(s.Packages, files...)
		built, err := image.Build(ctx, s)
		if err != nil {
			return nil, l.buildError(err)
		}
		for _, w := range built.Warnings {
			if len(arches) > 1 {
				w = "linux/" + arch + ": " + w
			}
			fmt.Fprintln(env.Stderr, warning(w))
		}
		out.Platforms = append(out.Platforms, image.Platform{Arch: arch, Built: built})
	}
	return out, nil
}

// buildError adds to a build's error the position of the option that caused it, or
// a cure for a package that can't be used.
func (l *loaded) buildError(err error) error {
	if _, placed := errors.AsType[project.Errors](err); placed {
		return &invalid{l.root, err}
	}
	if about, ok := errors.AsType[*image.OptionError](err); ok {
		msg, cure, _ := strings.Cut(err.Error(), "\nhint: ")
		return &invalid{l.root, project.Errors{{Pos: l.optionPos(about.Option), Msg: msg, Hint: cure}}}
	}
	if wrong, ok := errors.AsType[*deb.Error](err); ok && !wrong.Archive {
		return hint(err, "that is how it was published: leave it out, or take another version when there is one: nix2gpu lock --update %s", wrong.Package)
	}
	return err
}

// warning inserts the word "warning" behind the position, where editors still
// recognise it.
func warning(text string) string {
	if startsWithPlace(text) {
		at, what, _ := strings.Cut(text, ": ")
		return at + ": warning: " + what
	}
	return "warning: " + text
}

// spec is what the images of all platforms have in common.
func (o *buildOptions) spec(env *Env, l *loaded) (*image.Spec, error) {
	s := &image.Spec{
		Project: l.valid, Root: l.root, Plain: l.plain, Recipes: l.recipes(o.variant), Labels: o.labels, Annotations: o.annotations,
	}
	var err error
	if s.Compression, err = image.ParseCompression(o.compression); err != nil {
		return nil, usageError("--%v", err)
	}
	if s.Variant, err = image.ParseVariant(orElse(o.variant, l.project.Container.Variant)); err != nil {
		return nil, usageError("--%v", err)
	}
	if text := env.Getenv("SOURCE_DATE_EPOCH"); text != "" {
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil || n < 0 {
			return nil, usageError("SOURCE_DATE_EPOCH must be a number of seconds since 1970, not %q", text)
		}
		at := time.Unix(n, 0).UTC()
		s.Epoch = &at
	}
	if s.Cache, err = cache.Locate(env.Getenv); err != nil {
		return nil, err
	}
	if bar := env.progress(); bar != nil {
		s.Progress = func(title string, done, total int64) { bar.set("packing "+title, done, total) }
	}
	return s, nil
}

// name returns the name by which engines know the image.
func (o *buildOptions) name(l *loaded) (string, error) {
	tag := orElse(l.project.Container.Tag, "latest")
	if len(o.tags) > 1 {
		return "", hint(usageError("an image is written under one name"), "give it more names afterwards: load --tag, push --tag")
	}
	if len(o.tags) == 1 {
		tag = o.tags[0]
	}
	ref := tag
	if untagged(tag) {
		ref = l.imageName() + ":" + tag
	}
	if _, err := registry.ParseRef(ref); err != nil || strings.Contains(ref, "@") {
		const cure = "write NAME:TAG: names in lower case, tags of letters, digits, dots and dashes"
		if len(o.tags) == 0 {
			return "", &invalid{l.root, project.Errors{{Pos: l.optionPos("tag"), Msg: fmt.Sprintf("%q is not a valid name for an image", ref), Hint: cure}}}
		}
		return "", hint(usageError("%q is not a valid name for an image", ref), cure)
	}
	return ref, nil
}

// binary finds the file of our own program for an architecture: the running one, or
// one of the same version for another architecture.
func (o *buildOptions) binary(env *Env, arch string) (string, error) {
	self, err := os.Executable()
	if err != nil {
		return "", fmt.Errorf("cannot find the file of this program: %v", err)
	}
	file := self
	if given := o.binaries[arch]; given != "" {
		file = env.path(given)
	} else if arch != runtime.GOARCH {
		file = filepath.Join(filepath.Dir(self), "nix2gpu-linux-"+arch)
		if _, err := os.Stat(file); err != nil {
			return "", hint(usageError("an image for linux/%s needs nix2gpu for it, and there is no %s", arch, file), "make build-all, or name it: --binary %s=FILE", arch)
		}
	} else {
		return file, nil
	}
	ours, err := readProgram(self)
	if err != nil {
		return "", fmt.Errorf("%s: %w", self, err)
	}
	theirs, err := readProgram(file)
	if err != nil || theirs.Path != ours.Path {
		return "", hint(usageError("%s is not nix2gpu", file), "name a program that \"make build-all\" has made")
	}
	if !sameVersion(ours, theirs) {
		return "", hint(usageError("%s is not of the same version as this program", file), "make build-all")
	}
	return file, nil
}

// sameVersion reports whether two programs were built from the same commit, if both
// record one, and with the same libraries.
func sameVersion(a, b *debug.BuildInfo) bool {
	commit := func(info *debug.BuildInfo) string {
		for _, s := range info.Settings {
			if s.Key == "vcs.revision" {
				return s.Value
			}
		}
		return ""
	}
	libraries := map[string]string{}
	for _, m := range a.Deps {
		libraries[m.Path] = m.Version
	}
	return commit(a) == commit(b) && !slices.ContainsFunc(b.Deps, func(m *debug.Module) bool {
		version, both := libraries[m.Path] // an architecture may need a library of its own
		return both && version != m.Version
	})
}

// A lockedArchive is an archive of the definition with the file that the lock
// records for it.
type lockedArchive struct {
	packages.Archive
	file repo.File
}

// fetchArchives downloads archives, and returns them as packages of an image.
func fetchArchives(ctx context.Context, l *loaded, client *repo.Client, arch string, archives []lockedArchive) ([]image.Package, error) {
	var out []image.Package
	for _, a := range archives {
		if err := client.FetchFiles(ctx, []repo.File{a.file}); err != nil {
			return nil, lockError(l.root, lock.ExplainArchive(a.Archive, err))
		}
		out = append(out, image.Package{
			Locked:  debian.Locked{Name: a.Attr, Arch: arch, Size: a.file.Size, SHA256: a.file.SHA256},
			Archive: &a.Archive,
			Open:    func(ctx context.Context) (io.ReadCloser, error) { return client.OpenFile(ctx, a.file) },
		})
	}
	return out, nil
}

// locked is what the lock records for a container, with its archives, and the
// client that has its wheels.
type locked struct {
	*lock.Result
	archives map[string][]lockedArchive // by architecture
	house    *wheelhouse
	asked    map[string]map[string][]string // by architecture: the packages that stand for attributes
}

// locked reads what the lock records for the container, and updates the lock where
// it no longer fits the definition.
func (o *buildOptions) locked(ctx context.Context, env *Env, l *loaded, file *lock.File, needs *lock.Needs, arches []string, bases map[string]*image.Base) (*locked, *repo.Client, error) {
	base := anyBase(bases)
	suite := o.suite
	if base != nil {
		suite = "" // it is the base's
	}
	if err := l.checkNVIDIA(needs, o.suiteOf(file, base), arches); err != nil {
		return nil, nil, err
	}
	if err := l.checkSuite(needs.Wants, o.suiteOf(file, base)); err != nil {
		return nil, nil, err
	}
	all := map[string]*lock.Needs{l.lockName(): needs}
	sources, err := aptSources(l.root, all)
	if err != nil {
		return nil, nil, err
	}
	keys, err := o.keys(ctx, env, l.root, file, sources, false, nil)
	if err != nil {
		return nil, nil, err
	}
	client, err := o.client(ctx, env, file, base, sources, keys)
	if err != nil {
		return nil, nil, err
	}
	house, err := o.wheelhouse(ctx, env, l)
	if err != nil {
		return nil, nil, errors.Join(err, client.Close())
	}
	result, err := lock.Ensure(ctx, lock.Options{
		File: l.lockFile(), Suite: suite, Arches: arches, Wants: map[string][]lock.Want{l.lockName(): needs.Wants}, Index: lock.OneRelease(client.Index),
		Archives: map[string][]packages.Archive{l.lockName(): needs.Archives}, Learn: client.Learn, Sources: sourceNames(all), Keys: keys,
		Python: house.requirements(l), Frozen: o.frozen || env.Getenv("CI") == "1",
		Recipes: map[string][]packages.Recipe{l.lockName(): l.recipes(o.variant)},
		Bases:   map[string]map[string]lock.Base{l.lockName(): lockBases(bases)},
	})
	if err != nil {
		return nil, nil, errors.Join(lockError(l.root, err), client.Close(), house.Close())
	}
	switch name := within(env.Dir, l.lockFile()); {
	case result.Wrote && file == nil:
		fmt.Fprintf(env.Stderr, "wrote %s: %s; keep it with the definition\n", name, count(len(result.Changes), "package"))
	case result.Wrote:
		fmt.Fprintf(env.Stderr, "%s: %s\n", name, count(len(result.Changes), "change"))
	}
	files, asked := map[string][]lockedArchive{}, map[string]map[string][]string{}
	for _, arch := range arches {
		asked[arch] = map[string][]string{}
		found := result.Archives(l.lockName(), arch)
		for _, a := range needs.Archives {
			files[arch] = append(files[arch], lockedArchive{a, found[a.Attr]})
		}
		for _, w := range needs.Wants {
			asked[arch][w.Attr] = append(asked[arch][w.Attr], result.Wanted(l.lockName(), arch, w.Name))
		}
	}
	l.writeWords(env, result.File())
	if o.explain {
		out := map[string][]debian.Locked{}
		for _, arch := range arches {
			out[arch] = result.Packages(l.lockName(), arch)
		}
		if err := writeReasons(ctx, env, l, needs.Wants, result, client, out, files); err != nil {
			return nil, nil, errors.Join(err, client.Close())
		}
	}
	return &locked{result, files, house, asked}, client, nil
}
