package syntax

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// A kind is a kind of token.
type kind uint8

const (
	tEOF kind = iota
	tBad      // not a token; token.bad says why
	tID
	tInt
	tFloat
	tPath  // the literal start of a path; the parser reads on
	tSPath // <…>
	tURI
	tQuote    // "
	tIndQuote // '' and the blank rest of its line
	tDollarCurly
	tIf
	tThen
	tElse
	tAssert
	tWith
	tLet
	tIn
	tRec
	tInherit
	tOr
	tEllipsis
	tImpl
	tOrOr
	tAnd
	tEq
	tNeq
	tLess
	tLessEq
	tMore
	tMoreEq
	tUpdate
	tNot
	tPlus
	tMinus
	tTimes
	tDiv
	tConcat
	tQuestion
	tPipeInto // |>
	tPipeFrom // <|
	tAssign
	tSemi
	tColon
	tComma
	tAt
	tDot
	tParenL
	tParenR
	tBraceL
	tBraceR
	tBracketL
	tBracketR
)

// kindNames are the names of kinds in messages.
var kindNames = [...]string{
	tEOF: "the end of the file", tID: "a name", tInt: "a number", tFloat: "a number", tPath: "a path",
	tSPath: "a path", tURI: "a URL", tQuote: `a string`, tIndQuote: `a string`, tDollarCurly: `"${"`,
	tIf: `"if"`, tThen: `"then"`, tElse: `"else"`, tAssert: `"assert"`, tWith: `"with"`, tLet: `"let"`,
	tIn: `"in"`, tRec: `"rec"`, tInherit: `"inherit"`, tOr: `"or"`, tEllipsis: `"..."`, tImpl: `"->"`,
	tOrOr: `"||"`, tAnd: `"&&"`, tEq: `"=="`, tNeq: `"!="`, tLess: `"<"`, tLessEq: `"<="`, tMore: `">"`,
	tMoreEq: `">="`, tUpdate: `"//"`, tNot: `"!"`, tPlus: `"+"`, tMinus: `"-"`, tTimes: `"*"`, tDiv: `"/"`,
	tConcat: `"++"`, tQuestion: `"?"`, tPipeInto: `"|>"`, tPipeFrom: `"<|"`, tAssign: `"="`, tSemi: `";"`,
	tColon: `":"`, tComma: `","`, tAt: `"@"`, tDot: `"."`, tParenL: `"("`, tParenR: `")"`, tBraceL: `"{"`,
	tBraceR: `"}"`, tBracketL: `"["`, tBracketR: `"]"`, tBad: "a bad token",
}

func (k kind) String() string { return kindNames[k] }

// punctuation is sorted by length, so that the first match is the longest.
var punctuation = []struct {
	text string
	kind kind
}{
	{"...", tEllipsis}, {"->", tImpl}, {"||", tOrOr}, {"|>", tPipeInto}, {"<|", tPipeFrom}, {"&&", tAnd},
	{"==", tEq}, {"!=", tNeq}, {"<=", tLessEq}, {">=", tMoreEq}, {"//", tUpdate}, {"++", tConcat},
	{"${", tDollarCurly}, {"<", tLess}, {">", tMore}, {"!", tNot}, {"+", tPlus}, {"-", tMinus}, {"*", tTimes},
	{"/", tDiv}, {"?", tQuestion}, {"=", tAssign}, {";", tSemi}, {":", tColon}, {",", tComma}, {"@", tAt},
	{".", tDot}, {"(", tParenL}, {")", tParenR}, {"{", tBraceL}, {"}", tBraceR}, {"[", tBracketL}, {"]", tBracketR},
}

var keywords = map[string]kind{
	"if": tIf, "then": tThen, "else": tElse, "assert": tAssert, "with": tWith, "let": tLet, "in": tIn,
	"rec": tRec, "inherit": tInherit, "or": tOr,
}

// A token is a piece of the text: text[start:end].
type token struct {
	kind       kind
	start, end int
	bad        string // for tBad: why it is no token
}

// A lexer cuts text into tokens. The parser reads what strings and paths consist of,
// since it knows where it is; so tokens may be read in any order.
type lexer struct {
	text string
	// The last runs of characters that may begin a path or a URL scheme. Without them,
	// each name in "a.a.a…" would look at all of the rest.
	pathRun, schemeRun run
}

// A run is text[start:end].
type run struct{ start, end int }

// at returns how many characters of the run follow from i on. Outside of r it measures
// a new run.
func (r *run) at(text string, i int, ok func(byte) bool) int {
	if i < r.start || i >= r.end {
		*r = run{i, i + span(text[i:], ok)}
	}
	return r.end - i
}

