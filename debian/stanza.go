package debian

import (
	"bytes"
	"iter"
	"strings"
)

// A Stanza is a paragraph of a control file: lines "Name: value", where a line that
// begins with a space continues the one before. It shares its bytes with the text
// that it comes from, because an index has 60,000 of them.
type Stanza []byte

// Stanzas splits text at empty lines. Lines that begin with # are comments.
func Stanzas(text []byte) iter.Seq[Stanza] {
	return func(yield func(Stanza) bool) {
		for start := 0; start < len(text); {
			end := endOfStanza(text, start)
			if s := bytes.Trim(text[start:end], "\n\r\t "); len(s) > 0 && !yield(Stanza(text[start:end])) {
				return
			}
			start = end
		}
	}
}

// endOfStanza returns the end of the first empty line after start, or of the text. A
// line of blanks counts as empty, as for dpkg.
func endOfStanza(text []byte, start int) int {
	for at := start; ; {
		i := bytes.IndexByte(text[at:], '\n')
		if i < 0 {
			return len(text)
		}
		at += i + 1
		for end := at; ; end++ {
			if end == len(text) || text[end] == '\n' {
				return min(end+1, len(text))
			}
			if c := text[end]; c != ' ' && c != '\t' && c != '\r' {
				break
			}
		}
	}
}

// Fields yields names and values in their order. A value keeps its line breaks and the
// indent of its further lines.
func (s Stanza) Fields() iter.Seq2[[]byte, []byte] {
	return func(yield func(name, value []byte) bool) {
		for len(s) > 0 {
			var line []byte
			line, s = cutField(s)
			name, value, ok := bytes.Cut(line, []byte{':'})
			if !ok || line[0] == '#' || line[0] == ' ' || line[0] == '\t' {
				continue
			}
			if !yield(name, bytes.Trim(value, " \t\r\n")) {
				return
			}
		}
	}
}

// cutField cuts off a line and those that continue it.
func cutField(s Stanza) (field, rest []byte) {
	for at := 0; ; {
		i := bytes.IndexByte(s[at:], '\n')
		if i < 0 {
			return s, nil
		}
		at += i + 1
		if at == len(s) || s[at] != ' ' && s[at] != '\t' {
			return s[:at-1], s[at:]
		}
	}
}

// Get returns the value of a field, whatever the case of its name; "" if there is none.
func (s Stanza) Get(name string) string {
	for n, value := range s.Fields() {
		if len(n) == len(name) && strings.EqualFold(string(n), name) {
			return string(value)
		}
	}
	return ""
}

// Lines returns the lines of a field such as a list of files, without indent and
// without empty ones.
func (s Stanza) Lines(name string) []string {
	var out []string
	for line := range strings.Lines(s.Get(name)) {
		if line = strings.TrimSpace(line); line != "" {
			out = append(out, line)
		}
	}
	return out
}
