package eval

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/pelletier/go-toml/v2"

	"nix2gpu/nix/syntax"
)

func dataBuiltins() []*Builtin {
	return []*Builtin{
		{Name: "toJSON", Args: []string{"x"}, Doc: "A value as JSON. A set with outPath or __toString is written as that string.",
			Fn: func(t *Thread, args []Value) Value { return t.ToJSON(args[0]) }},
		{Name: "fromJSON", Args: []string{"s"}, Doc: "The value that a JSON text describes.",
			Fn: func(t *Thread, args []Value) Value { return t.FromJSON(t.plainText(args[0])) }},
		{Name: "fromTOML", Args: []string{"s"}, Global: true, Doc: "The value that a TOML text describes. Dates and times need the feature parse-toml-timestamps, and are sets then, with _type and value.",
			Fn: func(t *Thread, args []Value) Value {
				text := t.plainText(args[0])
				t.spend(decodedBytes * (separators(text) + strings.Count(text, "\n")))
				t.checkKeys(text)
				var doc map[string]any
				if err := toml.Unmarshal([]byte(text), &doc); err != nil {
					where := ""
					if e, ok := errors.AsType[*toml.DecodeError](err); ok {
						line, col := e.Position()
						where = fmt.Sprintf(" (line %d, column %d)", line, col)
					}
					t.Throw("while parsing TOML: %s%s", strings.TrimPrefix(err.Error(), "toml: "), where)
				}
				return t.FromGo(doc)
			}},
		{Name: "toXML", Args: []string{"x"}, Doc: "A value as XML.",
			Fn: func(t *Thread, args []Value) Value { return t.ToXML(args[0], true) }},
	}
}

// decodedBytes is about how much memory a value takes, in bytes, once a decoder and
// FromGo have made it.
const decodedBytes = 128

// separators returns about how many values a text in JSON or TOML has.
func separators(text string) (n int) {
	for i := range len(text) {
		switch text[i] {
		case ',', ':', '=', '[', '{':
			n++
		}
	}
	return n
}

// tableBytes is about how much memory the decoder takes for a part of a key of TOML.
const tableBytes = 400

// checkKeys rejects a text in TOML with a key of too many parts: the decoder, which makes a
// table for each, has no limit of its own.
func (t *Thread) checkKeys(text string) {
	parts, all := 0, 0
	for i := 0; i < len(text); i++ {
		switch c := text[i]; c {
		case '.':
			parts++
			all++
			if parts >= maxNested {
				t.Throw("while parsing TOML: a key of more than %d parts (line %d)", maxNested, strings.Count(text[:i], "\n")+1)
			}
		case '"', '\'':
			i += tomlString(text[i:], c) - 1
		case '#':
			for i+1 < len(text) && text[i+1] != '\n' {
				i++
			}
		case '\n', '=', ',', '[', '{':
			parts = 0
		}
	}
	t.spend(tableBytes * all)
}

// tomlString returns the length of a string that text begins with, or, if it has no end, of all.
func tomlString(text string, quote byte) int {
	end := text[:1]
	if strings.HasPrefix(text[1:], end+end) {
		end += end + end
	}
	for i := len(end); i < len(text); i++ {
		switch {
		case text[i] == '\\' && quote == '"':
			i++
		case strings.HasPrefix(text[i:], end):
			return i + len(end)
		case text[i] == '\n' && len(end) == 1:
			return i
		}
	}
	return len(text)
}

// FromGo makes a value from what decoders of JSON, YAML and TOML return: nil, bool,
// numbers, string, []any and map[string]any. A Value in it is kept.
func (t *Thread) FromGo(x any) Value {
	t.step()
	t.enter()
	defer t.leave()
	switch x := x.(type) {
	case nil:
		return Null{}
	case Value:
		return x
	case bool:
		return Bool(x)
	case int:
		return MakeInt(int64(x))
	case int64:
		return MakeInt(x)
	case uint64:
		if x > math.MaxInt64 {
			t.Throw("the number %d does not fit an integer", x)
		}
		return MakeInt(int64(x))
	case float64:
		return Float(x)
	case json.Number:
		return t.jsonNumber(x.String())
	case string:
		t.checkText(x)
		return Str(x)
	case []string:
		return StringList(x...)
	case []any:
		elems := make([]Value, len(x))
		for i, e := range x {
			elems[i] = t.FromGo(e)
		}
		return NewList(elems...)
	case map[string]any:
		b := NewAttrs(len(x))
		for name, v := range x {
			t.checkText(name)
			b.Set(name, t.FromGo(v))
		}
		return b.Done()
	case time.Time:
		return t.timestamp(x.Format(time.RFC3339Nano))
	case toml.LocalDate, toml.LocalTime, toml.LocalDateTime:
		return t.timestamp(fmt.Sprint(x))
	}
	t.Throw("a Go value of type %T has no counterpart", x)
	return nil
}

