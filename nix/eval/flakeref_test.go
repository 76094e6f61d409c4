package eval_test

import (
	"strings"
	"testing"

	"nix2gpu/nix/eval"
)

// A reference that is none is refused with the reason, which says what to write.
func TestWrongFlakeReferences(t *testing.T) {
	for expr, want := range map[string]string{
		`parseFlakeRef ""`:                                       "it is empty",
		`parseFlakeRef "./rel"`:                                  "a path must be absolute here",
		`parseFlakeRef "a b"`:                                    "a path must be absolute here",
		`parseFlakeRef "github:owner"`:                           "it must be github:owner/repo",
		`parseFlakeRef "github:o/r/b?ref=c"`:                     "it has two of ref",
		`parseFlakeRef "github:o/r?ref=c&rev=d"`:                 "it has both ref and rev",
		`parseFlakeRef "github:o/r?foo=1"`:                       "it has an unknown parameter foo",
		`parseFlakeRef "nope:x"`:                                 "there are no references of the kind nope",
		`parseFlakeRef "nixpkgs#hello"`:                          "leave out what begins with #",
		`parseFlakeRef "nixpkgs/a/b"`:                            "after the name there may be",
		`parseFlakeRef "flake:1"`:                                "a name of the registry",
		`parseFlakeRef "path://host/x"`:                          "a path has no host",
		`parseFlakeRef "path:/x?lastModified=soon"`:              "lastModified must be a number",
		`parseFlakeRef "https://a b/%zz"`:                        "it is not a URL",
		`flakeRefToString { }`:                                   "needs the attribute 'type'",
		`flakeRefToString { type = "nope"; }`:                    "there are no flake references of the type 'nope'",
		`flakeRefToString { type = "github"; }`:                  "of type 'github' needs the attribute 'owner'",
		`flakeRefToString { type = "path"; path = 1; x = [ ]; }`: "must be a string, a number or a boolean, not a list",
	} {
		got, err := print(t, eval.Options{}, "line", "builtins."+expr)
		if err == nil {
			t.Errorf("%s gives %s", expr, got)
		} else if !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", expr, err, want)
		}
	}
}
