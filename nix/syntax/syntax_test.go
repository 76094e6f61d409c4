package syntax_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"

	"nix2gpu/nix/syntax"
)

// TestParse compares source text with its meaning as canonical Nix.
func TestParse(t *testing.T) {
	for src, want := range map[string]string{
		// names, numbers, paths, URLs: the longest match wins
		"a-1":          "a-1",
		"a - 1":        "a - 1",
		"1.5":          "1.5",
		".5":           "0.5",
		"1.":           "1.0",
		"1.e3":         "1000.0",
		"1e3":          "1 e3",
		"5/3":          "5/3",
		"5 / 3":        "5 / 3",
		"./a/b.nix":    "./a/b.nix",
		"../.":         "../.",
		"~/x":          "~/x",
		"/etc/x":       "/etc/x",
		"a/b":          "a/b",
		"a'b/c":        "a'b /c",
		"a //b":        "a // b",
		"./a${b}c/d":   "./a${b}c/d",
		"./${a}":       "./${a}",
		"./a/${b}.x":   "./a/${b}.x",
		"/${a}/b":      "/${a}/b",
		"<nixpkgs>":    "<nixpkgs>",
		"<a/b.c>":      "<a/b.c>",
		"a<b":          "a < b",
		"a <b> c":      "a <b> c",
		"https://x.y/": "https://x.y/",
		"x:x":          "x:x",
		"x: x":         "x: x",
		"__curPos":     "__curPos",

		// strings
		`"a"`:                  `"a"`,
		`""`:                   `""`,
		`"${a}"`:               `"${a}"`,
		`"a${b}c"`:             `"a${b}c"`,
		`"$${a}"`:              `"$\${a}"`,
		`"$$${a}"`:             `"$\$${a}"`,
		`"\${a}"`:              `"\${a}"`,
		`"$\{a}"`:              `"\${a}"`,
		`"\n\t\r\a\""`:         `"\n\t\ra\""`,
		"\"a\r\nb\rc\"":        `"a\nb\nc"`,
		"''\r\n  a\r\n''":      `"\r\n  a\r\n"`, // as Nix
		`"$"`:                  `"$"`,
		`"a ${"b ${c} d"} e"`:  `"a ${"b ${c} d"} e"`,
		`"${{ a = 1; }.a}"`:    `"${{ a = 1; }.a}"`,
		"''a''":                `"a"`,
		"''''":                 `""`,
		"''\n  a\n    b\n''":   `"a\n  b\n"`,
		"''\n  a\n\n  b\n  ''": `"a\n\nb\n"`,
		"''   \n  a''":         `"a"`,
		"''  a''":              `"a"`,
		"''\n  ${a}\n   b''":   `"${a}\n b"`,
		"''\n\ta\n b''":        `"\ta\n b"`,
		"''''$ '''' ''\\n''":   `"$ ''' \n"`, // three quotes make two, then one more
		"''$${a}''":            `"$\${a}"`,
		"''''${a}''":           `"\${a}"`,
		"''a'${b}''":           `"a'${b}"`,
		"''a'b''":              `"a'b"`,
		"''\n  ''\\n  x''":     `"\nx"`,

		// operators
		"1 + 2 * 3":          "1 + (2 * 3)",
		"1 - 2 - 3":          "(1 - 2) - 3",
		"a ++ b ++ c":        "a ++ (b ++ c)",
		"a // b // c":        "a // (b // c)",
		"a -> b -> c":        "a -> (b -> c)",
		"!a == b":            "(!a) == b",
		"!a + b":             "!(a + b)",
		"a + !b + c":         "a + (!(b + c))",
		"-a ? b":             "(-a) ? b",
		"- f x":              "-f x",
		"--a":                "-(-a)",
		"a ? b.c && d":       "(a ? b.c) && d",
		"a ? \"b\".${c}":     "a ? b.${c}",
		"a || b && c":        "a || (b && c)",
		"a < b == c < d":     "(a < b) == (c < d)",
		"f a b + g c":        "f a b + g c",
		"a |> f |> g":        "g (f a)",
		"g <| f <| a":        "g (f a)",
		"a |> x: x":          "", // a function needs parentheses here, as in Nix
		"a + 1 |> f":         "f (a + 1)",
		"a.b or c":           "a.b or c",
		"a.b or c d":         "a.b or c d",
		"a.b or c.d or e":    "a.b or c.d or e",
		"f or":               "f or",
		"map or [ ]":         "(map or) [ ]",
		"a.or":               "a.or",
		"[ a.b c (d e) -1 ]": "", // unary minus needs parentheses
		"[ a.b c (d e) ]":    "[ a.b c (d e) ]",

		// scopes
		"let a = 1; in a":                      "let a = 1; in a",
		"let { a = 1; body = a; }":             "rec { a = 1; body = a; }.body",
		"f let { body = 1; }":                  "f rec { body = 1; }.body",
		"with a; assert b; if c then d else e": "with a; assert b; if c then d else e",
		"{ }: 1":                               "{  }: 1",
		"{ a, b ? 1, ... }@c: a":               "{ a, b ? 1, ... } @ c: a",
		"c@{ a, }: a":                          "{ a } @ c: a",
		"{ ... }: 1":                           "{ ... }: 1",
		"{ a }: 1":                             "{ a }: 1",
		"{ inherit a \"b c\" or; inherit (d) e f; }": "{ inherit a; inherit \"b c\"; inherit or; inherit (d) e f; }",
		"rec { a = b; b = 1; }":                      "rec { a = b; b = 1; }",

		// attribute sets are merged while they are read
		"{ a.b.c = 1; a.d = 2; }":                             "{ a = { b = { c = 1; }; d = 2; }; }",
		"{ a = { b = 1; }; a.c = 2; }":                        "{ a = { b = 1; c = 2; }; }",
		"{ a.c = 2; a = { b = 1; }; }":                        "{ a = { c = 2; b = 1; }; }",
		"{ a = rec { b = 1; }; a.c = b; }":                    "{ a = rec { b = 1; c = b; }; }",
		"{ a = { inherit (x) p; }; a = { inherit (y) q; }; }": "{ a = { inherit (x) p; inherit (y) q; }; }",
		"{ ${a}.b = 1; ${a}.c = 2; }":                         "{ ${a} = { b = 1; }; ${a} = { c = 2; }; }",
		"{ \"a\".${\"b\"} = 1; }":                             "{ a = { b = 1; }; }",
		"{ \"a b\".\"if\" = 1; }":                             "{ \"a b\" = { \"if\" = 1; }; }",
		"{ \"${a}\" = 1; }":                                   "{ ${\"${a}\"} = 1; }",
		"{ a.${b} = 1; a.c = 2; }":                            "{ a = { c = 2; ${b} = 1; }; }",
		"# comment\n1 /* two */ + /***/ 2":                    "1 + 2",
	} {
		e, err := syntax.Parse("test.nix", src)
		switch {
		case err != nil && want != "":
			t.Errorf("Parse(%q): %v", src, err)
		case err == nil && want == "":
			t.Errorf("Parse(%q) = %s, want an error", src, syntax.Print(e))
		case err == nil && syntax.Print(e) != want:
			t.Errorf("Parse(%q)\n got %s\nwant %s", src, syntax.Print(e), want)
		}
	}
}

