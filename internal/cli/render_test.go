package cli

import (
	"strings"
	"testing"
)

// An excerpt is cut to the terminal, and its caret points at the same character.
func TestNarrowed(t *testing.T) {
	const message = `nix2gpu.nix:12:61: port must be a whole number from 0 to 65535, is "x"
  12 | services.postgresql.größe = { enable = true; listen = "*";  port = "x"; databases = [ "users" "orders" ]; };
     |                                                             ^
hint: write 5432
see a | b
`
	for _, width := range []int{200, 110, 80, 60, 40} {
		got := narrowed(message, width)
		lines, want := strings.Split(got, "\n"), strings.Split(message, "\n")
		for i, line := range lines {
			if i != 1 && i != 2 && line != want[i] {
				t.Errorf("%d columns: line %d became %q", width, i, line)
			}
		}
		if n := len([]rune(lines[1])); n > width {
			t.Errorf("the excerpt has %d of %d columns: %s", n, width, lines[1])
		}
		at := len([]rune(lines[2])) - 1
		if !strings.HasPrefix(string([]rune(lines[1])[at:]), "port") {
			t.Errorf("at %d columns the caret points elsewhere:\n%s\n%s", width, lines[1], lines[2])
		}
	}
	if got := narrowed(message, 200); got != message {
		t.Errorf("without need it became\n%s", got)
	}
}
