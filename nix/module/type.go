package module

import (
	"fmt"
	"math"
	"regexp"
	"slices"
	"strings"

	"nix2gpu/nix/eval"
)

// A Type says which values an option accepts, and how several assignments to it become
// one value. Types are immutable.
type Type interface {
	// String describes the type as messages and the reference do: "list of string".
	String() string
	info() *typeInfo
}

// A typeInfo is what the engine knows of a type.
type typeInfo struct {
	name string // as in lib.types
	desc string
	// describe returns the description of a type that contains others.
	describe func(d shown) string
	// class says how the description reads inside another: as one of the class… words, "" for
	// one that always stands in parentheses there. nil: a noun.
	class *string
	// later returns the type that this one stands for: in Nix, the argument of a type
	// is not evaluated before it is needed.
	later func() *typeInfo

	// check looks at a forced value, and only as deep as it must to recognize the type:
	// elements are checked when they are read.
	check func(m *merging, v eval.Value) bool
	// merge makes one value of one or more definitions, which are checked and have no
	// properties.
	merge func(m *merging, loc []string, defs []def) result
	empty eval.Value // the value without definitions; nil if there is none

	elems []*typeInfo // the types that it contains
	sub   *submodule  // of a submodule
	// with returns the same type with other elems; nil if it has none.
	with      func(elems []*typeInfo) *typeInfo
	enum      []eval.Value // of an enum
	low, high int64        // of a whole number, its bounds
	sample    string       // a value as users write it, for hints, or ""
	view      *eval.Attrs  // of a type declared in Nix

	pattern     string       // of strMatching
	placeholder string       // of a set, what stands for its names in documentation; "": name
	static      []eval.Value // of a deferred module, the modules in front
}

// maxShown limits how deep descriptions of types go, since a type may contain itself.
const maxShown = 6

// A shown says how to describe a type: depth counts down, and of, if any, returns what to
// say of a submodule that has a freeform type.
type shown struct {
	depth int
	of    func(t *typeInfo) string
}

func (t *typeInfo) String() string  { return t.text(shown{depth: maxShown}) }
func (t *typeInfo) info() *typeInfo { return t }

// real returns the type that t stands for, mostly t itself.
func (t *typeInfo) real() *typeInfo {
	for t.later != nil {
		t = t.later()
	}
	return t
}

// text returns the description of t.
func (t *typeInfo) text(d shown) string {
	t = t.real()
	switch {
	case t.sub != nil && d.of != nil && d.depth > 0 && t.desc == "submodule":
		if text := d.of(t); text != "" {
			return text
		}
		return t.desc
	case t.describe == nil:
		return t.desc
	case d.depth == 0:
		return "…"
	}
	d.depth--
	return t.describe(d)
}

// The classes of descriptions, in nixpkgs' words.
const (
	classNoun        = "noun"
	classComposite   = "composite"            // list of string
	classConjunction = "conjunction"          // string or integer
	classClause      = "nonRestrictiveClause" // integer, meaning >=0
)

// phrase returns the description of t as a part of another one: in parentheses, unless
// its class is one of bare.
func (t *typeInfo) phrase(d shown, bare ...string) string {
	t = t.real()
	if slices.Contains(bare, t.descriptionClass()) {
		return t.text(d)
	}
	return "(" + t.text(d) + ")"
}

// inner is phrase behind "of".
func (t *typeInfo) inner(d shown) string { return t.phrase(d, classNoun, classComposite) }

// descriptionClass returns the class of t's description.
func (t *typeInfo) descriptionClass() string {
	if t.class != nil {
		return *t.class
	}
	switch t.name {
	case "listOf", "nonEmptyListOf", "attrsOf", "lazyAttrsOf", "functionTo":
		return classComposite
	case "nullOr", "either", "number", "numbersBetween", "json", "toml":
		return classConjunction
	case "enum":
		if len(t.enum) > 1 {
			return classConjunction
		}
	case "submodule", "attrs", "coercedTo":
		return ""
	case "numbersNonnegative", "numbersPositive":
		return classClause
	case "intBetween":
		if t.high == math.MaxInt64 {
			return classClause
		}
	case "unique":
		return t.elems[0].real().descriptionClass()
	}
	return classNoun
}