// TestErrors checks both directions: each marked line is rejected there, and
// each chunk without a mark is accepted.
func TestErrors(t *testing.T) {
	files, err := filepath.Glob("testdata/errors/*.nix")
	if err != nil || len(files) == 0 {
		t.Fatalf("no error tests: %v", err)
	}
	mark := regexp.MustCompile(`# ERROR "((?:[^"\\]|\\.)*)"`)
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for i, chunk := range strings.Split(string(data), "---\n") {
			t.Run(fmt.Sprintf("%s/%d", filepath.Base(file), i+1), func(t *testing.T) {
				wantLine, wantMsg := 0, ""
				for n, line := range strings.Split(chunk, "\n") {
					if m := mark.FindStringSubmatch(line); m != nil {
						wantLine, wantMsg = n+1, strings.ReplaceAll(m[1], `\"`, `"`)
						if strings.Contains(chunk, "string is never closed") || strings.Contains(chunk, "comment is never") {
							continue // the mark is inside what is never closed
						}
						chunk = strings.Replace(chunk, m[0], "", 1)
					}
				}
				_, err := syntax.Parse("chunk.nix", chunk)
				var rejected *syntax.Error
				switch {
				case wantMsg == "" && err != nil:
					t.Errorf("%s\nwas rejected: %v", chunk, err)
				case wantMsg != "" && !errors.As(err, &rejected):
					t.Errorf("%s\nwas accepted (%v), want %s", chunk, err, wantMsg)
				case wantMsg == "":
				case rejected.Pos.Line() != wantLine || !regexp.MustCompile(wantMsg).MatchString(rejected.Msg):
					t.Errorf("%s\n got %v\nwant line %d: %s", chunk, err, wantLine, wantMsg)
				}
			})
		}
	}
}

