package eval_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"nix2gpu/internal/testkit"
	"nix2gpu/nix/eval"
	"nix2gpu/nix/syntax"
)

// Types of arguments, in the order of the table's columns, with expressions of each. Where
// several arguments vary, the first ones take part.
var argumentTypes = []struct {
	name  string
	exprs []string
}{
	{"null", []string{`null`}},
	{"bool", []string{`true`, `false`}},
	{"int", []string{`1`, `0`, `(-1)`, `9223372036854775807`, `3`}},
	{"float", []string{`1.5`, `(-2.0)`}},
	{"string", []string{`"ab1"`, `""`, `"a"`, `"(a)(b)?"`, `"1.2-pre3"`, `"{\"a\": [1]}"`, `"/etc/hostname"`, `"sha256"`}},
	{"context", []string{`ctx`, `"${drv}/bin"`, `drv.drvPath`}},
	{"path", []string{`./d`, `./file.nix`, `./missing`}},
	{"list", []string{`[ "a" "b" ]`, `[ ]`, `[ 1 2 ]`, `[ { name = "a"; value = 1; } ]`, `[ { a = 1; } { a = 2; b = 3; } ]`, `[ [ "a" ] [ 1 ] ]`, `[ null ]`, `[ (x: x) ]`}},
	{"set", []string{`{ a = 1; }`, `{ }`, `{ a = 2; b = { }; }`, `{ name = "n"; value = "v"; }`, `{ outPath = "/o"; }`, `{ __toString = s: "t"; }`,
		`{ startSet = [ { key = 1; } { key = 1; } ]; operator = x: [ ]; }`, `{ path = ./d; name = "n"; }`}},
	{"lambda", []string{`(x: y: x)`, `(x: x)`, `builtins.add`, `(x: y: true)`, `(x: true)`, `({ a, b ? 1, ... }: a)`, `(x: throw "t")`, `(x: [ x ])`}},
	{"derivation", []string{`{ type = "derivation"; name = "n"; outPath = "/o"; drvPath = "/d"; }`, `drv`}},
	{"functor", []string{`{ __functor = s: x: x; }`, `{ __functor = s: x: y: true; a = 1; }`, `{ __functor = 1; }`}},
}

// forms are the operators and other forms of the language: $ and @ stand for expressions of every type.
var forms = []string{
	`$ + @`, `$ - @`, `$ * @`, `$ / @`, `$ == @`, `$ != @`, `$ < @`, `$ <= @`, `$ > @`, `$ >= @`, `$ && @`, `$ || @`, `$ -> @`,
	`$ // @`, `$ ++ @`, `$ @`, `!$`, `-$`, `{ a = 1; } ? ${$}`, `$ ? a`, `$ ? a.b`, `$ ? a.${"b"}.c`, `$.a`, `$.a.b`, `$.a or 7`, `$.a.b or 7`,
	`$.${@}`, `$.${@} or 7`, `{ a = 1; }.${$}`, `[ $ ]`, `{ a = $; }`, `{ a.b = $; a.c = 1; }`, `{ ${$} = 1; }`, `{ a.${$}.b = 1; }`, `{ ${$} = 1; a = 2; }`,
	`rec { a = $; b = a; }`, `rec { ${$} = 1; }`, `{ inherit ($) a; }`, `rec { inherit ($) a; b = a; }`, `let inherit ($) a b; in a`,
	`let a = $; in a`, `let a = $; inherit (a) b; in b`, `let { body = $; }`, `let x = $; in { inherit x; }`, `with $; 1`, `with $; a`, `with { a = 7; }; with $; a`,
	`if $ then 1 else 2`, `if true then $ else 1`, `assert $; 1`, `assert true; $`, `(x: x) $`, `(x: 1) $`, `({ a }: a) $`, `({ a, ... }: a) $`,
	`({ a ? 7, ... }@x: [ a x ]) $`, `({ b ? 7 }: b) $`, `(x@{ a ? $, ... }: a) { }`, `({ }: 1) $`, `({ ... }: 1) $`, `"${$}"`, `"a${$}b"`, `''${$}''`, "''\n  a${$}\n    b''",
	`./d/${$}`, `/d${$}/e`, `{ a = 1; } == $`, `[ 1 ] == [ $ ]`, `{ a = $; }.a`, `(x: y: [ x y ]) $ @`, `[ $ ] == [ @ ]`,
}

