package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestMain lets this program be called as nix-instantiate, as the real one is.
func TestMain(m *testing.M) {
	if filepath.Base(os.Args[0]) == instantiate {
		os.Exit(standIn(os.Args[1:], os.Stdout, os.Stderr))
	}
	os.Exit(m.Run())
}

// The tests of a library are counted with it, and with ours in its place.
func TestNixpkgs(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, map[string]string{
		"nixpkgs-1/lib/default.nix": `{ runTests = tests: [ ]; head = list: 1; theirs = throw "theirs"; wrong = throw "wrong"; both.list = [ 1 2 ]; }`,
		"nixpkgs-1/lib/tests/misc.nix": `let lib = import ../default.nix; in lib.runTests {
  testHead = { expr = lib.head [ 1 2 ]; expected = 1; };
  testTheirs = { expr = lib.theirs; expected = 2; };
  testLast = { expr = lib.last [ 1 2 ]; expected = 2; };
  other = { };
}`,
		// Both fail in the second case, and ours alone does not in the third.
		"nixpkgs-1/lib/tests/modules.sh": `cd "$(dirname "$0")"
pass=0; fail=0
check() {
	if out=$(nix-instantiate --timeout 1 --eval --json "$@" 2>&1); then got=value; else case "$out" in *wrong*) got=error ;; *) got=other ;; esac; fi
	if [ $got = $WANT ]; then pass=$((pass + 1)); else
		fail=$((fail + 1)); echo "$ nix-instantiate $*"; echo "$out"; echo "EXPECTED: $WANT"; echo "TEST FAILED at $0:$fail"
	fi
}
WANT=value; check -E 'import ../.' -A 'head [ 1 2 ]'
WANT=error; check -E 'import ../.' -A 'wrong'
WANT=error; check -E '{ wrong = (import ../.).last [ 1 ]; }' -A wrong
WANT=value; check -E '{ "a.b" = [ 1 { c = (import ../.).head [ 1 ]; } ]; }' -A '"a.b".1.c'
WANT=value; check ./file.nix
WANT=error; check --option abort-on-warn true -E 'builtins.warn "wrong" 1' -A ''
echo "$pass Pass"
echo "$fail Fail"
[ $fail = 0 ]
`,
		"nixpkgs-1/lib/tests/systems.nix":  `let lib = import ../default.nix; in lib.runTests { testHead = { expr = lib.head [ 1 ]; expected = 1; }; }`,
		"nixpkgs-1/lib/tests/fetchers.nix": `let lib = import ./..; in lib.runTests { testHead = { expr = lib.head [ 2 ]; expected = 1; }; }`,
		// What is in the store is looked at, and what is in it as a link.
		"nixpkgs-1/lib/tests/sources.sh": `export NIX_PATH=nixpkgs="$(cd "$(dirname "$0")/../.."; pwd)"
cd "$(mktemp -d)"; mkdir a; echo text > a/b; ln -s b a/c; echo other > d; chmod +x a/b
path=$(nix-instantiate --eval --strict --json --read-write-mode --expr '"${builtins.path { path = ./.; name = "x"; filter = p: _: baseNameOf p != "d"; }}/a"' | cut -d '"' -f 2)
[ -x "$path/b" ] && [ "$(cat "$path/c")" = text ] && [ ! -e "$path/../d" ] && [ "$(nix-instantiate --eval --expr '(import <nixpkgs/lib>).head [ { a = 1; } ]')" != 2 ]
`,
		"nixpkgs-1/lib/tests/filesystem.sh": `nix-instantiate --eval --expr 'true'; echo 'test case failed: x'; exit 1
`,
		"nixpkgs-1/lib/path/tests/unit.nix": `{ libpath }: (import libpath).head [ 2 ]`,
		"nixpkgs-1/lib/services/test.nix":   `1`,
		"nixpkgs-1/lib/tests/file.nix":      `(import ../.).head [ 1 ]`,
		// It knows what the script asks only by the words.
		"program": `#!/bin/sh
case "$*" in *wrong*) echo 'a.nix:1:1: wrong' >&2; exit 1 ;; *) echo 1 ;; esac
`,
	})
	var out strings.Builder
	if err := run(dir, filepath.Join(dir, "program"), &out); err != nil {
		t.Fatal(err)
	}
	const want = `nixpkgs-1: tests/misc.nix, with nixpkgs' lib: 1 of 3 pass
  testLast             DIR/nixpkgs-1/lib/tests/misc.nix:4:27: attribute 'last' missing
  testTheirs           DIR/nixpkgs-1/lib/default.nix:1:51: theirs
nixpkgs-1: tests/systems.nix, with nixpkgs' lib: 1 of 1 pass
nixpkgs-1: tests/fetchers.nix, with nixpkgs' lib: 1 of 1 pass
nixpkgs-1: tests that end at the first failure, with nixpkgs' lib: 2 of 3 pass
  tests/filesystem.sh  test case failed: x
  services/test.nix    not run: it needs modules/generic/meta-maintainers.nix
nixpkgs-1: tests/modules.sh, with nixpkgs' lib: 6 of 6 pass
nixpkgs-1: tests/misc.nix, with the lib of nix2gpu: 2 of 3 pass
  testTheirs           DIR/nixpkgs-1/lib/tests/misc.nix:3:29: attribute 'theirs' missing
nixpkgs-1: tests/systems.nix, with the lib of nix2gpu: 1 of 1 pass
nixpkgs-1: tests/fetchers.nix, with the lib of nix2gpu: 0 of 1 pass
  testHead             2, not 1
nixpkgs-1: tests that end at the first failure, with the lib of nix2gpu: 2 of 3 pass
  tests/filesystem.sh  test case failed: x
  services/test.nix    not run: it needs modules/generic/meta-maintainers.nix
nixpkgs-1: tests/modules.sh, with the lib of nix2gpu: 5 of 6 pass
  modules.sh:1         1 (error was expected)
`
	if got := strings.ReplaceAll(out.String(), dir, "DIR"); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}