// TestSeveralErrors: after a wrong binding the parser goes on with the next one, and
// reports nothing that is right.
func TestSeveralErrors(t *testing.T) {
	for src, want := range map[string][]string{
		"{\n  a = 1\n  b = 2;\n  c = ;\n  d = { e = 1 };\n}": {
			`3:3: ";" is missing before this binding`,
			`4:7: unexpected ";", expected an expression`,
			`5:14: ";" is missing after this binding`,
		},
		"{\n  a = 1\n  b.c = f 2\n  \"d\" = { x = 1\n y = 2 }\n  e = 4;\n}": { // each lacks its own
			`3:3: ";" is missing before this binding`,
			`4:3: ";" is missing before this binding`,
			`5:2: ";" is missing before this binding`,
			`5:7: ";" is missing after this binding`,
			`6:3: ";" is missing before this binding`,
		},
		"{ a b = \"x ; ${y {}} }\"; c = ''; }''; d e = 1; }": {
			`1:5: unexpected name "b", expected "="`,
			`1:41: unexpected name "e", expected "="`,
		},
		"{ a = 1; a = 2; b = [ 1; ]; a = 3; }": {
			`1:10: attribute "a" is already defined at t.nix:1:3`,
			`1:24: unexpected ";", expected an element or "]"`,
			`1:29: attribute "a" is already defined at t.nix:1:3`,
		},
		"let a = ; b = ; in a":           {`1:9: unexpected ";"`, `1:15: unexpected ";"`},
		"{ a = ; b = \"${c = 1; d}\"; }": {`1:7: unexpected ";"`, `1:18: unexpected "="`},
		"{ a = ; b = { c = 1; ":          {`1:7: unexpected ";"`, `1:13: "{" is never closed`},
	} {
		_, err := syntax.Parse("t.nix", src)
		var all syntax.Errors
		if !errors.As(err, &all) {
			t.Errorf("%s: %v, want several errors", src, err)
			continue
		}
		for i, e := range all {
			if i >= len(want) || !strings.HasPrefix(e.Error(), "t.nix:"+want[i]) {
				t.Errorf("%s: error %d is %v", src, i+1, e)
			}
		}
		if len(all) != len(want) {
			t.Errorf("%s: %d errors, want %d", src, len(all), len(want))
		}
	}
}

