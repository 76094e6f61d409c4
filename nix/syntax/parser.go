package syntax

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// MaxDepth limits how deep expressions nest, so that neither the parser nor a walk of
// the tree can exhaust the stack.
const MaxDepth = 10_000

// Parse parses one expression. Its error is an *[Error], or [Errors] if several
// bindings are wrong.
func Parse(name, text string) (Expr, error) {
	return parse(name, text, func(p *parser) Expr {
		e := p.expr()
		if p.tok.kind != tEOF {
			p.unexpected("the end of the file")
		}
		return e
	})
}

// ParseBindings parses bindings without braces, as in `services.redis."cache".enable =
// true;`, and returns them as a set.
func ParseBindings(name, text string) (*AttrSet, error) {
	e, err := parse(name, text, func(p *parser) Expr {
		set := &AttrSet{At: p.at(0)}
		p.binds(set, tEOF)
		return set
	})
	if err != nil {
		return nil, err
	}
	return e.(*AttrSet), nil
}

// ParseFragment parses an expression, or bindings without braces. If the text is
// neither, the error is that of the attempt that got further.
func ParseFragment(name, text string) (Expr, error) {
	e, err := Parse(name, text)
	if err == nil {
		return e, nil
	}
	set, err2 := ParseBindings(name, text)
	if err2 == nil {
		return set, nil
	}
	var a, b *Error
	if errors.As(err, &a) && errors.As(err2, &b) && b.Pos.Offset > a.Pos.Offset {
		return nil, err2
	}
	return nil, err
}

// parse parses text with read, and turns the parser's panics into errors.
func parse(name, text string, read func(*parser) Expr) (e Expr, err error) {
	p := &parser{src: NewSource(name, text), lexer: lexer{text: text}}
	defer func() {
		if r := recover(); r != nil {
			rejected, ok := r.(*Error)
			if !ok {
				panic(r)
			}
			e, err = nil, p.rejected(rejected)
		}
	}()
	p.tok = p.lex(0)
	e = read(p)
	if len(p.errs) > 0 {
		return nil, p.rejected(nil)
	}
	return e, nil
}

// rejected returns all errors, last included.
func (p *parser) rejected(last *Error) error {
	if last != nil {
		p.errs = append(p.errs, last)
	}
	if len(p.errs) == 1 {
		return p.errs[0]
	}
	slices.SortStableFunc(p.errs, func(a, b *Error) int { return a.Pos.Offset - b.Pos.Offset })
	return p.errs
}

// A parser works by recursive descent, with operators by precedence. An error unwinds
// as a panic with an *Error, which parse catches.
type parser struct {
	lexer
	src  *Source
	tok  token // the current one, not yet consumed
	last int   // end of the token before it

	errs    Errors // of bindings that were given up
	strings int    // interpolations that are open now
	opened  int    // brackets that are open now
	fatal   bool   // the next error ends the parser
	skipped bool   // the binding with the error has been read to its end

	depth   int // expressions that are open now
	deepest int // the most levels of the last expression, counted from the root
}

func (p *parser) pos(offset int) Pos { return Pos{p.src, offset} }
func (p *parser) at(offset int) At   { return At{p.pos(offset)} }
func (p *parser) advance()           { p.resume(p.tok.end) }
func (p *parser) peek() token        { return p.lex(p.tok.end) }

// resume goes on with the token at or after offset.
func (p *parser) resume(offset int) {
	p.last = offset
	p.tok = p.lex(offset)
}

func (p *parser) fail(offset int, format string, args ...any) {
	panic(&Error{p.pos(offset), fmt.Sprintf(format, args...)})
}

// unexpected rejects the current token.
func (p *parser) unexpected(wanted string) {
	switch t := p.tok; t.kind {
	case tBad:
		p.fail(t.start, "%s", t.bad)
	case tID:
		p.fail(t.start, "unexpected name %q, expected %s", p.word(t), wanted)
	case tInt, tFloat, tPath, tSPath, tURI:
		p.fail(t.start, "unexpected %s, expected %s", p.word(t), wanted)
	default:
		what := strings.TrimPrefix(t.kind.String(), "the ") // "the end of the file", "a string"
		p.fail(t.start, "unexpected %s, expected %s", strings.TrimPrefix(what, "a "), wanted)
	}
}

func (p *parser) word(t token) string { return p.text[t.start:t.end] }

// need consumes a token of kind k and returns it.
func (p *parser) need(k kind) token {
	if p.tok.kind != k {
		p.unexpected(k.String())
	}
	t := p.tok
	p.advance()
	return t
}

