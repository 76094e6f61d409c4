package image

import (
	"bytes"
	"fmt"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/partial"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// ImageIndex returns the images as one index, with the digest that the layout has.
func (o *Output) ImageIndex() (v1.ImageIndex, error) {
	raw, _, err := o.index()
	if err != nil {
		return nil, err
	}
	return &imageIndex{raw, o.Platforms}, nil
}

// An imageIndex implements go-containerregistry's interface for an index.
type imageIndex struct {
	raw       []byte
	platforms []Platform
}

func (i *imageIndex) MediaType() (types.MediaType, error) { return types.OCIImageIndex, nil }
func (i *imageIndex) Digest() (v1.Hash, error)            { return partial.Digest(i) }
func (i *imageIndex) Size() (int64, error)                { return partial.Size(i) }
func (i *imageIndex) RawManifest() ([]byte, error)        { return i.raw, nil }

func (i *imageIndex) IndexManifest() (*v1.IndexManifest, error) {
	return v1.ParseIndexManifest(bytes.NewReader(i.raw))
}

func (i *imageIndex) Image(h v1.Hash) (v1.Image, error) {
	for _, p := range i.platforms {
		if d, err := p.descriptor(); err != nil || d.Digest == h {
			return p.Built.Image, err
		}
	}
	return nil, fmt.Errorf("the index has no image %s", h)
}

func (i *imageIndex) ImageIndex(h v1.Hash) (v1.ImageIndex, error) {
	return nil, fmt.Errorf("the index has no index %s in it", h)
}
