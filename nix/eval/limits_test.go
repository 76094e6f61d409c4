package eval_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"nix2gpu/nix/eval"
	"nix2gpu/nix/osfs"
)

// TestDepth nests calls, values and data beyond every limit: each time an
// error must come back, never the end of the program.
func TestDepth(t *testing.T) {
	// The deepest expression that the parser takes, around a recursive call.
	wide := strings.Repeat("(1 + ", 900) + "%s" + strings.Repeat(")", 900)
	for name, src := range map[string]string{
		"calls":          `let f = n: 1 + f (n + 1); in f 0`,
		"fixed point":    `let f = x: f x; in f 1`,
		"functor":        `let s = { __functor = self: self; }; in s s s s 1`,
		"fold":           `let f = n: 1 + builtins.foldl' (a: b: a + f (n + 1)) 0 [ 1 ]; in f 0`,
		"map":            `let f = n: map f [ n ]; in builtins.deepSeq (f 0) 1`,
		"values":         `(builtins.foldl' (acc: x: { v = acc.v + 1; }) { v = 0; } (builtins.genList (x: x) 500000)).v`,
		"deepSeq":        `let f = n: { a = f (n + 1); }; in builtins.deepSeq (f 0) 1`,
		"print":          `let f = n: { a = f (n + 1); }; in f 0`,
		"equal":          `let f = n: [ (f (n + 1)) ]; in f 0 == f 0`,
		"less":           `let f = n: [ (f (n + 1)) ]; in f 0 < f 0`,
		"json":           `let f = n: { a = f (n + 1); }; in builtins.toJSON (f 0)`,
		"xml":            `let f = n: { a = f (n + 1); }; in builtins.toXML (f 0)`,
		"toString":       `let f = n: [ (f (n + 1)) ]; in toString (f 0)`,
		"__toString":     `let s = { __toString = self: s; }; in "${s}"`,
		"sort":           `let f = x: y: builtins.sort f [ 1 2 ] == [ ]; in builtins.sort f [ 1 2 ]`,
		"wide calls":     fmt.Sprintf("let f = n: "+wide+"; in f 0", "f (n + 1)"),
		"wide values":    fmt.Sprintf("(builtins.foldl' (acc: x: { v = "+wide+"; }) { v = 0; } (builtins.genList (x: x) 100000)).v", "acc.v"),
		"functionArgs":   `let s = { __functor = self: s; }; in test.functionArgs s`,
		"genericClosure": `let f = n: builtins.genericClosure { startSet = [ { key = f (n + 1); } ]; operator = x: [ ]; }; in f 0`,
	} {
		t.Run(name, func(t *testing.T) {
			_, err := print(t, eval.Options{Globals: map[string]eval.Value{"test": functionArgs()}}, "deep.nix", src)
			e, ok := errors.AsType[*eval.Error](err)
			if !ok || e.Kind != eval.KindDepth && e.Kind != eval.KindRecursion {
				t.Errorf("error %v, want one about depth", err)
			}
		})
	}
}

// functionArgs offers the API's way to look at a function, which follows
// __functor.
func functionArgs() eval.Value {
	return eval.NewAttrs(1).Set("functionArgs", eval.Func("functionArgs", 1, func(t *eval.Thread, args []eval.Value) eval.Value {
		return eval.MakeInt(int64(len(t.FunctionArgs(args[0]))))
	})).Done()
}

// dag is a list of two lists of two lists …, which takes little memory and
// comes to 2 to the power of 60 lists when it is written out.
const dag = `let leaf = toString (builtins.genList (x: x) 1000); f = n: if n == 0 then [ leaf ] else let s = f (n - 1); in [ s s ]; in `

