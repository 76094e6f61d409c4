package registry_test

import (
	"io"
	"strings"
	"testing"

	"nix2gpu/image/source"
	"nix2gpu/internal/testkit"
)

// Of an index that a digest names, the base is the image for the architecture that
// is asked for; its layers can be had one by one.
func TestBase(t *testing.T) {
	s := serve(t, divided)
	idx := testkit.Index(t, web(t, "amd64"), web(t, "arm64"))
	if _, err := client(nil).Push(t.Context(), source.FromIndex("base", idx), refs(t, s.host+"/nvidia/cuda:12")); err != nil {
		t.Fatal(err)
	}
	h, err := client(nil).Digest(t.Context(), s.host+"/nvidia/cuda:12")
	if err != nil || h != digest(t, idx) {
		t.Fatalf("the tag names %s, %v; want %s", h, err, digest(t, idx))
	}
	ref := s.host + "/nvidia/cuda:12@" + h.String()
	img, err := client(nil).Base(t.Context(), ref, "arm64")
	if err != nil {
		t.Fatal(err)
	}
	config, err := img.ConfigFile()
	if err != nil || config.Architecture != "arm64" {
		t.Errorf("the base is for %v, %v", config, err)
	}
	layers, err := img.Layers()
	if err != nil {
		t.Fatal(err)
	}
	first, err := layers[0].Digest()
	if err != nil {
		t.Fatal(err)
	}
	l, err := client(nil).Blob(t.Context(), ref, first)
	if err != nil {
		t.Fatal(err)
	}
	r, err := l.Compressed()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if _, err := io.Copy(io.Discard, r); err != nil {
		t.Errorf("a layer of the base: %v", err)
	}
	if _, err := client(nil).Base(t.Context(), ref, "riscv64"); err == nil || !strings.Contains(err.Error(), "has no image for linux/riscv64: it has linux/amd64, linux/arm64") {
		t.Errorf("for another architecture: %v", err)
	}
	if _, err := client(nil).Digest(t.Context(), s.host+"/nvidia/none:1"); err == nil || !strings.Contains(err.Error(), "nvidia/none") {
		t.Errorf("of an image that is not there: %v", err)
	}
}
