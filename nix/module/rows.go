package module

import (
	"strconv"
	"strings"
	"sync"
)

// A Row declares an option in words: its name, its type, its description. As data it weighs a
// tenth of the code that an [Option] is made by. Rows are an outline: what is inside an option
// follows it, two spaces further in.
//
//	{"port", "port = 8080", "The port to listen on."},
//	{"bind", "null string = 127.0.0.1", "The address to listen on; null is all."},
//	{"tls", "set"},
//	{"  key", "null path e.g. ./key.pem", "The file of the key."},
//	{"hosts", "attrs {}", "The hosts by name."},
//	{"  root", "required path", "The folder to serve."},
//	{"  limit", "null int | string ~ 10M", "How large a request may be."},
//
// A type is a word of lib.types or of the caller's own, alone or behind "null", "list",
// "attrs"; bounds of an integer, "1..100"; "enum" and its words; several of these with | between;
// {} for a submodule of the rows inside. Parentheses group. After it come, in this order: ~ and
// a sample of how values are written, for messages; = and the default; e.g. and an example,
// which is Nix. Unless said, the default is null, empty, false, 0 (1 where the number is to be
// positive), or the first word of an enum. Other types have none, and neither has an option
// that is "required".
//
// A "set" is a group. "alias X" is another name of X. "inert T" takes a T, which has no effect,
// and its description says why. "refused T" takes only the T that asks for nothing, such as false
// or an empty list: its description says what to do instead.
type Row [3]string

// Rows declares what the rows say. words returns the types of the caller's own words, and nil
// for others; it may be nil.
func Rows(rows []Row, words func(word string) Type) Options {
	all := Options{}
	for len(rows) > 0 {
		name := strings.TrimLeft(rows[0][0], " ")
		indent, inside := len(rows[0][0])-len(name), 1
		for inside < len(rows) && rows[inside][0][indent] == ' ' {
			inside++
		}
		all[name] = rows[0].declare(rows[1:inside], words)
		rows = rows[inside:]
	}
	return all
}

func (r *Row) declare(inside []Row, words func(string) Type) Option {
	text, doc := r[1], r[2]
	if text == "set" {
		return Option{Set: Rows(inside, words)}
	}
	if target, ok := strings.CutPrefix(text, "alias "); ok {
		return Option{AliasOf: []string{target}}
	}
	o := Option{Description: doc}
	text, example, shown := strings.Cut(text, " e.g. ")
	text, value, given := strings.Cut(text, " = ")
	text, sample, _ := strings.Cut(text, " ~ ")
	text, inert := strings.CutPrefix(text, "inert ")
	text, refused := strings.CutPrefix(text, "refused ")
	text, required := strings.CutPrefix(text, "required ")
	p := rowParser{words: words, inside: inside, sample: sample, rest: strings.Fields(parens.Replace(text))}
	o.Type = p.typ()
	if shown {
		o.Example = p.value(example)
	}
	switch {
	case refused:
		return Option{Type: refuse(NullOr(o.Type), doc), Default: Null, Description: "Not supported: " + doc + "."}
	case inert:
		return Option{Type: NullOr(o.Type), Default: Null, NoEffect: doc, Description: "Without effect: " + doc + "."}
	case given:
		o.Default = p.value(value)
	case !required:
		o.Default = p.empty
	}
	return o
}

// refuse is t without the values that ask for something.
func refuse(t Type, instead string) Type {
	out := *t.info().real()
	merge := out.merge
	out.view = nil
	out.merge = func(m *merging, loc []string, defs []def) result {
		for _, d := range defs {
			if asks(m.goValue(d.val)) {
				m.fail(errorf(loc, d.place(), "not supported: %s; %s", loc[len(loc)-1], instead))
			}
		}
		return merge(m, loc, defs)
	}
	return &out
}

// asks reports whether a value, as [Config.Any] returns it, is more than nothing.
func asks(v any) bool {
	switch v := v.(type) {
	case nil:
		return false
	case bool:
		return v
	case Str:
		return v.S != ""
	case []any:
		return len(v) > 0
	case map[string]any:
		return len(v) > 0
	}
	return true
}

