package cells_test

import (
	"testing"

	"nix2gpu/cells"
)

func TestOf(t *testing.T) {
	for text, want := range map[string]int{
		"": 0, "api": 3, "日本": 4, "日本 é": 6, "e\u0301": 1, "ｱ": 1, "Ａ": 2, "한국": 4, "🐘": 2, "Ω": 1, "…": 1, "a\u200db": 2,
	} {
		if got := cells.Of(text); got != want {
			t.Errorf("%q takes %d cells, want %d", text, got, want)
		}
	}
}

func TestCut(t *testing.T) {
	for _, c := range []struct {
		text       string
		most       int
		head, tail string
	}{
		{"abcd", 2, "ab", "cd"}, {"abcd", 9, "abcd", "abcd"}, {"日本語", 3, "日", "語"}, {"日本語", 4, "日本", "本語"},
		{"日本語", 1, "日", ""}, {"", 1, "", ""}, {"ae\u0301b", 2, "ae\u0301", "e\u0301b"},
	} {
		if head := cells.Head(c.text, c.most); head != c.head {
			t.Errorf("the first %d cells of %q are %q, want %q", c.most, c.text, head, c.head)
		}
		if tail := cells.Tail(c.text, c.most); tail != c.tail {
			t.Errorf("the last %d cells of %q are %q, want %q", c.most, c.text, tail, c.tail)
		}
	}
}
