package arch

import (
	"fmt"
	"os"
	"strings"
	"testing"
)

// TestFewModules bounds what the program is made of, by others too.
func TestFewModules(t *testing.T) {
	text, err := os.ReadFile("../../go.mod")
	if err != nil {
		t.Fatal(err)
	}
	sums, err := os.ReadFile("../../go.sum")
	if err != nil {
		t.Fatal(err)
	}
	n, required := 0, false
	for line := range strings.Lines(string(text)) {
		words := strings.Fields(line)
		switch {
		case strings.HasPrefix(line, "replace"):
			t.Errorf("go.mod replaces a module: %s", line)
		case strings.HasPrefix(line, "require ("):
			required = true
		case strings.HasPrefix(line, ")"):
			required = false
		case required && len(words) >= 2:
			n++
			if !strings.Contains(string(sums), words[0]+" "+words[1]+"/go.mod h1:") {
				t.Errorf("go.sum has no sum of %s %s", words[0], words[1])
			}
		}
	}
	if n == 0 || n > 60 {
		t.Errorf("%d modules are required, want 60 at most", n)
	}
	t.Attr("S10", fmt.Sprintf("%d modules, of at most 60, all of them with sums", n))
}