// simple returns a type of single values: several definitions must be equal.
func simple(name, desc string, check func(m *merging, v eval.Value) bool) *typeInfo {
	return &typeInfo{name: name, desc: desc, check: check, merge: mergeEqual}
}

// The types without parameters, named as in lib.types.
var (
	// Unspecified accepts any value and merges what can be merged: lists are joined,
	// sets merged, and equal values are one. All others conflict.
	Unspecified Type = &typeInfo{name: "unspecified", desc: "unspecified value", check: isAny, merge: mergeLoose}
	// Anything accepts any value; sets are merged recursively, lists are joined, equal
	// values are one. In lib.types, only equal lists are one.
	Anything Type = anything(true)
	// Raw accepts one value of any shape and evaluates nothing in it.
	Raw Type = &typeInfo{name: "raw", desc: "raw value", check: isAny, merge: mergeOne}

	Bool           Type = simple("bool", "boolean", isOf[eval.Bool])
	Int            Type = simple("int", "signed integer", isOf[eval.Int])
	Float          Type = simple("float", "floating point number", isOf[eval.Float])
	Number         Type = number("number", "signed integer or floating point number", func(float64) bool { return true })
	UnsignedInt    Type = IntRange("unsigned integer, meaning >=0", 0, math.MaxInt64)
	PositiveInt    Type = IntRange("positive integer, meaning >0", 1, math.MaxInt64)
	U8             Type = IntRange("8 bit unsigned integer; between 0 and 255 (both inclusive)", 0, 1<<8-1)
	U16            Type = IntRange("16 bit unsigned integer; between 0 and 65535 (both inclusive)", 0, 1<<16-1)
	U32            Type = IntRange("32 bit unsigned integer; between 0 and 4294967295 (both inclusive)", 0, 1<<32-1)
	S8             Type = IntRange("8 bit signed integer; between -128 and 127 (both inclusive)", -1<<7, 1<<7-1)
	S16            Type = IntRange("16 bit signed integer; between -32768 and 32767 (both inclusive)", -1<<15, 1<<15-1)
	S32            Type = IntRange("32 bit signed integer; between -2147483648 and 2147483647 (both inclusive)", -1<<31, 1<<31-1)
	Port           Type = U16
	NonNegative    Type = number("numbersNonnegative", "nonnegative integer or floating point number, meaning >=0", func(f float64) bool { return f >= 0 })
	PositiveNumber Type = number("numbersPositive", "positive integer or floating point number, meaning >0", func(f float64) bool { return f > 0 })

	// String is a string. Several assignments must be equal; Lines and Commas
	// join them instead.
	String           Type = simple("str", "string", isOf[*eval.String])
	NonEmptyString   Type = simple("nonEmptyStr", "non-empty string", text(func(s string) bool { return strings.TrimSpace(s) != "" }))
	SingleLineString Type = singleLine()
	Lines            Type = Separated("\n", "strings concatenated with \"\\n\"")
	Commas           Type = Separated(",", "strings concatenated with \",\"")
	EnvVar           Type = Separated(":", "strings concatenated with \":\"")

	Path       Type = simple("path", "absolute path", isPath)
	Package    Type = &typeInfo{name: "package", desc: "package", check: isPackage, merge: mergeOne}
	ShellPkg   Type = &typeInfo{name: "package", desc: "package", check: isShell, merge: mergeOne}
	Attrs      Type = &typeInfo{name: "attrs", desc: "attribute set", check: isOf[*eval.Attrs], merge: mergeUpdate, empty: eval.NewAttrs(0).Done()}
	OptionType Type = &typeInfo{name: "optionType", desc: "optionType", check: isOptionType, merge: mergeOptionTypes}

	// DeferredModule accepts a module and keeps it for later. Several become one that
	// imports them all.
	DeferredModule Type = deferredModule(nil)
)