// literals are forms without places, and forms of newer Nix.
var literals = []string{
	`0`, `9223372036854775807`, `1.5`, `.5`, `1.e3`, `1.0e-3`, `1e3`, `"a\n\t\r\\\"\${b}$${c}$"`, `""`, "''\n  a\n   b\n\n  ''", `''a''\nb''$c'''d''`, `''''`,
	`https://nixos.org/a?b=c`, `x:y`, `/a/b/../c`, `./a//b`, `~/a`, `<nix/fetchurl.nix>`, `<missing>`, `<missing/a.b>`, `[ ]`, `[ 1 "a" [ ] ]`, `{ }`, `rec { }`,
	`let in 1`, `let { body = 1; }`, `__curPos`, `a: a`, `{ }: 1`, `{ ... }: 1`, `{ a, b ? a, ... }@c: c`, `c@{ a }: a`, `_: 1`, `a-b'c: a-b'c`,
	`{ "a b" = 1; "${"c"}" = 2; or = 3; }.or`, `{ a.b.c = 1; a.d = 2; a = { e = 3; }; }`, `rec { a.b = 1; c = a; }`, `{ inherit; }`, `let a = 1; in { inherit a; inherit ({ b = 2; }) b; }`,
	"''\r\n    x\r\n    y\r\n  ''", "\"a\r\nb\rc\"", "# a comment\r1", "# a comment\n1", `/* a */ 1 /**/`, `1 |> (x: x + 1)`, `(x: x + 1) <| 1`, `- 1`, `!true`, `1 - 1`, `1-1`, `[ (1-1) ]`,
	`builtins.unsafeGetAttrPos "a" { inherit ({ a = 1; }) a; }`, `let c = { ${builtins.toJSON c} = 1; a = 2; }; in c`, `builtins.replaceStrings [ "a" ] [ (throw "t") ] "b"`, `builtins.match "(x*)*" "xx"`, `builtins.fromJSON "9223372036854775808"`, `builtins.fromJSON ''"a\u0000b"''`, `fromTOML ''a = "a\u0000b"''`, `let b-1 = 7; in b-1`, `true && false || true -> false`, `1 + 2 * 3 - 4 / 2 == 5`, `[ 1 ] ++ [ 2 ] ++ [ 3 ]`, `{ a = 1; } // { b = 2; } // { a = 3; }`, `!{ a = 1; } ? b`, `1 < 2 == true`,
}

// A coverageCase is an expression that stands in cells of the table.
type coverageCase struct {
	row   string
	types []int // of the arguments
	text  string
}

// callCases returns the calls of a function with arguments of every type at each place.
func callCases(row, call string, arity int) (cases []coverageCase) {
	var add func(text string, types []int)
	add = func(text string, types []int) {
		if len(types) == arity {
			cases = append(cases, coverageCase{row, slices.Clone(types), text})
			return
		}
		for i, typ := range argumentTypes {
			exprs := firstExprs(typ.exprs, arity > 1)
			if arity > 2 {
				exprs = exprs[:min(len(exprs), 2)]
			}
			for _, e := range exprs {
				add(text+" "+e, append(types, i))
			}
		}
	}
	add(call, nil)
	return cases
}

// firstExprs returns all expressions of a type, or as many as take part where two
// arguments vary.
func firstExprs(exprs []string, several bool) []string {
	if several {
		return exprs[:min(len(exprs), 4)]
	}
	return exprs
}

// formCases fills the places of a form.
func formCases(form string) (cases []coverageCase) {
	both := strings.Contains(form, "@}") || strings.HasSuffix(form, " @") || strings.HasSuffix(form, "@ ]")
	for i, x := range argumentTypes {
		for _, xe := range firstExprs(x.exprs, both) {
			text := replacePlace(form, "$", xe)
			if !both {
				cases = append(cases, coverageCase{form, []int{i}, text})
				continue
			}
			for j, y := range argumentTypes {
				for _, ye := range firstExprs(y.exprs, both) {
					cases = append(cases, coverageCase{form, []int{i, j}, replacePlace(text, "@", ye)})
				}
			}
		}
	}
	return cases
}

var places = map[string]*regexp.Regexp{
	"$": regexp.MustCompile(`\$($|[^{])`),
	"@": regexp.MustCompile(`@($|[ }])`),
}

func replacePlace(form, place, expr string) string {
	return places[place].ReplaceAllStringFunc(form, func(m string) string { return expr + m[1:] })
}

