package source_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/tarball"

	"nix2gpu/image/source"
	"nix2gpu/internal/testkit"
)

// FuzzArchive opens archives of strangers: they are refused, or read to the end,
// and never bring the program down.
func FuzzArchive(f *testing.F) {
	img := testkit.Image(f, "amd64", v1.Config{}, testkit.Layer(f, map[string]string{"a": "1"}))
	seed := func(file string) {
		data, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	seed(testkit.Archive(f, testkit.Layout(f, img)))
	seed(testkit.Archive(f, testkit.Layout(f, testkit.Index(f, img))))
	tag, err := name.NewTag("web:latest")
	if err != nil {
		f.Fatal(err)
	}
	docker := filepath.Join(f.TempDir(), "docker.tar")
	if err := tarball.WriteToFile(docker, tag, img); err != nil {
		f.Fatal(err)
	}
	seed(docker)
	f.Fuzz(func(t *testing.T, data []byte) {
		file := filepath.Join(t.TempDir(), "image.tar")
		if err := os.WriteFile(file, data, 0o600); err != nil {
			t.Fatal(err)
		}
		s, err := source.Open("x", file)
		if err != nil {
			return
		}
		defer s.Close()
		if (s.Image == nil) == (s.Index == nil) {
			t.Fatal("neither an image nor an index, or both")
		}
		all, err := s.Variants()
		if err != nil {
			return
		}
		for _, v := range all {
			if _, err := source.Size(v.Image); err != nil {
				continue
			}
			layers, err := v.Image.Layers()
			if err != nil {
				continue
			}
			for _, l := range layers {
				if r, err := l.Compressed(); err == nil {
					r.Close()
				}
			}
		}
	})
}