// enter counts one more level of nesting, until leave. An error ends the parser, so the
// two need not be balanced then.
func (p *parser) enter() {
	p.depth++
	p.reach(0)
}

func (p *parser) leave() { p.depth-- }

// reach notes that the tree is extra levels deep below the current one.
func (p *parser) reach(extra int) {
	p.deepest = max(p.deepest, p.depth+extra)
	if p.deepest > MaxDepth {
		p.fatal = true
		p.fail(p.tok.start, "expressions nest more than %d levels deep", MaxDepth)
	}
}

// expr parses any expression: functions, let, with, assert, if, pipes.
func (p *parser) expr() Expr {
	p.enter()
	e := p.anyExpr()
	p.leave() // not deferred, because unwinding thousands of levels would be slow
	return e
}

func (p *parser) anyExpr() Expr {
	start := p.tok
	at := p.at(start.start)
	switch start.kind {
	case tID:
		switch p.peek().kind {
		case tColon:
			p.advance()
			p.advance()
			return &Lambda{At: at, Arg: p.word(start), Body: p.expr()}
		case tAt:
			p.advance()
			p.advance()
			if p.tok.kind != tBraceL {
				p.unexpected(`"{"`)
			}
			f := p.formals()
			p.checkFormals(f, p.word(start), start.start)
			p.need(tColon)
			return &Lambda{At: at, Arg: p.word(start), Formals: f, Body: p.expr()}
		}
	case tBraceL:
		if !p.atFormals() {
			break
		}
		l := &Lambda{At: at, Formals: p.formals()}
		name := start
		if p.tok.kind == tAt {
			p.advance()
			name = p.need(tID)
			l.Arg = p.word(name)
		}
		p.checkFormals(l.Formals, l.Arg, name.start)
		p.need(tColon)
		l.Body = p.expr()
		return l
	case tLet:
		if p.peek().kind == tBraceL {
			break // the old form is a simple expression
		}
		p.advance()
		set := &AttrSet{At: at, Recursive: true}
		p.binds(set, tIn)
		p.noDynamic(set)
		p.need(tIn)
		return &Let{At: at, Bindings: set, Body: p.expr()}
	case tWith:
		p.advance()
		env := p.expr()
		p.need(tSemi)
		return &With{At: at, Env: env, Body: p.expr()}
	case tAssert:
		p.advance()
		cond := p.expr()
		p.need(tSemi)
		return &Assert{At: at, Cond: cond, Body: p.expr()}
	case tIf:
		p.advance()
		cond := p.expr()
		p.need(tThen)
		then := p.expr()
		p.need(tElse)
		return &If{At: at, Cond: cond, Then: then, Else: p.expr()}
	}
	return p.pipes()
}

// pipes parses a |> f and f <| a, which do not mix.
func (p *parser) pipes() Expr {
	outer := p.deepest
	p.deepest = p.depth
	x := p.operation(0)
	height := p.deepest - p.depth
	first := p.tok.kind
	for first == tPipeInto && p.tok.kind == tPipeInto {
		p.advance()
		p.deepest = p.depth
		f := p.operation(0)
		height = max(height, p.deepest-p.depth) + 1
		p.reach(height)
		x = &Apply{At: At{f.Pos()}, Fn: f, Args: []Expr{x}}
	}
	if first == tPipeFrom {
		operands := []Expr{x}
		for p.tok.kind == tPipeFrom {
			p.advance()
			p.deepest = p.depth
			operands = append(operands, p.operation(0))
			height = max(height, p.deepest-p.depth) + 1
			p.reach(height)
		}
		x = operands[len(operands)-1]
		for i := len(operands) - 2; i >= 0; i-- {
			x = &Apply{At: At{operands[i].Pos()}, Fn: operands[i], Args: []Expr{x}}
		}
	}
	if p.tok.kind == tPipeInto || p.tok.kind == tPipeFrom {
		p.fail(p.tok.start, `"|>" and "<|" must not be mixed without parentheses`)
	}
	p.deepest = max(outer, p.depth+height)
	return x
}

// An infix is a binary operator with its precedence and associativity.
type infix struct {
	op    Op
	prec  int
	assoc byte // 'l', 'r', 'n': not at all
}

// The precedences of the prefix operators: "!" binds looser than "+", and "-"
// tighter than anything but application.
const (
	precNot = 7
	precHas = 11
	precNeg = 12
)

