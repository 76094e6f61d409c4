package source

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/partial"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

const (
	layoutFile = "oci-layout"
	indexFile  = "index.json"

	// maxManifest bounds, in bytes, what is read into memory: a manifest or a config.
	// Registries refuse manifests above 4 MiB; a config has a line for each layer.
	maxManifest = 8 << 20
)

// files gives access to the files of a layout: a folder or an archive.
type files interface {
	// open opens a file by its slash-separated name in the layout.
	open(name string) (io.ReadCloser, error)
}

// A folder is a layout on disk.
type folder string

func (f folder) open(name string) (io.ReadCloser, error) {
	return os.Open(filepath.Join(string(f), filepath.FromSlash(name)))
}

func blobName(h v1.Hash) string { return "blobs/" + h.Algorithm + "/" + h.Hex }

// openLayout opens a layout. Its index.json is not an image itself: it lists those in
// the layout.
func openLayout(in files) (*Source, error) {
	raw, err := readAll(in, indexFile)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, ErrNoImage
	}
	if err != nil {
		return nil, err
	}
	top, err := newIndex(in, raw, types.OCIImageIndex)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", indexFile, err)
	}
	s := &Source{}
	var images []v1.Descriptor
	for _, d := range top.parsed.Manifests {
		if !d.MediaType.IsImage() {
			images = append(images, d)
			continue
		}
		img, err := newImage(in, d.Digest, d.MediaType)
		if err != nil {
			return nil, err
		}
		if subject, err := Subject(img); err == nil && subject != nil {
			s.Artifacts = append(s.Artifacts, img)
			continue
		}
		images = append(images, d)
	}
	switch {
	case len(images) == 0:
		return nil, fmt.Errorf("its %s names no image: %w", indexFile, ErrNoImage)
	case len(images) > 1:
		// They are platforms side by side, or tags of the same image.
		for _, d := range images[1:] {
			if d.Digest != images[0].Digest {
				if len(s.Artifacts) > 0 {
					return nil, fmt.Errorf("its %s names several images beside artifacts: put the images into an index", indexFile)
				}
				s.Index = top
				return s, nil
			}
		}
	}
	d := images[0]
	switch {
	case d.MediaType.IsIndex():
		s.Index, err = openIndex(in, d.Digest, d.MediaType)
	case d.MediaType.IsImage():
		s.Image, err = newImage(in, d.Digest, d.MediaType)
	default:
		err = fmt.Errorf("%s is of the type %q, which is not an image", d.Digest, d.MediaType)
	}
	return s, err
}

func readAll(in files, name string) ([]byte, error) {
	r, err := in.open(name)
	if err != nil {
		var pe *fs.PathError
		if errors.As(err, &pe) {
			return nil, fmt.Errorf("%s: %w", name, pe.Err)
		}
		return nil, err
	}
	defer r.Close()
	data, err := io.ReadAll(io.LimitReader(r, maxManifest+1))
	if err != nil {
		return nil, err
	}
	if len(data) > maxManifest {
		return nil, fmt.Errorf("%s is larger than %d MiB", name, maxManifest>>20)
	}
	return data, nil
}

// checked reads a small blob and verifies its digest.
func checked(in files, h v1.Hash) ([]byte, error) {
	if h.Algorithm != "sha256" {
		return nil, fmt.Errorf("digest %q must be a sha256", h)
	}
	data, err := readAll(in, blobName(h))
	if err != nil {
		return nil, err
	}
	got, _, err := v1.SHA256(bytes.NewReader(data))
	if err != nil {
		return nil, err
	}
	if got != h {
		return nil, fmt.Errorf("blob %s is damaged: its content has the digest %s", h, got)
	}
	return data, nil
}

// An index implements [v1.ImageIndex] over files.
type index struct {
	in     files
	raw    []byte
	media  types.MediaType
	parsed *v1.IndexManifest
}

func openIndex(in files, h v1.Hash, media types.MediaType) (v1.ImageIndex, error) {
	raw, err := checked(in, h)
	if err != nil {
		return nil, err
	}
	return newIndex(in, raw, media)
}

func newIndex(in files, raw []byte, media types.MediaType) (*index, error) {
	parsed, err := v1.ParseIndexManifest(bytes.NewReader(raw))
	if err != nil {
		return nil, fmt.Errorf("not an image index: %v", err)
	}
	return &index{in, raw, media, parsed}, nil
}

func (i *index) MediaType() (types.MediaType, error)         { return i.media, nil }
func (i *index) Digest() (v1.Hash, error)                    { return partial.Digest(i) }
func (i *index) Size() (int64, error)                        { return partial.Size(i) }
func (i *index) IndexManifest() (*v1.IndexManifest, error)   { return i.parsed, nil }
func (i *index) RawManifest() ([]byte, error)                { return i.raw, nil }
func (i *index) Image(h v1.Hash) (v1.Image, error)           { return newImage(i.in, h, i.mediaOf(h)) }
func (i *index) ImageIndex(h v1.Hash) (v1.ImageIndex, error) { return openIndex(i.in, h, i.mediaOf(h)) }

func (i *index) mediaOf(h v1.Hash) types.MediaType {
	for _, d := range i.parsed.Manifests {
		if d.Digest == h {
			return d.MediaType
		}
	}
	return types.OCIManifestSchema1
}

// An image implements the core of [v1.Image] over files.
type image struct {
	in       files
	raw      []byte
	config   []byte
	media    types.MediaType
	manifest *v1.Manifest
}

func newImage(in files, h v1.Hash, media types.MediaType) (v1.Image, error) {
	raw, err := checked(in, h)
	if err != nil {
		return nil, err
	}
	m, err := v1.ParseManifest(bytes.NewReader(raw))
	if err != nil {
		return nil, fmt.Errorf("manifest %s: %v", h, err)
	}
	config, err := checked(in, m.Config.Digest)
	if err != nil {
		return nil, err
	}
	return partial.CompressedToImage(&image{in, raw, config, media, m})
}

func (i *image) RawConfigFile() ([]byte, error)      { return i.config, nil }
func (i *image) MediaType() (types.MediaType, error) { return i.media, nil }
func (i *image) RawManifest() ([]byte, error)        { return i.raw, nil }
func (i *image) Manifest() (*v1.Manifest, error)     { return i.manifest, nil }

func (i *image) LayerByDigest(h v1.Hash) (partial.CompressedLayer, error) {
	if h == i.manifest.Config.Digest {
		return &blob{i.in, i.manifest.Config}, nil
	}
	for _, d := range i.manifest.Layers {
		if d.Digest == h {
			return &blob{i.in, d}, nil
		}
	}
	return nil, fmt.Errorf("no layer %s", h)
}

// A blob implements a compressed layer over files.
type blob struct {
	in   files
	desc v1.Descriptor
}

func (b *blob) Digest() (v1.Hash, error)            { return b.desc.Digest, nil }
func (b *blob) Size() (int64, error)                { return b.desc.Size, nil }
func (b *blob) MediaType() (types.MediaType, error) { return b.desc.MediaType, nil }
func (b *blob) Descriptor() (*v1.Descriptor, error) { return &b.desc, nil }
func (b *blob) Compressed() (io.ReadCloser, error)  { return b.in.open(blobName(b.desc.Digest)) }

// Exists reports whether the blob is here. The layers of a base may be missing.
func (b *blob) Exists() (bool, error) {
	r, err := b.Compressed()
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	return true, r.Close()
}
