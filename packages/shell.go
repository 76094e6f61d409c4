package packages

import (
	"slices"
	"strings"
)

// A shellWord is a word of a command line. It is open if it contains a path, or something
// that is known only when it runs.
type shellWord struct {
	text     string
	open     bool
	operator bool // "&&", ";", "(", "\n", …
}

// elsewhere takes the place of a path in the text of a command.
const elsewhere = '\x00'

// deepestShell bounds how deep commands in commands are followed.
const deepestShell = 10

// shellPrograms lists the programs that a shell line runs by name: the first word of each
// command, in $(…), behind && and in loops, too. It leaves out paths, the line's own
// functions, and words that are known only at run time. It is for finding packages, so
// what it does not understand it ignores.
func shellPrograms(line string) []string {
	s := &shellReader{defined: map[string]bool{}}
	s.commands(line, 0)
	var out []string
	for _, word := range s.found {
		if !s.defined[word] && !slices.Contains(out, word) {
			out = append(out, word)
		}
	}
	return out
}

type shellReader struct {
	found   []string
	defined map[string]bool // functions
}

// commands reads the commands of a line.
func (s *shellReader) commands(line string, depth int) {
	if depth > deepestShell {
		return
	}
	words := s.split(line, depth)
	for len(words) > 0 {
		words = s.command(words, depth)
	}
}

// command reads a simple command, or a word of a compound one, and returns the rest.
func (s *shellReader) command(words []shellWord, depth int) []shellWord {
	first := words[0]
	if first.operator {
		return words[1:]
	}
	end := func(words []shellWord) int { // end of the simple command
		if i := slices.IndexFunc(words, func(w shellWord) bool { return w.operator }); i >= 0 {
			return i
		}
		return len(words)
	}
	switch first.text {
	case "if", "then", "elif", "else", "while", "until", "do", "!", "{", "}", "fi", "done", "time":
		return words[1:]
	case "for", "select":
		return words[end(words):]
	case "case":
		return s.patterns(words)
	case "function":
		if len(words) > 1 {
			s.defined[words[1].text] = true
			return words[2:]
		}
		return nil
	}
	if len(words) > 2 && words[1].operator && words[1].text == "(" && words[2].operator && words[2].text == ")" {
		s.defined[first.text] = true
		return words[3:]
	}
	n := end(words)
	s.program(words[:n], depth)
	return words[n:]
}

// patterns skips "case WORD in" and the patterns, and reads the commands between them.
func (s *shellReader) patterns(words []shellWord) []shellWord {
	at := slices.IndexFunc(words, func(w shellWord) bool { return w.text == "in" && !w.operator })
	if at < 0 {
		return nil
	}
	var body []shellWord // the commands, without the patterns
	pattern := true
	for i, w := range words[at+1:] {
		switch {
		case !w.operator && w.text == "esac":
			return append(body, words[at+1+i+1:]...)
		case pattern:
			pattern = !w.operator || w.text != ")"
		case w.operator && w.text == ";;":
			pattern = true
			body = append(body, shellWord{text: ";", operator: true})
		default:
			body = append(body, w)
		}
	}
	return body
}

