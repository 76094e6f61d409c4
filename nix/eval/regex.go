package eval

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// A posixRegex is an extended POSIX regular expression, as builtins.match and split
// take it. It works on bytes: in a text that is not ASCII, each byte is matched as the
// character of the same number.
type posixRegex struct {
	whole *regexp.Regexp // matches whole texts only
	start *regexp.Regexp // at the start of a text
	later *regexp.Regexp // elsewhere, where ^ no longer matches
}

func compilePosix(pattern string) (*posixRegex, error) {
	tr := translator{in: pattern}
	body, err := tr.alternatives(0)
	if err != nil {
		return nil, err
	}
	if tr.pos < len(tr.in) {
		return nil, errors.New("unmatched ')'")
	}
	re := &posixRegex{}
	for _, c := range []struct {
		dst  **regexp.Regexp
		text string
	}{
		{&re.whole, `(?s)\A(?:` + body + `)\z`},
		{&re.start, `(?s)` + body},
	} {
		if *c.dst, err = regexp.Compile(c.text); err != nil {
			return nil, errors.New("it is too big")
		}
		(*c.dst).Longest()
	}
	re.later = re.start
	if tr.caret {
		re.later = regexp.MustCompile(`(?s)` + strings.ReplaceAll(body, `\A`, `[^\x00-\x{10FFFF}]`))
		re.later.Longest()
	}
	return re, nil
}

// widen turns bytes into characters; narrow turns them back.
func widen(s string) string {
	for i := 0; i < len(s); i++ {
		if s[i] >= 0x80 {
			runes := make([]rune, len(s))
			for k := range runes {
				runes[k] = rune(s[k])
			}
			return string(runes)
		}
	}
	return s
}

func narrow(s string) string {
	for i := 0; i < len(s); i++ {
		if s[i] >= 0x80 {
			out := make([]byte, 0, len(s))
			for _, r := range s {
				out = append(out, byte(r))
			}
			return string(out)
		}
	}
	return s
}

// match returns the groups of a match of the whole text, if it matches.
func (re *posixRegex) match(s string) (found []Value, ok bool) {
	s = widen(s)
	at := re.whole.FindStringSubmatchIndex(s)
	if at == nil {
		return nil, false
	}
	return groups(s, at), true
}

// groups returns the groups of a match as strings, or null where one took no part; those after
// group 0, which is the whole.
func groups(s string, at []int) []Value {
	out := make([]Value, len(at)/2-1)
	texts := make([]String, len(out))
	for i := range out {
		if from := at[2*i+2]; from < 0 {
			out[i] = Null{}
		} else {
			texts[i].s = narrow(s[from:at[2*i+3]])
			out[i] = &texts[i]
		}
	}
	return out
}

// split calls each with the text before each match and the groups of the match, and in
// the end with the rest of the text and false.
func (re *posixRegex) split(s string, each func(before string, groups []Value, matched bool)) {
	s = widen(s)
	done := 0 // the end of the last match
	finder := re.start
	for from := 0; from <= len(s); {
		at := finder.FindStringSubmatchIndex(s[from:])
		if at == nil {
			break
		}
		g := groups(s[from:], at)
		each(narrow(s[done:from+at[0]]), g, true)
		done = from + at[1]
		if from = done; at[0] == at[1] { // after an empty match, search from the next character
			if from < len(s) && s[from] >= 0x80 {
				from++
			}
			from++
		}
		finder = re.later
	}
	each(narrow(s[done:]), nil, false)
}

// A translator turns an extended POSIX expression into the syntax of package regexp.
type translator struct {
	in    string
	pos   int
	caret bool // there is a ^
}

// maxRegexNesting limits the recursion of the translator.
const maxRegexNesting = 500

