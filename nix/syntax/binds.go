package syntax

import (
	"strings"
)

// set parses { … }; the brace is the current token.
func (p *parser) set(at At, recursive bool) *AttrSet {
	p.enter()
	open := p.need(tBraceL)
	p.opened++
	set := &AttrSet{At: at, Recursive: recursive}
	p.binds(set, tBraceR)
	p.close(tBraceR, open)
	p.opened--
	p.leave()
	return set
}

// binds parses bindings into set, up to a token of kind end or the end of the file.
func (p *parser) binds(set *AttrSet, end kind) {
	b := builder{p: p, index: map[*AttrSet]map[string]int{}}
	for p.tok.kind != end && p.tok.kind != tEOF {
		p.recovering(func() {
			switch p.tok.kind {
			case tInherit:
				p.inherit(&b, set)
			case tID, tOr, tQuote, tDollarCurly:
				p.bind(&b, set)
			default:
				p.fatal = true // nobody knows where the next one begins
				if p.tok.kind == tInt || p.tok.kind == tFloat {
					p.fail(p.tok.start, "unexpected number: a name that begins with a digit must be in quotes, as %q", p.word(p.tok))
				}
				if end == tEOF {
					p.unexpected("a binding")
				}
				p.unexpected("a binding or " + end.String())
			}
		})
	}
}

// maxErrors limits the errors of one text: nobody reads more, and later ones mostly
// follow from earlier ones.
const maxErrors = 10

// recovering parses one binding. If it is wrong, the error is kept and the parser goes
// on with the next binding, unless it cannot know where that is.
func (p *parser) recovering(read func()) {
	depth, open, opened := p.depth, p.strings, p.opened
	defer func() {
		if p.fatal || p.tok.kind == tEOF || p.strings != open || len(p.errs) >= maxErrors {
			return // not recovered: thousands of panics in a row would crawl
		}
		r := recover()
		if r == nil {
			return
		}
		rejected, ok := r.(*Error)
		if !ok || !p.skipBinding(p.opened-opened) {
			p.fatal = true
			panic(r)
		}
		p.depth, p.opened = depth, opened
		p.errs = append(p.errs, rejected)
	}()
	read()
}

// skipBinding goes on after the next semicolon of this level, or at the bracket that
// closes the level; first it closes open brackets. It reports whether there is one.
func (p *parser) skipBinding(open int) bool {
	if p.skipped {
		p.skipped = false
		return true
	}
	for {
		switch p.tok.kind {
		case tSemi:
			if open == 0 {
				p.advance()
				return true
			}
		case tBraceL, tParenL, tBracketL:
			open++
		case tBraceR, tParenR, tBracketR:
			if open == 0 {
				return p.tok.kind == tBraceR
			}
			open--
		case tIn:
			if open == 0 {
				return true
			}
		case tDollarCurly:
			open++
		case tQuote, tIndQuote:
			if !p.skipString() {
				return false
			}
			continue
		case tEOF, tBad:
			return false
		}
		p.advance()
	}
}

// skipString parses a string, and reports whether it had no errors.
func (p *parser) skipString() (ok bool) {
	depth, open, opened := p.depth, p.strings, p.opened
	defer func() {
		if r := recover(); r != nil {
			if _, rejected := r.(*Error); !rejected {
				panic(r)
			}
			p.depth, p.strings, p.opened, ok = depth, open, opened, false
		}
	}()
	if p.tok.kind == tQuote {
		p.quoted()
	} else {
		p.indented()
	}
	return true
}

// bind parses path = value;
func (p *parser) bind(b *builder, set *AttrSet) {
	start := p.tok.start
	path := p.attrPath()
	if p.tok.kind != tAssign {
		p.unexpected(`"="`)
	}
	p.advance()
	p.depth += len(path) - 1 // a nested path is as many sets
	value := p.expr()
	p.depth -= len(path) - 1
	switch p.tok.kind {
	case tSemi:
		p.advance()
	case tAssign:
		// `a = 1` without its semicolon has taken the next name as an argument.
		if call, ok := value.(*Apply); ok {
			next := call.Args[len(call.Args)-1].Pos().Offset
			p.resume(next) // the next binding may lack its semicolon too
			p.skipped = true
			p.fail(next, `";" is missing before this binding`)
		}
		p.unexpected(`";"`)
	case tBraceR, tIn, tInherit:
		p.skipped = true
		p.fail(p.last, `";" is missing after this binding`)
	case tEOF:
		p.fail(p.last, `";" is missing after this binding`)
	default:
		p.unexpected(`";"`)
	}
	b.add(set, path, value, p.pos(start))
}

// inherit parses inherit a b; and inherit (e) a b;
func (p *parser) inherit(b *builder, set *AttrSet) {
	p.advance()
	from := -1
	if p.tok.kind == tParenL {
		open := p.tok
		p.advance()
		source := p.expr()
		p.close(tParenR, open)
		from = len(set.Sources)
		set.Sources = append(set.Sources, source)
	}
	for p.tok.kind != tSemi {
		switch p.tok.kind {
		case tID, tOr, tQuote, tDollarCurly:
		case tEOF, tBraceR, tIn, tAssign:
			p.fail(p.last, `";" is missing after "inherit"`)
		default:
			p.unexpected(`a name or ";"`)
		}
		name := p.attrName()
		if name.Expr != nil {
			p.fail(name.Place.Offset, `dynamic attributes are not allowed in "inherit"`)
		}
		attr := Attr{Place: name.Place, Name: name.Name}
		if from >= 0 {
			attr.Kind, attr.From = InheritedFrom, from
		} else {
			attr.Kind, attr.Value = Inherited, &Var{At{name.Place}, name.Name}
		}
		b.insert(set, attr, []string{name.Name})
	}
	p.advance()
}

