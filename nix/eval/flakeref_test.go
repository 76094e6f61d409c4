package eval_test

import (
	"strings"
	"testing"

	"nix2gpu/nix/eval"
)

// A reference that is none is refused with the reason, which says what to write.
func TestWrongFlakeReferences(t *testing.T) {
	for expr, want := range map[string]string{
		`parseFlakeRef ""`:                   "the path is empty",
		`parseFlakeRef "./rel"`:              "a path must be absolute here",
		`parseFlakeRef "a b"`:                "a path must be absolute here",
		`parseFlakeRef "github:owner"`:       "a repository is github:OWNER/NAME",
		`parseFlakeRef "github:o/r/b?ref=c"`: "names two commits",
		`parseFlakeRef "github:o/r?ref=c&rev=${builtins.substring 0 40 (builtins.hashString "sha1" "x")}"`: "names two commits",
		`parseFlakeRef "github:o/r?foo=1"`:                       `unknown parameter "foo"`,
		`parseFlakeRef "nope:x"`:                                 `"nope" must be flake`,
		`parseFlakeRef "nixpkgs#hello"`:                          `must end before "#hello"`,
		`parseFlakeRef "nixpkgs/a/b"`:                            "must be a branch, a tag or a commit",
		`parseFlakeRef "flake:1"`:                                "NAME/BRANCH",
		`parseFlakeRef "path://host/x"`:                          "a path has no host",
		`parseFlakeRef "path:/x?lastModified=soon"`:              "lastModified must be a number",
		`parseFlakeRef "path:/a b/%zz"`:                          "invalid URL escape",
		`flakeRefToString { }`:                                   "needs a type",
		`flakeRefToString { type = "nope"; }`:                    `"nope" must be one of`,
		`flakeRefToString { type = "github"; }`:                  `"github" needs "owner"`,
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