var infixes = map[kind]infix{
	tImpl: {OpImpl, 1, 'r'}, tOrOr: {OpOr, 2, 'l'}, tAnd: {OpAnd, 3, 'l'},
	tEq: {OpEq, 4, 'n'}, tNeq: {OpNeq, 4, 'n'},
	tLess: {OpLess, 5, 'n'}, tLessEq: {OpLessEq, 5, 'n'}, tMore: {OpMore, 5, 'n'}, tMoreEq: {OpMoreEq, 5, 'n'},
	tUpdate: {OpUpdate, 6, 'r'}, tPlus: {OpAdd, 8, 'l'}, tMinus: {OpSub, 8, 'l'},
	tTimes: {OpMul, 9, 'l'}, tDiv: {OpDiv, 9, 'l'}, tConcat: {OpConcat, 10, 'r'}, tQuestion: {OpNone, precHas, 'n'},
}

// operation parses operators of at least the precedence least.
func (p *parser) operation(least int) Expr {
	p.enter()
	outer := p.deepest
	p.deepest = p.depth
	var x Expr
	switch at := p.at(p.tok.start); p.tok.kind {
	case tNot:
		p.advance()
		x = &Unary{At: at, Op: OpNot, X: p.operation(precNot + 1)}
	case tMinus:
		p.advance()
		x = &Unary{At: at, Op: OpNeg, X: p.operation(precNeg + 1)}
	default:
		x = p.application()
	}
	// A chain a + b + c grows to the left without recursion here. But a walk of the tree
	// recurses, so its height counts.
	height := p.deepest - p.depth
	barred := 0 // the precedence of a non-associative operator just read
	for {
		in, ok := infixes[p.tok.kind]
		if !ok || in.prec < least {
			break
		}
		if in.prec == barred {
			p.fail(p.tok.start, "%s cannot follow another operator of its rank; add parentheses", p.tok.kind)
		}
		at := p.at(p.tok.start)
		p.advance()
		p.deepest = p.depth
		if in.prec == precHas {
			x = &HasAttr{At: at, Base: x, Path: p.attrPath()}
		} else {
			right := in.prec + 1
			if in.assoc == 'r' {
				right = in.prec
			}
			x = &Binary{At: at, Op: in.op, X: x, Y: p.operation(right)}
		}
		height = max(height, p.deepest-p.depth) + 1
		p.reach(height)
		barred = 0
		if in.assoc == 'n' {
			barred = in.prec
		}
	}
	p.deepest = max(outer, p.depth+height)
	p.leave()
	return x
}

// application parses f a b.
func (p *parser) application() Expr {
	start := p.tok.start
	fn := p.selection()
	if !p.atSimple() {
		return fn
	}
	call := &Apply{At: p.at(start), Fn: fn}
	for p.atSimple() {
		call.Args = append(call.Args, p.selection())
	}
	return call
}

// atSimple reports whether the current token can start an argument.
func (p *parser) atSimple() bool {
	switch p.tok.kind {
	case tID, tInt, tFloat, tPath, tSPath, tURI, tQuote, tIndQuote, tParenL, tBraceL, tBracketL, tRec:
		return true
	case tLet:
		return p.peek().kind == tBraceL
	}
	return false
}

// selection parses a.b.c or d.
func (p *parser) selection() Expr {
	at := p.at(p.tok.start)
	base := p.simple()
	if p.tok.kind == tOr {
		// A function may be called "or": `map or [ … ]` passes it on.
		or := &Var{At: p.at(p.tok.start), Name: "or"}
		p.advance()
		return &Apply{At: at, Fn: base, Args: []Expr{or}}
	}
	if p.tok.kind != tDot {
		return base
	}
	p.advance()
	s := &Select{At: at, Base: base, Path: p.attrPath()}
	if p.tok.kind == tOr {
		p.advance()
		p.enter()
		s.Default = p.selection()
		p.leave()
	}
	return s
}

// simple parses an expression that needs no parentheses anywhere. What needs much room on the
// stack has a function of its own, since thousands of calls of this one may be nested.
func (p *parser) simple() Expr {
	t := p.tok
	at := p.at(t.start)
	switch t.kind {
	case tID:
		p.advance()
		return &Var{at, p.word(t)}
	case tInt, tFloat:
		return p.number(at, t)
	case tQuote:
		return p.quoted()
	case tIndQuote:
		return p.indented()
	case tPath:
		return p.path()
	case tSPath:
		p.advance()
		return &SearchPath{at, p.text[t.start+1 : t.end-1]}
	case tURI:
		p.advance()
		return &URI{at, p.word(t)}
	case tParenL:
		p.advance()
		p.opened++
		e := p.expr()
		p.close(tParenR, t)
		p.opened--
		return e
	case tBracketL:
		return p.list(at)
	case tRec:
		p.advance()
		if p.tok.kind != tBraceL {
			p.unexpected(`"{"`)
		}
		return p.set(at, true)
	case tBraceL:
		return p.set(at, false)
	case tLet:
		p.advance()
		if p.tok.kind != tBraceL {
			p.fail(t.start, `"let" must stand in parentheses here`)
		}
		set := p.set(at, true)
		p.noDynamic(set)
		return &Select{At: at, Base: set, Path: AttrPath{{Place: at.Place, Name: "body"}}}
	case tIf, tWith, tAssert:
		p.fail(t.start, "%s must stand in parentheses here", t.kind)
	}
	p.unexpected("an expression")
	return nil
}