func TestFragments(t *testing.T) {
	for src, want := range map[string]string{
		"{ a = 1; }":                     "{ a = 1; }",
		"a.b = 1;\na.c = 2;":             "{ a = { b = 1; c = 2; }; }",
		"inputs.x.url = \"github:a/b\";": "{ inputs = { x = { url = \"github:a/b\"; }; }; }",
		"":                               "{ }",
		"# nothing\n":                    "{ }",
		"{ pkgs, ... }: { a = pkgs.b; }": "{ pkgs, ... }: { a = pkgs.b; }",
		"\"a b\".c = 1; inherit (x) y;":  "{ \"a b\" = { c = 1; }; inherit (x) y; }",
	} {
		e, err := syntax.ParseFragment("f.nix", src)
		if err != nil {
			t.Errorf("ParseFragment(%q): %v", src, err)
		} else if got := syntax.Print(e); got != want {
			t.Errorf("ParseFragment(%q) = %s, want %s", src, got, want)
		}
	}
	for src, want := range map[string]string{
		"a.b = 1\na.c = 2;": "f.nix:2:1: \";\" is missing before this binding",
		"{ a = 1 }":         "f.nix:1:8: \";\" is missing after this binding",
		"a = { b = 1; ":     "f.nix:1:5: \"{\" is never closed",
	} {
		if _, err := syntax.ParseFragment("f.nix", src); err == nil || err.Error() != want {
			t.Errorf("ParseFragment(%q): %v, want %s", src, err, want)
		}
	}
}

// TestDepth: text that nests without end is an error, not the end of the
// program, whichever way it nests.
func TestDepth(t *testing.T) {
	const n = 200_000
	for name, src := range map[string]string{
		"parentheses": strings.Repeat("(", n),
		"lists":       strings.Repeat("[", n),
		"sets":        strings.Repeat("{a=", n),
		"functions":   strings.Repeat("a: ", n) + "a",
		"left":        "a" + strings.Repeat(" + a", n),
		"right":       "a" + strings.Repeat(" ++ a", n),
		"not":         strings.Repeat("!", n) + "a",
		"minus":       strings.Repeat("- ", n) + "a",
		"strings":     strings.Repeat(`"${`, n),
		"ifs":         strings.Repeat("if a then b else ", n) + "c",
		"paths":       "{ a" + strings.Repeat(".a", n) + " = 1; }",
		"pipes":       "a" + strings.Repeat(" |> a", n),
		"pipes from":  "a" + strings.Repeat(" <| a", n),
		"or":          "a" + strings.Repeat(".a or a", n),
		"left twice":  strings.Repeat("(", 5_000) + "a" + strings.Repeat(" + a", 5_000) + strings.Repeat(")", 5_000),
	} {
		_, err := syntax.Parse(name, src)
		if err == nil || !strings.Contains(err.Error(), "levels deep") {
			t.Errorf("%s: %.200v, want an error about depth", name, err)
		}
	}
	if _, err := syntax.Parse("wide", "[ "+strings.Repeat("a ", n)+"]"); err != nil {
		t.Errorf("a long list: %v", err)
	}
	if _, err := syntax.Parse("deep", strings.Repeat("(", 4_000)+"a"+strings.Repeat(")", 4_000)); err != nil {
		t.Errorf("4000 parentheses: %v", err)
	}
}

func TestPositions(t *testing.T) {
	e, err := syntax.Parse("p.nix", "let\n  a = 1;\nin\n  a +\tb")
	if err != nil {
		t.Fatal(err)
	}
	body := e.(*syntax.Let).Body.(*syntax.Binary)
	if got := body.Pos().String(); got != "p.nix:4:5" {
		t.Errorf("the operator is at %s", got)
	}
	if got, want := syntax.Excerpt(body.Y.Pos()), "   4 |   a +\tb\n     |      \t^\n"; got != want {
		t.Errorf("Excerpt = %q, want %q", got, want)
	}
	if got := (syntax.Pos{}).String(); got != "(no position)" {
		t.Errorf("no position is shown as %q", got)
	}
}