// value is what a row writes as one: Nix that shows itself to be that, else a string.
func (p *rowParser) value(text string) any {
	switch {
	case p.text && !strings.HasPrefix(text, "./"), text == "":
		return text
	case text == "[ ]":
		return []any{}
	case text == "{ }":
		return map[string]any{}
	case text == "true":
		return true
	case strings.IndexByte("[{(", text[0]) >= 0 || strings.HasPrefix(text, "./") || strings.HasPrefix(text, "pkgs."):
		return Expr(text)
	}
	if n, err := strconv.ParseInt(text, 10, 64); err == nil && strconv.FormatInt(n, 10) == text {
		return n
	}
	if f, err := strconv.ParseFloat(text, 64); err == nil && strings.Contains(text, ".") {
		return f
	}
	return text
}

var parens = strings.NewReplacer("(", "( ", ")", " )")

// A rowParser reads the type of a row.
type rowParser struct {
	words  func(string) Type
	inside []Row
	sample string
	rest   []string

	empty any  // the default of what was read first
	text  bool // it is a string, or null
}

func (p *rowParser) next() string {
	if len(p.rest) == 0 {
		return ""
	}
	word := p.rest[0]
	p.rest = p.rest[1:]
	return word
}

// typ reads a type to the end of the row. What is behind "null", "list" or "attrs" belongs to
// that.
func (p *rowParser) typ() Type {
	switch p.peek() {
	case "null", "list", "attrs":
	default:
		return p.either()
	}
	word := p.next()
	t := p.typ()
	if word == "null" {
		p.empty = Null
		return NullOr(t)
	}
	p.text = false
	if word == "list" {
		p.empty = []any{}
		return ListOf(t)
	}
	p.empty = map[string]any{}
	return AttrsOf(t)
}

func (p *rowParser) peek() string {
	if len(p.rest) == 0 {
		return ""
	}
	return p.rest[0]
}

// either reads types with | between.
func (p *rowParser) either() Type {
	t := p.one()
	first := p.empty
	all := []Type{t}
	for p.peek() == "|" {
		p.next()
		if word := p.peek(); word == "list" || word == "attrs" || word == "null" {
			all = append(all, p.typ())
			break
		}
		all = append(all, p.one())
	}
	if p.empty = first; len(all) > 1 {
		t, p.text = OneOf(all...), false
	}
	if p.sample != "" {
		t = Like(t, p.value(p.sample))
		p.sample = ""
	}
	return t
}

func (p *rowParser) one() Type {
	word := p.next()
	p.empty, p.text = nil, false
	switch word {
	case "(":
		t := p.typ()
		p.next()
		return t
	case "{}":
		inside, words := p.inside, p.words
		return Later(func() Type { return Submodule(Schema{Options: Rows(inside, words)}) })
	case "enum":
		var values []any
		for p.peek() != "" && p.peek() != "|" && p.peek() != ")" {
			values = append(values, p.next())
		}
		p.empty, p.text = values[0], true
		return Enum(values...)
	case "string":
		p.empty, p.text = "", true
		return String
	case "lines":
		p.empty, p.text = "", true
		return Lines
	case "bool":
		p.empty = false
		return Bool
	case "int":
		p.empty = int64(0)
		return Int
	case "unsigned":
		p.empty = int64(0)
		return UnsignedInt
	case "positive":
		p.empty = int64(1)
		return PositiveInt
	case "port":
		p.empty = int64(0)
		return Port
	case "float":
		return Float
	case "number":
		return Number
	case "u8":
		return U8
	case "path":
		return Path
	case "file": // a path, or text that is one
		p.empty, p.text = "", true
		return OneOf(String, Path)
	case "package":
		return Package
	case "anything":
		return Anything
	case "raw":
		return Raw
	case "json":
		p.empty = map[string]any{}
		return JSON
	}
	if low, high, ok := strings.Cut(word, ".."); ok {
		lo, _ := strconv.ParseInt(low, 10, 64)
		hi, _ := strconv.ParseInt(high, 10, 64)
		return IntRange("", lo, hi)
	}
	if p.words != nil {
		return p.words(word)
	}
	return nil
}

// Later is the type that a function returns, once something needs it.
func Later(t func() Type) Type {
	return &typeInfo{later: sync.OnceValue(func() *typeInfo { return t().info() })}
}
