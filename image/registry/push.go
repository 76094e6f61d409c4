package registry

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/partial"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	wire "github.com/google/go-containerregistry/pkg/v1/remote/transport"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"nix2gpu/image/source"
)

// A Pushed image is a target of a push.
type Pushed struct {
	Ref    string // as given: ghcr.io/me/web:v1
	ByName string // by digest: ghcr.io/me/web@sha256:…
	Digest v1.Hash
}

// A Report says what a push did.
type Report struct {
	Pushed []Pushed // one for each target, in their order

	// Refused has the repositories that took the image but do not take artifacts.
	Refused []string

	Sent    int64 // blobs that were uploaded
	There   int64 // blobs that the registry had
	Mounted int64 // blobs that it took from another of its repositories
	Bytes   int64 // of the blobs that were uploaded
}

// Push pushes the image or index of s to every target, with the artifacts that refer to
// it. What a registry has is not sent again: a target that is up to date costs one
// request. Of several targets on one registry, the later ones mount the blobs of the
// first.
func (c *Client) Push(ctx context.Context, s *source.Source, targets []name.Reference) (*Report, error) {
	digest, err := s.Digest()
	if err != nil {
		return nil, err
	}
	updates, told := c.progress()
	opts := c.options(ctx)
	if updates != nil {
		opts = append(opts, remote.WithProgress(updates))
		defer func() { close(updates); <-told }()
	}
	pusher, err := remote.NewPusher(opts...)
	if err != nil {
		return nil, err
	}
	before := c.trans.traffic.numbers()
	report := &Report{}
	first := map[string]name.Repository{} // by registry
	for _, target := range targets {
		repo := target.Context()
		p := &preparer{c: c, ctx: ctx}
		if other, ok := first[repo.RegistryStr()]; !ok {
			first[repo.RegistryStr()] = repo
		} else if other != repo {
			p.from = &other
		}
		what, err := p.source(s)
		if err != nil {
			return nil, err
		}
		if err := pusher.Push(ctx, target, what); err != nil {
			return nil, c.explain(err, target, pushing)
		}
		for _, a := range s.Artifacts {
			d, err := a.Digest()
			if err != nil {
				return nil, err
			}
			ref := repo.Digest(d.String())
			if err := pusher.Push(ctx, ref, a); refusesArtifacts(err) {
				report.Refused = append(report.Refused, target.Context().String())
			} else if err != nil {
				return nil, c.explain(err, ref, pushing)
			}
		}
		report.Pushed = append(report.Pushed, Pushed{target.String(), repo.Digest(digest.String()).String(), digest})
	}
	after := c.trans.traffic.numbers()
	report.Sent, report.There = after.sent-before.sent, after.there-before.there
	report.Mounted, report.Bytes = after.mounted-before.mounted, after.bytes-before.bytes
	return report, nil
}

// refusesArtifacts reports whether a registry rejects manifests of artifacts. The image
// itself has been pushed, so this is not an error.
func refusesArtifacts(err error) bool {
	var answer *wire.Error
	if !errors.As(err, &answer) || answer.Request == nil || !strings.Contains(answer.Request.URL.Path, "/manifests/") {
		return false
	}
	switch answer.StatusCode {
	case http.StatusBadRequest, http.StatusMethodNotAllowed, http.StatusUnsupportedMediaType, http.StatusUnprocessableEntity:
		return true
	}
	return false
}

type numbers struct{ sent, there, mounted, bytes int64 }

func (t *traffic) numbers() numbers {
	return numbers{t.sent.Load(), t.there.Load(), t.mounted.Load(), t.bytes.Load()}
}

// progress passes the library's updates on. told is closed after the last one.
func (c *Client) progress() (updates chan v1.Update, told chan struct{}) {
	if c.opts.Progress == nil {
		return nil, nil
	}
	updates, told = make(chan v1.Update, 64), make(chan struct{})
	go func() {
		defer close(told)
		for u := range updates {
			if u.Error == nil {
				c.opts.Progress(u.Complete, u.Total)
			}
		}
	}()
	return updates, told
}