// attrPath parses a.b.${c}.
func (p *parser) attrPath() AttrPath {
	path := AttrPath{p.attrName()}
	for p.tok.kind == tDot {
		p.advance()
		path = append(path, p.attrName())
		p.reach(len(path))
	}
	return path
}

// attrName parses one step of a path. A constant in quotes is a plain name.
func (p *parser) attrName() AttrName {
	t := p.tok
	at := p.pos(t.start)
	var e Expr
	switch t.kind {
	case tID, tOr:
		p.advance()
		return AttrName{Place: at, Name: p.word(t)}
	case tQuote:
		p.enter()
		e = p.quoted()
		p.leave()
	case tDollarCurly:
		x, end := p.interpolation(t.start)
		p.resume(end)
		e = x
	default:
		p.unexpected("an attribute name")
	}
	if s, ok := e.(*String); ok {
		switch {
		case len(s.Parts) == 0:
			return AttrName{Place: at}
		case len(s.Parts) == 1 && s.Parts[0].Expr == nil:
			return AttrName{Place: at, Name: s.Parts[0].Text}
		}
	}
	return AttrName{Place: at, Expr: e}
}

// noDynamic rejects dynamic names in a scope that must know its names.
func (p *parser) noDynamic(set *AttrSet) {
	if len(set.Dynamic) > 0 {
		p.fail(set.Dynamic[0].Place.Offset, `dynamic attributes are not allowed in "let"`)
	}
}

// A builder merges bindings into sets, and rejects attributes that are defined twice.
type builder struct {
	p     *parser
	index map[*AttrSet]map[string]int // the index of a name in set.Attrs; made when first needed
}

// find returns the attribute of that name; nil if the set has none.
func (b *builder) find(set *AttrSet, name string) *Attr {
	names, ok := b.index[set]
	if !ok {
		if len(set.Attrs) <= 8 { // searching is cheaper than an index
			for i := range set.Attrs {
				if set.Attrs[i].Name == name {
					return &set.Attrs[i]
				}
			}
			return nil
		}
		names = make(map[string]int, 2*len(set.Attrs))
		for i, a := range set.Attrs {
			names[a.Name] = i
		}
		b.index[set] = names
	}
	if i, ok := names[name]; ok {
		return &set.Attrs[i]
	}
	return nil
}

func (b *builder) append(set *AttrSet, attr Attr) {
	set.Attrs = append(set.Attrs, attr)
	if names, ok := b.index[set]; ok {
		names[attr.Name] = len(set.Attrs) - 1
	}
}

// add defines path = value in set, and makes the sets in between.
func (b *builder) add(set *AttrSet, path AttrPath, value Expr, at Pos) {
	var names []string
	for i, step := range path[:len(path)-1] {
		names = append(names, step.display())
		next := path[i+1].Place
		if step.Expr != nil {
			inner := &AttrSet{At: At{next}}
			set.Dynamic = append(set.Dynamic, DynamicAttr{step.Place, step.Expr, inner})
			set = inner
			continue
		}
		old := b.find(set, step.Name)
		if old == nil {
			inner := &AttrSet{At: At{next}}
			b.append(set, Attr{Place: step.Place, Name: step.Name, Value: inner})
			set = inner
			continue
		}
		inner, ok := old.Value.(*AttrSet)
		if !ok {
			b.duplicate(names, at, old.Place)
		}
		set = inner
	}
	last := path[len(path)-1]
	if last.Expr != nil {
		set.Dynamic = append(set.Dynamic, DynamicAttr{last.Place, last.Expr, value})
		return
	}
	b.insert(set, Attr{Place: last.Place, Name: last.Name, Value: value}, append(names, last.Name))
}

// insert adds attr to set. Two sets of the same name become one, as in `a = { b = 1; };
// a = { c = 2; };`.
func (b *builder) insert(set *AttrSet, attr Attr, path []string) {
	old := b.find(set, attr.Name)
	if old == nil {
		b.append(set, attr)
		return
	}
	into, ok := old.Value.(*AttrSet)
	more, ok2 := attr.Value.(*AttrSet)
	if !ok || !ok2 {
		b.duplicate(path, attr.Place, old.Place)
	}
	shift := len(into.Sources)
	into.Sources = append(into.Sources, more.Sources...)
	for _, a := range more.Attrs {
		if a.Kind == InheritedFrom {
			a.From += shift
		}
		b.insert(into, a, append(path[:len(path):len(path)], a.Name))
	}
	into.Dynamic = append(into.Dynamic, more.Dynamic...)
}

func (b *builder) duplicate(path []string, at, first Pos) {
	line, col := first.LineCol()
	b.p.skipped = true // the binding itself was read
	b.p.fail(at.Offset, "attribute %q is already defined at %s:%d:%d", strings.Join(path, "."), first.File(), line, col)
}

// display returns a step as messages show it.
func (n AttrName) display() string {
	if n.Expr != nil {
		return "${…}"
	}
	return n.Name
}
