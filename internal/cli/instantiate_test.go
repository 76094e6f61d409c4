package cli

import (
	"bytes"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// asNixInstantiate runs the program under that name.
func asNixInstantiate(t *testing.T, vars []string, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	dir, err := filepath.Abs("testdata/instantiate")
	if err != nil {
		t.Fatal(err)
	}
	var out, errs bytes.Buffer
	env := &Env{Args: append([]string{"/usr/bin/" + nixInstantiate}, args...), Environ: vars, Dir: dir,
		Stdin: strings.NewReader("1 + 2"), Stdout: &out, Stderr: &errs, Now: time.Now}
	code = run(t.Context(), env)
	return code, out.String(), errs.String()
}

// typed splits a command line at its spaces, except between single quotes.
func typed(line string) (args []string) {
	for i, part := range strings.Split(line, "'") {
		if i%2 == 1 {
			args = append(args, part)
		} else {
			args = append(args, strings.Fields(part)...)
		}
	}
	return args
}

// instantiateCases are command lines with which ours does the same as Nix's.
var instantiateCases = []string{
	"--eval -A x", "--eval --strict -A l", "--eval -A l", "--eval -E '(x: [ x ]) { b = 2; }'", "--eval -E '{ a = { b = 1; }; c = [ 1 2 ]; }'", "--eval --xml -A l",
	"--eval --xml --no-location -A f", "--eval -A l.1.b", "--eval -A l.1.c", "--eval -A l.9", "--eval -A x.y", "--eval -A nope",
	"--eval -A s..b", "--eval --arg x '[ 1 2 ]' -A x", "--eval --argstr x hello -A x", "--eval -E '1 + 1' '2 + 2'", "--eval '1 + 1' -E",
	"--eval -E '<foo>' -I foo=./lib", "--eval -E 'import <lib>' -I .", "--eval -E 'import <lib>' -I./", "--eval -E 'import <lib>' -I ./nothere", "--find-file lib -I .",
	"--find-file nope -I .", "--parse -E 'let'", "--parse -E '1 + 2 * 3 - 4 <= -5'", "--parse -E 'unknown'", "--parse -E '_'",
	"--parse -E 'with { }; { a, b, f }: [ ((f a) b) (f (a b)) ((a - b) f) ((-a) b) (<x> a) (map or a) ((!a) b) ((a <= b) f) ]'", "--parse -E 'with { }; unknown'",
	"--parse -E 'a: { b, c ? 1, ... }@d: [ (a.b or c) (c ? d.${b}) (a == b -> !c) ]'", "--parse -E '\"a${toString ./x}b\" + <nixpkgs>'", "--parse -E 'let a = { x.y = 1; z = 2; }; in if true then a else assert false; x: 1.5'", "--eval other.nix -A q", "--eval default.nix other.nix -A q", "--eval nothere.nix", "--eval --bogus",
	"--dry-run -A n", "--dry-run -A m", "--dry-run -A a", "--dry-run -A x", "--eval -E '{ x }: x' --arg x 1", "--eval -E '{ x }: x'",
	"--eval -E 'x: x' --arg x 1", "--eval-only --show-trace -E 'throw \"x\"'", "--eval --timeout 5 -E 1", "--eval -E '\"a\" + 1'", "--eval --arg x",
	"--eval -E '{ a = 1; b = { c = 2; }; }' -A b.c -A a", "--eval -E '{ \"x.y\" = 3; }' -A '\"x.y\"'", "--eval -",
	"--eval -A a.outPath", "--eval --option cores 1 --extra-experimental-features flakes -E 1", "--eval -A f", "--eval", "--eval -E",
	"--dry-run other.nix -A one", "--dry-run other.nix -A lists", "--dry-run other.nix -A mixed", "--dry-run other.nix -A inner",
	"--eval -E '{ f = x: x; g = { a ? 1 }: a; }'", "--eval -E 'let f = x: x; in [ f (f f) f ]'", "--eval -E '[ (x: x) ]'",
	"--eval --xml", "--eval --xml --strict -A l", "--eval --xml --strict -A f",
	"--eval --json --xml --strict -E '[ 1 ]'",
	"--eval <foo> -I foo=lib", "--eval <nothere> -I foo=lib", "--eval <foo/default.nix> -I foo=lib", "--parse <foo> -I foo=lib",
	"--eval -vv -E 1", "--eval -j8 -E 1", "--eval -QE 1", "--eval -QA x", "--eval --no-sandbox --builders '' -E 1", "--eval --no-allow-import-from-derivation -E 1",
	"--eval --system aarch64-linux -E builtins.currentSystem", "--eval --option system aarch64-linux -E builtins.currentSystem",
	"--eval --pure-eval -E 'builtins.readFile ./other.nix'", "--eval --pure-eval -E 'builtins.currentTime or 7'", "--eval --pure-eval -E 'builtins.getEnv \"HOME\"'",
	"--eval --pure-eval -E ./other.nix", "--eval --pure-eval --impure -E 'builtins.pathExists ./other.nix'", "--eval --pure-eval -E '<foo>' -I foo=lib", "--eval --pure-eval other.nix -A q",
	"--eval --restrict-eval -E 'builtins.pathExists ./other.nix'", "--eval --restrict-eval -E 'import <foo>' -I foo=lib", "--eval --restrict-eval other.nix -A q",
	"--eval --restrict-eval other.nix -A q -I .", "--eval --restrict-eval -E 'import ./lib' -I foo=lib", "--eval --restrict-eval -E 'import ./lib/../other.nix' -I foo=lib",
	"--eval --restrict-eval -E 'builtins.attrNames (builtins.readDir ./.)' -I foo=lib", "--eval --strict --restrict-eval -E 'builtins.attrNames (builtins.readDir ./lib)' -I foo=lib",
	"--eval --option restrict-eval true -E 'builtins.readFile /etc/passwd'", "--eval --option pure-eval true -E 'builtins.readFile /etc/passwd'",
	"--eval -E '{ a = 1; }' -A 'a\"'", "--eval -E '{ a = 1; }' -A a.", "--eval -E '{ a = 1; }' -A .", "--eval -E '{ a = 1; }' -A '\"a\".'",
	"--eval --strict -E 'builtins.findFile [ { path = ./lib; prefix = \"foo\"; } ] \"foo\"'", "--eval -E '(builtins.tryEval <nothere>).success'",
	"--eval --strict -E 'derivation { name = \"a\"; builder = \"b\"; system = \"s\"; outputs = [ \"out\" \"dev\" ]; }'", "--eval -E 'derivation { name = \"a\"; builder = \"b\"; system = \"s\"; outputs = [ \"out\" \"dev\" ]; }'", "--eval -E 'derivation { name = \"a\"; builder = \"b\"; system = \"s\"; outputs = [ \"out\" \"dev\" ]; }' -A dev",
	"--eval --strict -E 'let d = derivation { name = \"a\"; builder = \"b\"; system = \"s\"; outputs = [ \"out\" \"dev\" \"c\" ]; }; in [ d.c d.all d ]'",
	"--eval --strict -E 'let x = { a = [ x 1 ]; }; in x.a'", "--eval --strict -E 'let x = [ 1 2 ]; y = [ 1 2 3 ]; f = z: z; in [ x (f x) x (f y) y [ x y ] { a = y; } ]'",
	"--dry-run other.nix -A twice", "--dry-run other.nix -A functions", "--dry-run other.nix -A needs", "--dry-run other.nix -A odd", "--dry-run other.nix -A dev",
}

func TestInstantiateAgainstNix(t *testing.T) {
	program, err := exec.LookPath(nixInstantiate)
	if err != nil {
		t.Skip("nix-instantiate is not installed; apt-get install nix-bin")
	}
	state := t.TempDir()
	for _, line := range instantiateCases {
		args := typed(line)
		cmd := exec.CommandContext(t.Context(), program, args...)
		cmd.Dir = "testdata/instantiate"
		cmd.Env = []string{"NIX_REMOTE=dummy://", "NIX_STATE_DIR=" + state, "HOME=" + state, "NIX_CONFIG=substituters =\nexperimental-features = nix-command flakes"}
		cmd.Stdin = strings.NewReader("1 + 2")
		theirs, err := cmd.Output()
		theirCode := 0
		if err != nil {
			theirCode = 1
		}
		code, ours, said := asNixInstantiate(t, nil, args...)
		if code != theirCode || ours != string(theirs) {
			t.Errorf("%s\nexits %d and prints %q %s\nNix exits %d and prints %q", line, code, ours, said, theirCode, theirs)
		}
		if code != 0 && said == "" {
			t.Errorf("%s: fails in silence", line)
		}
	}
}

// What differs on purpose, and what Nix 2.8 has not.
func TestInstantiate(t *testing.T) {
	for _, c := range []struct {
		line, vars       string
		code             int
		stdout, inStderr string
	}{
		{"--eval --json -E '{ b = 1.5; a = [ null true ]; }'", "", 0, "{\"a\":[null,true],\"b\":1.5}\n", ""},
		{"--eval --raw -E '\"x\\n\"'", "", 0, "x\n", ""},
		{"--eval --raw -E 1", "", 1, "", "«expr»:1:1: cannot coerce an integer to a string: 1"},
		{"--eval --json -E '\n x: x'", "", 1, "", "«expr»:2:2: cannot convert a function to JSON"},
		{"--parse -E '1 + 2 * 3'", "", 0, "(1 + (__mul 2 3))\n", ""},
		{"--parse -E 'rec { b = 1; inherit (b) d c; ${b} = ~/x; a = -b; }'", "HOME=/home", 0, "rec { inherit (b) c d; a = (__sub 0 b); b = 1; \"${b}\" = /home/x; }\n", ""},
		{"--parse -E 'let port = 1; in prot'", "", 1, "", "«expr»:1:18: undefined variable 'prot'"},
		{"--parse -E 'let'", "", 1, "", "«expr»:1:4: unexpected end of the file"},
		{"-A a", "", 1, "", "hint: --eval evaluates, and --dry-run prints the paths"},
		{"--eval -A system", "", 1, "", "attribute 'system' in selection path 'system' not found"},
		{"--eval -E '{ port = 1; }' -A prot", "", 1, "", "did you mean \"port\"?"},
		{"--eval --max-call-depth 30 -E 'let f = n: if n == 0 then 0 else 1 + f (n - 1); in f 50'", "", 1, "", "max-call-depth exceeded"},
		{"--eval --max-call-depth none -E 1", "", 1, "", "--max-call-depth needs a number, not \"none\""},
		{"--eval --trace-verbose -A t", "", 0, "5\n", "trace: tv"},
		{"--eval -A t", "", 0, "5\n", ""},
		{"--eval -A w", "", 0, "6\n", "evaluation warning: careful"},
		{"--eval -A w", "NIX_ABORT_ON_WARN=1", 1, "", "aborting at the warning: careful"},
		{"--eval -E '<lib>'", "NIX_PATH=nixpkgs=https://example.org/x.tar.gz:lib=" + "./lib", 0, "LIB\n", ""},
		{"--eval -E '<nixpkgs>'", "NIX_PATH=nixpkgs=https://example.org/x.tar.gz:lib=./lib", 1, "", "file 'nixpkgs' was not found in the search path"},
		{"--eval -E 1 -I nixpkgs=channel:nixos-26.05", "", 0, "1\n", ""},
		{"--eval -E '<nixpkgs/lib>' -I nixpkgs=channel:nixos-26.05", "", 1, "", "nixpkgs=channel:nixos-26.05 would have to be downloaded: unpack it, and name the folder with -I nixpkgs=FOLDER"},
		{"--eval -E '<lib>' -I https://example.org/x.tar.gz -I lib=lib", "", 0, "LIB\n", ""},
		{"--eval --strict -E 'map (e: e.path) builtins.nixPath' -I nixpkgs=flake:nixpkgs -I lib", "", 0, "[ \"flake:nixpkgs\" \"LIB\" ]\n", ""},
		{"--eval https://example.org/x.tar.gz", "", 1, "", "would have to be downloaded\nhint: unpack it"},
		{"--eval -E 'builtins.findFile [ { path = \"lib\"; prefix = \"\"; } ] \"x\"'", "", 1, "", "the path \"lib\" of the search path is relative"},
		{"--eval --xml --strict --json -E '[ 1 ]'", "", 0, "[1]\n", ""},
		{"--eval --restrict-eval -E 'import ./other.nix'", "", 1, "", "access is forbidden in restricted mode"},
		{"--eval --restrict-eval other.nix -A q", "", 1, "", "in restricted mode; name a folder that may be read with -I"},
		{"--eval -E 'builtins.readFile ./other.nix'", "NIX_CONFIG=pure-eval = true", 1, "", "access is forbidden in pure evaluation mode"},
		{"--version", "", 0, "nix-instantiate (nix2gpu) 2.31.0\n", ""},
		{"--eval --option abort-on-warn true -A w", "", 1, "", "aborting at the warning: careful"},
		{"--eval -A w", "NIX_CONFIG=abort-on-warn = true", 1, "", "aborting at the warning: careful"},
		{"--eval --option abort-on-warn false -A w", "NIX_CONFIG=abort-on-warn = true", 0, "6\n", "evaluation warning: careful"},
		{"--eval --option trace-verbose true -A t", "", 0, "5\n", "trace: tv"},
		{"--eval --option max-call-depth 30 -E 'let f = n: if n == 0 then 0 else 1 + f (n - 1); in f 50'", "", 1, "", "max-call-depth exceeded"},
		{"--eval --option max-call-depth none -E 1", "", 1, "", "--option: max-call-depth must be a number of 1 or more, not \"none\""},
		{"--eval --option lint-url-literals warn -E http://a.b", "", 0, "\"http://a.b\"\n", "warning: «expr»:1:1: the URL http://a.b has no quotes (lint-url-literals): write \"http://a.b\"\n"},
		{"--eval --option lint-url-literals fatal -E '[ http://a.b ]'", "", 1, "", "«expr»:1:3: the URL http://a.b has no quotes (lint-url-literals)"},
		{"--eval --lint-short-path-literals warn -E 'x: a/b'", "", 0, "<LAMBDA>\n", "«expr»:1:4: the path a/b does not begin with ./ (lint-short-path-literals): write ./a/b\n"},
		{"--eval --lint-short-path-literals fatal -E '[ /a ~/a <a> ./a/${\"b\"} (toString ./a) (toString ../a) ]'", "HOME=/", 0, "[ /a /a <CODE> <CODE> <CODE> <CODE> ]\n", ""},
		{"--eval --lint-absolute-path-literals fatal -E ~/x", "HOME=/", 1, "", "write a path that is relative to the file, or a string"},
		{"--eval --lint-absolute-path-literals warn -E '/x/${\"b\"}'", "", 0, "/x/b\n", "«expr»:1:1: the path /x/ is another one, or none, on other machines (lint-absolute-path-literals)"},
		{"--eval --lint-absolute-path-literals fatal -E '[ (toString ./a) (toString a/b) <a> ]'", "", 0, "[ <CODE> <CODE> <CODE> ]\n", ""},
		{"--eval --lint-url-literals ignore -E http://a.b", "NIX_CONFIG=lint-url-literals = fatal # or not", 0, "\"http://a.b\"\n", ""},
		{"--eval -E http://a.b", "NIX_CONFIG=cores = 2\nlint-url-literals = loud", 1, "", "NIX_CONFIG: lint-url-literals must be ignore, warn or fatal, not \"loud\""},
		{"--parse --lint-url-literals fatal -E 'x: http://a.b'", "", 1, "", "has no quotes"},
		{"--eval --json other.nix -A place", "", 0, "\"DIR/other.nix\"\n", ""},
		{"--eval --raw --extra-experimental-features parse-toml-timestamps -E '(fromTOML \"a = 1979-05-27 07:32:00.5Z\").a.value'", "", 0, "1979-05-27T07:32:00.500Z", ""},
		{"--eval --raw --option experimental-features 'flakes parse-toml-timestamps' -E '(fromTOML \"a = 07:32:00\").a._type'", "", 0, "timestamp", ""},
		{"--eval --strict -E 'fromTOML \"a = 07:32:00.25\"'", "", 1, "", "dates and times are not supported"},
		{"--bogus", "", 1, "", "unrecognised option '--bogus'"},
		{"--eval --argstr x", "", 1, "", "--argstr needs two words behind it"},
		{"--help", "", 0, instantiateHelp, ""},
	} {
		args := typed(c.line)
		var vars []string
		if c.vars != "" {
			vars = []string{c.vars}
		}
		lib, err := filepath.Abs("testdata/instantiate/lib")
		if err != nil {
			t.Fatal(err)
		}
		code, stdout, stderr := asNixInstantiate(t, vars, args...)
		if code != c.code || stdout != strings.NewReplacer("LIB", lib, "DIR", filepath.Dir(lib)).Replace(c.stdout) || !strings.Contains(stderr, c.inStderr) || c.inStderr == "" && stderr != "" {
			t.Errorf("%s %s\nexits %d, prints %q and %q\nwant  %d, %q and %q", c.vars, c.line, code, stdout, stderr, c.code, c.stdout, c.inStderr)
		}
	}
}

func TestSplitNixPath(t *testing.T) {
	for text, want := range map[string]string{
		"": "", "a": "a", "a:b": "a b", "x=a:y=b": "x=a y=b", ":a::b:": "a b",
		"nixpkgs=https://a.org/b.tar.gz:c": "nixpkgs=https://a.org/b.tar.gz c",
		"nixpkgs=channel:nixos:c":          "nixpkgs=channel:nixos c", "flake:x:y": "flake:x y", "https://a:b": "https://a b",
	} {
		if got := strings.Join(splitNixPath(text), " "); got != want {
			t.Errorf("splitNixPath(%q) = %q, want %q", text, got, want)
		}
	}
}