// timestamp returns a date or time of TOML, whose fractions of a second have three, six or
// nine digits.
func (t *Thread) timestamp(text string) Value {
	if !t.ev.opts.TOMLTimestamps {
		t.raise(&Error{Pos: t.Pos(), Msg: "dates and times are not supported",
			Hint: "nix2gpu eval takes them with --extra-experimental-features parse-toml-timestamps; in TOML, quotes make them strings", Kind: KindThrow})
	}
	if _, fraction, ok := strings.Cut(text, "."); ok {
		digits := len(fraction) - len(strings.TrimLeft(fraction, "0123456789"))
		end := len(text) - len(fraction) + digits
		text = text[:end] + strings.Repeat("0", (3-digits%3)%3) + text[end:]
	}
	return NewAttrs(2).Set("_type", Str("timestamp")).Set("value", Str(text)).Done()
}

// checkText rejects a text that no string of the language can hold.
func (t *Thread) checkText(s string) {
	if strings.IndexByte(s, 0) >= 0 {
		t.Throw("the string %q has a zero byte, which strings cannot hold", s)
	}
}

// ToGo is the inverse of FromGo. It computes everything; paths, and sets that can be
// used as strings, become strings, and contexts are lost.
func (t *Thread) ToGo(v Value) any {
	t.step() // a value that occurs twice is converted twice
	t.enter()
	defer t.leave()
	switch v := t.Force(v).(type) {
	case Null:
		return nil
	case Bool:
		return bool(v)
	case Int:
		return int64(v)
	case Float:
		return float64(v)
	case *String:
		return v.s
	case Path:
		return string(v)
	case *List:
		out := make([]any, len(v.elems))
		for i, e := range v.elems {
			out[i] = t.ToGo(e)
		}
		return out
	case *Attrs:
		if isStringLike(v) {
			return t.coerce(v, inPath, t.Pos()).s
		}
		out := make(map[string]any, v.n)
		for name, e := range v.All() {
			out[name] = t.ToGo(e)
		}
		return out
	case *Opaque:
		return v.Go
	default:
		t.Throw("%s has no counterpart in data", v.Type().withArticle())
		return nil
	}
}

func isStringLike(set *Attrs) bool { return set.Has("__toString") || set.Has("outPath") }

// jsonNumber tells integers from floats by how they are written.
func (t *Thread) jsonNumber(s string) Value {
	if !strings.ContainsAny(s, ".eE") {
		n, err := strconv.ParseInt(s, 10, 64)
		if err != nil {
			t.Throw("the JSON number %s does not fit an integer", s)
		}
		return MakeInt(n)
	}
	f, err := strconv.ParseFloat(s, 64)
	if err != nil {
		t.Throw("the JSON number %s does not fit a float", s)
	}
	return Float(f)
}

// ToJSON returns v as JSON, with the contexts of all strings in v.
func (t *Thread) ToJSON(v Value) *String {
	w := jsonWriter{t: t}
	w.value(v)
	return StrContext(w.out.String(), w.ctx)
}

type jsonWriter struct {
	t   *Thread
	out strings.Builder
	ctx *Context
}

func (w *jsonWriter) value(v Value) {
	t := w.t
	t.step()
	t.checkString(w.out.Len())
	t.enter()
	switch v := t.Force(v).(type) {
	case Null:
		w.out.WriteString("null")
	case Bool:
		w.out.WriteString(strconv.FormatBool(bool(v)))
	case Int:
		var digits [20]byte
		w.out.Write(strconv.AppendInt(digits[:0], int64(v), 10))
	case Float:
		w.out.WriteString(formatJSONFloat(float64(v)))
	case *String:
		w.text(v)
	case Path:
		w.text(t.sourceString(v, t.Pos()))
	case *List:
		w.out.WriteByte('[')
		for i, e := range v.elems {
			if i > 0 {
				w.out.WriteByte(',')
			}
			w.value(e)
		}
		w.out.WriteByte(']')
	case *Attrs:
		w.attrs(v)
	default:
		t.Throw("cannot convert %s to JSON", v.Type().withArticle())
	}
	t.leave()
}

