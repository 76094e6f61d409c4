package debian

import (
	"bytes"
	"iter"
	"strings"
)

// A Stanza is one paragraph of a control file: the lines "Name: value", where a
// line that begins with a space belongs to the one before. It shares its bytes
// with the text that it was cut from: an index has 60,000 of them.
type Stanza []byte

// Stanzas cuts text at its empty lines. Lines that begin with # are no field's.
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

// endOfStanza is where the empty line after start ends, or the text. A line of
// blanks alone counts as empty, as dpkg reads it.
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

// Fields are the names and values in their order. A value keeps the line
// breaks and the indent of the lines that continue it.
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

// cutField takes a line and those that continue it.
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

// Get is the value of a field, its name in any case; "" when it is not there.
func (s Stanza) Get(name string) string {
	for n, value := range s.Fields() {
		if len(n) == len(name) && strings.EqualFold(string(n), name) {
			return string(value)
		}
	}
	return ""
}

// Lines are the values of a field that has one a line, such as a list of
// files, without indent and without empty ones.
func (s Stanza) Lines(name string) []string {
	var out []string
	for line := range strings.Lines(s.Get(name)) {
		if line = strings.TrimSpace(line); line != "" {
			out = append(out, line)
		}
	}
	return out
}
