package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"nix2gpu/image/inspect"
	"nix2gpu/image/sbom"
	"nix2gpu/image/source"
)

type imageOptions struct {
	output   string
	platform string
	files    bool
}

func newImage(env *Env) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "image <ls|show|diff>",
		Short: "Look into images",
		Long: `Looks into images: an OCI layout folder, an archive (of docker save, too), or a
reference to a registry. If there is a file or folder of that name, it is taken.`,
		Args: unknownVerb,
		RunE: func(cmd *cobra.Command, args []string) error { return cmd.Help() },
	}
	addVerbs(cmd, newImageLs(env), newImageShow(env), newImageDiff(env))
	return cmd
}

// wants rejects any number of arguments but n; what describes them.
func wants(n int, what string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) != n {
			return hint(usageError("%s wants %s, got %d arguments", cmd.CommandPath(), what, len(args)), "see %q", cmd.CommandPath()+" --help")
		}
		return nil
	}
}

func (o *imageOptions) addFlags(cmd *cobra.Command) {
	addOutputFlag(cmd, &o.output, "text", "json")
	cmd.Flags().StringVar(&o.platform, "platform", "", "of several, the image for this `platform`, such as linux/arm64; default: this machine's")
	cmd.Flags().BoolVar(&o.files, "files", false, "include files; this reads every layer")
}

func newImageLs(env *Env) *cobra.Command {
	var opts imageOptions
	cmd := &cobra.Command{
		Use:   "ls IMAGE",
		Short: "List images, one for each platform",
		Long:  `Lists the images in a layout or an archive, or of a reference: platform, digest, size. A repository without a tag is listed tag by tag.`,
		Args:  wants(1, "an image"),
		RunE:  func(cmd *cobra.Command, args []string) error { return runImageLs(cmd.Context(), env, &opts, args[0]) },
	}
	addOutputFlag(cmd, &opts.output, "text", "json")
	return cmd
}

func newImageShow(env *Env) *cobra.Command {
	var opts imageOptions
	cmd := &cobra.Command{
		Use:   "show IMAGE",
		Short: "Show an image: configuration, layers, packages",
		Long: `Shows what an image holds: its configuration, its layers with their sizes, and its
packages, from its SBOM or from dpkg's database; Python wheels only from an SBOM.`,
		Args: wants(1, "an image"),
		RunE: func(cmd *cobra.Command, args []string) error { return runImageShow(cmd.Context(), env, &opts, args[0]) },
	}
	opts.addFlags(cmd)
	return cmd
}

func newImageDiff(env *Env) *cobra.Command {
	var opts imageOptions
	cmd := &cobra.Command{
		Use:   "diff A B",
		Short: "Show what differs between two images",
		Long: `Shows what differs between two images: packages added, removed and upgraded, Python
wheels if both images have an SBOM, the configuration, the layers, and how much has to be
pulled for the second image if the first is there.`,
		Example: "  nix2gpu image diff ghcr.io/me/web:v1 ./layout",
		Args:    wants(2, "two images"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return runImageDiff(cmd.Context(), env, &opts, args[0], args[1])
		},
	}
	opts.addFlags(cmd)
	return cmd
}

// facts opens an image and collects what is known about it.
func (o *imageOptions) facts(ctx context.Context, env *Env, r *inspect.Reader, name string) (*inspect.Image, error) {
	src, err := env.openImage(ctx, name)
	if err != nil {
		return nil, err
	}
	defer src.Close()
	v, err := src.ForPlatform(o.platform)
	if err != nil {
		return nil, err
	}
	list, err := listed(ctx, src, v)
	if err != nil {
		return nil, imageError(err)
	}
	img, err := r.Read(ctx, name, v, list)
	return img, imageError(err)
}