func (w *jsonWriter) attrs(set *Attrs) {
	if f, found := set.Get("__toString"); found {
		w.text(w.t.coerce(w.t.Call(f, set), inInterpolation, w.t.Pos()))
		return
	}
	if v, found := set.Get("outPath"); found {
		w.value(v)
		return
	}
	w.out.WriteByte('{')
	site := &attrSite{set: set}
	for i, name := range set.shape.names {
		if i > 0 {
			w.out.WriteByte(',')
		}
		w.quote(name)
		w.out.WriteByte(':')
		site.index = i
		w.t.frames = append(w.t.frames, frame{site: site})
		w.value(set.vals()[i])
		w.t.frames = w.t.frames[:len(w.t.frames)-1]
	}
	w.out.WriteByte('}')
}

func (w *jsonWriter) text(s *String) {
	w.ctx = w.ctx.Union(s.ctx)
	w.quote(s.s)
}

func (w *jsonWriter) quote(s string) {
	if !utf8.ValidString(s) {
		w.t.Throw("cannot convert a string to JSON that is not UTF-8: %q", s)
	}
	w.t.grow(w.out.Len()+len(s), 2*len(s))
	const digits = "0123456789abcdef"
	// It would grow by a quarter each time it is large.
	if n := 2*len(s) + 2; w.out.Cap()-w.out.Len() < n {
		w.out.Grow(max(n, w.out.Len()))
	}
	w.out.WriteByte('"')
	done := 0
	for i := 0; i < len(s); i++ {
		c := s[i]
		if c >= ' ' && c != '"' && c != '\\' {
			continue
		}
		w.out.WriteString(s[done:i])
		done = i + 1
		if k := strings.IndexByte("\"\\\b\f\n\r\t", c); k >= 0 {
			w.out.WriteByte('\\')
			w.out.WriteByte("\"\\bfnrt"[k])
			continue
		}
		w.out.WriteString(`\u00`)
		w.out.WriteByte(digits[c>>4])
		w.out.WriteByte(digits[c&15])
	}
	w.out.WriteString(s[done:])
	w.out.WriteByte('"')
}

// formatJSONFloat returns the shortest text that is read as f, and as a float.
func formatJSONFloat(f float64) string {
	if math.IsInf(f, 0) || math.IsNaN(f) {
		return "null"
	}
	format := byte('f')
	if abs := math.Abs(f); abs != 0 && (abs < 1e-4 || abs >= 1e15) {
		format = 'e'
	}
	s := strconv.FormatFloat(f, format, -1, 64)
	if !strings.ContainsAny(s, ".e") {
		s += ".0"
	}
	return s
}

// ToXML writes a value as builtins.toXML does. If it is not strict, what is not computed
// stays so, and is written as <unevaluated />.
func (t *Thread) ToXML(v Value, strict bool) *String { return t.toXML(v, strict, false) }

// ToXMLWithPlaces is ToXML that says of attributes and functions where they are written, as
// nix-instantiate --xml does.
func (t *Thread) ToXMLWithPlaces(v Value, strict bool) *String { return t.toXML(v, strict, true) }

func (t *Thread) toXML(v Value, strict, places bool) *String {
	w := xmlWriter{t: t, strict: strict, places: places, seen: map[string]bool{}}
	w.out.WriteString("<?xml version='1.0' encoding='utf-8'?>\n<expr>\n")
	w.value(v, 1)
	w.out.WriteString("</expr>\n")
	return StrContext(w.out.String(), w.ctx)
}

type xmlWriter struct {
	t      *Thread
	strict bool
	places bool
	out    strings.Builder
	ctx    *Context
	seen   map[string]bool // derivations that were written already, by drvPath
}

