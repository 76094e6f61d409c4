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
)

type pushOptions struct {
	target    target
	from      string
	to        []string
	tags      []string
	imageRefs string
}

func newPush(env *Env) *cobra.Command {
	var opts pushOptions
	cmd := &cobra.Command{
		Use:   "push [DEFINITION]",
		Short: "Push an image to registries",
		Long: `Pushes an image to the registries that the definition names, or to those named
with --to. What a registry has already is not sent again, and a registry that is
busy or fails is asked again for about a minute.

An entry of the option registries is where images are kept (ghcr.io/me): the
container's name and tag are added. One that ends in the container's name, or has a
tag, is taken as it is.

Credentials are those of docker and podman, with their helpers; for ghcr.io
GITHUB_TOKEN will do. TLS is demanded everywhere but on loopback.

The digest goes to stdout; everything else to stderr.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := opts.target.takeOne(cmd, args); err != nil {
				return err
			}
			return runPush(cmd.Context(), env, &opts)
		},
	}
	addTargetFlags(cmd, &opts.target, "f")
	addModuleFlag(cmd, &opts.target)
	cmd.Flags().StringVar(&opts.from, "from", "", "push this `image`: an OCI layout folder, or an archive")
	cmd.Flags().StringArrayVar(&opts.to, "to", nil, "push to this `reference` (ghcr.io/me/web:v1), whatever the definition names; may be repeated")
	cmd.Flags().StringArrayVar(&opts.tags, "tag", nil, "use this `tag` instead of the definition's; may be repeated")
	cmd.Flags().StringVar(&opts.imageRefs, "image-refs", "", "write what was pushed to this `file`, by digest, one a line")
	return cmd
}

// takeOne takes the definition that a verb without services is about.
func (t *target) takeOne(cmd *cobra.Command, args []string) error {
	if err := t.take(args); err != nil {
		return err
	}
	if len(t.services) > 0 {
		return usageError("%s takes a definition, and %q does not look like one", cmd.Name(), t.services[0])
	}
	return nil
}

func runPush(ctx context.Context, env *Env, opts *pushOptions) error {
	if opts.from == "" {
		return hint(usageError("which image?"), "name it: %s push --from LAYOUT", env.name())
	}
	targets, err := opts.targets(ctx, env)
	if err != nil {
		return err
	}
	src, err := env.openFile(opts.from)
	if err != nil {
		return err
	}
	defer src.Close()
	report, err := env.registryClient().Push(ctx, src, targets)
	if err != nil {
		return imageError(err)
	}
	var byName strings.Builder
	for _, p := range report.Pushed {
		fmt.Fprintf(env.Stderr, "pushed %s\n", p.Ref)
		fmt.Fprintln(&byName, p.ByName)
	}
	fmt.Fprintln(env.Stderr, traffic(report))
	if opts.imageRefs != "" {
		if err := os.WriteFile(env.path(opts.imageRefs), []byte(byName.String()), 0o666); err != nil {
			return fmt.Errorf("pushed, but cannot write %q: %w", opts.imageRefs, cause(err))
		}
	}
	_, err = fmt.Fprintln(env.Stdout, report.Pushed[0].Digest)
	return err
}

// cause is what a file error says beside the path.
func cause(err error) error {
	if pe, ok := err.(*fs.PathError); ok {
		return pe.Err
	}
	return err
}

// traffic says in words what a push moved.
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

// targets are the references to push to, without doubles. The definition is
// read only for what the command line leaves open.
func (o *pushOptions) targets(ctx context.Context, env *Env) ([]name.Reference, error) {
	texts, tags := o.to, o.tags
	if len(texts) == 0 || len(tags) == 0 && slices.ContainsFunc(texts, untagged) {
		l, err := o.target.load(ctx, env)
		if err != nil && len(texts) > 0 {
			return nil, hint(err, "a reference with a tag needs no definition: --to %s:TAG", texts[0])
		}
		if err != nil {
			return nil, err
		}
		l.writeNotes(env)
		if len(tags) == 0 {
			tags = []string{l.project.Container.Tag}
		}
		if len(texts) == 0 {
			if texts, err = l.registries(); err != nil {
				return nil, err
			}
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
			return nil, usageError("%q has a tag, and --tag names another", text)
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

// registries are the repositories that a definition names for its image.
func (l *loaded) registries() ([]string, error) {
	var texts []string
	if l.config != nil {
		texts = l.config.Strings("registries")
	}
	if len(texts) == 0 {
		return nil, hint(usageError("%s names no registries", l.name), `write registries = [ "ghcr.io/me" ] there, or name one: --to ghcr.io/me/%s`, l.imageName())
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

// imageName is what the container's image is called.
func (l *loaded) imageName() string {
	if l.container != "" {
		return l.container
	}
	return l.project.Name
}

// untagged reports whether a reference has neither tag nor digest; a colon
// before the last slash is a port.
func untagged(ref string) bool {
	return !strings.ContainsAny(ref[strings.LastIndexByte(ref, '/')+1:], ":@")
}
