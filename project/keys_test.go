package project_test

import (
	"testing"

	"nix2gpu/project"
)

func TestParseTyped(t *testing.T) {
	for text, want := range map[string]string{
		``: "", `q`: "q", `q\r`: "q\r", `\x03`: "\x03", `\xFf日本`: "\xff日本", `a\\x03`: `a\x03`,
		`\n\t\e\0\a\b\f\v`: "\n\t\x1b\x00\a\b\f\v", `\e[A`: "\x1b[A",
	} {
		if got, err := project.ParseTyped(text); err != nil || string(got) != want {
			t.Errorf("%s: got %q, %v, want %q", text, got, err, want)
		}
	}
	for _, bad := range []string{`\`, `\x`, `\x0`, `\xg0`, `\x+1`, `\q`, `a\`, `\x1日`} {
		if got, err := project.ParseTyped(bad); err == nil {
			t.Errorf("%s was taken as %q", bad, got)
		}
	}
}