var xmlEscapes = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", `"`, "&quot;", "\n", "&#xA;")

func (w *xmlWriter) line(depth int, text string) {
	w.t.step()
	w.t.grow(w.out.Len()+2*depth+len(text), 2*depth+len(text))
	w.out.WriteString(strings.Repeat("  ", depth) + text + "\n")
}

func (w *xmlWriter) scalar(depth int, tag, value string) {
	w.line(depth, "<"+tag+` value="`+xmlEscapes.Replace(value)+`" />`)
}

// maxXMLDepth is lower than the limit of other walks, because each line is indented by
// its depth.
const maxXMLDepth = 2000

func (w *xmlWriter) value(v Value, depth int) {
	if depth > maxXMLDepth {
		w.t.tooDeep(w.t.Pos())
	}
	if w.strict || depth == 1 {
		v = w.t.Force(v)
	}
	switch v := Computed(v).(type) {
	case Null:
		w.line(depth, "<null />")
	case Bool:
		w.scalar(depth, "bool", strconv.FormatBool(bool(v)))
	case Int:
		w.scalar(depth, "int", formatInt(v))
	case Float:
		w.scalar(depth, "float", formatFloat(v))
	case *String:
		w.ctx = w.ctx.Union(v.ctx)
		w.scalar(depth, "string", v.s)
	case Path:
		w.scalar(depth, "path", string(v))
	case *List:
		w.line(depth, "<list>")
		for _, e := range v.elems {
			w.value(e, depth+1)
		}
		w.line(depth, "</list>")
	case *Attrs:
		w.attrs(v, depth)
	case *Lambda:
		w.lambda(v, depth)
	default:
		w.line(depth, "<unevaluated />")
	}
}

func (w *xmlWriter) attrs(set *Attrs, depth int) {
	if !w.t.IsDerivation(set) {
		w.line(depth, "<attrs>")
		w.members(set, depth)
		w.line(depth, "</attrs>")
		return
	}
	open, drv := "<derivation", ""
	for _, name := range []string{"drvPath", "outPath"} {
		v, found := set.Get(name)
		if !found {
			continue
		}
		if w.strict {
			v = w.t.Force(v)
		}
		if s, ok := Computed(v).(*String); ok {
			open += " " + name + `="` + xmlEscapes.Replace(s.s) + `"`
			if name == "drvPath" {
				drv = s.s
			}
		}
	}
	w.line(depth, open+">")
	if drv == "" || w.seen[drv] { // without a path, too, as Nix has it
		w.line(depth+1, "<repeated />")
	} else {
		w.seen[drv] = true
		w.members(set, depth)
	}
	w.line(depth, "</derivation>")
}

func (w *xmlWriter) members(set *Attrs, depth int) {
	for name, v := range set.All() {
		w.line(depth+1, "<attr"+w.place(set.Pos(name), ` name="`+xmlEscapes.Replace(name)+`"`)+">")
		w.value(v, depth+2)
		w.line(depth+1, "</attr>")
	}
}

// place returns the XML attributes of what is written at pos, in the order of their names:
// those of the place, with others after column and line.
func (w *xmlWriter) place(pos syntax.Pos, others string) string {
	if !w.places || !pos.IsValid() {
		return others
	}
	line, col := pos.LineCol()
	out := fmt.Sprintf(` column="%d" line="%d"%s`, col, line, others)
	if file, found := w.t.ev.sources[pos.Source]; found {
		out += ` path="` + xmlEscapes.Replace(file) + `"`
	}
	return out
}

func (w *xmlWriter) lambda(f *Lambda, depth int) {
	pos := f.code.place
	if len(f.given()) > 0 {
		pos = syntax.Pos{} // that of x: y: … is where x stands
	}
	w.line(depth, "<function"+w.place(pos, "")+">")
	switch code := f.code; {
	case code.formals == nil:
		w.line(depth+1, `<varpat name="`+xmlEscapes.Replace(code.params[len(f.given())])+`" />`)
	default:
		open := "<attrspat"
		if code.ellipsis {
			open += ` ellipsis="1"`
		}
		if code.argName != "" {
			open += ` name="` + xmlEscapes.Replace(code.argName) + `"`
		}
		w.line(depth+1, open+">")
		for _, a := range code.formalArgs() {
			w.line(depth+2, `<attr name="`+xmlEscapes.Replace(a.Name)+`" />`)
		}
		w.line(depth+1, "</attrspat>")
	}
	w.line(depth, "</function>")
}
