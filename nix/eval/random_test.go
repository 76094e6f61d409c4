package eval_test

import (
	"flag"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

var (
	seed     = flag.Uint64("seed", 1, "of the random programs that are compared with Nix")
	programs = flag.Int("programs", 3000, "how many random programs are compared with Nix")
)

// TestRandomAgainstNix compares random programs; -seed tries others. One that differs is
// shown as small as it can be made.
func TestRandomAgainstNix(t *testing.T) {
	r := newRepl(t)
	trees := make([]*phrase, *programs)
	lines := make([]string, *programs)
	random := grammar{Rand: rand.New(rand.NewPCG(*seed, 0))}
	for i := range trees {
		trees[i] = random.program()
		lines[i] = trees[i].String()
	}
	ours, theirs := r.both(t, lines)
	values := 0
	for i, tree := range trees {
		if ours[i].value != "" && ours[i].value != "caught" {
			values++
		}
		if !differ(lines[i], ours[i], theirs[i]) {
			continue
		}
		small := r.shrink(t, tree).String()
		o, n := r.both(t, []string{small})
		t.Errorf("%s\n Nix: %s\nours: %s", small, n[0], o[0])
	}
	if values < *programs/3 {
		t.Errorf("only %d of %d programs have a value", values, *programs)
	}
}

// differ reports whether two verdicts differ in a way that is not meant.
func differ(line string, ours, theirs verdict) bool {
	if strings.Contains(line, "toJSON") { // of 2.0 Nix 2.8 makes 2, see differences
		whole := re(`~?(\d+)\.0+\b`)
		if whole.ReplaceAllString(ours.value, "$1") == whole.ReplaceAllString(theirs.value, "$1") {
			return false
		}
	}
	return ours.value != theirs.value && !foundDifferences{}.explain("random", line, ours, theirs)
}

// shrink replaces parts of a program by smaller ones for as long as the verdicts differ.
func (r *repl) shrink(t *testing.T, tree *phrase) *phrase {
	for range 200 {
		smaller := tree.smaller()
		lines := make([]string, len(smaller))
		for i, s := range smaller {
			lines[i] = s.String()
		}
		ours, theirs := r.both(t, lines)
		var best *phrase
		for i, s := range smaller {
			if differ(lines[i], ours[i], theirs[i]) && (best == nil || len(lines[i]) < len(best.String())) {
				best = s
			}
		}
		if best == nil {
			return tree
		}
		tree = best
	}
	return tree
}

// A phrase is a part of a program: words, with a phrase of the type kinds[i] after each but
// the last.
type phrase struct {
	kind  byte
	words []string
	parts []*phrase
}

func (p *phrase) String() string {
	var b strings.Builder
	p.write(&b)
	return b.String()
}

func (p *phrase) write(b *strings.Builder) {
	for i, w := range p.words {
		b.WriteString(w)
		if i < len(p.parts) {
			p.parts[i].write(b)
		}
	}
}

// smaller returns the trees in which one phrase is replaced by a phrase within it, or by
// the shortest of its type.
func (p *phrase) smaller() (all []*phrase) {
	if text := shortest[p.kind]; len(p.String()) > len(text) {
		all = append(all, &phrase{kind: p.kind, words: []string{text}})
	}
	for i, part := range p.parts {
		all = append(all, part)
		for _, s := range part.smaller() {
			parts := slices.Clone(p.parts)
			parts[i] = s
			all = append(all, &phrase{p.kind, p.words, parts})
		}
	}
	return all
}

// The types of phrases are letters: int, string, bool, path, double, lists of anything, ints and
// strings; set, functions of one and two arguments; x is anything, v may fail, n names attributes.
var shortest = map[byte]string{
	'i': `1`, 's': `"s"`, 'b': `true`, 'p': `./d`, 'l': `[ ]`, 'I': `[ 1 ]`, 'S': `[ "s" ]`, 'a': `{ }`, 'f': `(x: x)`, 'g': `(x: y: x)`, 'd': `1.5`, 'x': `null`, 'v': `(throw "t")`, 'n': `"n"`,
}

// productions are forms of each type. Of a % and a letter, a phrase of that type is made;
// # is a name that may be bound somewhere.
var productions = map[byte][]string{
	'i': {`0`, `1`, `2`, `(-3)`, `7`, `(%i + %i)`, `(%i - %i)`, `(%i * %i)`, `(%i / %i)`, `(-%i)`, `builtins.length %l`, `builtins.stringLength %s`, `builtins.head %I`,
		`builtins.elemAt %I %i`, `builtins.foldl' (x: y: x + y) %i %I`, `builtins.compareVersions %s %s`, `builtins.bitAnd %i %i`, `builtins.bitXor %i %i`, `builtins.floor 1.5`,
		`builtins.fromJSON "[1,2]"`, `builtins.add %i %i`, `builtins.div %i %i`, `builtins.length (builtins.attrNames %a)`, `({ a ? %i, b ? a, ... }: b) %a`, `(%f %i)`, `(%g %i %i)`,
		`%a.a`, `%a.#`, `(%a.# or %i)`, `(%a.b.c or %i)`, `builtins.getAttr "a" %a`, `builtins.foldl' %g %i %I`, `builtins.ceil (%i + 0.5)`,
		`builtins.bitOr %i %i`, `builtins.mul %i %i`, `builtins.sub %i %i`, `(builtins.stringLength (builtins.toJSON %x))`, `({ a ? b, b ? %i }: a) { }`, `builtins.length (builtins.split %s %s)`, `(rec { a = %i; ${%n} = 1; }).a`, `(import ./file.nix) `, `builtins.length (builtins.genericClosure { startSet = [ { key = %x; } { key = %x; } ]; operator = x: [ ]; })`},
	's': {`"s"`, `""`, `"a.b-1"`, `"x y"`, `ctx`, `"${drv}"`, `"a${%s}b"`, `"${%s}${%s}"`, `''i ${%s}''`, `(%s + %s)`, `toString %i`, `toString %l`, `toString %x`, `builtins.substring %i %i %s`,
		`builtins.concatStringsSep %s %S`, `builtins.replaceStrings [ %s %s ] [ "q" ctx ] %s`, `builtins.replaceStrings %S [ "q" ] %s`, `builtins.toJSON %x`, `builtins.typeOf %x`, `baseNameOf %s`, `baseNameOf %p`, `dirOf %s`, `builtins.head %S`,
		`builtins.hashString "sha256" %s`, `builtins.unsafeDiscardStringContext %s`, `"${{ __toString = s: s.a; a = %s; }}"`, `"${{ outPath = %s; }}/b"`, `(builtins.parseDrvName %s).name`,
		`builtins.toXML [ %i %s ]`, `builtins.concatStringsSep "," (builtins.attrNames %a)`, `(%s + %p)`, `"${%p}"`, `builtins.elemAt %S %i`, `(%f %s)`, `builtins.readFile ./d/text`,
		`"\\${a} $${%s} \n"`, `''\n  a\n    ${%s}\n  b''`, `'' ''$ '''  ''\\t ${%s}''`, `(builtins.placeholder "out")`, `builtins.hashString "md5" (toString %l)`, `(builtins.toFile "n" %s)`, `"${builtins.path { path = ./d; name = "n"; }}"`, `(derivation { name = "n"; builder = %s; system = "s"; args = %l; }).outPath`, `(derivation { name = "n"; builder = "b"; system = "s"; outputs = [ "out" "dev" ]; env = %x; }).dev.outPath`, `builtins.unsafeDiscardOutputDependency drv.drvPath`, `drv.drvPath`, `builtins.concatStringsSep ":" %l`, `toString [ %l %b null %i ]`, `builtins.toJSON { inherit drv; a = %a; }`, `(builtins.toJSON %f)`, `builtins.toXML %x`, `(dirOf %s)`, `(builtins.appendContext %s (builtins.getContext %s))`, `builtins.storeDir`, `(toString (-0.0))`, `toString 1.5e10`, `toString %d`, `(x: "${x}" + %s) %s`, `(%s + %a)`},
	'b': {`true`, `false`, `(%i < %i)`, `(%i >= %i)`, `(%s < %s)`, `(%x == %x)`, `(%x != %x)`, `(%i == %i)`, `(%l == %l)`, `(%a == %a)`, `(%b && %b)`, `(%b || %b)`, `(%b -> %b)`, `(!%b)`, `(%a ? #)`, `(%a ? a.b)`,
		`builtins.elem %x %l`, `builtins.elem %i %I`, `builtins.all (x: x > %i) %I`, `builtins.any (x: %b) %l`, `builtins.isString %x`, `builtins.isAttrs %x`, `builtins.isFunction %x`, `builtins.isList %x`,
		`(builtins.tryEval %x).success`, `(builtins.tryEval %v).success`, `builtins.hasAttr %s %a`, `builtins.hasContext %s`, `builtins.pathExists %p`, `(%I < %I)`, `isNull %x`, `builtins.lessThan %s %s`,
		`(%d < %d)`, `(%d == %i)`, `(%a ? ${%s})`, `(%a ? a.${%s}.b)`, `(%x ? a)`, `(%l < %l)`, `(%p < %p)`, `(%p == %p)`, `(%f == %f)`, `([ %f ] == [ %f ])`, `(drv == drv // { a = %x; })`, `builtins.isPath %x`, `builtins.isFloat %x`, `(builtins.lessThan %d %i)`, `(builtins.match %s %s == null)`, `(%b == %b || assert %b; %b)`, `builtins.all (x: %b) [ %x %v ]`},
	'p': {`./d`, `./file.nix`, `(./. + "/d")`, `(%p + "/x")`, `(%p + %s)`, `/etc/../x`, `./d/${"text"}`,
		`(%p + "/../y")`, `./d/../file.nix`, `(/. + %s)`, `./d/${%s}`, `(./. + "//a/./b")`, `../x`, `~/x`},
	'l': {`[ ]`, `[ %x ]`, `[ %x %x ]`, `[ %v %x ]`, `%I`, `%S`, `(%l ++ %l)`, `map %f %l`, `builtins.filter (x: %b) %l`, `builtins.tail %l`, `builtins.attrValues %a`, `builtins.genList (x: %x) 3`, `builtins.concatLists [ %l %l ]`,
		`builtins.concatMap (x: [ x %x ]) %l`, `builtins.split "[.-]|(b)" %s`, `builtins.sort (x: y: %b) %l`, `builtins.catAttrs "a" [ %a %a ]`, `(builtins.partition (x: %b) %l).right`, `builtins.genericClosure { startSet = [ { key = %i; } ]; operator = x: if x.key < 3 then [ { key = x.key + 1; } %a ] else [ ]; }`,
		`map (x: (builtins.tryEval x).value) %l`, `(builtins.match "([a-z]+)(.*)" %s)`,
		`(%l ++ [ %v ])`, `(builtins.tail (%l ++ %l))`, `builtins.attrValues (builtins.mapAttrs (n: v: %x) %a)`, `builtins.sort (x: y: %v) [ %x ]`, `(builtins.partition (x: %b) %l).wrong`, `(builtins.foldl' (x: y: [ y ] ++ x) [ ] %l)`, `(let f = n: if n < 1 then [ ] else [ n ] ++ f (n - 1); in f 4)`, `(builtins.match %s %s)`, `(builtins.split "(a)?(x)*" %s)`, `[ drv %p %d ]`, `(builtins.filter (x: x ? a) [ %a %a ])`, `builtins.concatMap (x: %l) %I`, `(builtins.elemAt [ %l %v ] 0)`},
	'I': {`[ ]`, `[ 1 2 3 ]`, `[ %i ]`, `[ %i %i ]`, `(%I ++ %I)`, `map (x: x + %i) %I`, `builtins.genList (x: x * %i) 3`, `builtins.sort builtins.lessThan %I`, `builtins.sort (x: y: y < x) %I`, `builtins.filter (x: x > %i) %I`},
	'S': {`[ ]`, `[ "a" "b" ]`, `[ %s ]`, `[ %s %s ]`, `builtins.attrNames %a`, `map (x: x + %s) %S`, `map toString %l`, `builtins.splitVersion %s`, `builtins.sort builtins.lessThan %S`, `builtins.filter builtins.isString (builtins.split %s %s)`,
		`builtins.attrNames (builtins.readDir ./d)`, `(builtins.attrNames drv)`, `[ "${%s}" (%s) ]`, `(builtins.match "(.)(.*)" %s)`},
	'a': {`{ }`, `{ a = %x; }`, `{ a = %i; b = %x; }`, `{ a = %v; b = %i; }`, `{ a.b.c = %i; a.d = %x; }`, `rec { a = %i; b = a; c = %x; }`, `{ ${%n} = %x; a = 2; }`, `{ "${%n}" = %v; }`, `(%a // %a)`, `(%a // { a = %i; })`,
		`{ inherit (%a) a; }`, `rec { inherit (%a) a b; c = a; }`, `builtins.mapAttrs (n: v: %x) %a`, `builtins.mapAttrs (n: v: [ n v ]) %a`, `removeAttrs %a %S`, `builtins.intersectAttrs %a %a`,
		`builtins.listToAttrs [ { name = %s; value = %x; } { name = "a"; value = %v; } ]`, `builtins.groupBy (x: toString x) %I`, `builtins.zipAttrsWith (n: vs: %x) [ %a %a ]`, `builtins.zipAttrsWith (n: vs: vs) [ %a %a ]`,
		`builtins.tryEval %x`, `builtins.functionArgs %f`, `builtins.parseDrvName %s`, `builtins.getContext %s`, `builtins.fromJSON "{\"a\": {\"b\": 1.5}}"`, `{ a = %a; }.a`, `(with %a; { inherit b; })`, `{ __functor = self: x: %x; a = %i; }`,
		`builtins.partition (x: x < %i) %I`, `{ type = "derivation"; outPath = %s; a = %x; }`, `(let b = %x; in { inherit b; c.${%n} = b; })`,
		`{ a.b = %i; a = { c = %x; }; }`, `{ a = { b = 1; }; a.${%n} = %x; }`, `rec { a = b; b = %x; __overrides = { b = %i; }; }`, `{ inherit ({ a = %x; b = %v; }) a b; }`, `{ inherit a b; }`, `rec { inherit a; b = a; }`, `(let inherit (%a) a; a2 = a; in { a = a2; })`, `drv`, `(drv // { a = %x; })`, `(removeAttrs drv [ "all" "out" ])`, `builtins.fromTOML "[a]\nb = 1.5\n[[c]]\nd = [true]"`, `(builtins.intersectAttrs { a = 1; ${%n} = 2; } %a)`, `(builtins.mapAttrs %g %a)`, `{ ${%s} = 1; ${%s} = 2; }`, `{ "a" = 1; ${"b"} = %x; "b c" = %v; }`, `(builtins.groupBy (x: %s) %l)`, `(scopedImport { a = %x; } ./file.nix // { })`, `(builtins.readDir ./d)`, `(with %a; with %a; { inherit a; inherit b; })`, `builtins.functionArgs { __functor = s: { a, b ? 1 }: a; }`, `(builtins.listToAttrs (map (n: { name = n; value = %x; }) %S))`, `{ a = %x; } // %v`, `(builtins.zipAttrsWith %g [ %a { a = %v; } ])`, `builtins.getContext %s`, `(builtins.parseDrvName %s)`},
	'f': {`(x: x)`, `(# : %x)`, `(x: x + 1)`, `(x: [ x %x ])`, `toString`, `({ a, ... }: a)`, `({ a ? %i, ... }@x: [ a x ])`, `(x@{ b ? %x, ... }: b)`, `(%g %x)`, `{ __functor = self: x: [ x %x ]; }`, `builtins.typeOf`, `(builtins.add %i)`, `(x: throw "t")`,
		`({ a, b ? a.b or %x }: b)`,
		`({ a ? b, b ? %x, ... }: [ a ])`, `(args@{ ... }: args)`, `(x: y: x)`, `builtins.getAttr "a"`, `(builtins.map %f)`, `builtins.attrNames`, `({ }: 1)`, `(x: with x; a)`, `(x: let inherit (x) a; in a)`, `builtins.length`, `builtins.head`, `(y: z: { inherit y z; }) %x`},
	'g': {`(x: y: x)`, `(x: y: y)`, `(x: y: [ x y ])`, `builtins.add`, `(x: y: x + y)`, `(x: { a ? %x, ... }: a)`, `builtins.seq`},
	'x': {`null`, `1.5`, `%i`, `%s`, `%b`, `%l`, `%a`, `%f`, `%p`, `%i`, `%s`, `%l`, `%a`, `(builtins.seq %x %x)`, `(builtins.deepSeq %x %x)`, `(builtins.tryEval %v).value`, `(builtins.head %l)`, `(%f %x)`, `(%g %x %x)`, `%v`, `builtins.unsafeGetAttrPos "a" %a`,
		`builtins.addErrorContext "c" %x`, `builtins.fromJSON (builtins.toJSON %x)`, `builtins.fromTOML "a = [1, 2.5]"`,
		`%d`, `drv`, `(import ./file.nix)`, `(builtins.deepSeq [ %x %v ] 1)`, `(if %x then 1 else 2)`, `(let f = x: f2 x; f2 = x: [ x ]; in f %x)`, `(rec { a = %x; b = { inherit a; c = a; }; }).b`, `(let s = { a = s; b = %i; }; in s.a.a.b)`, `builtins.unsafeGetAttrPos "a" { a = 1; }`, `__curPos.line`, `(builtins.tryEval (builtins.deepSeq %l 1))`, `builtins.fromJSON %s`, `(builtins.elemAt %l %i)`},
	'd': {`1.5`, `(-0.5)`, `(1.0 * %i)`, `(%d + %i)`, `(%i / 2.0)`, `(%d * %d)`, `1.0e3`, `.5`, `(builtins.fromJSON "-0.25")`, `(builtins.add %d %i)`, `(-%d)`},
	'n': {`"a"`, `"b c"`, `(toString 1)`, `"${"a"}d"`, `(builtins.head [ "a" %v ])`, `(throw "t")`, `null`, `1`, `ctx`},
	'v': {`(throw %s)`, `(assert %b; %x)`, `(abort "a")`, `(%x + 1)`, `(%a).missing`, `(builtins.head %l)`, `undefined.a or 1`,
		`(throw "${%s}")`, `(builtins.elemAt [ ] %i)`, `(let x = x; in x)`, `(%f %v)`, `({ }: 1) { a = 1; }`, `({ a }: a) { }`, `"${%a}"`, `(1 + %s)`, `(builtins.fromJSON "{")`, `(builtins.getAttr %s { })`, `(%i / 0)`, `(import ./none.nix)`},
}

// names may be bound or not.
var names = []string{"a", "b", "c", "x"}

type grammar struct {
	*rand.Rand
	budget int // of phrases
}

func (g *grammar) program() *phrase {
	g.budget = 40
	return &phrase{'x', []string{`let undefined = { }; a = `, `; b = `, `; c = `, `; x = `, `; in `, ``}, []*phrase{g.make('i', 2), g.make('x', 2), g.make('a', 2), g.make('s', 2), g.make('x', 2+g.IntN(4))}}
}

// make returns a phrase of a type, or now and then of another.
func (g *grammar) make(kind byte, depth int) *phrase {
	g.budget--
	if depth <= 0 || g.budget <= 0 {
		if g.IntN(3) == 0 {
			return &phrase{kind: kind, words: []string{bound[kind]}}
		}
		return &phrase{kind: kind, words: []string{shortest[kind]}}
	}
	if g.IntN(40) == 0 {
		kind = "isbplISafgxvd"[g.IntN(13)]
	}
	if g.IntN(8) == 0 {
		return g.fill(kind, scopes[g.IntN(len(scopes))], kind, depth)
	}
	forms := productions[kind]
	return g.fill(kind, forms[g.IntN(len(forms))], 0, depth)
}

// bound are variables of most types.
var bound = map[byte]string{'i': `a`, 's': `x`, 'b': `(a == 1)`, 'p': `./file.nix`, 'l': `[ b c ]`, 'I': `[ a ]`, 'S': `[ x ]`, 'a': `c`, 'f': `(a: b)`, 'g': `(a: b: c)`, 'd': `(a + 0.5)`, 'x': `b`, 'v': `b`, 'n': `"b"`}

// scopes are forms for every type: %_ is a phrase of the type that is wanted.
var scopes = []string{
	`(let # = %x; in %_)`, `(let # = %x; # = %x; in %_)`, `(with %a; %_)`, `(if %b then %_ else %_)`, `(assert %b; %_)`, `((#: %_) %x)`, `(({ a, b ? %x, ... }@c: %_) %a)`, `(({ a ? %x }: %_) { })`,
	`(let inherit (%a) a b; in %_)`, `(rec { a = %_; b = a; }).b`, `(builtins.seq %x %_)`, `(let { body = %_; # = %x; })`, `(%f %_)`, `(builtins.head [ %_ %v ])`, `({ a = %_; b = %v; }).a`, `(let x = %v; in %_)`, `({ a = %_; }).${%s}`, `({ x.a = %_; }).x.a`,
	`(builtins.elemAt [ %x %_ ] 1)`, `({ }.a or %_)`, `(let a = b; b = %_; in a)`, `((x: y: x) %_ %v)`, `((x: x) %_)`, `({ __functor = s: y: %_; } %v)`, `(builtins.trace "t" %_)`, `(rec { # = %x; y = %_; }).y`,
}

func (g *grammar) fill(kind byte, form string, wanted byte, depth int) *phrase {
	p := &phrase{kind: kind}
	var words strings.Builder
	free := g.Perm(len(names))
	for i := 0; i < len(form); i++ {
		switch {
		case form[i] == '%':
			i++
			k := form[i]
			if k == '_' {
				k = wanted
			}
			p.words = append(p.words, words.String())
			words.Reset()
			p.parts = append(p.parts, g.make(k, depth-1))
		case form[i] == '#':
			words.WriteString(names[free[0]])
			free = free[1:]
		default:
			words.WriteByte(form[i])
		}
	}
	text := words.String()
	if !closed(form) { // so that it can be an element or an argument
		if len(p.words) == 0 {
			text = "(" + text + ")"
		} else {
			p.words[0], text = "("+p.words[0], text+")"
		}
	}
	p.words = append(p.words, text)
	return p
}

// closed reports whether a form can stand anywhere as it is: it is one word, or the
// bracket at its beginning ends with it.
func closed(form string) bool {
	depth := 0
	for i := range len(form) {
		switch form[i] {
		case '(', '[', '{':
			depth++
		case ')', ']', '}':
			depth--
		case ' ':
			if depth == 0 && form[0] != '"' && form[0] != '\'' {
				return false
			}
			continue
		}
		if depth == 0 && i < len(form)-1 && strings.IndexByte("([{", form[0]) >= 0 {
			return false
		}
	}
	return true
}