func (p *parser) number(at At, t token) Expr {
	p.advance()
	if t.kind == tFloat {
		f, err := strconv.ParseFloat(p.word(t), 64)
		if err != nil {
			p.fail(t.start, "number %s is too large", p.word(t))
		}
		return &Float{at, f}
	}
	n, err := strconv.ParseInt(p.word(t), 10, 64)
	if err != nil {
		p.fail(t.start, "integer %s does not fit in 64 bits", p.word(t))
	}
	return &Int{at, n}
}

// list parses [ … ]; the bracket is the current token.
func (p *parser) list(at At) Expr {
	p.advance()
	p.opened++
	l := &List{At: at}
	for p.tok.kind != tBracketR {
		if !p.atSimple() {
			if p.tok.kind == tEOF {
				p.fail(at.Place.Offset, `"[" is never closed`)
			}
			p.unexpected(`an element or "]"`)
		}
		p.enter()
		l.Elems = append(l.Elems, p.selection())
		p.leave()
	}
	p.opened--
	p.advance()
	return l
}

// close consumes the bracket that closes the token open.
func (p *parser) close(k kind, open token) {
	if p.tok.kind == tEOF {
		p.fail(open.start, "%s is never closed", open.kind)
	}
	p.need(k)
}

// path parses a path; its literal start is the current token.
func (p *parser) path() Expr {
	start := p.tok.start
	e := &Path{At: p.at(start)}
	parts := textParts{p: p}
	parts.add(p.tok.start, p.word(p.tok))
	at, slash := p.tok.end, p.text[p.tok.end-1] == '/'
	for {
		if strings.HasPrefix(p.text[at:], "${") {
			at = parts.interpolate(at)
			slash = false
			continue
		}
		n := pathMore(p.text[at:])
		if n == 0 {
			break
		}
		parts.add(at, p.text[at:at+n])
		at += n
		slash = p.text[at-1] == '/'
	}
	if slash {
		p.fail(at-1, "a path must not end with a slash")
	}
	p.resume(at)
	e.Parts = parts.list
	return e
}

// atFormals tells { a, … }: from a set by the tokens after the brace.
func (p *parser) atFormals() bool {
	first := p.peek()
	second := p.lex(first.end)
	switch first.kind {
	case tEllipsis:
		return true
	case tBraceR:
		return second.kind == tColon || second.kind == tAt
	case tID:
		return second.kind == tComma || second.kind == tQuestion || second.kind == tBraceR
	}
	return false
}

// formals parses { a, b ? c, ... }.
func (p *parser) formals() *Formals {
	open := p.need(tBraceL)
	p.opened++
	f := &Formals{}
	for p.tok.kind != tBraceR {
		if p.tok.kind == tEllipsis {
			f.Ellipsis = true
			p.advance()
			break
		}
		if p.tok.kind == tEOF {
			p.fail(open.start, `"{" is never closed`)
		}
		name := p.need(tID)
		formal := Formal{Place: p.pos(name.start), Name: p.word(name)}
		if p.tok.kind == tQuestion {
			p.advance()
			formal.Default = p.expr()
		}
		f.List = append(f.List, formal)
		if p.tok.kind != tComma {
			break
		}
		p.advance()
	}
	p.close(tBraceR, open)
	p.opened--
	return f
}

// checkFormals rejects a name that occurs twice in the pattern.
func (p *parser) checkFormals(f *Formals, arg string, at int) {
	seen := make(map[string]bool, len(f.List))
	for _, formal := range f.List {
		if seen[formal.Name] {
			p.fail(formal.Place.Offset, "duplicate formal function argument %q", formal.Name)
		}
		seen[formal.Name] = true
	}
	if arg != "" && seen[arg] {
		p.fail(at, "duplicate formal function argument %q", arg)
	}
}
