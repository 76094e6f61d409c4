package daemon

import (
	"archive/tar"
	"encoding/json"
	"io"
	"slices"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/partial"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// A bundle is an image in the form in which it is sent: an OCI layout with a
// manifest.json for docker's old format. The same image gives the same bytes.
type bundle struct {
	ref    string
	img    v1.Image
	layers []v1.Layer
	skip   int // how many layers from the bottom are listed but not sent

	// plain is for engines that don't know how the layers are compressed. They get them
	// uncompressed, in docker's old format only.
	plain bool
}

func newBundle(ref string, img v1.Image) (*bundle, error) {
	layers, err := img.Layers()
	return &bundle{ref: ref, img: img, layers: layers}, err
}

// zstd reports whether a layer is compressed with it.
func (b *bundle) zstd() bool {
	return slices.ContainsFunc(b.layers, func(l v1.Layer) bool {
		media, err := l.MediaType()
		return err == nil && media == types.OCILayerZStd
	})
}

// size returns the bytes of the layers to send.
func (b *bundle) size() (total int64, err error) {
	for _, l := range b.layers[b.skip:] {
		n, err := l.Size()
		if err != nil {
			return 0, err
		}
		total += n
	}
	return total, nil
}

// write writes the bundle, and calls progress with the bytes of each piece of a layer.
func (b *bundle) write(w io.Writer, progress func(n int)) error {
	tw := tar.NewWriter(w)
	file := func(name string, data []byte) error {
		if err := tw.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: int64(len(data))}); err != nil {
			return err
		}
		_, err := tw.Write(data)
		return err
	}
	config, err := b.img.RawConfigFile()
	if err != nil {
		return err
	}
	manifest, err := b.img.Manifest()
	if err != nil {
		return err
	}
	raw, err := b.img.RawManifest()
	if err != nil {
		return err
	}
	desc, err := b.descriptor(raw)
	if err != nil {
		return err
	}
	index, err := json.Marshal(v1.IndexManifest{SchemaVersion: 2, MediaType: types.OCIImageIndex, Manifests: []v1.Descriptor{*desc}})
	if err != nil {
		return err
	}
	names, err := b.names()
	if err != nil {
		return err
	}
	old := []any{map[string]any{"Config": blob(manifest.Config.Digest), "RepoTags": []string{b.ref}, "Layers": names}}
	table, err := json.Marshal(old)
	if err != nil {
		return err
	}
	for _, f := range []struct {
		name string
		data []byte
	}{
		{"oci-layout", []byte(`{"imageLayoutVersion":"1.0.0"}`)},
		{"index.json", index},
		{"manifest.json", table},
		{blob(desc.Digest), raw},
		{blob(manifest.Config.Digest), config},
	} {
		if b.plain && strings.HasSuffix(f.name, "index.json") {
			continue // the OCI manifest would refer to layers that are not sent
		}
		if err := file(f.name, f.data); err != nil {
			return err
		}
	}
	sent := map[string]bool{} // several layers may be the same blob
	for i, l := range b.layers {
		if i < b.skip || sent[names[i]] {
			continue
		}
		sent[names[i]] = true
		if err := b.layer(tw, l, names[i], progress); err != nil {
			return err
		}
	}
	return tw.Close()
}

// names returns the names of the layers' members.
func (b *bundle) names() ([]string, error) {
	names := []string{} // nil would be null in JSON
	for _, l := range b.layers {
		digest := l.Digest
		if b.plain {
			digest = l.DiffID
		}
		h, err := digest()
		if err != nil {
			return nil, err
		}
		names = append(names, blob(h))
	}
	return names, nil
}

func (b *bundle) layer(tw *tar.Writer, l v1.Layer, name string, progress func(n int)) error {
	size, content := l.Size, l.Compressed
	if b.plain {
		// The uncompressed size is known only after reading it.
		size, content = func() (int64, error) { return partial.UncompressedSize(l) }, l.Uncompressed
	}
	n, err := size()
	if err != nil {
		return err
	}
	r, err := content()
	if err != nil {
		return err
	}
	defer r.Close()
	if err := tw.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: n}); err != nil {
		return err
	}
	_, err = io.Copy(tw, &metered{r, progress})
	return err
}

// descriptor describes the manifest, with the name that podman and containerd look for.
func (b *bundle) descriptor(raw []byte) (*v1.Descriptor, error) {
	media, err := b.img.MediaType()
	if err != nil {
		return nil, err
	}
	digest, err := b.img.Digest()
	if err != nil {
		return nil, err
	}
	return &v1.Descriptor{MediaType: media, Digest: digest, Size: int64(len(raw)), Annotations: map[string]string{
		"org.opencontainers.image.ref.name": b.ref,
		"io.containerd.image.name":          full(b.ref),
	}}, nil
}

func blob(h v1.Hash) string { return "blobs/" + h.Algorithm + "/" + h.Hex }

// A metered reader tells how much was read.
type metered struct {
	io.Reader
	read func(n int)
}

func (m *metered) Read(p []byte) (int, error) {
	n, err := m.Reader.Read(p)
	m.read(n)
	return n, err
}
