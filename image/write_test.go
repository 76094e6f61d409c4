package image_test

import (
	"bytes"
	"debug/elf"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/partial"
	"github.com/google/go-containerregistry/pkg/v1/validate"

	"nix2gpu/image"
	"nix2gpu/image/sbom"
	"nix2gpu/image/source"
)

func both(t *testing.T) *image.Output {
	s := spec(t, shop())
	amd := build(t, s)
	s.Arch, s.Binary = "arm64", standIn(t, elf.EM_AARCH64)
	return &image.Output{Name: "shop:v1", Platforms: []image.Platform{{Arch: "amd64", Built: amd}, {Arch: "arm64", Built: build(t, s)}}}
}

// What is written is read again by those who push and load it, with every blob.
func TestOutputsAreRead(t *testing.T) {
	o := both(t)
	one := &image.Output{Name: o.Name, Platforms: o.Platforms[:1]}
	dir := t.TempDir()
	for name, write := range map[string]func(file string) (*image.Output, error){
		"folder":          func(f string) (*image.Output, error) { return one, one.WriteLayout(t.Context(), f) },
		"archive":         func(f string) (*image.Output, error) { return one, one.WriteArchiveFile(f, "amd64") },
		"folder of both":  func(f string) (*image.Output, error) { return o, o.WriteLayout(t.Context(), f) },
		"archive of both": func(f string) (*image.Output, error) { return o, o.WriteArchiveFile(f, "arm64") },
	} {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join(dir, strings.ReplaceAll(name, " ", "-"))
			out, err := write(file)
			if err != nil {
				t.Fatal(err)
			}
			s, err := source.Open(name, file)
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			want, err := out.Digest()
			if err != nil {
				t.Fatal(err)
			}
			images := 0
			if s.Index != nil {
				if got, err := s.Index.Digest(); err != nil || got != want {
					t.Errorf("the index is %v, %v, want %v", got, err, want)
				}
				m, err := s.Index.IndexManifest()
				if err != nil {
					t.Fatal(err)
				}
				for i, d := range m.Manifests {
					img, err := s.Index.Image(d.Digest)
					if err != nil {
						t.Fatal(err)
					}
					if d.Platform.Architecture != out.Platforms[i].Arch {
						t.Errorf("image %d is for %s", i, d.Platform)
					}
					layers, err := img.Layers()
					if err != nil || len(layers) != len(out.Platforms[i].Built.Layers) {
						t.Errorf("%d layers, %v", len(layers), err)
					}
					images++
				}
			} else if got, err := s.Image.Digest(); err != nil || got != want {
				t.Errorf("the image is %v, %v, want %v", got, err, want)
			} else {
				images = 1
			}
			if images != len(out.Platforms) {
				t.Errorf("%d images, want %d", images, len(out.Platforms))
			}
		})
	}
}

// Only packages for every architecture are shared between two.
func TestArchitecturesDiffer(t *testing.T) {
	o := both(t)
	a, b := o.Platforms[0].Built, o.Platforms[1].Built
	if digest(t, a) == digest(t, b) {
		t.Error("two architectures have one image")
	}
	if c, err := b.Image.ConfigFile(); err != nil || c.Architecture != "arm64" {
		t.Errorf("config is %+v, %v", c, err)
	}
}

func TestArchiveIsReproducible(t *testing.T) {
	o := both(t)
	var one, two bytes.Buffer
	if err := o.WriteArchive(&one, "amd64"); err != nil {
		t.Fatal(err)
	}
	if err := both(t).WriteArchive(&two, "amd64"); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(one.Bytes(), two.Bytes()) {
		t.Error("two archives of the same image differ")
	}
}