// A preparer tells the library for each layer which other repository of the registry it
// can be mounted from: one that was pushed to, or the base image's.
type preparer struct {
	c    *Client
	ctx  context.Context  // of the push that it is for
	from *name.Repository // on the same registry, with everything in it; may be nil
}

func (p *preparer) source(s *source.Source) (remote.Taggable, error) {
	if s.Index != nil {
		return &movedIndex{s.Index, p}, nil
	}
	return p.image(s.Image)
}

// baseName is the annotation with the name of an image's base.
const baseName = "org.opencontainers.image.base.name"

func (p *preparer) image(img v1.Image) (v1.Image, error) {
	m, err := img.Manifest()
	if err != nil {
		return nil, err
	}
	moved := &movedImage{Image: img, from: p.from}
	if base := m.Annotations[baseName]; base != "" {
		ref, err := ParseRef(base)
		if err != nil {
			return nil, fmt.Errorf("annotation %s of the image: %w", baseName, err)
		}
		repo := ref.Context()
		moved.base = &repo
		moved.fetch = func(h v1.Hash) (v1.Layer, error) {
			return remote.Layer(repo.Digest(h.String()), p.c.options(p.ctx)...)
		}
	}
	return moved, nil
}

// A movedImage is an image whose layers can be mounted from other repositories.
type movedImage struct {
	v1.Image
	from, base *name.Repository // may be nil
	fetch      func(v1.Hash) (v1.Layer, error)
}

// Layers implements v1.Image.
func (m *movedImage) Layers() ([]v1.Layer, error) {
	layers, err := m.Image.Layers()
	if err != nil {
		return nil, err
	}
	for i, l := range layers {
		if layers[i], err = m.layer(l); err != nil {
			return nil, err
		}
	}
	return layers, nil
}

// ConfigLayer is called by the library, although it is not in the interface.
func (m *movedImage) ConfigLayer() (v1.Layer, error) {
	l, err := partial.ConfigLayer(m.Image)
	if err != nil || m.from == nil {
		return l, err
	}
	return mountable(l, m.from), nil
}

// mountable returns a layer that the registry may mount from another repository.
func mountable(l v1.Layer, from *name.Repository) v1.Layer {
	return &remote.MountableLayer{Layer: l, Reference: from.Tag("latest")} // the library uses only the repository
}

func (m *movedImage) layer(l v1.Layer) (v1.Layer, error) {
	from := m.from
	if m.fetch != nil {
		here, err := partial.Exists(l)
		if err != nil {
			return nil, err
		}
		if !here {
			h, err := l.Digest()
			if err != nil {
				return nil, err
			}
			far, err := m.fetch(h)
			if err != nil {
				return nil, err
			}
			l = &described{far, l}
			if from == nil {
				from = m.base
			}
		}
	}
	if from == nil {
		return l, nil
	}
	return mountable(l, from), nil
}

// A described layer has the content of one layer and the description of another, so that
// the registry need not be asked for it.
type described struct {
	v1.Layer
	as v1.Layer
}

func (d *described) Digest() (v1.Hash, error)            { return d.as.Digest() }
func (d *described) Size() (int64, error)                { return d.as.Size() }
func (d *described) MediaType() (types.MediaType, error) { return d.as.MediaType() }

// A movedIndex is an index of moved images.
type movedIndex struct {
	embedded
	p *preparer
}

// embedded exists because an embedded field named ImageIndex would hide the method.
type embedded interface{ v1.ImageIndex }

var _ v1.ImageIndex = (*movedIndex)(nil)

// Image implements v1.ImageIndex.
func (m *movedIndex) Image(h v1.Hash) (v1.Image, error) {
	img, err := m.embedded.Image(h)
	if err != nil {
		return nil, err
	}
	return m.p.image(img)
}

// ImageIndex implements v1.ImageIndex.
func (m *movedIndex) ImageIndex(h v1.Hash) (v1.ImageIndex, error) {
	idx, err := m.embedded.ImageIndex(h)
	if err != nil {
		return nil, err
	}
	return &movedIndex{idx, m.p}, nil
}
