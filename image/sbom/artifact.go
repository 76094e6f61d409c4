package sbom

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/partial"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"nix2gpu/debian"
	"nix2gpu/wheel"
)

// MediaType is the media type of SPDX documents in JSON.
const MediaType = "application/spdx+json"

// Artifact wraps a document in a manifest that refers to its image. Registries list it
// among the image's referrers.
func Artifact(doc []byte, subject v1.Descriptor) (v1.Image, error) {
	empty := []byte("{}")
	blob, err := described(doc, MediaType)
	if err != nil {
		return nil, err
	}
	config, err := described(empty, types.OCIEmptyJSON)
	if err != nil {
		return nil, err
	}
	raw, err := json.Marshal(v1.Manifest{
		SchemaVersion: 2, MediaType: types.OCIManifestSchema1, ArtifactType: MediaType,
		Config: config, Layers: []v1.Descriptor{blob},
		Subject: &v1.Descriptor{MediaType: subject.MediaType, Size: subject.Size, Digest: subject.Digest},
	})
	if err != nil {
		return nil, err
	}
	return partial.CompressedToImage(&artifact{raw: raw, config: empty, doc: doc, blob: blob})
}

func described(data []byte, media types.MediaType) (v1.Descriptor, error) {
	h, n, err := v1.SHA256(bytes.NewReader(data))
	return v1.Descriptor{MediaType: media, Digest: h, Size: n}, err
}

// An artifact is an image whose only layer is the document.
type artifact struct {
	raw, config, doc []byte
	blob             v1.Descriptor
}

func (a *artifact) RawConfigFile() ([]byte, error)      { return a.config, nil }
func (a *artifact) RawManifest() ([]byte, error)        { return a.raw, nil }
func (a *artifact) MediaType() (types.MediaType, error) { return types.OCIManifestSchema1, nil }

func (a *artifact) LayerByDigest(h v1.Hash) (partial.CompressedLayer, error) {
	if h != a.blob.Digest {
		return nil, fmt.Errorf("the artifact has no blob %s", h)
	}
	return layer{a}, nil
}

type layer struct{ a *artifact }

func (l layer) Digest() (v1.Hash, error)            { return l.a.blob.Digest, nil }
func (l layer) DiffID() (v1.Hash, error)            { return l.a.blob.Digest, nil }
func (l layer) Size() (int64, error)                { return l.a.blob.Size, nil }
func (l layer) MediaType() (types.MediaType, error) { return l.a.blob.MediaType, nil }
func (l layer) Compressed() (io.ReadCloser, error) {
	return io.NopCloser(bytes.NewReader(l.a.doc)), nil
}

// ErrNoDocument is the error of [Of] for an artifact that is something else.
var ErrNoDocument = errors.New("not an SPDX document")

// maxDocument bounds a document that is read, in bytes.
const maxDocument = 64 << 20

// Of returns the document in an artifact.
func Of(a v1.Image) ([]byte, error) {
	m, err := a.Manifest()
	if err != nil {
		return nil, err
	}
	for _, d := range m.Layers {
		if d.MediaType != MediaType {
			continue
		}
		l, err := a.LayerByDigest(d.Digest)
		if err != nil {
			return nil, err
		}
		r, err := l.Compressed()
		if err != nil {
			return nil, err
		}
		defer r.Close()
		data, err := io.ReadAll(io.LimitReader(r, maxDocument+1))
		if err == nil && len(data) > maxDocument {
			err = fmt.Errorf("the document is larger than %d MiB", maxDocument>>20)
		}
		return data, err
	}
	return nil, ErrNoDocument
}

// Contents is what a document of ours says about an image.
type Contents struct {
	Packages []debian.Locked // names, versions, architectures, sources and digests
	Wheels   []wheel.Locked  // names, versions, files and digests
}

// Read parses a document that [Document] has made.
func Read(doc []byte) (*Contents, error) {
	var d document
	if err := json.Unmarshal(doc, &d); err != nil || !strings.HasPrefix(d.SPDXVersion, "SPDX-2.") {
		return nil, ErrNoDocument
	}
	out := &Contents{}
	for _, e := range d.Packages {
		digest := ""
		for _, c := range e.Checksums {
			if c.Algorithm == "SHA256" {
				digest = c.Value
			}
		}
		for _, ref := range e.ExternalRefs {
			kind, _, _ := strings.Cut(strings.TrimPrefix(ref.Locator, "pkg:"), "/")
			switch {
			case ref.Type != "purl":
			case kind == "pypi":
				out.Wheels = append(out.Wheels, wheel.Locked{Name: e.Name, Version: e.Version, File: e.FileName, SHA256: digest})
			case kind == "deb" || kind == "generic":
				p := debian.Locked{Name: e.Name, Version: e.Version, SHA256: digest}
				_, query, _ := strings.Cut(ref.Locator, "?")
				for q := range strings.SplitSeq(query, "&") {
					if arch, ok := strings.CutPrefix(q, "arch="); ok {
						p.Arch = arch
					}
				}
				if rest, ok := strings.CutPrefix(e.SourceInfo, "built from the source package "); ok {
					p.Source, p.SourceVersion, _ = strings.Cut(rest, " ")
				}
				out.Packages = append(out.Packages, p)
			}
		}
	}
	return out, nil
}
