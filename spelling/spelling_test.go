package spelling_test

import (
	"slices"
	"testing"

	"pgregory.net/rapid"

	"nix2gpu/spelling"
)

func TestDistance(t *testing.T) {
	for _, c := range []struct {
		a, b string
		want int
	}{
		{"", "", 0}, {"port", "port", 0}, {"", "port", 4},
		{"prot", "port", 1},      // swapped
		{"comand", "command", 1}, // too few
		{"enabel", "enable", 1},
		{"redsi", "redis", 1},
		{"nginx", "redis", 5},
	} {
		if got := spelling.Distance(c.a, c.b); got != c.want {
			t.Errorf("Distance(%q, %q) = %d, want %d", c.a, c.b, got, c.want)
		}
	}
}

// The distance is the same both ways, zero only for equal words, and never more than
// the length of the longer word.
func TestDistanceIsADistance(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		word := rapid.StringMatching(`[a-c]{0,6}`)
		a, b := word.Draw(t, "a"), word.Draw(t, "b")
		d := spelling.Distance(a, b)
		if back := spelling.Distance(b, a); back != d {
			t.Errorf("Distance(%q, %q) = %d, the other way %d", a, b, d, back)
		}
		if (d == 0) != (a == b) || d > max(len(a), len(b)) {
			t.Errorf("Distance(%q, %q) = %d", a, b, d)
		}
	})
}

func TestNearest(t *testing.T) {
	known := []string{"postgresql", "redis", "nginx", "listen", "listenAddresses", "b", "up", "ps"}
	for word, want := range map[string]string{
		"postgrsql": "postgresql", "Redis": "redis", "ngnix": "nginx", "lsiten": "listen", "mysql": "", "": "", "postgres": "postgresql", "post": "postgresql", "lis": "",
		// a short word is near only to words with its letters
		"db": "", "B": "b", "a": "", "upp": "up", "sp": "ps", "pz": "",
	} {
		if got := spelling.Nearest(word, known); got != want {
			t.Errorf("Nearest(%q) = %q, want %q", word, got, want)
		}
	}
}

func TestBegun(t *testing.T) {
	known := []string{"start", "stop", "status", "up"}
	for word, want := range map[string][]string{"sta": {"start", "status"}, "statu": {"status"}, "u": nil, "x": nil, "": nil} {
		if got := spelling.Begun(word, known); !slices.Equal(got, want) {
			t.Errorf("Begun(%q) = %q, want %q", word, got, want)
		}
	}
}
