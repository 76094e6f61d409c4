package syntax

// An Expr is a node of the tree. The set of nodes is closed: a type switch over the
// types of this file is complete.
type Expr interface {
	// Pos returns where messages about the node point: at the operator of a binary
	// operation, at the start of anything else.
	Pos() Pos
	expr()
}

// At is the position of a node; every node embeds it.
type At struct{ Place Pos }

// Pos returns the position.
func (a At) Pos() Pos { return a.Place }

func (At) expr() {}

// Literals and names.
type (
	// Int is 42.
	Int struct {
		At
		Value int64
	}

	// Float is 4.2e1.
	Float struct {
		At
		Value float64
	}

	// String is "a ${b}" or its indented form, with escapes and indentation resolved.
	// Adjacent literal parts are merged: the empty string has no parts, and a string
	// without interpolation has at most one.
	String struct {
		At
		Parts []Part
	}

	// Path is /a, ./a, ../a or ~/a, maybe with interpolation. The first part is always
	// a literal that begins with "/", "." or "~" as typed. The evaluator decides what
	// it is relative to.
	Path struct {
		At
		Parts []Part
	}

	// SearchPath is <nixpkgs/lib>; Name is what stands between the brackets.
	SearchPath struct {
		At
		Name string
	}

	// URI is a string typed without quotes: https://nixos.org.
	URI struct {
		At
		Value string
	}

	// Var is a name; __curPos is a name like any other here.
	Var struct {
		At
		Name string
	}
)

// A Part is a piece of a string or path: Text, unless Expr is set.
type Part struct {
	Place Pos // of the literal, or of what is inside ${}
	Text  string
	Expr  Expr
}

// Collections.
type (
	// List is [ a b ].
	List struct {
		At
		Elems []Expr
	}

	// AttrSet is { … } or rec { … }, nested paths merged.
	AttrSet struct {
		At
		Recursive bool
		Attrs     []Attr        // static names, unique, in order of appearance
		Dynamic   []DynamicAttr // names that are known only when evaluated, in order
		// Sources are the expressions of `inherit (e) …`. Each is evaluated at most
		// once, inside the set's own scope if it is recursive.
		Sources []Expr
	}
)

// An AttrKind says where an attribute's value comes from.
type AttrKind uint8

// The kinds of attribute.
const (
	Plain         AttrKind = iota // name = Value
	Inherited                     // inherit name: Value is a Var, looked up outside the set
	InheritedFrom                 // inherit (Sources[From]) name: Value is nil
)

// An Attr is an attribute whose name is known when the text is parsed.
type Attr struct {
	Place Pos // of the name
	Name  string
	Kind  AttrKind
	Value Expr
	From  int // index into AttrSet.Sources, for InheritedFrom
}

// A DynamicAttr is ${Name} = Value.
type DynamicAttr struct {
	Place Pos
	Name  Expr
	Value Expr
}

// An AttrName is one step of an attribute path: Name, unless Expr is set.
type AttrName struct {
	Place Pos
	Name  string
	Expr  Expr
}

// An AttrPath is a.b.${c}; it has at least one step.
type AttrPath []AttrName

// Scopes and control.
type (
	// Let is let … in body. Bindings is recursive and has no dynamic names.
	// The old form, let { …; body = …; }, is a Select of a recursive set.
	Let struct {
		At
		Bindings *AttrSet
		Body     Expr
	}

	// With is with env; body.
	With struct {
		At
		Env  Expr
		Body Expr
	}

	// If is if cond then … else ….
	If struct {
		At
		Cond Expr
		Then Expr
		Else Expr
	}

	// Assert is assert cond; body.
	Assert struct {
		At
		Cond Expr
		Body Expr
	}

	// Lambda is arg: body, or { formals }@arg: body. Arg is "" if the whole argument
	// has no name; Formals is nil if the argument is not destructured.
	Lambda struct {
		At
		Arg     string
		Formals *Formals
		Body    Expr
	}

	// Apply is fn a b c, with all arguments that were typed in a row.
	Apply struct {
		At
		Fn   Expr
		Args []Expr
	}

	// Select is base.path, or base.path or default.
	Select struct {
		At
		Base    Expr
		Path    AttrPath
		Default Expr // nil: there is no "or"
	}

	// HasAttr is base ? path. Pos is the operator.
	HasAttr struct {
		At
		Base Expr
		Path AttrPath
	}

	// Unary is !x or -x.
	Unary struct {
		At
		Op Op
		X  Expr
	}

	// Binary is x op y. Pos is the operator. The pipes are Apply, not Binary.
	Binary struct {
		At
		Op Op
		X  Expr
		Y  Expr
	}
)

// Formals is the pattern { a, b ? 1, ... }.
type Formals struct {
	List     []Formal // in order of appearance, names unique
	Ellipsis bool
}

// A Formal is one name of a pattern.
type Formal struct {
	Place   Pos
	Name    string
	Default Expr // nil: the argument must be given
}

// An Op is an operator.
type Op uint8

// The operators.
const (
	OpNone   Op = iota
	OpNot       // !
	OpNeg       // unary -
	OpOr        // ||
	OpAnd       // &&
	OpImpl      // ->
	OpEq        // ==
	OpNeq       // !=
	OpLess      // <
	OpLessEq    // <=
	OpMore      // >
	OpMoreEq    // >=
	OpUpdate    // //
	OpConcat    // ++
	OpAdd       // +
	OpSub       // -
	OpMul       // *
	OpDiv       // /
)

var opNames = [...]string{
	OpNone: "?", OpNot: "!", OpNeg: "-", OpOr: "||", OpAnd: "&&", OpImpl: "->", OpEq: "==", OpNeq: "!=",
	OpLess: "<", OpLessEq: "<=", OpMore: ">", OpMoreEq: ">=", OpUpdate: "//", OpConcat: "++",
	OpAdd: "+", OpSub: "-", OpMul: "*", OpDiv: "/",
}

// String returns the operator as it is typed.
func (o Op) String() string { return opNames[o] }
