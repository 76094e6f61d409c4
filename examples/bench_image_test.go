package examples

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"nix2gpu/internal/testkit"
)

// BenchmarkBuild measures the image of the main example: with its packages in the
// cache and no layer, and with nothing changed but the definition.
func BenchmarkBuild(b *testing.B) {
	dir := copied(b, "microservices")
	out := filepath.Join(b.TempDir(), "out")
	build := func(args ...string) {
		if _, stderr, err := built(b, dir, append([]string{"-o", out}, args...)...); err != nil {
			b.Fatalf("build: %v\n%s", err, stderr)
		}
	}
	size := func() (n float64) {
		blobs, err := os.ReadDir(filepath.Join(out, "blobs", "sha256"))
		if err != nil {
			b.Fatal(err)
		}
		for _, blob := range blobs {
			info, err := blob.Info()
			if err != nil {
				b.Fatal(err)
			}
			n += float64(info.Size()) / 1e6
		}
		return n
	}
	build() // downloads
	for _, c := range []struct {
		name string
		args []string
	}{{"slim", nil}, {"full", []string{"--variant", "full"}}, {"zstd", []string{"--compression", "zstd"}}} {
		b.Run("cold/"+c.name, func(b *testing.B) {
			for b.Loop() {
				b.StopTimer()
				if err := os.RemoveAll(filepath.Join(filepath.Dir(testkit.Binary(b)), "cache", "nix2gpu", "layers")); err != nil {
					b.Fatal(err)
				}
				b.StartTimer()
				build(c.args...)
			}
			b.ReportMetric(size(), "MB")
		})
	}
	b.Run("definition", func(b *testing.B) {
		build()
		file := filepath.Join(dir, "nix2gpu.nix")
		text, err := os.ReadFile(file)
		if err != nil {
			b.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, "stack.nix"), text, 0o644); err != nil {
			b.Fatal(err)
		}
		for n := 0; b.Loop(); n++ { // a label, which is part of the project
			if err := os.WriteFile(file, []byte(fmt.Sprintf("{ imports = [ ./stack.nix ]; perSystem.nix2gpu.microservices.labels.n = \"%d\"; }\n", n)), 0o644); err != nil {
				b.Fatal(err)
			}
			build()
		}
	})
}
