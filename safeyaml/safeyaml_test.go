package safeyaml_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/goccy/go-yaml/ast"

	"nix2gpu/safeyaml"
)

// laughs returns a text whose aliases stand for 9^n values.
func laughs(n int) string {
	text := "a0: &a0 [x, x, x, x, x, x, x, x, x]\n"
	for i := 1; i < n; i++ {
		text += fmt.Sprintf("a%d: &a%d [%s]\n", i, i, strings.TrimSuffix(strings.Repeat(fmt.Sprintf("*a%d, ", i-1), 9), ", "))
	}
	return text
}

func nested(n int) string { return strings.Repeat("[", n) + strings.Repeat("]", n) }

func TestRead(t *testing.T) {
	for name, c := range map[string]struct{ text, want string }{
		"nothing":          {"", ""},
		"a comment":        {"# only\n", ""},
		"a value":          {"a: 1\n", ""},
		"an empty first":   {"---\n---\na: 1\n", ""},
		"largest":          {strings.Repeat("#", safeyaml.MaxBytes), ""},
		"too large":        {strings.Repeat("#", safeyaml.MaxBytes+1), "is larger than 8 MiB"},
		"deepest":          {nested(safeyaml.MaxDepth + 1), ""},
		"too deep":         {nested(safeyaml.MaxDepth + 2), fmt.Sprintf("1:%d: nests more than 100 levels deep", safeyaml.MaxDepth+2)},
		"brackets":         {strings.Repeat("[", 100_000), "nests more than 100 levels deep"},
		"braces":           {strings.Repeat("{a: ", 50_000), "nests more than 100 levels deep"},
		"dashes":           {strings.Repeat("- ", 50_000), "nests more than 100 levels deep"},
		"ids on one line":  {`["` + strings.Repeat("6ba7b810-9dad-11d1-80b4-00c04fd430c8 is this - or that?", 300) + `"]`, ""},
		"closed before":    {strings.Repeat("]", 2000) + strings.Repeat("[", 1001), "nests more than 100 levels deep"},
		"few aliases":      {laughs(4), ""},
		"many aliases":     {laughs(12), "5:30: more than 50000 values, with aliases written out"},
		"most values":      {"- x\n" + strings.Repeat("- x\n", safeyaml.MaxValues-2), ""},
		"too many values":  {"- x\n" + strings.Repeat("- x\n", safeyaml.MaxValues-1), "50000:3: more than 50000 values, with aliases written out"},
		"two documents":    {"a: 1\n---\nb: 2\n", "3:2: a file must hold one document only, and this is a second one"},
		"a byte order":     {"\ufeffa: 1\n", ""},
		"UTF-16":           {"\xff\xfea\x00", "1:1: is not UTF-8: save the file in that encoding"},
		"Latin-1":          {"é: 1\nb: é \xe9\n", "2:6: is not UTF-8: save the file in that encoding"},
		"not closed":       {"a: [1\n", "1:4: sequence end token ']' not found"},
		"of the library's": {"a: !!x\n b: 1\n- c", "3:1: non-map value is specified"},
	} {
		t.Run(name, func(t *testing.T) {
			built := 0
			err := safeyaml.Read([]byte(c.text), func(ast.Node) { built++ })
			got := ""
			if err != nil {
				got = err.Error()
			}
			if got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
			if want := map[bool]int{true: 1, false: 0}[err == nil]; built != want {
				t.Errorf("built %d times, want %d", built, want)
			}
		})
	}
}

func TestReadGivesTheRoot(t *testing.T) {
	for text, want := range map[string]bool{"": false, "a: 1": true, "x": true} {
		if err := safeyaml.Read([]byte(text), func(root ast.Node) {
			if (root != nil) != want {
				t.Errorf("%q has the root %v", text, root)
			}
		}); err != nil {
			t.Error(err)
		}
	}
}

func TestAPanicIsASyntaxError(t *testing.T) {
	err := safeyaml.Read([]byte("a: 1"), func(ast.Node) { panic("a node without a token") })
	var bad *safeyaml.Error
	if !errors.As(err, &bad) || bad.Error() != "is not valid YAML" || bad.Line != 0 {
		t.Errorf("got %v", err)
	}
}

// Any text is read or refused, and at once.
func FuzzRead(f *testing.F) {
	f.Add([]byte("a: &x {b: [*x, !!str 1, |\n c]}"))
	f.Add([]byte(laughs(3)))
	f.Fuzz(func(t *testing.T, text []byte) {
		_ = safeyaml.Read(text, func(root ast.Node) {
			if root != nil {
				_ = root.GetToken()
			}
		})
	})
}
