package definition_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"nix2gpu/definition"
)

// BenchmarkServices loads a definition of many small services.
func BenchmarkServices(b *testing.B) {
	for _, n := range []int{10, 100, 1000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			var text strings.Builder
			text.WriteString("{\n")
			for i := range n {
				fmt.Fprintf(&text, "  services.custom.s%d = {\n    enable = true;\n    command = \"/bin/sleep %d\";\n    restart = \"no\";\n  };\n", i, i)
			}
			text.WriteString("}\n")
			file := filepath.Join(b.TempDir(), "nix2gpu.nix")
			if err := os.WriteFile(file, []byte(text.String()), 0o644); err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			for b.Loop() {
				if _, err := definition.Load(b.Context(), definition.Ref{Path: file}, definition.Options{}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