// isAny accepts everything.
func isAny(*merging, eval.Value) bool { return true }

// isOf accepts values of a Go type of the evaluator.
func isOf[T eval.Value](_ *merging, v eval.Value) bool { _, ok := v.(T); return ok }

// text accepts strings that pass ok.
func text(ok func(s string) bool) func(*merging, eval.Value) bool {
	return func(_ *merging, v eval.Value) bool {
		s, is := v.(*eval.String)
		return is && ok(s.Text())
	}
}

func number(name, desc string, ok func(f float64) bool) *typeInfo {
	return simple(name, desc, func(_ *merging, v eval.Value) bool {
		switch v := v.(type) {
		case eval.Int:
			return ok(float64(v))
		case eval.Float:
			return ok(float64(v))
		}
		return false
	})
}

// boolByOr returns a type that is true if any definition is.
func boolByOr() *typeInfo {
	t := simple("boolByOr", "boolean (merged using or)", isOf[eval.Bool])
	t.merge = mergeLoose
	return t
}

// singleLine returns a type that drops one newline at the end.
func singleLine() *typeInfo {
	t := simple("singleLineStr", "(optionally newline-terminated) single-line string", text(func(s string) bool {
		return !strings.Contains(strings.TrimSuffix(s, "\n"), "\n")
	}))
	t.merge = func(m *merging, loc []string, defs []def) result {
		r := mergeEqual(m, loc, defs)
		s := r.val.(*eval.String)
		r.val = eval.StrContext(strings.TrimSuffix(s.Text(), "\n"), s.Context())
		return r
	}
	return t
}

// isPath accepts absolute paths, and values that are one as a string.
func isPath(m *merging, v eval.Value) bool {
	switch v := v.(type) {
	case eval.Path:
		return true
	case *eval.String:
		return strings.HasPrefix(v.Text(), "/")
	case *eval.Attrs:
		if v.Has("outPath") || v.Has("__toString") {
			return strings.HasPrefix(m.t.Interpolate(v).Text(), "/")
		}
	}
	return false
}

// pathWith returns a type of paths: absolute or relative, in Nix's store or outside. What
// is nil does not count.
func pathWith(inStore, absolute *bool) *typeInfo {
	desc := "path"
	if absolute != nil {
		desc = map[bool]string{true: "absolute ", false: "relative "}[*absolute] + desc
	}
	if inStore != nil {
		desc += map[bool]string{true: " in the Nix store", false: " not in the Nix store"}[*inStore]
	}
	return simple("path", desc, func(m *merging, v eval.Value) bool {
		var text string
		switch v := v.(type) {
		case *eval.String:
			text = v.Text()
		case eval.Path:
			text = string(v)
		case *eval.Attrs:
			if !v.Has("outPath") && !v.Has("__toString") {
				return false
			}
			text = m.t.Interpolate(v).Text()
		default:
			return false
		}
		if _, isText := v.(*eval.String); inStore != nil && !*inStore && !isText {
			return false // it could be copied into the store later
		}
		return (absolute == nil || *absolute == strings.HasPrefix(text, "/")) && (inStore == nil || *inStore == isInStore(text))
	})
}

// isShell accepts packages that are shells.
func isShell(m *merging, v eval.Value) bool {
	set, ok := v.(*eval.Attrs)
	return ok && set.Has("shellPath") && isPackage(m, v)
}

// isPackage accepts package values, and paths below the folders of packages.
func isPackage(m *merging, v eval.Value) bool {
	switch v := v.(type) {
	case *eval.Attrs:
		return v.Has("outPath") || m.t.IsDerivation(v)
	case eval.Path:
		return isStorePath(string(v))
	case *eval.String:
		return isStorePath(v.Text())
	}
	return false
}

