package registry_test

import (
	"fmt"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/validate"

	"nix2gpu/image/registry"
	"nix2gpu/image/source"
	"nix2gpu/internal/testkit"
)

// TestDistribution does with the registry that most run what the others do with
// one in memory.
func TestDistribution(t *testing.T) {
	host := testkit.Distribution(t)
	idx := testkit.Index(t, web(t, "amd64"), web(t, "arm64"))
	src, err := source.Open("layout", testkit.Layout(t, idx))
	if err != nil {
		t.Fatal(err)
	}
	report, err := client(nil).Push(t.Context(), src, refs(t, host+"/me/web:v1", host+"/you/web:v1"))
	if err != nil {
		t.Fatal(err)
	}
	if report.Sent != 5 || report.Mounted != 5 {
		t.Errorf("report %+v, want 5 blobs sent and 5 mounted", report)
	}
	if report, err = client(nil).Push(t.Context(), src, refs(t, host+"/me/web:v1")); err != nil || report.Sent+report.Mounted != 0 {
		t.Errorf("pushed again: %+v, %v, want nothing moved", report, err)
	}
	for _, repo := range []string{"me", "you"} {
		back, err := client(nil).Open(t.Context(), host+"/"+repo+"/web:v1")
		if err != nil {
			t.Fatal(err)
		}
		if err := validate.Index(back.Index); err != nil || digest(t, back) != digest(t, idx) {
			t.Errorf("%s: %v", repo, err)
		}
	}
}

// many is an image of 20 layers.
func many(t testing.TB, arch string) v1.Image {
	var layers []v1.Layer
	for i := range 20 {
		layers = append(layers, testkit.Layer(t, map[string]string{fmt.Sprintf("file%d", i): arch}))
	}
	return testkit.Image(t, arch, v1.Config{}, layers...)
}

// BenchmarkPushAgain is a push of an image that the registry has: 20 layers, two
// platforms, with the process's start left out.
func BenchmarkPushAgain(b *testing.B) {
	host := testkit.Distribution(b)
	src := source.FromIndex("x", testkit.Index(b, many(b, "amd64"), many(b, "arm64")))
	target, err := registry.ParseRef(host + "/me/web:v1")
	if err != nil {
		b.Fatal(err)
	}
	push := func() {
		if _, err := client(nil).Push(b.Context(), src, []name.Reference{target}); err != nil {
			b.Fatal(err)
		}
	}
	push()
	for b.Loop() {
		push()
	}
}
