package cli

import (
	"context"
	"fmt"
	"os"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/spf13/cobra"

	"nix2gpu/deploy"
	"nix2gpu/image/registry"
	"nix2gpu/project"
)

type deployOptions struct {
	target target
	image  string
	output string
	strict bool
}

func newDeploy(env *Env) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "deploy <compose>",
		Short: "Write files that run the image elsewhere",
		Long: `Writes files that run a container's image on other engines. Nothing is deployed:
the file is yours to read, and to give to the engine.`,
		Args: unknownVerb,
		RunE: func(cmd *cobra.Command, args []string) error { return cmd.Help() },
	}
	addVerbs(cmd, newDeployCompose(env))
	return cmd
}

func newDeployCompose(env *Env) *cobra.Command {
	var opts deployOptions
	cmd := &cobra.Command{
		Use:   "compose [DEFINITION]",
		Short: "Write a compose.yaml",
		Long: `Writes a compose.yaml: the image by its digest, the ports that the definition
exposes, a volume for each folder whose content is to be kept, a health check, the
time that stopping takes, and the GPUs. What such a file can't say is told on
stderr, with its place; with --strict that is an error, and no file is written.

The digest is that of the image in the first of the definition's registries, which
is asked for it, unless --image names another.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := opts.target.takeOne(cmd, args); err != nil {
				return err
			}
			return runDeployCompose(cmd.Context(), env, &opts)
		},
	}
	addTargetFlags(cmd, &opts.target, "f")
	addModuleFlag(cmd, &opts.target)
	cmd.Flags().StringVar(&opts.image, "image", "", "the image's `reference`; its registry is asked for the digest unless it has one")
	cmd.Flags().StringVarP(&opts.output, "output", "o", "", "write to this `file` instead of stdout")
	cmd.Flags().BoolVar(&opts.strict, "strict", false, "fail when the file can't say all of the definition")
	return cmd
}

func runDeployCompose(ctx context.Context, env *Env, opts *deployOptions) error {
	l, err := opts.target.load(ctx, env)
	if err != nil {
		return err
	}
	l.writeNotes(env)
	ref := opts.image
	if ref == "" {
		all, err := l.registries()
		if err != nil {
			return err
		}
		if ref = all[0]; untagged(ref) {
			ref += ":" + l.project.Container.Tag
		}
	}
	if ref, err = env.byDigest(ctx, ref); err != nil {
		return err
	}
	text, notes, err := deploy.Compose(l.valid, deploy.Options{Image: ref, From: l.name})
	if err != nil {
		return err
	}
	if opts.strict && len(notes) > 0 {
		var all project.Errors
		for _, n := range notes {
			all = append(all, &project.Error{Pos: n.Pos, Msg: n.Text})
		}
		return &exitError{exitFailed, &invalid{l.root, all}}
	}
	for _, n := range notes {
		place := ""
		if n.Pos.Line > 0 {
			place = n.Pos.String() + ": "
		}
		fmt.Fprintf(env.Stderr, "%swarning: %s\n", place, n.Text)
	}
	if opts.output == "" {
		_, err = env.Stdout.Write(text)
		return err
	}
	if err := os.WriteFile(env.path(opts.output), text, 0o666); err != nil {
		return fmt.Errorf("cannot write %q: %w", opts.output, cause(err))
	}
	return nil
}

// byDigest is a reference by the digest that its registry has for it now.
func (e *Env) byDigest(ctx context.Context, ref string) (string, error) {
	r, err := registry.ParseRef(ref)
	if err != nil {
		return "", imageError(&exitError{exitUsage, err})
	}
	if d, ok := r.(name.Digest); ok {
		return d.String(), nil
	}
	src, err := e.registryClient().Open(ctx, ref)
	if err != nil {
		return "", imageError(err)
	}
	digest, err := src.Digest()
	if err != nil {
		return "", imageError(err)
	}
	return r.Context().Digest(digest.String()).String(), nil
}