func TestSizeLimit(t *testing.T) {
	for _, src := range []string{
		dag + `builtins.stringLength (builtins.toJSON (f 60))`,
		dag + `builtins.stringLength (builtins.toXML (f 60))`,
		dag + `builtins.stringLength (toString (f 60))`,
		`let f = n: if n == 0 then /a else let s = f (n - 1); in s + toString s; in f 100`,
		`let f = n: if n == 0 then /a else let s = f (n - 1); in /b/${toString s}${toString s}; in f 100`,
		`let big = builtins.genList (x: "ab") 100000; in builtins.length (builtins.match (toString big) "a")`,
		`let f = n: if n == 0 then "x" else let s = f (n - 1); in s + s; in builtins.stringLength (f 100)`,
		`let f = n: if n == 0 then "x" else let s = f (n - 1); in "${s}${s}"; in builtins.stringLength (f 100)`,
		`let f = n: if n == 0 then [ 1 ] else let s = f (n - 1); in s ++ s; in builtins.length (f 100)`,
		`builtins.length (builtins.genList (x: x) 9223372036854775807)`,
	} {
		got, err := print(t, eval.Options{MaxSize: 1 << 20}, "big.nix", src)
		if e, ok := errors.AsType[*eval.Error](err); !ok || e.Kind != eval.KindSize || !e.Pos.IsValid() {
			t.Errorf("%s = %.50s, %v, want an error about size with its place", src, got, err)
		}
	}
	for src, permitted := range map[string]bool{
		`builtins.length (builtins.genList (x: x) 131072)`:                                                            true,
		`builtins.length (builtins.genList (x: x) 131073)`:                                                            false,
		`builtins.genList (x: x) 10000000000`:                                                                         false,
		`builtins.stringLength (builtins.concatStringsSep "" (builtins.genList (x: "0123456789abcdef") 65536))`:       true,
		`builtins.stringLength (builtins.concatStringsSep "" (builtins.genList (x: "0123456789abcdef") 65536) + "0")`: false,
	} {
		if got, err := print(t, eval.Options{MaxSize: 1 << 20}, "edge.nix", src); (err == nil) != permitted {
			t.Errorf("%s = %.50s, %v, want that it is permitted: %t", src, got, err, permitted)
		}
	}
	// The limit that holds without any option.
	if got, err := print(t, eval.Options{}, "default.nix", `builtins.genList (x: x) 16777217`); err == nil {
		t.Errorf("a list of %.50s, want an error", got)
	}
}

// A readNote notes which files are read.
type readNote struct {
	osfs.FS
	read *[]string
}

func (n readNote) ReadFile(path string) ([]byte, error) {
	*n.read = append(*n.read, path)
	return n.FS.ReadFile(path)
}

// TestTextLimit: what is evaluated has a limit of its own, and a file beyond it is not read.
func TestTextLimit(t *testing.T) {
	dir := t.TempDir()
	big, small := filepath.Join(dir, "big.nix"), filepath.Join(dir, "small.nix")
	const most = 4096
	if err := errors.Join(os.WriteFile(big, []byte(strings.Repeat(" ", most)+"1"), 0o644), os.WriteFile(small, []byte(strings.Repeat(" ", most-1)+"1"), 0o644)); err != nil {
		t.Fatal(err)
	}
	for src, permitted := range map[string]bool{
		"import " + small:                  true,
		"import " + big:                    false,
		"builtins.scopedImport { } " + big: false,
		"builtins.readFile " + big:         true,
		"import /proc/self/smaps":          false, // its size is 0
		strings.Repeat(" ", most) + "1":    false,
	} {
		var read []string
		ev := eval.New(eval.Options{FS: readNote{read: &read}, MaxText: most})
		_, err := ev.EvalText(t.Context(), "text.nix", src, dir, nil)
		if e, ok := errors.AsType[*eval.Error](err); (err == nil) != permitted || ok && (e.Kind != eval.KindSize || !errors.Is(err, eval.ErrTooBig)) {
			t.Errorf("%.99s: error %v, want that it is permitted: %t", src, err, permitted)
		}
		if !permitted && slices.Contains(read, big) {
			t.Errorf("%.99s: the file was read", src)
		}
	}
}

// double repeats a text 2 to the power of n times, and needs no list for that.
const double = `let double = n: s: if n == 0 then s else double (n - 1) (s + s); in `

