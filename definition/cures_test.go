package definition

import (
	"testing"

	"nix2gpu/catalog"
)

// The name here of a foreign word is an option that services have, and no foreign word
// is an option itself: it would never be looked up.
func TestForeignOptionsExist(t *testing.T) {
	custom, ok := catalog.Find("custom")
	if !ok {
		t.Fatal("no type custom")
	}
	options := custom.Schema().Options
	seen := map[string]bool{}
	for _, f := range foreignOptions() {
		if seen[f.word] {
			t.Errorf("%s stands there twice", f.word)
		}
		seen[f.word] = true
		if f.option == "" && f.text == "" {
			t.Errorf("%s: want an option or a text", f.word)
		}
		if _, ok := options[f.option]; !ok && f.option != "" {
			t.Errorf("%s: there is no option %q", f.word, f.option)
		}
		if _, ok := options[f.word]; ok {
			t.Errorf("%s is an option", f.word)
		}
	}
}