// program finds the program that a simple command runs, behind variables and behind
// programs that run another one.
func (s *shellReader) program(words []shellWord, depth int) {
	for len(words) > 0 && !words[0].open && isAssignment(words[0].text) {
		words = words[1:]
	}
	if len(words) == 0 {
		return
	}
	first := words[0]
	if first.open || first.text == "" || strings.ContainsAny(first.text, "/*?[~") && first.text != "[" && first.text != "[[" {
		return
	}
	if !isBuiltin(first.text) {
		s.found = append(s.found, first.text)
	}
	args := words[1:]
	options := func(withValue string) { // skips options, with their values
		for len(args) > 0 && !args[0].open && strings.HasPrefix(args[0].text, "-") && len(args[0].text) > 1 {
			takes := len(args[0].text) == 2 && strings.Contains(withValue, args[0].text[1:])
			if args = args[1:]; takes && len(args) > 0 {
				args = args[1:]
			}
		}
	}
	switch first.text {
	case "exec":
		options("a")
	case "command", "builtin", "nohup", "setsid", "then", "time":
		if len(args) > 0 && (args[0].text == "-v" || args[0].text == "-V") { // "command -v" only asks
			return
		}
		options("")
	case "env":
		options("uCS")
	case "nice":
		options("n")
	case "timeout":
		options("ks")
		if len(args) > 0 {
			args = args[1:]
		}
	case "sh", "bash", "dash":
		for i, a := range args {
			if !strings.HasPrefix(a.text, "-") {
				return
			}
			if strings.HasSuffix(a.text, "c") && !strings.HasPrefix(a.text, "--") && i+1 < len(args) {
				s.commands(args[i+1].text, depth+1)
				return
			}
		}
		return
	default:
		return
	}
	s.program(args, depth)
}

// split splits a line into words and operators, and reads the commands in $(…).
func (s *shellReader) split(line string, depth int) []shellWord {
	l := &shellLexer{text: line}
	for !l.done() {
		l.next()
	}
	l.end()
	for _, inner := range l.inner {
		s.commands(inner, depth+1)
	}
	return l.words
}

// A shellLexer splits a line into words.
type shellLexer struct {
	text     string
	at       int
	words    []shellWord
	word     strings.Builder
	open     bool
	begun    bool     // the word has begun, though it may be empty, as ''
	redirect bool     // the word is a redirection's file
	here     []string // delimiters of here-documents that follow the line
	hereNext bool     // the word is such a delimiter
	inner    []string // commands in $(…)
}

func (l *shellLexer) done() bool { return l.at >= len(l.text) }

func (l *shellLexer) rest() string { return l.text[l.at:] }

// end ends the word.
func (l *shellLexer) end() {
	if l.begun {
		text := l.word.String()
		switch {
		case l.hereNext:
			l.here = append(l.here, text)
		case !l.redirect:
			l.words = append(l.words, shellWord{text: text, open: l.open})
		}
		l.redirect, l.hereNext = false, false
	}
	l.word.Reset()
	l.open, l.begun = false, false
}

func (l *shellLexer) operator(text string) {
	l.end()
	l.words = append(l.words, shellWord{text: text, operator: true})
	l.at += len(text)
}

func (l *shellLexer) next() {
	c := l.text[l.at]
	switch {
	case c == elsewhere:
		l.open, l.begun = true, true
		l.at++
	case strings.HasPrefix(l.rest(), "\\\n"):
		l.at += 2
	case c == '\\':
		l.begun = true
		if l.at++; !l.done() {
			l.word.WriteByte(l.text[l.at])
			l.at++
		}
	case c == ' ' || c == '\t' || c == '\r':
		l.end()
		l.at++
	case c == '#' && !l.begun:
		if i := strings.IndexByte(l.rest(), '\n'); i >= 0 {
			l.at += i
		} else {
			l.at = len(l.text)
		}
	case c == '\n':
		l.operator("\n")
		l.documents()
	case c == '\'':
		l.begun = true
		inside, _, _ := strings.Cut(l.rest()[1:], "'")
		l.word.WriteString(inside)
		l.at = min(l.at+len(inside)+2, len(l.text))
	case c == '"':
		l.quoted()
	case c == '$' || c == '`':
		l.dollar()
	case strings.IndexByte(";&|()", c) >= 0:
		l.punctuation()
	case c == '<' || c == '>':
		l.redirection()
	default:
		l.begun = true
		l.word.WriteByte(c)
		l.at++
	}
}