func (tr *translator) alternatives(depth int) (string, error) {
	if depth > maxRegexNesting {
		return "", errors.New("it is nested too deeply")
	}
	var out strings.Builder
	last := "" // the last atom, which a quantifier may follow
	quantifiable := false
	flush := func() {
		out.WriteString(last)
		last, quantifiable = "", false
	}
	for tr.pos < len(tr.in) {
		c := tr.in[tr.pos]
		switch c {
		case ')':
			if depth > 0 {
				flush()
				return out.String(), nil
			}
			return "", errors.New("unmatched ')'")
		case '|':
			flush()
			out.WriteByte('|')
			tr.pos++
		case '(':
			flush()
			tr.pos++
			inner, err := tr.alternatives(depth + 1)
			if err != nil {
				return "", err
			}
			if tr.pos >= len(tr.in) {
				return "", errors.New("unmatched '('")
			}
			tr.pos++
			last, quantifiable = "("+inner+")", true
		case '*', '+', '?', '{':
			if !quantifiable {
				return "", fmt.Errorf("nothing before '%c'", c)
			}
			q, err := tr.quantifier()
			if err != nil {
				return "", err
			}
			last = "(?:" + last + q + ")"
		case '^':
			flush()
			tr.caret = true
			tr.pos++
			last = `\A`
		case '$':
			flush()
			tr.pos++
			last = `\z`
		case '.':
			flush()
			tr.pos++
			last, quantifiable = `[^\x00]`, true
		case '[':
			flush()
			class, err := tr.bracket()
			if err != nil {
				return "", err
			}
			last, quantifiable = class, true
		case '\\':
			flush()
			if tr.pos+1 >= len(tr.in) {
				return "", errors.New("'\\' at its end")
			}
			e := tr.in[tr.pos+1]
			if !strings.ContainsRune(`^$\.*+?()[]{}|`, rune(e)) {
				return "", fmt.Errorf("unknown escape '\\%c'", e)
			}
			tr.pos += 2
			last, quantifiable = regexp.QuoteMeta(string(rune(e))), true
		default:
			flush()
			tr.pos++
			last, quantifiable = regexp.QuoteMeta(string(rune(c))), true
		}
	}
	flush()
	return out.String(), nil
}

// quantifier reads *, +, ? or {n,m}.
func (tr *translator) quantifier() (string, error) {
	c := tr.in[tr.pos]
	tr.pos++
	if c != '{' {
		return string(c), nil
	}
	end := strings.IndexByte(tr.in[tr.pos:], '}')
	if end < 0 {
		return "", errors.New("unmatched '{'")
	}
	bounds := tr.in[tr.pos : tr.pos+end]
	tr.pos += end + 1
	low, high, ranged := strings.Cut(bounds, ",")
	n, err := strconv.ParseUint(low, 10, 16)
	if err != nil || n > 1000 {
		return "", fmt.Errorf("invalid count '{%s}'", bounds)
	}
	if ranged && high != "" {
		m, err := strconv.ParseUint(high, 10, 16)
		if err != nil || m < n || m > 1000 {
			return "", fmt.Errorf("invalid count '{%s}'", bounds)
		}
	}
	return "{" + bounds + "}", nil
}

var posixClasses = map[string]bool{"alnum": true, "alpha": true, "blank": true, "cntrl": true, "digit": true, "graph": true,
	"lower": true, "print": true, "punct": true, "space": true, "upper": true, "xdigit": true}

// bracket reads [...]; a backslash in it is just a backslash.
func (tr *translator) bracket() (string, error) {
	errOpen := errors.New("unmatched '['")
	p := tr.pos + 1
	out := "["
	if p < len(tr.in) && tr.in[p] == '^' {
		out += "^"
		p++
	}
	for first := true; ; first = false {
		if p >= len(tr.in) {
			return "", errOpen
		}
		c := tr.in[p]
		if c == ']' && !first {
			tr.pos = p + 1
			return out + "]", nil
		}
		if c == '[' && p+1 < len(tr.in) && tr.in[p+1] == ':' {
			end := strings.Index(tr.in[p+2:], ":]")
			if end < 0 {
				return "", errOpen
			}
			name := tr.in[p+2 : p+2+end]
			if !posixClasses[name] {
				return "", fmt.Errorf("unknown class '[:%s:]'", name)
			}
			out += "[:" + name + ":]"
			p += end + 4
			continue
		}
		low, next, err := tr.bracketChar(p)
		if err != nil {
			return "", err
		}
		p = next
		// A dash makes a range unless the bracket ends after it.
		if p+1 < len(tr.in) && tr.in[p] == '-' && tr.in[p+1] != ']' {
			high, next, err := tr.bracketChar(p + 1)
			if err != nil {
				return "", err
			}
			if high < low {
				return "", fmt.Errorf("invalid range '%c-%c'", low, high)
			}
			out += fmt.Sprintf(`\x{%x}-\x{%x}`, low, high)
			p = next
			continue
		}
		out += fmt.Sprintf(`\x{%x}`, low)
	}
}

// bracketChar reads one character of a bracket, or [.x.] or [=x=].
func (tr *translator) bracketChar(p int) (c byte, next int, err error) {
	if strings.HasPrefix(tr.in[p:], "[.") || strings.HasPrefix(tr.in[p:], "[=") {
		if p+4 < len(tr.in) && tr.in[p+3] == tr.in[p+1] && tr.in[p+4] == ']' {
			return tr.in[p+2], p + 5, nil
		}
		return 0, 0, errors.New("invalid collating element")
	}
	return tr.in[p], p + 1, nil
}
