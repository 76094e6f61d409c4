package cli

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"nix2gpu/image/daemon"
	"nix2gpu/image/inspect"
	"nix2gpu/image/registry"
)

type loadOptions struct {
	buildOptions
	from string
	into string
}

func newLoad(env *Env) *cobra.Command {
	var opts loadOptions
	cmd := &cobra.Command{
		Use:   "load [DEFINITION]",
		Short: "Build the image and load it into docker or podman",
		Long: `Builds the image as "build" does, or takes the one named with --from, and loads it
into the container engine of this machine: docker by its socket if there is one, or else
podman, with or without its socket. The image is called CONTAINER:TAG; the tag is the
definition's, or latest.

What the engine has already is not sent: an image that is there is only tagged, and
docker gets no layer that the image of the same name has.

DOCKER_HOST, docker's contexts, and CONTAINER_HOST for podman are used if they name a
socket of this machine. The image's name is printed to stdout.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := opts.target.takeOne(cmd, env, args); err != nil {
				return err
			}
			if err := opts.builtAlready(cmd, opts.from, "platform"); err != nil {
				return err
			}
			return runLoad(cmd.Context(), env, &opts)
		},
	}
	opts.addFlags(env, cmd)
	cmd.Flags().StringVar(&opts.from, "from", "", "load this `image` instead of building one: an OCI layout folder or an archive")
	cmd.Flags().StringVar(&opts.into, "into", "", "the `engine`: docker or podman")
	cmd.Flags().StringArrayVar(&opts.tags, "tag", nil, "call the image this `name` (web:dev) or, without a colon, CONTAINER with this tag; may be repeated")
	cmd.RegisterFlagCompletionFunc("into", cobra.FixedCompletions([]string{"docker", "podman"}, cobra.ShellCompDirectiveNoFileComp))
	return cmd
}

func runLoad(ctx context.Context, env *Env, opts *loadOptions) error {
	if opts.into != "" {
		if err := oneOf("into", opts.into, "docker", "podman"); err != nil {
			return err
		}
	}
	if len(opts.platforms) > 1 {
		return usageError("an engine takes the image for one platform, and --platform names %s", strings.Join(opts.platforms, " and "))
	}
	l, err := opts.definition(ctx, env)
	if err != nil {
		return err
	}
	names, err := opts.names(l)
	if err != nil {
		return err
	}
	engine, err := env.engine(ctx, opts.into, opts.from == "")
	if err != nil {
		return err
	}
	src, err := opts.image(ctx, env, l, opts.from)
	if err != nil {
		return err
	}
	defer src.Close()
	for _, ref := range names {
		r, err := engine.Load(ctx, daemon.Request{Source: src, Ref: ref, Platform: strings.Join(opts.platforms, "")})
		if err != nil {
			return imageError(err)
		}
		fmt.Fprintf(env.Stderr, "loaded into %s: %s\n", r.Engine, moved(r))
		if _, err := fmt.Fprintln(env.Stdout, ref); err != nil {
			return err
		}
	}
	return nil
}

// engine finds the engine of that name. With ask, it fails unless the engine
// answers, so that long work is not done in vain.
func (e *Env) engine(ctx context.Context, name string, ask bool) (daemon.Engine, error) {
	engine, err := daemon.Find(name, e.daemonOptions())
	if err == nil && ask {
		err = engine.Ready(ctx)
	}
	return engine, imageError(err)
}

func (e *Env) daemonOptions() daemon.Options {
	opts := daemon.Options{Getenv: e.Getenv, UID: e.UID, Environ: e.Environ}
	opts.Progress = e.progressOf("loading")
	return opts
}

// moved formats how much of an image was sent to the engine.
func moved(r *daemon.Result) string {
	switch r.Reused {
	case r.Layers:
		return "it was there"
	case 0:
		return fmt.Sprintf("%s, %s sent", count(r.Layers, "layer"), inspect.Bytes(r.Sent))
	}
	return fmt.Sprintf("%s, %d there already, %s sent", count(r.Layers, "layer"), r.Reused, inspect.Bytes(r.Sent))
}

// definition loads the definition, unless the command line makes it unnecessary.
func (o *loadOptions) definition(ctx context.Context, env *Env) (*loaded, error) {
	if o.from != "" && len(o.tags) > 0 && !slices.ContainsFunc(o.tags, untagged) {
		return nil, nil
	}
	l, err := o.target.load(ctx, env)
	if err != nil && o.from != "" && len(o.tags) > 0 {
		return nil, hint(err, "a name with a tag needs no definition: --tag NAME:%s", o.tags[0])
	}
	if err != nil {
		return nil, err
	}
	l.writeNotes(env)
	return l, nil
}

// names returns the names that the image is to have.
func (o *loadOptions) names(l *loaded) ([]string, error) {
	tags, names := o.tags, []string{}
	container := ""
	if l != nil {
		container = l.imageName()
	}
	if len(tags) == 0 {
		tags = []string{l.project.Container.Tag}
	}
	for _, tag := range tags {
		ref := tag
		if untagged(tag) {
			ref = container + ":" + tag
		}
		if _, err := registry.ParseRef(ref); err != nil || strings.Contains(ref, "@") {
			return nil, hint(usageError("%q is not a valid name for an image", ref), "write NAME:TAG: names in lower case, tags of letters, digits, dots and dashes")
		}
		names = append(names, ref)
	}
	return names, nil
}
