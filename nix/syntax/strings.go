package syntax

import "strings"

// textParts collects the parts of a string or path. Adjacent literals become one, and
// empty ones are dropped.
type textParts struct {
	p    *parser
	list []Part
}

func (t *textParts) add(offset int, text string) {
	if text == "" {
		return
	}
	if strings.IndexByte(text, 0) >= 0 { // nothing that is written so makes one
		t.p.fail(offset, "a string cannot hold a zero byte: remove it")
	}
	if n := len(t.list); n > 0 && t.list[n-1].Expr == nil {
		t.list[n-1].Text += text
		return
	}
	t.list = append(t.list, Part{Place: t.p.pos(offset), Text: text})
}

// interpolate parses ${expr} at the offset, and returns the offset after it.
func (t *textParts) interpolate(offset int) int {
	e, end := t.p.interpolation(offset)
	t.list = append(t.list, Part{Place: e.Pos(), Expr: e})
	return end
}

// interpolation parses ${expr}. It does not lex what follows, which inside a string
// need not be a token.
func (p *parser) interpolation(offset int) (Expr, int) {
	p.resume(offset + 2)
	p.strings++
	e := p.expr()
	if p.tok.kind == tEOF {
		p.fail(offset, `"${" is never closed`)
	}
	if p.tok.kind != tBraceR {
		p.unexpected(`"}"`)
	}
	p.strings--
	return e, p.tok.end
}

// quoted parses "…"; the quote is the current token.
func (p *parser) quoted() *String {
	start := p.tok.start
	e := &String{At: p.at(start)}
	parts := textParts{p: p}
	var lit strings.Builder
	at, from := p.tok.end, p.tok.end
	flush := func() {
		parts.add(from, lit.String())
		lit.Reset()
	}
	for {
		if at >= len(p.text) {
			p.fail(start, "string is never closed")
		}
		switch c := p.text[at]; {
		case c == '"':
			flush()
			e.Parts = parts.list
			p.resume(at + 1)
			return e
		case c == '\\' && at+1 < len(p.text):
			at++
			at += unescape(&lit, p.text[at:])
		case strings.HasPrefix(p.text[at:], "${"):
			flush()
			at = parts.interpolate(at)
			from = at
		case c == '$' && at+1 < len(p.text) && p.text[at+1] == '$':
			lit.WriteString("$$") // the second one starts no interpolation
			at += 2
		default:
			at += plainByte(&lit, p.text[at:])
		}
	}
}

// plainByte writes the first character, and the end of a line as \n.
func plainByte(b *strings.Builder, s string) int {
	if s[0] != '\r' {
		b.WriteByte(s[0])
		return 1
	}
	b.WriteByte('\n')
	if strings.HasPrefix(s, "\r\n") {
		return 2
	}
	return 1
}

// unescape writes what follows a backslash, and returns its length.
func unescape(b *strings.Builder, s string) int {
	switch s[0] {
	case 'n':
		b.WriteByte('\n')
	case 'r':
		b.WriteByte('\r')
	case 't':
		b.WriteByte('\t')
	default:
		return plainByte(b, s)
	}
	return 1
}

// A chunk is a piece of an indented string as typed.
type chunk struct {
	offset  int
	text    string
	escaped bool // an escape, which ends the indentation of its line
	expr    Expr
}

// A chunker collects the chunks of an indented string.
type chunker struct {
	p    *parser
	list []chunk
	from int // the offset of the text that is in no chunk yet
}

// plain makes a chunk of the text before the offset at.
func (c *chunker) plain(at int) {
	if at > c.from {
		c.list = append(c.list, chunk{offset: c.from, text: c.p.text[c.from:at]})
	}
}

// escape adds an escape of n bytes that stands for a text, and returns the offset after it.
func (c *chunker) escape(at, n int, text string) int {
	c.plain(at)
	c.list = append(c.list, chunk{offset: at, text: text, escaped: true})
	c.from = at + n
	return c.from
}

// backslash adds the escape ”\x.
func (c *chunker) backslash(at int) int {
	var b strings.Builder
	n := unescape(&b, c.p.text[at+3:])
	return c.escape(at, 3+n, b.String())
}

// interpolation adds ${expr}.
func (c *chunker) interpolation(at int) int {
	c.plain(at)
	x, end := c.p.interpolation(at)
	c.list = append(c.list, chunk{offset: at, expr: x})
	c.from = end
	return end
}

// indented parses ”…”; the quotes are the current token.
func (p *parser) indented() *String {
	start := p.tok.start
	at := p.tok.end
	c := chunker{p: p, from: at}
	for {
		rest := p.text[at:]
		if rest == "" || rest == `''\` {
			p.fail(start, "string is never closed")
		}
		switch {
		case strings.HasPrefix(rest, "''$"):
			at = c.escape(at, 3, "$")
		case strings.HasPrefix(rest, "'''"):
			at = c.escape(at, 3, "''")
		case strings.HasPrefix(rest, `''\`):
			at = c.backslash(at)
		case strings.HasPrefix(rest, "''"):
			c.plain(at)
			p.resume(at + 2)
			return &String{At: p.at(start), Parts: p.dedent(c.list)}
		case strings.HasPrefix(rest, "${"):
			at = c.interpolation(at)
		case strings.HasPrefix(rest, "$$"):
			at += 2 // the second one starts no interpolation
		case rest[0] == '\'' && len(rest) > 1 && rest[1] != '\'' && rest[1] != '$':
			at += 2 // a quote is followed by one plain character
		default:
			at++
		}
	}
}

// dedent removes the indentation that all lines share, and a last line that has only
// spaces. Only spaces count as indentation, and empty lines are ignored.
func (p *parser) dedent(chunks []chunk) []Part {
	least, current, lineStart := int(^uint(0)>>1), 0, true
	for _, c := range chunks {
		if c.expr != nil || c.escaped {
			if lineStart {
				lineStart = false
				least = min(least, current)
			}
			continue
		}
		for i := 0; i < len(c.text); i++ {
			switch ch := c.text[i]; {
			case ch == '\n':
				lineStart, current = true, 0
			case !lineStart:
			case ch == ' ':
				current++
			default:
				lineStart = false
				least = min(least, current)
			}
		}
	}
	parts := textParts{p: p}
	lineStart, dropped := true, 0
	for n, c := range chunks {
		if c.expr != nil {
			lineStart, dropped = false, 0
			parts.list = append(parts.list, Part{Place: c.expr.Pos(), Expr: c.expr})
			continue
		}
		var b strings.Builder
		for i := 0; i < len(c.text); i++ {
			ch := c.text[i]
			switch {
			case ch == '\n':
				lineStart, dropped = true, 0
			case !lineStart:
			case ch == ' ':
				if dropped++; dropped <= least {
					continue
				}
			default:
				lineStart = false
			}
			b.WriteByte(ch)
		}
		text := b.String()
		if n == len(chunks)-1 {
			if nl := strings.LastIndexByte(text, '\n'); nl >= 0 && strings.Trim(text[nl+1:], " ") == "" {
				text = text[:nl+1]
			}
		}
		parts.add(c.offset, text)
	}
	return parts.list
}
