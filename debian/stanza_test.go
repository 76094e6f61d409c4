package debian_test

import (
	"slices"
	"strings"
	"testing"

	"nix2gpu/debian"
)

func TestStanzas(t *testing.T) {
	text := "\n\nPackage: a\nDescription: short\n long\n .\n\tmore\n# remark: none\nempty:\n \t\nno colon\nPackage:b\n\n\n\nPACKAGE: c\r\nX: 1: 2"
	var got []string
	for s := range debian.Stanzas([]byte(text)) {
		var fields []string
		for name, value := range s.Fields() {
			fields = append(fields, string(name)+"="+string(value))
		}
		got = append(got, strings.Join(fields, ";"))
	}
	want := []string{"Package=a;Description=short\n long\n .\n\tmore;empty=", "Package=b", "PACKAGE=c;X=1: 2"}
	if !slices.Equal(got, want) {
		t.Errorf("Stanzas:\n%q\nwant\n%q", got, want)
	}
}

func TestStanzaGet(t *testing.T) {
	s := debian.Stanza("Files:\n a 1\n\n b 2\nSuite: x\n")
	if got := s.Get("suite"); got != "x" {
		t.Errorf("Get = %q", got)
	}
	if got := s.Get("none"); got != "" {
		t.Errorf("Get of what is not there = %q", got)
	}
	for s := range debian.Stanzas([]byte("SHA256:\n a 1 x\n  b 2 y\nSuite: x\n")) {
		if got := s.Lines("SHA256"); !slices.Equal(got, []string{"a 1 x", "b 2 y"}) {
			t.Errorf("Lines = %q", got)
		}
	}
}

// FuzzStanzas wants that a text is cut into what it consists of: every line of
// a stanza is the text's, in order, and no stanza is empty.
func FuzzStanzas(f *testing.F) {
	f.Add([]byte("A: 1\n b\n\n\nB:\n \nC:3"))
	f.Fuzz(func(t *testing.T, text []byte) {
		var joined []byte
		for s := range debian.Stanzas(text) {
			if strings.Trim(string(s), " \t\r\n") == "" {
				t.Errorf("an empty stanza in %q", text)
			}
			joined = append(joined, s...)
			for name, value := range s.Fields() {
				if !strings.Contains(string(s), string(name)) || !strings.Contains(string(s), string(value)) {
					t.Errorf("field %q = %q is not in %q", name, value, s)
				}
			}
		}
		squeeze := func(b []byte) string { return strings.Join(strings.Fields(string(b)), " ") }
		if squeeze(joined) != squeeze(text) {
			t.Errorf("stanzas of %q have %q", text, joined)
		}
	})
}
