package eval_test

import (
	"path/filepath"
	"strings"
	"testing"

	"nix2gpu/nix/eval"
)

// BenchmarkEval evaluates each file of testdata/bench, parsing included.
func BenchmarkEval(b *testing.B) {
	files, _ := filepath.Glob("testdata/bench/*.nix")
	for _, file := range files {
		b.Run(strings.TrimSuffix(filepath.Base(file), ".nix"), func(b *testing.B) {
			src := readFile(b, file)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := print(b, eval.Options{}, file, src); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
