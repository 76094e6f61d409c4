package image_test

import (
	"testing"

	"github.com/google/go-containerregistry/pkg/v1/validate"
)

// What is pushed without being written first is what would be written.
func TestIndexOfBoth(t *testing.T) {
	o := both(t)
	idx, err := o.ImageIndex()
	if err != nil {
		t.Fatal(err)
	}
	if err := validate.Index(idx); err != nil {
		t.Error(err)
	}
	want, err := o.Digest()
	if err != nil {
		t.Fatal(err)
	}
	if got, err := idx.Digest(); err != nil || got != want {
		t.Errorf("digest %s, %v, want %s", got, err, want)
	}
	m, err := idx.IndexManifest()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := idx.Image(want); err == nil {
		t.Error("the index gives an image by its own digest")
	}
	if _, err := idx.ImageIndex(m.Manifests[0].Digest); err == nil {
		t.Error("an image is an index")
	}
}