// TestCoverage compares, with Nix, each builtin with each type of argument at each place,
// and each form of the language likewise. What differs is in the list of differences, and
// the table shows that nothing is left out. There are more than 100,000 cases.
func TestCoverage(t *testing.T) {
	r := newRepl(t)
	var rows []string
	var cases []coverageCase
	var added []string // builtins that Nix 2.8 lacks
	known := r.names(t)
	for _, b := range eval.Builtins() {
		if !slices.Contains(known, b.Name) {
			added = append(added, b.Name)
			continue
		}
		rows = append(rows, b.Name)
		cases = append(cases, callCases(b.Name, "builtins."+b.Name, len(b.Args))...)
	}
	for _, name := range known {
		if !constants[name] && !slices.Contains(rows, name) {
			t.Errorf("builtins.%s is missing", name)
		}
	}
	for _, f := range forms {
		rows = append(rows, f)
		cases = append(cases, formCases(f)...)
	}
	for _, text := range literals {
		cases = append(cases, coverageCase{row: "literals", text: text})
	}
	lines := make([]string, len(cases))
	for i, c := range cases {
		lines[i] = r.line(t, c.text)
	}
	ours, theirs := r.both(t, lines)
	table := newCoverageTable()
	found := foundDifferences{}
	for i, c := range cases {
		table.add(c, theirs[i])
		if ours[i].value != theirs[i].value && !found.explain(c.row, c.text, ours[i], theirs[i]) {
			t.Errorf("%s\n Nix: %s\nours: %s", c.text, theirs[i], ours[i])
		}
	}
	for _, text := range syntaxErrors(t) { // which a repl may take for the begin of something longer
		reason, err := r.parse(t, text)
		if err == nil {
			t.Errorf("%s\n Nix parses this", text)
		}
		table.add(coverageCase{row: "syntax errors"}, verdict{reason: reason})
	}
	for _, d := range differences {
		if found[d.what] == "" {
			t.Errorf("no case shows this difference any more: %s", d.what)
		}
	}
	checkPage(t, "testdata/coverage/table.md", table.page(t, rows))
	checkPage(t, "../../docs/reference/nix-differences.md", found.page(added))
}

// constants are the builtins that are no functions.
var constants = map[string]bool{"builtins": true, "currentSystem": true, "currentTime": true, "false": true, "langVersion": true,
	"nixPath": true, "nixVersion": true, "null": true, "storeDir": true, "true": true}

// names returns what attributes Nix's builtins have.
func (r *repl) names(t *testing.T) []string {
	answer := r.theirs(t, []string{`builtins.concatStringsSep " " (builtins.attrNames builtins)`}, make([]verdict, 1))
	return strings.Fields(strings.ReplaceAll(strings.Trim(answer[0].value, "'"), `\'`, "'"))
}

// syntaxErrors returns the texts that the parser's own tests reject.
func syntaxErrors(t *testing.T) (texts []string) {
	files, err := filepath.Glob("../syntax/testdata/errors/*.nix")
	if err != nil || len(files) == 0 {
		t.Fatal("no texts with syntax errors", err)
	}
	for _, file := range files {
		for _, text := range strings.Split(readFile(t, file), "---\n") {
			if strings.Contains(text, "# ERROR") {
				texts = append(texts, text)
			}
		}
	}
	return texts
}

