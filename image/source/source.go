package source

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/partial"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// A Source is an image, or an index of images for several platforms. Exactly one of
// Image and Index is set.
type Source struct {
	Name  string // as the user wrote it
	Image v1.Image
	Index v1.ImageIndex

	// Artifacts are manifests that refer to an image of the source, such as SBOMs.
	Artifacts []v1.Image
	// Elsewhere, if set, finds artifacts that are not in Artifacts.
	Elsewhere func(ctx context.Context, subject v1.Hash) ([]v1.Image, error)

	close func() error
}

// Referrers returns the artifacts that refer to a manifest of the source.
func (s *Source) Referrers(ctx context.Context, subject v1.Hash) ([]v1.Image, error) {
	var found []v1.Image
	for _, a := range s.Artifacts {
		d, err := Subject(a)
		if err != nil {
			return nil, err
		}
		if d != nil && d.Digest == subject {
			found = append(found, a)
		}
	}
	if s.Elsewhere == nil {
		return found, nil
	}
	more, err := s.Elsewhere(ctx, subject)
	return append(found, more...), err
}

// FromImage makes a source of an image.
func FromImage(name string, img v1.Image, artifacts ...v1.Image) *Source {
	return &Source{Name: name, Image: img, Artifacts: artifacts}
}

// FromIndex makes a source of an index.
func FromIndex(name string, idx v1.ImageIndex, artifacts ...v1.Image) *Source {
	return &Source{Name: name, Index: idx, Artifacts: artifacts}
}

// ErrNoImage is the error of [Open] for a file or folder that holds no image.
var ErrNoImage = errors.New("not an image: want an OCI layout folder, an archive of one, or an archive of docker save")

// Open opens the layout folder or the archive at path. name is what messages call it.
// The source must be closed, after its last blob was read.
func Open(name, path string) (*Source, error) {
	info, err := os.Stat(path)
	if err != nil {
		var pe *fs.PathError
		if errors.As(err, &pe) {
			err = pe.Err // name takes the place of the path
		}
		return nil, fmt.Errorf("cannot open %q: %w", name, err)
	}
	var s *Source
	if info.IsDir() {
		s, err = openLayout(folder(path))
	} else {
		s, err = openArchive(path)
	}
	if err != nil {
		return nil, fmt.Errorf("cannot read %q: %w", name, err)
	}
	s.Name = name
	return s, nil
}

// IsImage reports whether a folder looks like an OCI layout.
func IsImage(dir string) bool {
	_, err := os.Stat(filepath.Join(dir, layoutFile))
	return err == nil
}

// Close closes the archive's file.
func (s *Source) Close() error {
	if s.close == nil {
		return nil
	}
	return s.close()
}

// Digest returns the digest of the image's manifest, or of the index.
func (s *Source) Digest() (v1.Hash, error) {
	if s.Index != nil {
		return s.Index.Digest()
	}
	return s.Image.Digest()
}

// A Variant is the image for a platform.
type Variant struct {
	Platform v1.Platform
	Image    v1.Image
}

// Variants returns the images of the source, one for each platform, in the index's
// order. Attestations and artifacts in an index are left out.
func (s *Source) Variants() ([]Variant, error) {
	if s.Index == nil {
		p, err := platformOf(s.Image)
		if err != nil {
			return nil, err
		}
		return []Variant{{p, s.Image}}, nil
	}
	return variants(s.Index)
}

func variants(idx v1.ImageIndex) ([]Variant, error) {
	m, err := idx.IndexManifest()
	if err != nil {
		return nil, err
	}
	var all []Variant
	for _, d := range m.Manifests {
		switch {
		case d.MediaType.IsIndex():
			nested, err := idx.ImageIndex(d.Digest)
			if err != nil {
				return nil, err
			}
			below, err := variants(nested)
			if err != nil {
				return nil, err
			}
			all = append(all, below...)
		case d.MediaType.IsImage() && isImage(d.ArtifactType):
			if d.Platform != nil && d.Platform.OS == "unknown" {
				continue // buildkit marks attestations so
			}
			img, err := idx.Image(d.Digest)
			if err != nil {
				return nil, err
			}
			p := v1.Platform{}
			if d.Platform != nil {
				p = *d.Platform
			} else if p, err = platformOf(img); err != nil {
				return nil, err
			}
			all = append(all, Variant{p, img})
		}
	}
	return all, nil
}

// isImage reports whether an artifact type is that of an image. Writers leave it out, or
// take it from the config.
func isImage(artifactType string) bool {
	return artifactType == "" || types.MediaType(artifactType).IsConfig()
}

// ForPlatform returns the variant for a platform such as linux/arm64; for "" the one for
// this machine, or the only one there is.
func (s *Source) ForPlatform(want string) (Variant, error) {
	all, err := s.Variants()
	if err != nil {
		return Variant{}, err
	}
	if want == "" {
		if len(all) == 1 {
			return all[0], nil
		}
		want = "linux/" + runtime.GOARCH
	}
	p, err := v1.ParsePlatform(want)
	if err != nil || p.Architecture == "" {
		return Variant{}, fmt.Errorf("platform %q must be OS/ARCH, such as linux/arm64", want)
	}
	if i := slices.IndexFunc(all, func(v Variant) bool { return v.Platform.Satisfies(*p) }); i >= 0 {
		return all[i], nil
	}
	var have []string
	for _, v := range all {
		have = append(have, v.Platform.String())
	}
	if len(have) == 0 {
		return Variant{}, fmt.Errorf("%q holds no image", s.Name)
	}
	return Variant{}, fmt.Errorf("%q has no image for %s, only for %s", s.Name, want, strings.Join(have, ", "))
}

func platformOf(img v1.Image) (v1.Platform, error) {
	c, err := img.ConfigFile()
	if err != nil {
		return v1.Platform{}, err
	}
	return v1.Platform{OS: c.OS, Architecture: c.Architecture, Variant: c.Variant}, nil
}

// Subject returns what an artifact refers to; nil if it does not.
func Subject(artifact v1.Image) (*v1.Descriptor, error) {
	m, err := artifact.Manifest()
	if err != nil {
		return nil, err
	}
	return m.Subject, nil
}

// Size returns the bytes of an image's layers and config as they are transferred.
func Size(img v1.Image) (int64, error) {
	m, err := partial.Manifest(img)
	if err != nil {
		return 0, err
	}
	total := m.Config.Size
	for _, l := range m.Layers {
		total += l.Size
	}
	return total, nil
}