// TestMemoryLimit: an expression that would fill the memory is an error with its
// position. The limit is small compared with what each would need.
func TestMemoryLimit(t *testing.T) {
	const limit = 32 << 20
	for _, src := range []string{
		`builtins.genericClosure { startSet = [ { key = 0; } ]; operator = x: [ { key = x.key + 1; } ]; }`,
		`builtins.length (builtins.genericClosure { startSet = [ { key = [ 0 ]; } ]; operator = x: builtins.genList (n: { key = "${toString n}"; }) 10000000; })`,
		`builtins.deepSeq (builtins.genList (x: { a = x; }) 10000000) 1`,
		`builtins.length (map (x: { a = x; }) (builtins.genList (x: x) 10000000))`,
		`builtins.foldl' (acc: x: acc // { "a${toString x}" = acc; }) { } (builtins.genList (x: x) 100000)`,
		`builtins.attrNames (builtins.listToAttrs (builtins.genList (x: { name = toString x; value = x; }) 1000000))`,
		// Strings of 4 MiB each, or a little more.
		double + `let big = double 18 "0123456789abcdef"; in builtins.deepSeq (builtins.genList (x: big + toString x) 1000) 1`,
		double + `let big = double 18 "0123456789abcdef"; in builtins.deepSeq (builtins.genList (x: "${big}${toString x}") 1000) 1`,
		double + `let big = double 14 "0123456789abcdef"; in builtins.deepSeq (builtins.genList (x: builtins.replaceStrings [ "" ] [ "0123456789abcdef${toString x}" ] big) 1000) 1`,
		double + `let big = double 20 "1,"; in builtins.fromJSON "[${big}1]"`,
		double + `let big = double 20 "1,"; in builtins.fromTOML "a = [${big}1]"`,
		double + `let big = double 22 "1."; in builtins.length (builtins.splitVersion big)`,
		double + `let big = double 20 "1."; in builtins.length (builtins.split "[.]" big)`,
	} {
		got, err := print(t, eval.Options{MaxMemory: limit}, "big.nix", src)
		e, ok := errors.AsType[*eval.Error](err)
		if !ok || e.Kind != eval.KindMemory && e.Kind != eval.KindSize || !e.Pos.IsValid() {
			t.Errorf("%s = %.50s, error %v, want one about memory with its place", src, got, err)
		}
	}
	// Garbage does not count.
	for src, want := range map[string]string{
		`builtins.foldl' (a: x: a + builtins.length (builtins.genList (x: { a = x; }) 1000)) 0 (builtins.genList (x: x) 1000)`: "1000000",
		// Strings of 1 MiB each, which were arguments of builtins.
		double + `let big = double 16 "0123456789abcdef"; in
		builtins.stringLength (builtins.foldl' (s: x: builtins.concatStringsSep "" [ s "x" ]) big (builtins.genList (x: x) 40))`: "1048616",
		// Strings of 512 KiB each: first in scopes that an error leaves, then in a list.
		double + `let base = double 15 "0123456789abcdef"; big = n: builtins.concatStringsSep "" [ base (toString n) ];
		f = n: let s = big n; r = if n == 0 then throw "t" else f (n - 1); in builtins.seq (builtins.stringLength s) (builtins.seq r s);
		in builtins.seq (builtins.tryEval (f 35)) (builtins.deepSeq (builtins.genList big 35) 1)`: "1",
		// Strings of 256 KiB each, of which a filter leaves one in 32.
		double + `let base = double 14 "0123456789abcdef"; big = n: builtins.concatStringsSep "" [ (toString n) base ];
		some = x: builtins.filter (s: builtins.substring 0 1 s == "7") (map big (builtins.genList (x: x) 32));
		in builtins.length (builtins.foldl' (a: x: a ++ some x) [ ] [ 1 2 3 4 5 6 ])`: "6",
	} {
		if got, err := print(t, eval.Options{MaxMemory: limit}, "garbage.nix", src); err != nil || got != want {
			t.Errorf("%s = %s, %v", src, got, err)
		}
	}
}

// TestIrregularFiles: a program can't make the evaluation read a device without
// end, or wait at a pipe.
func TestIrregularFiles(t *testing.T) {
	pipe := filepath.Join(t.TempDir(), "pipe.nix")
	if err := syscall.Mkfifo(pipe, 0o644); err != nil {
		t.Fatal(err)
	}
	for _, builtin := range []string{"readFile", `hashFile "sha256"`, "import", "scopedImport { }", "readDir"} {
		for file, kind := range map[string]string{"/dev/zero": "device", pipe: "pipe"} {
			src := "builtins." + builtin + " " + file
			_, err := print(t, eval.Options{}, "read.nix", src)
			e, ok := errors.AsType[*eval.Error](err)
			if !ok || e.Pos.String() != "read.nix:1:1" || !strings.Contains(e.Msg, kind) && builtin != "readDir" {
				t.Errorf("%s: error %v, want one about the kind of file at read.nix:1:1", src, err)
			}
		}
	}
	// Their names are values like any others.
	for _, src := range []string{"builtins.pathExists ", "builtins.readFileType ", "toString ", "builtins.stringLength (builtins.path { path = /dev/zero; }) > 0 && builtins.isPath "} {
		if _, err := print(t, eval.Options{}, "name.nix", src+"/dev/zero"); err != nil {
			t.Errorf("%s/dev/zero: %v", src, err)
		}
	}
}

