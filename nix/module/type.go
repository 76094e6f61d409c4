package module

import (
	"fmt"
	"strings"
)

// A Type says which values an option takes, and how several assignments to it
// become one value. Types are immutable.
type Type interface {
	// String describes the type as messages and the reference do: "list of
	// string".
	String() string
	info() *typeInfo
}

// typeInfo is what the engine knows of a type.
type typeInfo struct {
	name string
	desc string
	// compound is set when desc needs parentheses inside another description.
	compound bool
}

func (t *typeInfo) String() string  { return t.desc }
func (t *typeInfo) info() *typeInfo { return t }

// inner is the description of t as a part of another one.
func (t *typeInfo) inner() string {
	if t.compound {
		return "(" + t.desc + ")"
	}
	return t.desc
}

func simple(name, desc string) Type { return &typeInfo{name: name, desc: desc} }

// The types without parameters, named as in lib.types.
var (
	// Unspecified takes any value and merges what can be merged: lists are
	// joined, sets merged, equal values are one. Two others conflict.
	Unspecified = simple("unspecified", "unspecified value")
	// Anything takes any value; sets merge recursively, equal values are one.
	Anything = simple("anything", "anything")
	// Raw takes one value of any shape and looks at nothing of it.
	Raw = simple("raw", "raw value")

	Bool           = simple("bool", "boolean")
	Int            = simple("int", "signed integer")
	Float          = simple("float", "floating point number")
	Number         = &typeInfo{name: "number", desc: "signed integer or floating point number", compound: true}
	UnsignedInt    = IntRange("unsigned integer, meaning >=0", 0, maxInt)
	PositiveInt    = IntRange("positive integer, meaning >0", 1, maxInt)
	U8             = IntRange("8 bit unsigned integer; between 0 and 255 (both inclusive)", 0, 1<<8-1)
	U16            = IntRange("16 bit unsigned integer; between 0 and 65535 (both inclusive)", 0, 1<<16-1)
	U32            = IntRange("32 bit unsigned integer; between 0 and 4294967295 (both inclusive)", 0, 1<<32-1)
	S8             = IntRange("8 bit signed integer; between -128 and 127 (both inclusive)", -1<<7, 1<<7-1)
	S16            = IntRange("16 bit signed integer; between -32768 and 32767 (both inclusive)", -1<<15, 1<<15-1)
	S32            = IntRange("32 bit signed integer; between -2147483648 and 2147483647 (both inclusive)", -1<<31, 1<<31-1)
	Port           = U16
	NonNegative    = simple("numbers.nonnegative", "nonnegative integer or floating point number, meaning >=0")
	PositiveNumber = simple("numbers.positive", "positive integer or floating point number, meaning >0")

	// String is a string, or a path or package that becomes one. One assignment
	// only; Lines and Commas join several.
	String           = simple("str", "string")
	NonEmptyString   = simple("nonEmptyStr", "non-empty string")
	SingleLineString = simple("singleLineStr", "(optionally newline-terminated) single-line string")
	Lines            = Separated("\n", "strings concatenated with \"\\n\"")
	Commas           = Separated(",", "strings concatenated with \",\"")
	EnvVar           = Separated(":", "strings concatenated with \":\"")

	Path           = simple("path", "absolute path")
	Package        = simple("package", "package")
	Attrs          = simple("attrs", "attribute set")
	Function       = simple("functionTo", "function")
	OptionType     = simple("optionType", "optionType")
	DeferredModule = simple("deferredModule", "module")
)

const maxInt = 1<<63 - 1

// IntRange is an integer from lo to hi, both included; description "" says
// just that.
func IntRange(description string, lo, hi int64) Type {
	if description == "" {
		description = fmt.Sprintf("integer between %d and %d (both inclusive)", lo, hi)
	}
	return &typeInfo{name: "intBetween", desc: description}
}

// Separated is text, of which several assignments are joined with sep.
func Separated(sep, description string) Type {
	if description == "" {
		description = fmt.Sprintf("strings concatenated with %q", sep)
	}
	return &typeInfo{name: "separatedString", desc: description}
}

// Matching is text that the POSIX regular expression matches as a whole;
// description "" shows the expression.
func Matching(pattern, description string) Type {
	if description == "" {
		description = "string matching the pattern " + pattern
	}
	return &typeInfo{name: "strMatching " + pattern, desc: description}
}

// Enum is one of the given values: string, int, bool or [Null].
func Enum(values ...any) Type {
	shown := make([]string, len(values))
	for i, v := range values {
		shown[i] = show(v)
	}
	return &typeInfo{name: "enum", desc: "one of " + strings.Join(shown, ", "), compound: true}
}

// NullOr is null or a T.
func NullOr(t Type) Type {
	return &typeInfo{name: "nullOr", desc: "null or " + t.info().inner(), compound: true}
}

// ListOf is a list of T; several assignments are joined.
func ListOf(t Type) Type {
	return &typeInfo{name: "listOf", desc: "list of " + t.info().inner()}
}

// NonEmptyListOf is a list of T with at least one element.
func NonEmptyListOf(t Type) Type {
	return &typeInfo{name: "nonEmptyListOf", desc: "non-empty list of " + t.info().inner()}
}

// AttrsOf is a set whose attributes are all T; several assignments are merged
// attribute by attribute.
func AttrsOf(t Type) Type {
	return &typeInfo{name: "attrsOf", desc: "attribute set of " + t.info().inner()}
}

// LazyAttrsOf is AttrsOf where an attribute may depend on another one; an
// attribute that was switched off with mkIf is then an error when it is read.
func LazyAttrsOf(t Type) Type {
	return &typeInfo{name: "lazyAttrsOf", desc: "lazy attribute set of " + t.info().inner()}
}

// Submodule is a set of options of its own.
func Submodule(s Schema) Type { return &typeInfo{name: "submodule", desc: "submodule"} }

// OneOf is a value of the first of the types that takes it.
func OneOf(types ...Type) Type {
	if len(types) == 1 {
		return types[0]
	}
	shown := make([]string, len(types))
	for i, t := range types {
		shown[i] = t.info().inner()
	}
	return &typeInfo{name: "either", desc: strings.Join(shown, " or "), compound: true}
}

// FunctionTo is a function that returns a T.
func FunctionTo(t Type) Type {
	return &typeInfo{name: "functionTo", desc: "function that evaluates to a(n) " + t.info().inner()}
}

// Uniq is a T that is assigned once only, even where T could merge.
func Uniq(t Type) Type { return &typeInfo{name: "uniq", desc: t.String()} }

// Coerced takes a value of type from as well as one of type to, and converts
// the former: convert gets the value as [Config.Any] gives it and returns one
// as [Option] takes it, or an error. A from of nil is any value convert knows.
func Coerced(from Type, convert func(v any) (any, error), to Type) Type {
	return &typeInfo{name: "coercedTo", desc: to.info().inner() + " or " + from.info().inner() + " convertible to it", compound: true}
}

// Checked is a T that also passes check, which gets the value as [Config.Any]
// gives it.
func Checked(t Type, description string, check func(v any) bool) Type {
	return &typeInfo{name: t.info().name, desc: description}
}

// JSON is what JSON can say: null, boolean, number, text, list or set. The
// usual freeform type.
var JSON = simple("json", "JSON value")
