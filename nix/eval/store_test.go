package eval_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"nix2gpu/nix/eval"
)

// newSource makes a folder that has all that can be in a source.
func newSource(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "src")
	for _, sub := range []string{"sub", "empty"} {
		if err := os.MkdirAll(filepath.Join(dir, sub), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for name, text := range map[string]string{"a.txt": "hi\n", "B": strings.Repeat("x", 8), "sub/run": "#!/bin/sh\n", "sub/nothing": ""} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chmod(filepath.Join(dir, "sub/run"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("a.txt", filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	return dir
}

// withStore makes the oracle write to a store of its own, so that it can read what it has
// put there.
func (o oracle) withStore(t *testing.T) oracle {
	root := t.TempDir()
	t.Cleanup(func() { // the store makes its folders read-only
		_ = filepath.Walk(root, func(name string, info os.FileInfo, err error) error {
			if err == nil && info.IsDir() {
				err = os.Chmod(name, 0o700)
			}
			return err
		})
	})
	o.args = []string{"--read-write-mode", "--store", "local?root=" + root}
	var env []string
	for _, e := range o.env {
		if !strings.HasPrefix(e, "NIX_REMOTE=") && !strings.HasPrefix(e, "NIX_STATE_DIR=") && !strings.HasPrefix(e, "NIX_CONFIG=") {
			env = append(env, e)
		}
	}
	o.env = append(env, "NIX_CONFIG=substituters =\nbuild-users-group =\nexperimental-features = nix-command flakes ca-derivations")
	o.opts = eval.Options{Store: true}
	return o
}

// TestStoreAgainstNix compares the lines of testdata/store.txt with a Nix that has a
// store.
func TestStoreAgainstNix(t *testing.T) {
	o := newOracle(t).withStore(t)
	src := newSource(t)
	var lines []string
	for _, line := range strings.Split(readFile(t, "testdata/store.txt"), "\n") {
		if line != "" && line[0] != '#' {
			lines = append(lines, strings.ReplaceAll(line, "SRC", src))
		}
	}
	if len(lines) < 30 {
		t.Fatalf("%d lines", len(lines))
	}
	o.compare(t, lines)
}

// TestRandomDerivationsAgainstNix compares the files of derivations that need each other,
// in every way that there is.
func TestRandomDerivationsAgainstNix(t *testing.T) {
	o := newOracle(t).withStore(t)
	r := randomDerivations{randomProgram{rand.New(rand.NewPCG(*seed, 1))}, newSource(t)}
	programs := make([]string, 40)
	for i := range programs {
		programs[i] = r.program(3 + r.IntN(6))
	}
	o.compare(t, programs)
}

type randomDerivations struct {
	randomProgram
	src string
}

// program writes a let with n derivations, each of which may use those before it, and
// prints the paths of all.
func (r randomDerivations) program(n int) string {
	var b strings.Builder
	b.WriteString("let ")
	var names, uses []string // uses are expressions that refer to those before
	use := func() string {
		if len(uses) == 0 || r.IntN(4) == 0 {
			return r.pick(r.src, r.src+"/a.txt", `"plain"`, `(builtins.toFile "t" "text")`, `(builtins.toFile "u" "${`+r.src+`}")`, "12", "true", "null", `"q\"\n\\\t$"`)
		}
		return r.pick(uses...)
	}
	for i := range n {
		name := fmt.Sprintf("d%d", i)
		fmt.Fprintf(&b, "%s = derivation { name = \"n%d\"; system = \"s\"; builder = %s; ", name, i, r.pick(`"b"`, `"${`+r.src+`}/sub/run"`))
		outputs := []string{"out"}
		switch r.IntN(6) {
		case 0:
			fmt.Fprintf(&b, `outputHash = builtins.hashString "%[1]s" "%[2]d"; outputHashAlgo = "%[1]s"; `, r.pick("sha256", "sha1", "md5", "sha512"), i)
			b.WriteString(r.pick(`outputHashMode = "recursive"; `, `outputHashMode = "flat"; `, ""))
		case 1:
			b.WriteString(`__contentAddressed = true; outputHashAlgo = "sha256"; outputHashMode = "recursive"; `)
		case 2, 3:
			outputs = []string{r.pick("out", "lib"), "dev", "a"}
			fmt.Fprintf(&b, `outputs = [ "%s" ]; `, strings.Join(outputs, `" "`))
		}
		if r.IntN(3) == 0 {
			b.WriteString("__structuredAttrs = true; ")
		}
		if r.IntN(3) == 0 {
			fmt.Fprintf(&b, "args = [ %s %s ]; ", use(), use())
		}
		for j := range r.IntN(4) {
			fmt.Fprintf(&b, "v%d = %s; ", j, r.pick(use(), "[ "+use()+" "+use()+" ]"))
		}
		b.WriteString("}; ")
		names = append(names, name)
		uses = append(uses, name, name, name+".drvPath", `"${`+name+`}/bin"`, "(builtins.unsafeDiscardOutputDependency "+name+".drvPath)")
		for _, out := range outputs {
			uses = append(uses, name+"."+out)
		}
	}
	b.WriteString("in map (d: [ d.drvPath (map (o: o.outPath) d.all) (builtins.getContext d.drvPath) ]) [ " + strings.Join(names, " ") + " ]")
	return b.String()
}

// What is wrong with a source or a derivation is said at its place.
func TestStoreErrors(t *testing.T) {
	src := newSource(t)
	if err := os.Symlink("/dev/null", filepath.Join(src, "sub/device")); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct{ expr, want string }{
		{`derivation { name = "a"; }`, "1:1: required attribute 'builder' missing in derivation 'a'"},
		{`derivation { name = "a"; builder = "b"; }`, "1:1: required attribute 'system' missing in derivation 'a'"},
		{`derivation { builder = "b"; system = "c"; }`, "1:1: attribute 'name' missing"},
		{`derivation { name = "a.drv"; builder = "b"; system = "c"; }`, "1:1: derivation names are not allowed to end in '.drv', but \"a.drv\" does"},
		{`derivation { name = "a b"; builder = "b"; system = "c"; }`, "1:1: invalid derivation name: the name \"a b\" has the character ' '"},
		{`derivation { name = "a"; builder = "b"; system = "c"; outputs = [ ]; }`, "1:1: derivation 'a' has no outputs"},
		{`derivation { name = "a"; builder = "b"; system = "c"; outputs = [ "x" "x" ]; }`, "1:1: duplicate derivation output 'x'"},
		{`derivation { name = "a"; builder = "b"; system = "c"; outputHash = "x"; }`, "1:1: \"x\" is not a hash of a known kind and length"},
		{`derivation { name = "a"; builder = "b"; system = "c"; outputHash = ""; outputHashAlgo = "sha257"; }`, "1:1: unknown hash algorithm 'sha257'"},
		{`derivation { name = "a"; builder = "b"; system = "c"; outputHash = ""; outputHashAlgo = "md5"; outputHashMode = "x"; }`, "1:1: invalid value 'x' for 'outputHashMode' attribute"},
		{`derivation { name = "a"; builder = "b"; system = "c"; outputHash = ""; outputHashAlgo = "md5"; outputs = [ "x" ]; }`, "1:1: multiple outputs are not supported in fixed-output derivations, such as 'a'"},
		{`derivation { name = "a"; builder = "b"; system = "c"; __impure = true; }`, "1:1: not supported: the impure derivation 'a'"},
		{`derivation { name = "a"; builder = x: x; system = "c"; }`, "1:1: cannot coerce a function to a string: <LAMBDA>"},
		{`builtins.readFile (derivation { name = "a"; builder = "b"; system = "c"; })`, "1:1: not supported: reading \"/nix/store/s6glliw064sgl7vix22p91cxsx7ml1rf-a\" during the evaluation"},
		{`builtins.toFile "a" "${derivation { name = "a"; builder = "b"; system = "c"; }}"`, `1:1: the file "a" cannot contain a reference to a derivation`},
		{`builtins.toFile "a/b" ""`, `1:1: the name "a/b" has the character '/'`},
		{`builtins.toFile "" ""`, "1:1: a name in the store cannot be empty"},
		{`builtins.toFile ".." ""`, `1:1: the name ".." in the store cannot be, or begin with, ".."`},
		{`builtins.toFile "a.drv" ""`, `1:1: the name "a.drv" ends in .drv`},
		{`"${SRC/nothere}"`, "1:4: cannot read SRC/nothere: no such file or directory"},
		{`builtins.path { path = SRC; sha256 = "0000000000000000000000000000000000000000000000000000"; }`, "1:1: the source 'SRC' does not have the hash that sha256 says"},
		{`builtins.path { path = SRC; filter = p: t: 1; }`, "1:1: expected a Boolean but found an integer: 1"},
		{`builtins.path { path = SRC; recursive = false; }`, "1:1: cannot read SRC: "},
		{`builtins.path { path = SRC; nam = "x"; }`, "1:1: unsupported argument 'nam' to 'builtins.path'"},
		{`builtins.readFile (builtins.filterSource (p: t: t != "symlink") SRC + "/link")`, "1:1: cannot read /nix/store/"},
		{`(derivation { name = baseNameOf "${SRC}"; builder = "b"; system = "c"; }).drvPath`, "1:2: the string '"},
		{`builtins.readFile (builtins.filterSource (p: t: baseNameOf p != "a.txt") SRC + "/link")`, "1:1: cannot read /nix/store/"},
		{`builtins.storePath SRC`, "1:1: path 'SRC' is not in the Nix store"},
		{`builtins.storePath "/nix/store/lwvi460bl077md689s260n6anpn3iw1v-nothere"`, "1:1: cannot read /nix/store/lwvi460bl077md689s260n6anpn3iw1v-nothere: no such file or directory"},
		{`builtins.appendContext "x" { foo = { path = true; }; }`, "1:1: context key 'foo' is not a store path"},
		{`builtins.appendContext "x" { "/nix/store/lwvi460bl077md689s260n6anpn3iw1v-x" = { outputs = [ "a" ]; }; }`, "1:1: tried to add derivation output context of '/nix/store/lwvi460bl077md689s260n6anpn3iw1v-x', which is not a derivation"},
		{`builtins.addDrvOutputDependencies "x"`, `1:1: context of string "x" must have exactly one element, but has 0`},
	} {
		_, err := print(t, eval.Options{Store: true}, "e", strings.ReplaceAll(test.expr, "SRC", src))
		if want := "e:" + strings.ReplaceAll(test.want, "SRC", src); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%s\ngives %v\nwant  %s…", test.expr, err, want)
		}
	}
}

// What is in the store can be a source of its own, also under the path that it has already.
func TestSourcesOfTheStore(t *testing.T) {
	src := newSource(t)
	for expr, want := range map[string]string{
		`builtins.readFile (builtins.path { path = "${SRC}/sub"; name = "y"; } + "/run")`:                                      `"#!/bin/sh\n"`,
		`let a = "${SRC}"; b = builtins.path { path = a; name = "src"; }; in [ (a == b) (builtins.readFile "${a}/a.txt") ]`:    `[ true "hi\n" ]`,
		`builtins.readFile (builtins.path { path = builtins.toFile "x" "abc"; name = "z"; })`:                                  `"abc"`,
		`builtins.readFile (builtins.path { path = builtins.toFile "x" "abc"; name = "z"; recursive = false; })`:               `"abc"`,
		`builtins.pathExists (builtins.toFile "x" "abc" + "/y")`:                                                               `false`,
		`with builtins; attrNames (readDir (filterSource (p: t: t != "symlink") (filterSource (p: t: t != "directory") SRC)))`: `[ "B" "a.txt" ]`,
		`with builtins; attrNames (readDir (path { path = filterSource (p: t: t != "directory") SRC; name = "x"; }))`:          `[ "B" "a.txt" "link" ]`,
		`builtins.readFile "${SRC}/link"`: `"hi\n"`,
	} {
		got, err := print(t, eval.Options{Store: true}, "e", strings.ReplaceAll(expr, "SRC", src))
		if err != nil || got != want {
			t.Errorf("%s\ngives %s %v\nwant  %s", expr, got, err, want)
		}
	}
}

// A source that never ends, or is no file, ends the evaluation with a message.
func TestOddSources(t *testing.T) {
	dir := t.TempDir()
	if err := os.Symlink("loop", filepath.Join(dir, "loop")); err != nil {
		t.Fatal(err)
	}
	if got, err := print(t, eval.Options{Store: true}, "e", `"${`+dir+`}"`); err != nil || !strings.HasPrefix(got, `"/nix/store/`) {
		t.Errorf("a link that leads nowhere is a source as it is: %s, %v", got, err)
	}
	if _, err := print(t, eval.Options{Store: true}, "e", `"${/dev/null}"`); err == nil || !strings.Contains(err.Error(), "it is a device, and only files, folders and links can be sources") {
		t.Errorf("/dev/null: %v", err)
	}
	if err := syscall.Mkfifo(filepath.Join(dir, "pipe"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := print(t, eval.Options{Store: true}, "e", `"${`+dir+`}"`); err == nil || !strings.Contains(err.Error(), "cannot read "+dir+"/pipe: it is a named pipe") {
		t.Errorf("the file in a source that can be none is named: %v", err)
	}
	if _, err := print(t, eval.Options{Store: true}, "e", `builtins.toFile "a/b" ""`); err == nil || strings.Contains(err.Error(), "builtins.path") {
		t.Errorf("a text is no source: %v", err)
	}
	if _, err := print(t, eval.Options{Store: true, MaxSteps: 1000}, "e", `"${/usr}"`); err == nil || !strings.Contains(err.Error(), "steps") {
		t.Errorf("/usr in a thousand steps: %v", err)
	}
}
