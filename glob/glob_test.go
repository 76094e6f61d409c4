package glob_test

import (
	"strings"
	"testing"

	"nix2gpu/glob"
)

func TestMatch(t *testing.T) {
	for _, c := range []struct {
		pattern  string
		yes, not string // paths
	}{
		{"*.go", "a.go .go", "a/b.go a.goo go"},
		{"**/*_test.go", "a_test.go x/y/a_test.go", "a.go x/a_test.gop"},
		{"**/testdata/**", "testdata testdata/a x/testdata/y/z", "testdatas x/atestdata/y"},
		{"generated/**", "generated generated/a generated/a/b", "x/generated generate"},
		{"a/**/b", "a/b a/x/b a/x/y/b", "a ab a/b/c"},
		{"**", "a a/b", ""},
		{"a**b/c", "ab/c axyb/c", "a/b/c axb"},
		{"?[a-c].{ts,tsx}", "xa.ts xc.tsx", "a.ts xd.ts xa.tsxx"},
		{"{a,b{c,d}}/x", "a/x bc/x bd/x", "b/x c/x ax"},
		{"{,x}a", "a xa", "x"},
		{`\{a\,b`, "{a,b", "a b"},
		{"{a,b}{1,2}", "a1 a2 b1 b2", "a b 1"},
		{"日*", "日本", "本日"},
		{"[", "", "["}, {"{a", "", "{a a"},
	} {
		for name := range strings.FieldsSeq(c.yes) {
			if !glob.Match(c.pattern, name) {
				t.Errorf("%q does not stand for %q", c.pattern, name)
			}
		}
		for name := range strings.FieldsSeq(c.not) {
			if glob.Match(c.pattern, name) {
				t.Errorf("%q stands for %q", c.pattern, name)
			}
		}
	}
}

func TestCheck(t *testing.T) {
	for _, bad := range []string{"", "[", "a/[b", "{a", "{a,{b}", `a\`, strings.Repeat("{a,b}", 11)} {
		if glob.Check(bad) == nil {
			t.Errorf("%q was taken", bad)
		}
	}
	for _, good := range []string{"a", "**", "}", "a,b", strings.Repeat("{a,b}", 9)} {
		if err := glob.Check(good); err != nil {
			t.Errorf("%q: %v", good, err)
		}
	}
}

// A path without special characters is a pattern for itself.
func FuzzMatch(f *testing.F) {
	f.Add("{a,b{c,d}}/**/x[!a]", "bc/y/xb")
	f.Add("**/**/**/**/**/**/a", "b/b/b/b/b/b/b/b/b/b/b")
	f.Fuzz(func(t *testing.T, pattern, name string) {
		if len(pattern) > 100 || len(name) > 1000 {
			return
		}
		if glob.Match(pattern, name) && strings.Contains(name, "/") && !glob.Match("**/"+name, name) && !strings.ContainsAny(name, `*?[\\{`) {
			t.Errorf("%q does not stand for itself, anywhere", name)
		}
		if !strings.ContainsAny(name, `*?[\{`) && name != "**" && !glob.Match(name, name) {
			t.Errorf("%q does not stand for itself", name)
		}
	})
}