// A layout is brought to the new image's content; what is no layout is left alone.
func TestLayoutIsReplaced(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "out")
	o := both(t)
	if err := o.WriteLayout(t.Context(), dir); err != nil {
		t.Fatal(err)
	}
	one := &image.Output{Name: o.Name, Platforms: o.Platforms[:1]}
	if err := one.WriteLayout(t.Context(), dir); err != nil {
		t.Fatal(err)
	}
	blobs, err := os.ReadDir(filepath.Join(dir, "blobs", "sha256"))
	if err != nil || len(blobs) != len(o.Platforms[0].Built.Layers)+2 {
		t.Errorf("%d blobs are left, %v", len(blobs), err)
	}
	// What a killed build has left is in the way of none, and goes.
	left := filepath.Join(t.TempDir(), "out")
	for _, d := range []string{dir, filepath.Join(dir, "blobs", "sha256"), left} {
		if err := os.MkdirAll(d, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(d, ".new-1"), []byte("half"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, d := range []string{dir, left} {
		if err := one.WriteLayout(t.Context(), d); err != nil {
			t.Error(err)
		}
		for _, sub := range []string{".", "blobs/sha256"} {
			if _, err := os.Stat(filepath.Join(d, sub, ".new-1")); err == nil {
				t.Errorf("%s/.new-1 is left", filepath.Join(d, sub))
			}
		}
	}
	other := t.TempDir()
	if err := os.WriteFile(filepath.Join(other, "precious"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := one.WriteLayout(t.Context(), other); err == nil || !strings.Contains(err.Error(), "is not empty, and no OCI layout") {
		t.Errorf("a folder of the user's: %v", err)
	}
	if _, err := os.Stat(filepath.Join(other, "precious")); err != nil {
		t.Error(err)
	}
}

// Two builds may write to one folder: in the end it is the image of one of them,
// and whole.
func TestLayoutOfTwo(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "out")
	o := both(t)
	one := &image.Output{Name: o.Name, Platforms: o.Platforms[:1]}
	var wg sync.WaitGroup
	for i := range 16 {
		wg.Go(func() {
			if err := []*image.Output{o, one}[i%2].WriteLayout(t.Context(), dir); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	index, err := layout.ImageIndexFromPath(dir)
	if err == nil {
		err = validate.Index(index)
	}
	if err != nil {
		t.Error(err)
	}
}

// A layout has the SBOM of each of its images beside it, as a registry has.
func TestLayoutHasSBOMs(t *testing.T) {
	for name, o := range map[string]*image.Output{"both": both(t), "one": {Name: "shop:v1", Platforms: both(t).Platforms[:1]}} {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "shop.oci")
			plain := *o
			var artifacts []v1.Image
			for _, p := range o.Platforms {
				subject, err := partial.Descriptor(p.Built.Image)
				if err != nil {
					t.Fatal(err)
				}
				a, err := sbom.Artifact([]byte(`{"spdxVersion":"SPDX-2.3","name":"`+p.Arch+`"}`), *subject)
				if err != nil {
					t.Fatal(err)
				}
				artifacts = append(artifacts, a)
			}
			if err := o.WriteLayout(t.Context(), dir, artifacts...); err != nil {
				t.Fatal(err)
			}
			s, err := source.Open("shop", dir)
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			if got, err := s.Digest(); err != nil || got.String() != outputDigest(t, &plain) {
				t.Errorf("the layout is %v, %v", got, err)
			}
			for _, p := range o.Platforms {
				d, err := p.Built.Image.Digest()
				if err != nil {
					t.Fatal(err)
				}
				found, err := s.Referrers(t.Context(), d)
				if err != nil || len(found) != 1 {
					t.Fatalf("%d refer to the image for %s, %v", len(found), p.Arch, err)
				}
				if doc, err := sbom.Of(found[0]); err != nil || !strings.Contains(string(doc), p.Arch) {
					t.Errorf("the SBOM is %s, %v", doc, err)
				}
			}
		})
	}
}

func outputDigest(t testing.TB, o *image.Output) string {
	t.Helper()
	d, err := o.Digest()
	if err != nil {
		t.Fatal(err)
	}
	return d.String()
}
