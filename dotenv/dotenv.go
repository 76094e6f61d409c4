package dotenv

import (
	"fmt"
	"strings"
)

// A Variable is one setting of a file.
type Variable struct {
	Name, Value string
	Line        int // from 1
}

// An Error is a line that cannot be read. It does not show the line, which may hold a
// password.
type Error struct {
	Line int    // from 1
	Msg  string // "must be NAME=value, a comment or empty"
}

func (e *Error) Error() string { return fmt.Sprintf("%d: %s", e.Line, e.Msg) }

// Parse returns the variables of a file, in order and with repeats, and an error for
// every line that it cannot read.
func Parse(text string) (vars []Variable, bad []*Error) {
	text = strings.TrimPrefix(text, "\ufeff")
	for line := 1; text != ""; line++ {
		var row string
		row, text, _ = strings.Cut(text, "\n")
		row = strings.TrimSpace(row)
		if row == "" || row[0] == '#' {
			continue
		}
		refuse := func(msg string) { bad = append(bad, &Error{line, msg}) }
		if strings.Contains(row, "\x00") {
			refuse("must not contain a zero byte")
			continue
		}
		name, value, ok := strings.Cut(withoutExport(row), "=")
		name = strings.TrimSpace(name)
		if !ok || name == "" || strings.ContainsAny(name, " \t\r\v\f\"'") {
			refuse("must be NAME=value, a comment or empty")
			continue
		}
		value = strings.TrimSpace(value)
		if value == "" || value[0] != '"' && value[0] != '\'' {
			vars = append(vars, Variable{name, withoutComment(value), line})
			continue
		}
		quote, rest := value[0], value[1:]+"\n"+text
		end := closing(rest, quote)
		if end < 0 || strings.Contains(rest[:end], "\x00") {
			refuse("the quote is never closed, or holds a zero byte")
			continue // the lines below are read as if there were no quote
		}
		inner, after, next := rest[:end], "", ""
		after, next, _ = strings.Cut(rest[end+1:], "\n")
		if after = strings.TrimSpace(after); after != "" && after[0] != '#' {
			refuse("only a comment may follow the closing quote")
		}
		if quote == '"' {
			inner = unescape(inner)
		}
		vars = append(vars, Variable{name, inner, line})
		line += strings.Count(rest[:end], "\n")
		text = next
	}
	return vars, bad
}

func withoutExport(row string) string {
	if rest, ok := strings.CutPrefix(row, "export"); ok && strings.TrimLeft(rest, " \t") != rest {
		return rest
	}
	return row
}

// withoutComment cuts a value at a '#' that follows a blank.
func withoutComment(value string) string {
	for i := 1; i < len(value); i++ {
		if value[i] == '#' && (value[i-1] == ' ' || value[i-1] == '\t') {
			return strings.TrimRight(value[:i], " \t")
		}
	}
	return value
}

// closing finds the quote that ends s, or -1.
func closing(s string, quote byte) int {
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == '\\' && quote == '"':
			i++
		case s[i] == quote:
			return i
		}
	}
	return -1
}

func unescape(s string) string {
	return strings.NewReplacer(`\n`, "\n", `\t`, "\t", `\r`, "\r", `\"`, `"`, `\\`, `\`, `\$`, "$").Replace(s)
}