func checkPage(t *testing.T, name, page string) {
	t.Helper()
	if testkit.Updating() {
		if err := os.WriteFile(name, []byte(page), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if is, err := os.ReadFile(name); err != nil || string(is) != page {
		t.Errorf("%s is stale (%v); repair it with: go test ./nix/eval -run TestCoverage -update", name, err)
	}
}

// A coverageTable tells, of each argument of each row, what became of each type.
type coverageTable struct {
	cells   map[string]string          // by row, argument and type: some of v, c and e
	cases   map[string]int             // by row
	reasons map[string]map[string]bool // by row: the messages of Nix's errors
	plain   map[string]string          // messages without details
}

func newCoverageTable() *coverageTable {
	return &coverageTable{map[string]string{}, map[string]int{}, map[string]map[string]bool{}, map[string]string{}}
}

func cellKey(row string, arg, typ int) string { return fmt.Sprint(row, "|", arg, "|", typ) }

func (c *coverageTable) add(one coverageCase, theirs verdict) {
	outcome := "v"
	switch theirs.value {
	case "":
		outcome = "e"
		if c.reasons[one.row] == nil {
			c.reasons[one.row] = map[string]bool{}
		}
		if c.plain[theirs.reason] == "" {
			c.plain[theirs.reason] = details.ReplaceAllString(theirs.reason, "…")
		}
		c.reasons[one.row][c.plain[theirs.reason]] = true
	case "caught":
		outcome = "c"
	}
	c.cases[one.row]++
	for arg, typ := range one.types {
		if key := cellKey(one.row, arg, typ); !strings.Contains(c.cells[key], outcome) {
			c.cells[key] += outcome
		}
	}
}

// details are the parts of a message that are not the same for all values.
var details = regexp.MustCompile(`'[^']*'|"[^"]*"|[0-9]+|/[^ ]*|value is .* while`)

func (c *coverageTable) page(t *testing.T, rows []string) string {
	var b strings.Builder
	b.WriteString("# What is compared with Nix\n\n" +
		"Made by TestCoverage, from cases that it ran in both evaluators. A cell says what an argument of the type in its column led to, " +
		"with those beside it of every type: v a value, c an error that tryEval catches, e another error. The last columns count the cases " +
		"and Nix's different error messages.\n\n| | |")
	for _, typ := range argumentTypes {
		b.WriteString(" " + typ.name + " |")
	}
	b.WriteString(" cases | messages |\n|" + strings.Repeat("---|", len(argumentTypes)+4) + "\n")
	for _, row := range rows {
		name := "`" + strings.ReplaceAll(strings.ReplaceAll(row, "|", `\|`), "\n", "⏎") + "`"
		for arg := 0; arg == 0 || c.cells[cellKey(row, arg, 0)] != ""; arg++ {
			fmt.Fprintf(&b, "| %s | %d |", name, arg+1)
			for typ := range argumentTypes {
				cell := []byte(c.cells[cellKey(row, arg, typ)])
				if len(cell) == 0 {
					t.Errorf("%s: no case with %s as argument %d", row, argumentTypes[typ].name, arg+1)
				}
				slices.Sort(cell)
				slices.Reverse(cell)
				b.WriteString(" " + string(cell) + " |")
			}
			if arg == 0 {
				fmt.Fprintf(&b, " %d | %d |\n", c.cases[row], len(c.reasons[row]))
			} else {
				b.WriteString(" | |\n")
			}
		}
	}
	fmt.Fprintf(&b, "\nLiterals: %d. Texts with syntax errors: %d, with %d messages.\n",
		c.cases["literals"], c.cases["syntax errors"], len(c.reasons["syntax errors"]))
	return b.String()
}

// Every node and operator of the language is in a form or a literal.
func TestFormsAreComplete(t *testing.T) {
	tree, err := parser.ParseFile(token.NewFileSet(), "../syntax/ast.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	wanted := map[string]bool{}
	var ops []string // by their numbers
	ast.Inspect(tree, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.TypeSpec:
			if s, ok := n.Type.(*ast.StructType); ok && s.Fields.List[0].Names == nil {
				wanted[n.Name.Name] = true
			}
		case *ast.ValueSpec:
			if name := n.Names[0].Name; strings.HasPrefix(name, "Op") {
				ops = append(ops, name)
				wanted[name] = name != "OpNone"
			}
		}
		return true
	})
	if len(wanted) < 37 {
		t.Fatalf("only %d nodes and operators: %v", len(wanted), wanted)
	}
	for _, form := range slices.Concat(forms, literals) {
		e, err := syntax.Parse("form", replacePlace(replacePlace(form, "$", "y"), "@", "z"))
		if err != nil {
			t.Errorf("%s: %v", form, err)
			continue
		}
		walkTree(reflect.ValueOf(e), func(v reflect.Value) {
			delete(wanted, v.Type().Name())
			if v.Type() == reflect.TypeFor[syntax.Op]() {
				delete(wanted, ops[v.Uint()])
			}
		})
	}
	for name, want := range wanted {
		if want {
			t.Errorf("no form has a %s", name)
		}
	}
}

// walkTree calls f with all that is in a syntax tree.
func walkTree(v reflect.Value, f func(reflect.Value)) {
	switch v.Kind() {
	case reflect.Pointer, reflect.Interface:
		if !v.IsNil() && v.Type() != reflect.TypeFor[*syntax.Source]() {
			walkTree(v.Elem(), f)
		}
	case reflect.Slice:
		for i := range v.Len() {
			walkTree(v.Index(i), f)
		}
	case reflect.Struct:
		f(v)
		for i := range v.NumField() {
			walkTree(v.Field(i), f)
		}
	default:
		f(v)
	}
}
