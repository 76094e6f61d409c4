package cli

import (
	"context"
	"fmt"
	"os"
	"strings"

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
	deploy.Options
}

func newDeploy(env *Env) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "deploy <compose|k8s-pod|vast|runpod>",
		Short: "Write files that run the image elsewhere",
		Long: `Writes files that run a container's image on other engines. It deploys nothing: you
read the file, and give it to the engine. The file names the image by its digest. It
contains no secrets, only references to them.

What such a file can't express is printed to stderr, with its position; with --strict
that is an error, and no file is written.

The digest is that of the image in the first of the definition's registries, unless
--image names another image. The registry is asked for it.`,
		Args: unknownVerb,
		RunE: func(cmd *cobra.Command, args []string) error { return cmd.Help() },
	}
	addVerbs(cmd, newDeployCompose(env), newDeployKubernetes(env), newDeployVast(env), newDeployRunPod(env))
	return cmd
}

func newDeployCompose(env *Env) *cobra.Command {
	cmd, _ := newDeployTo(env, deploy.Compose, "Write a compose.yaml",
		`Writes a compose.yaml with the ports that the definition exposes, a volume for each
folder that has to be kept, secrets as files beside it and as variables to pass on, a
health check, the time to stop, and GPUs.`)
	return cmd
}

func newDeployKubernetes(env *Env) *cobra.Command {
	cmd, opts := newDeployTo(env, deploy.Kubernetes, "Write Kubernetes objects",
		`Writes a Pod, or if data has to be kept a StatefulSet with a volume claim, and a
Service for the ports that the definition exposes: with probes, GPUs, shared memory, the
time to stop, and references to a Secret. The first lines of the file show how to make
that. "podman play kube" accepts the Pod, too.`)
	cmd.Flags().IntVar(&opts.Volume, "volume", 10, "the size of the claim in `GB`")
	return cmd
}

func newDeployVast(env *Env) *cobra.Command {
	cmd, opts := newDeployTo(env, deploy.Vast, "Write a template for vast.ai",
		`Writes a template for vast.ai's API: ports, disk, the number of GPUs, and the CUDA
version that the driver must support. An instance runs in vast.ai's ssh mode, with
"nix2gpu boot" as its onstart script; with --entrypoint it runs the image's entrypoint,
with our own sshd.`)
	cmd.Flags().BoolVar(&opts.Entrypoint, "entrypoint", false, "run the image's own entrypoint instead of the ssh mode")
	cmd.Flags().IntVar(&opts.Disk, "disk", 32, "the size of the disk in `GB`")
	return cmd
}

func newDeployRunPod(env *Env) *cobra.Command {
	cmd, opts := newDeployTo(env, deploy.RunPod, "Write a template for RunPod",
		`Writes a template for RunPod's API: ports, disk, a volume at the working directory if
data has to be kept, and references to RunPod's secrets. Ports that speak HTTP, as far as
the definition shows, are reached through RunPod's proxy.`)
	cmd.Flags().IntVar(&opts.Disk, "disk", 32, "the size of the disk in `GB`")
	cmd.Flags().IntVar(&opts.Volume, "volume", 10, "the size of the volume in `GB`")
	return cmd
}

// newDeployTo makes the verb for one platform.
func newDeployTo(env *Env, p deploy.Platform, short, long string) (*cobra.Command, *deployOptions) {
	opts := &deployOptions{}
	cmd := &cobra.Command{
		Use:   string(p) + " [DEFINITION]",
		Short: short,
		Long:  long,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := opts.target.takeOne(cmd, env, args); err != nil {
				return err
			}
			for _, size := range []string{"disk", "volume"} {
				if f := cmd.Flags().Lookup(size); f != nil && (opts.Disk < 0 || opts.Volume < 0 || f.Value.String() == "0") {
					return usageError("--%s must be a number of GB above 0, not %s", size, f.Value)
				}
			}
			return runDeploy(cmd.Context(), env, p, opts)
		},
	}
	addTargetFlags(env, cmd, &opts.target, "f")
	addModuleFlag(cmd, &opts.target)
	cmd.Flags().StringVar(&opts.image, "image", "", "the image's `reference`; its registry is asked for the digest unless it has one")
	cmd.Flags().StringVarP(&opts.output, "output", "o", "", "write to this `file` instead of stdout")
	cmd.Flags().BoolVar(&opts.strict, "strict", false, "fail if the file can't express all of the definition")
	return cmd, opts
}

func runDeploy(ctx context.Context, env *Env, p deploy.Platform, opts *deployOptions) error {
	l, err := opts.target.load(ctx, env)
	if err != nil {
		return err
	}
	l.writeNotes(env)
	ref := opts.image
	if ref == "" {
		all, err := l.registries("--image")
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
	opts.Image, opts.From, opts.Place = ref, l.name, l.optionPos
	valid, _, err := l.withoutLiterals()
	if err != nil {
		return err
	}
	text, notes, err := deploy.Write(p, valid, opts.Options)
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

// optionPos returns where the definition sets an option; the zero Pos when it does not.
func (l *loaded) optionPos(option ...string) project.Pos {
	if l.config == nil {
		return project.Pos{}
	}
	pos := l.config.Pos(option...)
	if !pos.IsValid() || strings.HasPrefix(pos.File(), "<") {
		return project.Pos{}
	}
	line, col := pos.LineCol()
	return project.Pos{File: within(l.root, pos.File()), Line: line, Col: col}
}

// byDigest asks the registry for the current digest of ref, and returns the
// reference that names it.
func (e *Env) byDigest(ctx context.Context, ref string) (string, error) {
	r, err := registry.ParseRef(ref)
	if err != nil {
		return "", imageError(&exitError{exitUsage, err})
	}
	if d, ok := r.(name.Digest); ok {
		return d.String(), nil
	}
	src, err := e.registryClient(nil).Open(ctx, ref)
	if err != nil {
		return "", imageError(err)
	}
	digest, err := src.Digest()
	if err != nil {
		return "", imageError(err)
	}
	return r.Context().Digest(digest.String()).String(), nil
}
