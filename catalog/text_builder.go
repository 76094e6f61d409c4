package catalog

import (
	"fmt"
	"strings"

	"nix2gpu/project"
)

// A textBuilder writes a configuration file whose paths are not known yet.
type textBuilder struct {
	text   project.Text
	indent int
	tabs   bool // instead of two spaces
}

func (b *textBuilder) pad() string {
	if b.tabs {
		return strings.Repeat("\t", b.indent)
	}
	return strings.Repeat("  ", b.indent)
}

// add appends texts.
func (b *textBuilder) add(texts ...project.Text) {
	for _, t := range texts {
		b.text = project.Join(b.text, t)
	}
}

// line appends a line of characters, indented.
func (b *textBuilder) line(format string, args ...any) {
	b.add(project.Lit(b.pad() + fmt.Sprintf(format, args...) + "\n"))
}

// lines appends a user's own text, line by line, indented.
func (b *textBuilder) lines(t project.Text) {
	if t.IsEmpty() {
		return
	}
	pad := b.pad()
	out := project.Text{{Literal: pad}}
	for i, p := range t {
		if p.IsLiteral() {
			s := p.Literal
			if i == len(t)-1 {
				s = strings.TrimRight(s, "\n")
			}
			p.Literal = strings.ReplaceAll(s, "\n", "\n"+pad)
		}
		out = append(out, p)
	}
	b.add(out)
	b.endLine()
}

// endLine ends the line unless it is ended.
func (b *textBuilder) endLine() {
	n := len(b.text)
	if b.text.IsEmpty() || strings.HasSuffix(b.text[n-1].Literal, "\n") {
		return
	}
	b.add(project.Lit("\n"))
}

// open begins a block, close ends it.
func (b *textBuilder) open(format string, args ...any) {
	if format == "" {
		b.line("{")
		b.indent++
		return
	}
	b.line(format+" {", args...)
	b.indent++
}

func (b *textBuilder) close() {
	b.indent--
	b.line("}")
}