// lex reads the token at or after offset.
//
// Nix lexes by the longest match, hence the comparisons of lengths: "a/b" is a path,
// "a:b" a URL, "a-1" a name.
func (l *lexer) lex(offset int) token {
	text := l.text
	start, bad := skipBlank(text, offset)
	if bad != "" {
		return token{tBad, start, len(text), bad}
	}
	if start == len(text) {
		return token{tEOF, start, start, ""}
	}
	rest := text[start:]
	best, length := tBad, 0
	take := func(k kind, n int) {
		if n > length {
			best, length = k, n
		}
	}
	switch c := rest[0]; {
	case isIDStart(c):
		n := 1
		for n < len(rest) && isIDChar(rest[n]) {
			n++
		}
		k := tID
		if kw, ok := keywords[rest[:n]]; ok {
			k = kw
		}
		take(k, n)
		take(tPath, l.pathStart(start))
		take(tURI, l.uriLength(start))
	case isDigit(c) || c == '.':
		n := span(rest, isDigit)
		take(tInt, n)
		take(tFloat, floatLength(rest))
		take(tPath, l.pathStart(start))
	case c == '"':
		take(tQuote, 1)
	case strings.HasPrefix(rest, "''"):
		n := 2 + span(rest[2:], func(c byte) bool { return c == ' ' })
		if n < len(rest) && rest[n] == '\n' { // not \r\n: neither does Nix
			n++
		} else {
			n = 2
		}
		take(tIndQuote, n)
	case c == '~' || c == '/' || c == '-' || c == '+':
		take(tPath, l.pathStart(start))
	case c == '<':
		take(tSPath, searchPathLength(rest))
	}
	if best == tBad {
		for _, p := range punctuation {
			if strings.HasPrefix(rest, p.text) {
				take(p.kind, len(p.text))
				break
			}
		}
	}
	if length == 0 {
		r, n := utf8.DecodeRuneInString(rest)
		msg := fmt.Sprintf("unexpected character %q", r)
		if r == '\'' {
			msg = `unexpected quote "'": a string stands in double quotes, or in two single ones`
		}
		if r == utf8.RuneError && n == 1 {
			msg = fmt.Sprintf("unexpected byte 0x%02x", rest[0])
		}
		if start == 0 && (r == '\uFEFF' || strings.HasPrefix(rest, "\xff\xfe") || strings.HasPrefix(rest, "\xfe\xff")) {
			msg = "unexpected byte order mark: save the file as UTF-8 without one"
		}
		return token{tBad, start, start + n, msg}
	}
	return token{best, start, start + length, ""}
}

// skipBlank returns the offset after white space and comments.
func skipBlank(text string, i int) (at int, bad string) {
	for i < len(text) {
		switch {
		case text[i] == ' ' || text[i] == '\t' || text[i] == '\r' || text[i] == '\n':
			i++
		case text[i] == '#':
			for i < len(text) && text[i] != '\n' && text[i] != '\r' {
				i++
			}
		case strings.HasPrefix(text[i:], "/*"):
			n := strings.Index(text[i+2:], "*/")
			if n < 0 {
				return i, "comment is never closed"
			}
			i += n + 4
		default:
			return i, ""
		}
	}
	return i, ""
}

func isDigit(c byte) bool   { return '0' <= c && c <= '9' }
func isLetter(c byte) bool  { return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' }
func isIDStart(c byte) bool { return isLetter(c) || c == '_' }
func isIDChar(c byte) bool  { return isIDStart(c) || isDigit(c) || c == '\'' || c == '-' }
func isPathChar(c byte) bool {
	return isLetter(c) || isDigit(c) || c == '.' || c == '_' || c == '-' || c == '+'
}

func span(s string, ok func(byte) bool) int {
	n := 0
	for n < len(s) && ok(s[n]) {
		n++
	}
	return n
}

// floatLength matches ([1-9][0-9]*\.[0-9]*|0?\.[0-9]+)([Ee][+-]?[0-9]+)?.
func floatLength(s string) int {
	n := span(s, isDigit)
	if n >= len(s) || s[n] != '.' {
		return 0
	}
	fraction := span(s[n+1:], isDigit)
	switch {
	case n > 0 && s[0] != '0':
	case fraction > 0 && (n == 0 || n == 1):
	default:
		return 0
	}
	n += 1 + fraction
	if n < len(s) && (s[n] == 'e' || s[n] == 'E') {
		m := n + 1
		if m < len(s) && (s[m] == '+' || s[m] == '-') {
			m++
		}
		if digits := span(s[m:], isDigit); digits > 0 {
			n = m + digits
		}
	}
	return n
}

// pathSegments matches (/CHAR+)+/?, the part of a path after its first name.
func pathSegments(s string) int {
	n := 0
	for n+1 < len(s) && s[n] == '/' && isPathChar(s[n+1]) {
		n += 1 + span(s[n+1:], isPathChar)
	}
	if n > 0 && n < len(s) && s[n] == '/' {
		n++
	}
	return n
}

// pathStart matches the literal text that a path begins with: segments, or one slash
// before an interpolation. It returns 0 if there is no path.
func (l *lexer) pathStart(start int) int {
	s, n := l.text[start:], 1
	if s[0] != '~' {
		n = l.pathRun.at(l.text, start, isPathChar)
	}
	if more := pathSegments(s[n:]); more > 0 {
		return n + more
	}
	if strings.HasPrefix(s[n:], "/${") {
		return n + 1
	}
	return 0
}

// pathMore matches what may follow in a path, up to the next interpolation.
func pathMore(s string) int {
	n := span(s, isPathChar)
	if more := pathSegments(s[n:]); more > 0 {
		return n + more
	}
	if n < len(s) && s[n] == '/' {
		return n + 1
	}
	return n
}

// searchPathLength matches <CHAR+(/CHAR+)*>.
func searchPathLength(s string) int {
	n := 1 + span(s[1:], isPathChar)
	if n == 1 {
		return 0
	}
	for n+1 < len(s) && s[n] == '/' && isPathChar(s[n+1]) {
		n += 1 + span(s[n+1:], isPathChar)
	}
	if n < len(s) && s[n] == '>' {
		return n + 1
	}
	return 0
}

// uriLength matches a scheme, a colon and at least one character of a URL.
func (l *lexer) uriLength(start int) int {
	s := l.text[start:]
	n := l.schemeRun.at(l.text, start, func(c byte) bool {
		return isLetter(c) || isDigit(c) || c == '+' || c == '-' || c == '.'
	})
	if n == 0 || n >= len(s) || s[n] != ':' || !isLetter(s[0]) {
		return 0
	}
	rest := span(s[n+1:], func(c byte) bool {
		return isLetter(c) || isDigit(c) || strings.IndexByte("%/?:@&=+$,-_.!~*'", c) >= 0
	})
	if rest == 0 {
		return 0
	}
	return n + 1 + rest
}
