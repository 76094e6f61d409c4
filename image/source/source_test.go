package source_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/validate"

	"nix2gpu/image/source"
	"nix2gpu/internal/testkit"
)

func digest(t *testing.T, d interface{ Digest() (v1.Hash, error) }) v1.Hash {
	t.Helper()
	h, err := d.Digest()
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func open(t *testing.T, path string) *source.Source {
	t.Helper()
	s, err := source.Open(filepath.Base(path), path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func small(t *testing.T, arch string) v1.Image {
	return testkit.Image(t, arch, v1.Config{User: "root"},
		testkit.Layer(t, map[string]string{"etc/": "", "etc/arch": arch}),
		testkit.Layer(t, map[string]string{"bin/x": "#!" + arch}))
}

func TestImageComesBackWhole(t *testing.T) {
	img := small(t, "amd64")
	dir := testkit.Layout(t, img)
	for _, path := range []string{dir, testkit.Archive(t, dir)} {
		s := open(t, path)
		if s.Image == nil {
			t.Fatalf("%s: no image", path)
		}
		if got, want := digest(t, s), digest(t, img); got != want {
			t.Errorf("%s: digest %s, want %s", path, got, want)
		}
		if err := validate.Image(s.Image); err != nil {
			t.Errorf("%s: %v", path, err)
		}
	}
}

func TestIndexComesBackWhole(t *testing.T) {
	idx := testkit.Index(t, small(t, "amd64"), small(t, "arm64"))
	dir := testkit.Layout(t, idx)
	for _, path := range []string{dir, testkit.Archive(t, dir)} {
		s := open(t, path)
		if s.Index == nil {
			t.Fatalf("%s: no index", path)
		}
		if got, want := digest(t, s), digest(t, idx); got != want {
			t.Errorf("%s: digest %s, want %s", path, got, want)
		}
		if err := validate.Index(s.Index); err != nil {
			t.Errorf("%s: %v", path, err)
		}
		v, err := s.ForPlatform("linux/arm64")
		if err != nil {
			t.Fatal(err)
		}
		if c, err := v.Image.ConfigFile(); err != nil || c.Architecture != "arm64" {
			t.Errorf("%s: %v, %v, want the image for arm64", path, c, err)
		}
		if _, err := s.ForPlatform("linux/riscv64"); err == nil || !strings.Contains(err.Error(), "only for linux/amd64, linux/arm64") {
			t.Errorf("%s: %v, want the platforms that are there", path, err)
		}
		if _, err := s.ForPlatform("arm64/linux/v8/x"); err == nil {
			t.Error("a platform of four parts was accepted")
		}
	}
}

func TestSeveralImagesSideBySideAreAnIndex(t *testing.T) {
	p, err := layout.Write(filepath.Join(t.TempDir(), "l"), empty.Index)
	if err != nil {
		t.Fatal(err)
	}
	for _, arch := range []string{"amd64", "arm64"} {
		if err := p.AppendImage(small(t, arch)); err != nil {
			t.Fatal(err)
		}
	}
	all, err := open(t, string(p)).Variants()
	if err != nil || len(all) != 2 || all[1].Platform.Architecture != "arm64" {
		t.Errorf("variants %v, %v, want two", all, err)
	}
}

// Two tags of one image are two lines of the table for the same manifest.
func TestTwoTagsAreOneImage(t *testing.T) {
	p, err := layout.Write(filepath.Join(t.TempDir(), "l"), empty.Index)
	if err != nil {
		t.Fatal(err)
	}
	img := small(t, "amd64")
	for _, tag := range []string{"a", "b"} {
		if err := p.AppendImage(img, layout.WithAnnotations(map[string]string{"org.opencontainers.image.ref.name": tag})); err != nil {
			t.Fatal(err)
		}
	}
	if s := open(t, string(p)); s.Image == nil || digest(t, s) != digest(t, img) {
		t.Errorf("got %v, want the one image", s)
	}
}

func TestArtifactsAreSetApart(t *testing.T) {
	img := small(t, "amd64")
	dir := testkit.Layout(t, img)
	m, err := img.MediaType()
	if err != nil {
		t.Fatal(err)
	}
	size, err := img.Size()
	if err != nil {
		t.Fatal(err)
	}
	note := mutate.Subject(testkit.Image(t, "amd64", v1.Config{}), v1.Descriptor{MediaType: m, Digest: digest(t, img), Size: size}).(v1.Image)
	if err := layout.Path(dir).AppendImage(note); err != nil {
		t.Fatal(err)
	}
	s := open(t, dir)
	if s.Image == nil || digest(t, s) != digest(t, img) || len(s.Artifacts) != 1 {
		t.Fatalf("image %v with %d artifacts, want the image with one", s.Image, len(s.Artifacts))
	}
	if d, err := source.Subject(s.Artifacts[0]); err != nil || d.Digest != digest(t, img) {
		t.Errorf("subject %v, %v", d, err)
	}
}

func TestDockerArchive(t *testing.T) {
	img := small(t, "amd64")
	tag, err := name.NewTag("web:latest")
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "docker.tar")
	if err := tarball.WriteToFile(file, tag, img); err != nil {
		t.Fatal(err)
	}
	s := open(t, file)
	want, err := img.ConfigName()
	if err != nil {
		t.Fatal(err)
	}
	if got, err := s.Image.ConfigName(); err != nil || got != want {
		t.Errorf("config %s, %v, want %s", got, err, want)
	}
}

func TestWhatIsNoImage(t *testing.T) {
	text := filepath.Join(t.TempDir(), "notes.txt")
	if err := os.WriteFile(text, []byte("hello, this is no tar file"), 0o600); err != nil {
		t.Fatal(err)
	}
	dir := testkit.Layout(t, small(t, "amd64"))
	if err := os.WriteFile(filepath.Join(dir, "index.json"), []byte(`{"schemaVersion":2,"manifests":[]}`), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{text, t.TempDir(), dir} {
		if _, err := source.Open("x", path); !errors.Is(err, source.ErrNoImage) {
			t.Errorf("Open(%s) = %v, want ErrNoImage", path, err)
		}
	}
	if _, err := source.Open("x", filepath.Join(t.TempDir(), "gone")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("Open of nothing = %v, want ErrNotExist", err)
	}
}

func TestDamageIsNoticed(t *testing.T) {
	img := small(t, "amd64")
	m, err := img.Manifest()
	if err != nil {
		t.Fatal(err)
	}
	for what, h := range map[string]v1.Hash{"manifest": digest(t, img), "config": m.Config.Digest} {
		t.Run(what, func(t *testing.T) {
			dir := testkit.Layout(t, img)
			blob := filepath.Join(dir, "blobs", h.Algorithm, h.Hex)
			data, err := os.ReadFile(blob)
			if err != nil {
				t.Fatal(err)
			}
			data[len(data)/2] ^= 1
			if err := os.Chmod(blob, 0o600); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(blob, data, 0o600); err != nil {
				t.Fatal(err)
			}
			if _, err := source.Open("x", dir); err == nil || !strings.Contains(err.Error(), "is damaged") {
				t.Errorf("Open = %v, want it to say which blob is damaged", err)
			}
			if err := os.Remove(blob); err != nil {
				t.Fatal(err)
			}
			if _, err := source.Open("x", dir); !errors.Is(err, os.ErrNotExist) {
				t.Errorf("Open = %v, want ErrNotExist", err)
			}
		})
	}
}