// listed reads the packages from an SBOM beside an image; nil if there is none.
func listed(ctx context.Context, src *source.Source, v source.Variant) (*inspect.List, error) {
	digest, err := v.Image.Digest()
	if err != nil {
		return nil, err
	}
	artifacts, err := src.Referrers(ctx, digest)
	if err != nil {
		return nil, err
	}
	for _, a := range artifacts {
		doc, err := sbom.Of(a)
		if errors.Is(err, sbom.ErrNoDocument) {
			continue
		}
		if err != nil {
			return nil, err
		}
		found, err := sbom.Read(doc)
		if err != nil {
			return nil, err
		}
		return &inspect.List{Packages: found.Packages, Wheels: found.Wheels}, nil
	}
	return nil, nil
}

func runImageShow(ctx context.Context, env *Env, opts *imageOptions, name string) error {
	if err := oneOf("output", opts.output, "text", "json"); err != nil {
		return err
	}
	img, err := opts.facts(ctx, env, &inspect.Reader{Files: opts.files}, name)
	if err != nil {
		return err
	}
	if opts.output == "json" {
		return writeJSON(env.Stdout, img)
	}
	return img.Write(env.Stdout)
}

func runImageDiff(ctx context.Context, env *Env, opts *imageOptions, a, b string) error {
	if err := oneOf("output", opts.output, "text", "json"); err != nil {
		return err
	}
	r := &inspect.Reader{Files: opts.files} // shared, so that layers which both images have are read once
	of, err := opts.facts(ctx, env, r, a)
	if err != nil {
		return err
	}
	to, err := opts.facts(ctx, env, r, b)
	if err != nil {
		return err
	}
	d := inspect.Diff(of, to)
	if opts.output == "json" {
		return writeJSON(env.Stdout, d)
	}
	return d.Write(env.Stdout)
}

// A listedImage is a row of "image ls".
type listedImage struct {
	Name     string    `json:"name"`
	Platform string    `json:"platform"`
	Digest   string    `json:"digest"`
	Size     int64     `json:"size"`
	Layers   int       `json:"layers"`
	Created  time.Time `json:"created"`
}

func runImageLs(ctx context.Context, env *Env, opts *imageOptions, name string) error {
	if err := oneOf("output", opts.output, "text", "json"); err != nil {
		return err
	}
	names := []string{name}
	if _, err := os.Stat(env.path(name)); err != nil && !looksLikePath(name) && untagged(name) {
		tags, err := env.registryClient(nil).Tags(ctx, name)
		if err != nil {
			return imageError(err)
		}
		names = nil
		for _, tag := range tags {
			names = append(names, name+":"+tag)
		}
	}
	all := []listedImage{}
	for _, n := range names {
		found, err := listImages(ctx, env, n)
		if err != nil {
			return err
		}
		all = append(all, found...)
	}
	if opts.output == "json" {
		return writeJSON(env.Stdout, all)
	}
	tw := tabwriter.NewWriter(env.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(tw, "IMAGE\tPLATFORM\tSIZE\tLAYERS\tDIGEST")
	for _, l := range all {
		fmt.Fprintf(tw, "%s\t%s\t%s\t%d\t%s\n", l.Name, l.Platform, inspect.Bytes(l.Size), l.Layers, l.Digest)
	}
	return tw.Flush()
}

func listImages(ctx context.Context, env *Env, name string) ([]listedImage, error) {
	src, err := env.openImage(ctx, name)
	if err != nil {
		return nil, err
	}
	defer src.Close()
	variants, err := src.Variants()
	if err != nil {
		return nil, imageError(err)
	}
	var out []listedImage
	for _, v := range variants {
		m, err := v.Image.Manifest()
		if err != nil {
			return nil, imageError(err)
		}
		c, err := v.Image.ConfigFile()
		if err != nil {
			return nil, imageError(err)
		}
		h, err := v.Image.Digest()
		if err != nil {
			return nil, imageError(err)
		}
		size, err := source.Size(v.Image)
		if err != nil {
			return nil, imageError(err)
		}
		out = append(out, listedImage{name, v.Platform.String(), h.String(), size, len(m.Layers), c.Created.UTC()})
	}
	return out, nil
}
