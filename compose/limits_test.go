package compose_test

import (
	"fmt"
	"strings"
	"testing"

	"nix2gpu/compose"
)

// TestHostileFiles are small files that would take all memory or stack of a
// reader without limits. Each must be refused, or read, at once.
func TestHostileFiles(t *testing.T) {
	laughs := "a0: &a0 [x, x, x, x, x, x, x, x, x]\n"
	for i := 1; i < 12; i++ {
		laughs += fmt.Sprintf("a%d: &a%d [%s]\n", i, i, strings.TrimSuffix(strings.Repeat(fmt.Sprintf("*a%d, ", i-1), 9), ", "))
	}
	var keys strings.Builder
	rejected := 0
	keys.WriteString("processes:\n")
	for i := range 30_000 {
		fmt.Fprintf(&keys, "  p%d: { command: x }\n", i)
	}
	for name, src := range map[string]string{
		"aliases":   laughs + "processes: *a11\n",
		"brackets":  "processes: " + strings.Repeat("[", 100_000),
		"braces":    strings.Repeat("{a: ", 50_000),
		"dashes":    strings.Repeat("- ", 50_000),
		"keys":      keys.String(),
		"self":      "processes: &p\n  a: *p\n",
		"huge":      strings.Repeat("#", 9<<20),
		"nul":       "processes:\n  a: { command: \"\x00\" }\n",
		"recursion": "processes:\n  a: { command: \"{{template \\\"a\\\"}}\" }\n",
	} {
		t.Run(name, func(t *testing.T) {
			opts := compose.Options{Dir: "/x", NoDotEnv: true, ReadFile: func(string) ([]byte, error) { return []byte(src), nil }}
			_, err := compose.Load(opts, "x.yaml")
			if err == nil && name != "nul" {
				t.Errorf("%s was read without a complaint", name)
			}
			if err != nil {
				rejected++
			}
		})
	}
	t.Attr("S1", fmt.Sprintf("%d hostile files rejected", rejected))
}
