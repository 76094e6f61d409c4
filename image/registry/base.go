package registry

import (
	"context"
	"fmt"
	"strings"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
)

// Digest asks the registry for the digest that a reference has now.
func (c *Client) Digest(ctx context.Context, ref string) (v1.Hash, error) {
	r, err := ParseRef(ref)
	if err != nil {
		return v1.Hash{}, err
	}
	d, err := remote.Get(r, c.options(ctx)...)
	if err != nil {
		return v1.Hash{}, c.explain(err, r, reading)
	}
	return d.Digest, nil
}

// Base opens the image for one architecture of a reference with a digest.
func (c *Client) Base(ctx context.Context, ref, arch string) (v1.Image, error) {
	r, err := ParseRef(ref)
	if err != nil {
		return nil, err
	}
	d, err := remote.Get(r, c.options(ctx)...)
	if err != nil {
		return nil, c.explain(err, r, reading)
	}
	if !d.MediaType.IsIndex() {
		img, err := d.Image()
		if err != nil {
			return nil, c.explain(err, r, reading)
		}
		return img, nil
	}
	index, err := d.ImageIndex()
	if err != nil {
		return nil, c.explain(err, r, reading)
	}
	m, err := index.IndexManifest()
	if err != nil {
		return nil, c.explain(err, r, reading)
	}
	var has []string
	for _, one := range m.Manifests {
		if one.Platform == nil || !one.MediaType.IsImage() || one.Platform.OS != "linux" {
			continue
		}
		if one.Platform.Architecture == arch {
			img, err := index.Image(one.Digest)
			if err != nil {
				return nil, c.explain(err, r, reading)
			}
			return img, nil
		}
		has = append(has, "linux/"+one.Platform.Architecture)
	}
	return nil, fmt.Errorf("%s has no image for linux/%s: it has %s\nhint: name one of them with --platform", ref, arch, strings.Join(has, ", "))
}

// Blob opens a compressed layer in the repository of a reference. Reading to its end
// verifies the digest.
func (c *Client) Blob(ctx context.Context, ref string, digest v1.Hash) (v1.Layer, error) {
	r, err := ParseRef(ref)
	if err != nil {
		return nil, err
	}
	var at name.Digest = r.Context().Digest(digest.String())
	l, err := remote.Layer(at, c.options(ctx)...)
	if err != nil {
		return nil, c.explain(err, r, reading)
	}
	return l, nil
}
