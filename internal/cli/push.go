package cli

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/spf13/cobra"

	"nix2gpu/image/inspect"
	"nix2gpu/image/registry"
	"nix2gpu/image/source"
)

type pushOptions struct {
	buildOptions
	from string
	to   []string
}

func newPush(env *Env) *cobra.Command {
	var opts pushOptions
	cmd := &cobra.Command{
		Use:   "push [DEFINITION]",
		Short: "Build the image and push it to registries",
		Long: `Builds the image as "build" does, or takes the one named with --from, and pushes it
to the registries that the definition names, or to those named with --to. What a
registry has already is not sent again. If a registry is busy or fails, requests are
repeated for about a minute. The SBOM of an image that was built is pushed, too:
registries list it among the image's referrers.

An entry of the option registries says where images are kept (ghcr.io/me): the
container's name and tag are added. An entry that ends in the container's name, or has a
tag, is taken as it is.

Credentials are those of docker and podman, with their helpers; for ghcr.io
GITHUB_TOKEN is enough. TLS is required except on loopback.

The digest is printed to stdout, everything else to stderr.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := opts.target.takeOne(cmd, env, args); err != nil {
				return err
			}
			if err := opts.builtAlready(cmd, opts.from); err != nil {
				return err
			}
			return runPush(cmd.Context(), env, &opts)
		},
	}
	opts.addFlags(env, cmd)
	cmd.Flags().StringVar(&opts.from, "from", "", "push this `image` instead of building one: an OCI layout folder or an archive")
	cmd.Flags().StringArrayVar(&opts.to, "to", nil, "push to this `reference` (ghcr.io/me/web:v1), whatever the definition names; may be repeated")
	cmd.Flags().StringArrayVar(&opts.tags, "tag", nil, "use this `tag` instead of the definition's; may be repeated")
	cmd.Flags().StringVar(&opts.imageRefs, "image-refs", "", "write what was pushed to this `file`, by digest, one in each line")
	return cmd
}

// takeOne parses the one argument of a verb that takes a definition and no services.
func (t *target) takeOne(cmd *cobra.Command, env *Env, args []string) error {
	if err := t.take(cmd.Context(), env, args); err != nil {
		return err
	}
	if len(t.services) > 0 {
		return usageError("%s takes a definition, and %q does not look like one", cmd.Name(), t.services[0])
	}
	return nil
}

func runPush(ctx context.Context, env *Env, opts *pushOptions) error {
	l, err := opts.definition(ctx, env)
	if err != nil {
		return err
	}
	targets, err := opts.targets(l)
	if err != nil {
		return err
	}
	src, err := opts.image(ctx, env, l, opts.from)
	if err != nil {
		return err
	}
	defer src.Close()
	report, err := env.registryClient(&opts.networkFlags).Push(ctx, src, targets)
	if err != nil {
		return imageError(err)
	}
	var byName strings.Builder
	for _, p := range report.Pushed {
		fmt.Fprintf(env.Stderr, "pushed %s\n", p.Ref)
		fmt.Fprintln(&byName, p.ByName)
	}
	fmt.Fprintln(env.Stderr, traffic(report))
	slices.Sort(report.Refused)
	for _, repo := range slices.Compact(report.Refused) {
		fmt.Fprintf(env.Stderr, "warning: %s accepts no artifacts: it has the image without its SBOM\n", repo)
	}
	if opts.imageRefs != "" {
		if err := os.WriteFile(env.path(opts.imageRefs), []byte(byName.String()), 0o666); err != nil {
			return fmt.Errorf("pushed, but cannot write %q: %w", opts.imageRefs, cause(err))
		}
	}
	_, err = fmt.Fprintln(env.Stdout, report.Pushed[0].Digest)
	return err
}

// cause returns the cause in a file error, which names the path as well.
func cause(err error) error {
	if pe, ok := err.(*fs.PathError); ok {
		return pe.Err
	}
	return err
}

// traffic formats how much a push has sent.
func traffic(r *registry.Report) string {
	if r.Sent+r.Mounted+r.There == 0 {
		return "nothing had to be sent"
	}
	parts := []string{count(int(r.Sent), "blob") + " sent"}
	if r.Sent > 0 {
		parts[0] += " (" + inspect.Bytes(r.Bytes) + ")"
	}
	if r.Mounted > 0 {
		parts = append(parts, fmt.Sprintf("%d taken from another repository", r.Mounted))
	}
	if r.There > 0 {
		parts = append(parts, fmt.Sprintf("%d there already", r.There))
	}
	return strings.Join(parts, ", ")
}

// definition loads the definition, unless the command line makes it unnecessary.
func (o *pushOptions) definition(ctx context.Context, env *Env) (*loaded, error) {
	if o.from != "" && len(o.to) > 0 && (len(o.tags) > 0 || !slices.ContainsFunc(o.to, untagged)) {
		return nil, nil
	}
	l, err := o.target.load(ctx, env)
	if err != nil && o.from != "" && len(o.to) > 0 {
		return nil, hint(err, "a reference with a tag needs no definition: --to %s:TAG", o.to[0])
	}
	if err != nil {
		return nil, err
	}
	l.writeNotes(env)
	return l, nil
}

// builtAlready rejects flags that say how to build, because --from names an image
// that was built already.
func (o *buildOptions) builtAlready(cmd *cobra.Command, from string, allowed ...string) error {
	if from == "" {
		return nil
	}
	for _, name := range []string{"label", "annotation", "platform", "binary", "compression", "variant", "locked", "mirror", "suite", "keyring", "offline"} {
		if cmd.Flags().Changed(name) && !slices.Contains(allowed, name) {
			return hint(usageError("--%s says how to build an image, and --from names one that is built", name), "leave out --%s, or --from", name)
		}
	}
	return nil
}

// image opens the image at from, or else builds the definition's.
func (o *buildOptions) image(ctx context.Context, env *Env, l *loaded, from string) (*source.Source, error) {
	if from != "" {
		return env.openFile(from)
	}
	// The name inside the image. Where it is pushed to does not matter here.
	tags := o.tags
	o.tags = nil
	defer func() { o.tags = tags }()
	out, err := o.build(ctx, env, l)
	if err != nil {
		return nil, err
	}
	return env.built(ctx, out)
}

// targets returns the references to push to, each once.
func (o *pushOptions) targets(l *loaded) ([]name.Reference, error) {
	texts, tags := o.to, o.tags
	if len(tags) == 0 && l != nil {
		tags = []string{l.project.Container.Tag}
	}
	if len(texts) == 0 {
		var err error
		if texts, err = l.registries("--to"); err != nil {
			return nil, err
		}
	}
	var out []name.Reference
	for _, text := range texts {
		all := []string{text}
		if untagged(text) {
			all = nil
			for _, tag := range tags {
				all = append(all, strings.TrimSuffix(text, "/")+":"+tag)
			}
		} else if len(o.tags) > 0 {
			return nil, hint(usageError("%q has a tag, and --tag names another", text), "leave out --tag")
		}
		for _, ref := range all {
			r, err := registry.ParseRef(ref)
			if err != nil {
				return nil, imageError(&exitError{exitUsage, err})
			}
			if _, digest := r.(name.Digest); digest {
				return nil, usageError("%q is a digest: push to a tag", ref)
			}
			if !slices.ContainsFunc(out, func(other name.Reference) bool { return other.String() == r.String() }) {
				out = append(out, r)
			}
		}
	}
	return out, nil
}

// registries returns the repositories that a definition names for its image. flag is
// the one of the verb that names another, for the hint.
func (l *loaded) registries(flag string) ([]string, error) {
	var texts []string
	if l.config != nil {
		texts = l.config.Strings("registries")
	}
	if len(texts) == 0 {
		return nil, hint(usageError("%s names no registries", l.name), `write registries = [ "ghcr.io/me" ] there, or name one: %s ghcr.io/me/%s`, flag, l.imageName())
	}
	for i, text := range texts {
		text = strings.TrimSuffix(text, "/")
		if untagged(text) && text[strings.LastIndexByte(text, '/')+1:] != l.imageName() {
			text += "/" + l.imageName()
		}
		texts[i] = text
	}
	return texts, nil
}

// imageName is the name of the container's image, without a tag.
func (l *loaded) imageName() string {
	if l.container != "" {
		return l.container
	}
	return l.project.Name
}

// untagged reports whether a reference has neither a tag nor a digest. A colon
// before the last slash belongs to a port.
func untagged(ref string) bool {
	return !strings.ContainsAny(ref[strings.LastIndexByte(ref, '/')+1:], ":@")
}