func (l *shellLexer) punctuation() {
	for _, op := range []string{"&&", "||", ";;", ";", "&>>", "&>", "&", "|&", "|", "(", ")"} {
		if strings.HasPrefix(l.rest(), op) {
			if strings.HasPrefix(op, "&>") {
				l.at++
				l.redirection()
				return
			}
			l.operator(op)
			return
		}
	}
}

// redirection skips an operator, and makes the next word its file.
func (l *shellLexer) redirection() {
	if isDigits(l.word.String()) { // 2>file
		l.word.Reset()
		l.begun = false
	}
	l.end()
	for _, op := range []string{"<<<", "<<-", "<<", "<&", "<>", "<", ">>", ">&", ">|", ">"} {
		if strings.HasPrefix(l.rest(), op) {
			l.at += len(op)
			l.redirect = true
			l.hereNext = op == "<<" || op == "<<-"
			return
		}
	}
}

// documents skips the here-documents that follow the line.
func (l *shellLexer) documents() {
	for _, delimiter := range l.here {
		for !l.done() {
			line, _, _ := strings.Cut(l.rest(), "\n")
			l.at = min(l.at+len(line)+1, len(l.text))
			if strings.TrimLeft(line, "\t") == delimiter {
				break
			}
		}
	}
	l.here = nil
}

// quoted reads what is between double quotes.
func (l *shellLexer) quoted() {
	l.begun = true
	for l.at++; !l.done(); {
		switch c := l.text[l.at]; c {
		case '"':
			l.at++
			return
		case '\\':
			if l.at++; !l.done() {
				l.word.WriteByte(l.text[l.at])
				l.at++
			}
		case '$', '`':
			l.dollar()
		case elsewhere:
			l.open = true
			l.at++
		default:
			l.word.WriteByte(c)
			l.at++
		}
	}
}

// dollar reads a variable, or a command in $(…).
func (l *shellLexer) dollar() {
	l.begun, l.open = true, true
	rest := l.rest()
	switch {
	case strings.HasPrefix(rest, "$(("):
		if i := strings.Index(rest, "))"); i >= 0 {
			l.at += i + 2
			return
		}
		l.at = len(l.text)
	case strings.HasPrefix(rest, "$("):
		n := closing(rest[2:])
		l.inner = append(l.inner, rest[2:2+n])
		l.at = min(l.at+2+n+1, len(l.text))
	case strings.HasPrefix(rest, "${"):
		if i := strings.IndexByte(rest, '}'); i >= 0 {
			l.at += i + 1
			return
		}
		l.at = len(l.text)
	case rest[0] == '`':
		inside, _, _ := strings.Cut(rest[1:], "`")
		l.inner = append(l.inner, inside)
		l.at = min(l.at+len(inside)+2, len(l.text))
	default:
		l.at++
	}
}

// closing returns where the parenthesis is closed that was opened before s.
func closing(s string) int {
	depth, quote := 1, byte(0)
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '\\' && quote != '\'':
			i++
		case quote != 0:
			if c == quote {
				quote = 0
			}
		case c == '\'' || c == '"':
			quote = c
		case c == '(':
			depth++
		case c == ')':
			if depth--; depth == 0 {
				return i
			}
		}
	}
	return len(s)
}

func isDigits(s string) bool { return s != "" && strings.Trim(s, "0123456789") == "" }

func isAssignment(word string) bool {
	name, _, ok := strings.Cut(word, "=")
	name = strings.TrimSuffix(name, "+")
	return ok && name != "" && strings.Trim(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_") == "" && !isDigits(name[:1])
}

// isBuiltin reports whether a word is a builtin of the shell, so that no program runs.
func isBuiltin(word string) bool {
	const words = "cd export set unset source . : trap ulimit umask shift local declare typeset readonly alias unalias shopt eval wait exit return break continue " +
		"kill pwd type hash jobs bg fg disown times let getopts dirs pushd popd enable help history command builtin exec " +
		"test [ [[ true false echo printf read mapfile readarray"
	return slices.Contains(strings.Fields(words), word)
}