func TestExcerptCutsLongLines(t *testing.T) {
	line := strings.Repeat("é", 300)
	out := syntax.ExcerptLine(line, 7, 2*150+1)
	for part := range strings.Lines(out) {
		if n := len([]rune(part)); n > 110 {
			t.Errorf("line of %d characters: %s", n, part)
		}
	}
	for _, text := range []string{strings.Repeat("ab", 1<<20), strings.Repeat("é", 1<<20), strings.Repeat("\x80", 1<<21)} {
		for _, col := range []int{1, 51, 1 << 20, 1<<21 - 49, 1<<21 + 1} {
			want := syntax.ExcerptLine(text[max(0, col&^1-1000):min(len(text), col&^1+1000)], 7, min(col, 1000+col&1))
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			got := syntax.ExcerptLine(text, 7, col)
			runtime.ReadMemStats(&after)
			if got != want {
				t.Errorf("%.2q, column %d:\n%s\nwant\n%s", text, col, got, want)
			}
			if used := after.TotalAlloc - before.TotalAlloc; used > 64<<10 {
				t.Errorf("%.2q, column %d: %d bytes for an excerpt of %d", text, col, used, len(got))
			}
		}
	}
	if bad := syntax.ExcerptLine("a\x1b[2Jb", 1, 1); strings.Contains(bad, "\x1b") {
		t.Errorf("a control character got through: %q", bad)
	}
}

// FuzzPrintRoundTrips: whatever is accepted prints as something that is
// accepted and prints the same.
func FuzzPrintRoundTrips(f *testing.F) {
	for _, seed := range []string{
		"{ a.b = 1; a.c = \"x ${y} z\"; }", "''\n  a ${b}\n    c\n''", "x@{ a ? 1, ... }: a.b or c ? d",
		"./a/${b}/c + <n> + ~/x + http://a", "let { body = 1.5e3; }", "!a -> -b ++ [ 1 (f x) ] // rec { inherit (x) y; }",
		"if a then b else with c; assert d; e |> f", "\"$${a}$\\${b}\"",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, src string) {
		if len(src) > 4096 {
			return
		}
		e, err := syntax.ParseFragment("fuzz.nix", src)
		if err != nil {
			var rejected *syntax.Error
			if !errors.As(err, &rejected) || rejected.Pos.Offset > len(src) {
				t.Fatalf("error without a place: %v", err)
			}
			_ = syntax.Excerpt(rejected.Pos)
			return
		}
		printed := syntax.Print(e)
		again, err := syntax.Parse("again.nix", printed)
		if err != nil {
			if strings.Contains(err.Error(), "levels deep") {
				return // parentheses that printing adds count as levels
			}
			t.Fatalf("%q prints as %q: %v", src, printed, err)
		}
		if got := syntax.Print(again); got != printed {
			t.Errorf("%q prints as %q, then as %q", src, printed, got)
		}
	})
}

// TestPage: every block of the documentation can be parsed as it is.
func TestPage(t *testing.T) {
	files, _ := filepath.Glob("../../definition/testdata/page/*.nix")
	if len(files) != 18 {
		t.Errorf("%d blocks, want 18", len(files))
	}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := syntax.ParseFragment(file, string(data)); err != nil {
			t.Error(err)
		}
	}
}

// A string that holds a zero byte is an error where it begins.
func TestZeroByte(t *testing.T) {
	for src, want := range map[string]string{
		"\"a\x00b\"":              "t.nix:1:2: a string cannot hold a zero byte: remove it",
		"[\n''a\x00b'' ]":         "t.nix:2:3: a string cannot hold a zero byte: remove it",
		"{ \"\x00\" = 1; }":       "t.nix:1:4: a string cannot hold a zero byte: remove it",
		"\"${\"a\"}\x00\"":        "t.nix:1:8: a string cannot hold a zero byte: remove it",
		"1 # a \x00 in a comment": "",
	} {
		_, err := syntax.Parse("t.nix", src)
		if got := fmt.Sprint(err); got != want && (err != nil || want != "") {
			t.Errorf("%q: %v, want %q", src, err, want)
		}
	}
}