// TestSymlinks: paths in a file that is imported by a link are relative to the folder
// that the file is really in, as in Nix.
func TestSymlinks(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"real/main.nix":           "import ./other.nix",
		"real/other.nix":          `"the other of real"`,
		"real/folder/default.nix": "import ../other.nix",
		"links/other.nix":         `"the other of links"`,
	} {
		file := filepath.Join(dir, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(file), 0o755), os.WriteFile(file, []byte(text), 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	for link, target := range map[string]string{
		"links/main.nix":     "../real/main.nix",
		"links/chain.nix":    "main.nix",
		"links/abs.nix":      filepath.Join(dir, "real/main.nix"),
		"links/folder":       "../real/folder",
		"way":                "real",
		"links/default.nix":  "../real/main.nix",
		"links/loop.nix":     "loop.nix",
		"links/dangling.nix": "nothing.nix",
	} {
		if err := os.Symlink(target, filepath.Join(dir, link)); err != nil {
			t.Fatal(err)
		}
	}
	exprs := []string{}
	for _, file := range []string{"links/main.nix", "links/chain.nix", "links/abs.nix", "links/folder", "way/main.nix", "way/folder/default.nix"} {
		expr := "import " + filepath.Join(dir, file)
		exprs = append(exprs, expr)
		if got, err := print(t, eval.Options{}, "t.nix", expr); err != nil || got != `"the other of real"` {
			t.Errorf("%s: got %s, %v", expr, got, err)
		}
	}
	exprs = append(exprs, "import "+filepath.Join(dir, "links")) // where Nix does not follow default.nix
	for _, file := range []string{"links/loop.nix", "links/dangling.nix"} {
		expr := "import " + filepath.Join(dir, file)
		exprs = append(exprs, expr)
		if got, err := print(t, eval.Options{}, "t.nix", expr); err == nil {
			t.Errorf("%s: got %s, want an error", expr, got)
		}
	}
	newOracle(t).compare(t, exprs)
}

func TestStepLimit(t *testing.T) {
	_, err := print(t, eval.Options{MaxSteps: 100_000}, "loop.nix",
		`builtins.foldl' (a: b: builtins.length (builtins.genList (x: x) 1000)) 0 (builtins.genList (x: x) 90000)`)
	if e, ok := errors.AsType[*eval.Error](err); !ok || e.Kind != eval.KindSteps {
		t.Errorf("error %v, want the limit of steps", err)
	}
}

func TestCancel(t *testing.T) {
	for _, src := range []string{
		`let f = n: if n == 0 then 0 else f (n - 1); in builtins.foldl' (a: b: f 5000) 0 (builtins.genList (x: x) 1000000)`,
		// Without a call or a thunk that is not computed yet.
		dag + `f 60 == f 60`,
		dag + `f 60 < f 60`,
		dag + `builtins.elem (f 60) [ (f 60) ]`,
	} {
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
		_, err := eval.New(eval.Options{}).EvalText(ctx, "loop.nix", src, "/", nil)
		cancel()
		e, ok := errors.AsType[*eval.Error](err)
		if !ok || e.Kind != eval.KindCanceled || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%s: error %v, want that the deadline has passed", src, err)
		}
	}
}

// TestIndependent: evaluators share nothing, so each may have a goroutine of
// its own. The race detector judges.
func TestIndependent(t *testing.T) {
	src := readFile(t, "testdata/lang/laziness.nix")
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			for range 20 {
				if _, err := print(t, eval.Options{}, "laziness.nix", src); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
}

// TestEmptyScope: the scope of a set that has only computed names has no slots, and none is
// looked at. Under the race detector, pointers are checked, too.
func TestEmptyScope(t *testing.T) {
	src := `builtins.deepSeq (map (i: rec { ${toString i} = 1; }) (builtins.genList (i: i) 1000)) 1`
	if got, err := print(t, eval.Options{}, "rec.nix", src); err != nil || got != "1" {
		t.Errorf("%s = %s, %v", src, got, err)
	}
}

// FuzzEval: whatever the text is, evaluating it ends with a value or an error.
func FuzzEval(f *testing.F) {
	for _, line := range strings.Split(readFile(f, "testdata/agree.txt"), "\n") {
		f.Add(line)
	}
	f.Fuzz(func(t *testing.T, src string) {
		ev := eval.New(eval.Options{MaxSteps: 20_000})
		err := ev.Do(t.Context(), func(th *eval.Thread) {
			th.Print(th.EvalText("fuzz.nix", src, "/", nil), eval.PrintOptions{Force: true, MaxItems: 1000})
		})
		if e, ok := errors.AsType[*eval.Error](err); ok && e.Kind == eval.KindInternal {
			t.Errorf("%v\n%v", err, e.Unwrap())
		}
	})
}