// isStorePath reports whether a path is in the folder of Nix's store, or where our packages
// are.
func isStorePath(s string) bool {
	return strings.HasPrefix(s, "/nix/store/") || strings.HasPrefix(s, "/nix2gpu/")
}

// hashLength is the length of the hash that begins a name in Nix's store.
const hashLength = 32

// isInStore reports whether a path is that of an object in the store, or of a file in one,
// by its name: not /nix/store/.links.
func isInStore(s string) bool {
	if name, ok := strings.CutPrefix(s, "/nix/store/"); ok {
		name, _, _ = strings.Cut(name, "/")
		return len(name) > hashLength+1 && name[hashLength] == '-'
	}
	return isStorePath(s)
}

func isOptionType(m *merging, v eval.Value) bool { return property(m.t, v) == "option-type" }

// IntRange accepts an integer from lo to hi, both included. An empty description says
// just that.
func IntRange(description string, lo, hi int64) Type {
	if description == "" {
		description = fmt.Sprintf("integer between %d and %d (both inclusive)", lo, hi)
	}
	t := simple("intBetween", description, func(_ *merging, v eval.Value) bool {
		n, ok := v.(eval.Int)
		return ok && lo <= int64(n) && int64(n) <= hi
	})
	t.low, t.high = lo, hi
	return t
}

// NumberRange accepts a number from lo to hi, both included.
func NumberRange(lo, hi float64) Type {
	return number("numbersBetween", fmt.Sprintf("integer or floating point number between %g and %g (both inclusive)", lo, hi),
		func(f float64) bool { return lo <= f && f <= hi })
}

// Separated accepts text. Several assignments are joined with sep.
func Separated(sep, description string) Type {
	if description == "" {
		description = fmt.Sprintf("strings concatenated with %q", sep)
	}
	return &typeInfo{
		name: "separatedString", desc: description, check: isOf[*eval.String],
		merge: func(_ *merging, _ []string, defs []def) result {
			if len(defs) == 1 {
				return result{val: defs[0].val}
			}
			parts := make([]string, len(defs))
			var ctx *eval.Context
			for i, d := range defs {
				s := d.val.(*eval.String)
				parts[i], ctx = s.Text(), ctx.Union(s.Context())
			}
			return result{val: eval.StrContext(strings.Join(parts, sep), ctx)}
		},
	}
}

// Matching accepts text that the regular expression matches as a whole. An empty
// description shows the expression. Matching panics if pattern is no regular
// expression.
func Matching(pattern, description string) Type {
	t, err := matching(pattern, description)
	if err != nil {
		panic(err)
	}
	return t
}

func matching(pattern, description string) (*typeInfo, error) {
	re, err := regexp.Compile("^(?s:" + pattern + ")$")
	if err != nil {
		return nil, err
	}
	if description == "" {
		description = "string matching the pattern " + pattern
	}
	t := simple("strMatching", description, text(re.MatchString))
	t.pattern = pattern
	return t, nil
}

// Enum accepts one of the given values: string, int, float, bool or [Null].
func Enum(values ...any) Type {
	all := make([]eval.Value, len(values))
	shown := make([]string, len(values))
	for i, v := range values {
		all[i], shown[i] = plainValue(v), show(v)
	}
	return enum(all, shown)
}

func enum(values []eval.Value, shown []string) *typeInfo {
	desc := "one of " + strings.Join(shown, ", ")
	switch len(shown) {
	case 0:
		desc = "impossible (empty enum)"
	case 1:
		desc = "value " + shown[0] + " (singular enum)"
	}
	t := simple("enum", desc, func(m *merging, v eval.Value) bool {
		for _, e := range values {
			if m.t.Equal(e, v) {
				return true
			}
		}
		return false
	})
	t.enum = values
	return t
}

