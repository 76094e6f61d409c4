package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/partial"

	"nix2gpu/cache"
	"nix2gpu/image"
	"nix2gpu/image/sbom"
	"nix2gpu/image/source"
	"nix2gpu/packages"
)

// built returns what was built as an image to push and load, with its SBOMs beside
// it.
func (e *Env) built(ctx context.Context, out *image.Output) (*source.Source, error) {
	artifacts, err := e.artifacts(ctx, out)
	if err != nil {
		return nil, err
	}
	if len(out.Platforms) == 1 {
		return source.FromImage(out.Name, out.Platforms[0].Built.Image, artifacts...), nil
	}
	idx, err := out.ImageIndex()
	if err != nil {
		return nil, err
	}
	return source.FromIndex(out.Name, idx, artifacts...), nil
}

// artifacts returns the SBOMs of the images, as artifacts that refer to the images.
func (e *Env) artifacts(ctx context.Context, out *image.Output) ([]v1.Image, error) {
	var list []v1.Image
	for _, p := range out.Platforms {
		doc, err := e.sbomOf(ctx, out, p)
		if err != nil {
			return nil, err
		}
		subject, err := partial.Descriptor(p.Built.Image)
		if err != nil {
			return nil, err
		}
		a, err := sbom.Artifact(doc, *subject)
		if err != nil {
			return nil, err
		}
		list = append(list, a)
	}
	return list, nil
}

// sbomOf makes the SBOM of the image for one platform.
func (e *Env) sbomOf(ctx context.Context, out *image.Output, p image.Platform) ([]byte, error) {
	digest, err := p.Built.Image.Digest()
	if err != nil {
		return nil, err
	}
	config, err := p.Built.Image.ConfigFile()
	if err != nil {
		return nil, err
	}
	img := sbom.Image{Name: out.Name, Digest: digest, Arch: p.Arch, Suite: out.Suite, Partial: p.Built.Partial, Created: config.Created.Time, Tool: "nix2gpu-" + Version}
	dir, err := cache.Locate(e.Getenv)
	if err != nil {
		return nil, err
	}
	store, err := cache.Open(ctx, dir)
	if err != nil {
		return nil, err
	}
	defer store.Close()
	licences := &sbom.Licences{Found: map[string]sbom.Licence{}, Links: map[string]string{}}
	for _, l := range p.Built.Layers {
		img.Layers = append(img.Layers, l.Digest)
		for _, w := range l.Wheels {
			img.Wheels = append(img.Wheels, sbom.Wheel{Locked: w, Layer: l.Digest, License: p.Built.Licenses[w.Name]})
		}
		if len(l.Packages) == 0 {
			continue
		}
		found, err := licencesOf(store, p.Built.Image, l)
		if err != nil {
			return nil, err
		}
		licences.Add(found)
	}
	for _, l := range p.Built.Layers {
		for _, pkg := range l.Packages {
			one := sbom.Package{Locked: pkg.Locked, Layer: l.Digest, Licence: licences.Of(pkg.Name)}
			if pkg.Archive != nil {
				one.Licence, one.Download = sbom.Licence{}, packages.For(pkg.Archive.URL, p.Arch)
			}
			img.Packages = append(img.Packages, one)
		}
	}
	return sbom.Document(img)
}

// licenceFolder is the folder of the cache for the licences of layers. Without it each
// SBOM would take as long as unpacking the image.
const licenceFolder = "licences"

// licencesOf reads the licences of a layer's packages, from the cache if it has them. The
// key is the layer's digest, so an entry never goes stale.
func licencesOf(store *cache.Dir, img v1.Image, l *image.Layer) (*sbom.Licences, error) {
	file := l.Digest.Hex + ".licences"
	data, err := os.ReadFile(store.Path(licenceFolder, file))
	if err == nil {
		if found, err := sbom.DecodeLicences(data); err == nil { // a damaged one is read again
			store.Used(licenceFolder, file, time.Now())
			return found, nil
		}
	} else if !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("cannot use the cache: %w", err)
	}
	layer, err := img.LayerByDigest(l.Digest)
	if err != nil {
		return nil, err
	}
	found, err := sbom.ReadLicences(layer)
	if err != nil {
		return nil, err
	}
	_ = store.Write(licenceFolder, file, found.Encode()) // without it, only time is lost
	return found, nil
}

// writeSBOM writes the SBOM of each image to a file.
func (o *buildOptions) writeSBOM(ctx context.Context, env *Env, out *image.Output) error {
	for _, p := range out.Platforms {
		doc, err := env.sbomOf(ctx, out, p)
		if err != nil {
			return err
		}
		file := env.path(o.sbom)
		if len(out.Platforms) > 1 {
			ext := filepath.Ext(file)
			file = strings.TrimSuffix(file, ext) + "." + p.Arch + ext
		}
		if err := os.WriteFile(file, doc, 0o666); err != nil {
			return fmt.Errorf("built, but cannot write %q: %w", within(env.Dir, file), cause(err))
		}
	}
	return nil
}