// Checked accepts a T that also passes check, which gets the value as [Config.Any]
// returns it.
func Checked(t Type, description string, check func(v any) bool) Type {
	inner := t.info().real()
	out := *inner
	out.desc, out.describe, out.view = description, nil, nil
	out.check = func(m *merging, v eval.Value) bool {
		return inner.check(m, v) && check(m.goValue(v))
	}
	return &out
}

// Like accepts a T whose text has a form of its own: the error for a value of another
// type shows a sample, such as "512M".
func Like(t Type, sample any) Type {
	out := *t.info().real()
	out.view, out.sample = nil, show(sample)
	return &out
}

// mergeOne accepts a single definition.
func mergeOne(m *merging, loc []string, defs []def) result {
	if len(defs) > 1 {
		m.fail(m.conflict(loc, defs, "is defined more than once, and its definitions cannot be merged"))
	}
	return result{val: defs[0].val}
}

// mergeEqual accepts definitions that are all the same value.
func mergeEqual(m *merging, loc []string, defs []def) result {
	for _, d := range defs[1:] {
		if !m.t.Equal(defs[0].val, d.val) {
			m.fail(m.conflict(loc, defs, "has conflicting definitions"))
		}
	}
	return result{val: defs[0].val}
}

// mergeUpdate merges sets attribute by attribute; later ones win.
func mergeUpdate(_ *merging, _ []string, defs []def) result {
	all := defs[0].val.(*eval.Attrs)
	for _, d := range defs[1:] {
		all = all.Update(d.val.(*eval.Attrs))
	}
	return result{val: all}
}

// mergeLoose merges the definitions of an option without a type.
func mergeLoose(m *merging, loc []string, defs []def) result {
	if len(defs) == 1 {
		return result{val: defs[0].val}
	}
	switch {
	case allOf[*eval.List](defs):
		var all []eval.Value
		for _, d := range defs {
			all = append(all, d.val.(*eval.List).Elems()...)
		}
		return result{val: eval.NewList(all...)}
	case allOf[*eval.Attrs](defs):
		return mergeUpdate(m, loc, defs)
	case allOf[eval.Bool](defs):
		any := false
		for _, d := range defs {
			any = any || bool(d.val.(eval.Bool))
		}
		return result{val: eval.Bool(any)}
	case allOf[*eval.String](defs):
		return Separated("", "").info().merge(m, loc, defs)
	}
	return mergeEqual(m, loc, defs)
}

// anything returns a type that merges by the shape of the values.
func anything(joinLists bool) *typeInfo {
	t := &typeInfo{name: "anything", desc: "anything", check: isAny}
	t.merge = func(m *merging, loc []string, defs []def) result {
		switch {
		case allOf[*eval.Attrs](defs) && !m.t.IsDerivation(defs[0].val):
			return LazyAttrsOf(t).info().merge(m, loc, defs)
		case joinLists && len(defs) > 1 && allOf[*eval.List](defs):
			return mergeLoose(m, loc, defs)
		case len(defs) > 1 && allFuncs(defs):
			return FunctionTo(t).info().merge(m, loc, defs)
		}
		return mergeEqual(m, loc, defs)
	}
	return t
}

// mergeOptionTypes joins types, as several declarations of one option do.
func mergeOptionTypes(m *merging, loc []string, defs []def) result {
	typ := m.sys.typeOf(m.t, defs[0].val).located(defs[0].file)
	for _, d := range defs[1:] {
		joined := m.sys.join(m.t, typ, m.sys.typeOf(m.t, d.val).located(d.file))
		if joined == nil {
			m.fail(m.conflict(loc, defs, "has types that do not fit together"))
		}
		typ = joined
	}
	if len(defs) == 1 {
		return result{val: defs[0].val}
	}
	return result{val: m.sys.viewOf(typ)}
}

func allOf[T eval.Value](defs []def) bool {
	for _, d := range defs {
		if _, ok := d.val.(T); !ok {
			return false
		}
	}
	return true
}

func allFuncs(defs []def) bool {
	for _, d := range defs {
		if !eval.IsFunction(d.val) {
			return false
		}
	}
	return true
}
