package cli

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"unicode/utf8"

	"nix2gpu/compose"
	"nix2gpu/nix/syntax"
	"nix2gpu/project"
	"nix2gpu/session"
)

// An invalid error holds everything that is wrong with a definition. The files in
// its positions are relative to root.
type invalid struct {
	root string
	err  error
}

func (e *invalid) Error() string { return e.err.Error() }
func (e *invalid) Unwrap() error { return e.err }

// A fault is one error with its position.
type fault struct {
	pos       project.Pos
	msg, hint string
	line      string // the source line, if the error holds it
}

// faults splits an error into those that it consists of.
func faults(err error) []fault {
	var ce compose.Errors
	var pe project.Errors
	switch {
	case errors.As(err, &ce):
		var out []fault
		for _, e := range ce {
			out = append(out, fault{pos: e.Pos, msg: e.Msg, hint: e.Hint, line: e.Line})
		}
		return out
	case errors.As(err, &pe):
		var out []fault
		for _, e := range pe {
			out = append(out, fault{pos: e.Pos, msg: e.Msg, hint: e.Hint})
		}
		return out
	}
	var refused *session.Refusal
	if errors.As(err, &refused) {
		var out []fault
		for _, u := range refused.Unmet {
			out = append(out, fault{pos: u.Pos, msg: u.String(), hint: u.Hint})
		}
		return out
	}
	// The language wing's errors hold their source, and format themselves.
	var self interface{ Report() string }
	if errors.As(err, &self) {
		return []fault{{msg: unindentHints(self.Report())}}
	}
	var se *syntax.Error
	if errors.As(err, &se) {
		return []fault{{msg: se.Error() + "\n" + syntax.Excerpt(se.Pos)}}
	}
	return []fault{{msg: err.Error()}}
}

// unindentHints gives all errors the same layout, whoever formatted them.
func unindentHints(s string) string { return strings.ReplaceAll(s, "\n  hint: ", "\nhint: ") }

// writeFaults prints each error with its source line, a caret under the position,
// and the cure. Files are named relative to the current folder.
func writeFaults(env *Env, root string, faults []fault) {
	io.WriteString(env.Stderr, faultsText(env, root, faults))
}

// faultsText is what writeFaults prints.
func faultsText(env *Env, root string, faults []fault) string {
	var b strings.Builder
	for _, f := range faults {
		pos := f.pos
		if pos.File != "" && !filepath.IsAbs(pos.File) {
			pos.File = within(env.Dir, filepath.Join(root, pos.File))
		}
		place := pos.String()
		if place != "" {
			place += ": "
		}
		fmt.Fprintf(&b, "%s%s\n", place, strings.TrimRight(f.msg, "\n"))
		writeExcerpt(&b, root, f)
		if f.hint != "" {
			fmt.Fprintf(&b, "hint: %s\n", f.hint)
		}
	}
	return env.narrow(b.String())
}

// narrow cuts the excerpts in a message to what the terminal of stderr has room for: in
// one that goes on in the next line, the caret points at nothing.
func (e *Env) narrow(message string) string {
	if !e.StderrTTY {
		return message
	}
	w := e.Stderr
	if e.bar != nil {
		w = e.bar.w
	}
	return narrowed(message, widthOf(w)())
}

func narrowed(message string, width int) string {
	lines := strings.Split(message, "\n")
	for i := 0; i+1 < len(lines); i++ {
		number, source, ok := strings.Cut(lines[i], " | ")
		line, err := strconv.Atoi(strings.TrimLeft(number, " "))
		below, pad, marked := strings.Cut(lines[i+1], " | ")
		pad, caret := strings.CutSuffix(pad, "^")
		room := width - len(number) - len(" | ")
		switch {
		case !ok || err != nil || !marked || !caret || strings.TrimLeft(below, " ") != "" || strings.Trim(pad, " \t") != "":
		case utf8.RuneCountInString(source) <= room || room < shortestName:
		default:
			runes := []rune(source)
			before := string(runes[:min(utf8.RuneCountInString(pad), len(runes))])
			cut := strings.Split(syntax.ExcerptWithin(source, line, len(before)+1, room), "\n")
			lines[i], lines[i+1] = cut[0], cut[1]
		}
	}
	return strings.Join(lines, "\n")
}

// within returns the path of file relative to dir, if it is in dir.
func within(dir, file string) string {
	if rel, err := filepath.Rel(dir, file); err == nil && filepath.IsLocal(rel) {
		return rel
	}
	return file
}

// writeExcerpt prints the source line of a fault, if it can be read.
func writeExcerpt(w io.Writer, root string, f fault) {
	if f.pos.Line <= 0 {
		return
	}
	line := f.line
	if line == "" {
		file := f.pos.File
		if !filepath.IsAbs(file) {
			file = filepath.Join(root, file)
		}
		data, err := os.ReadFile(file)
		if err != nil {
			return
		}
		lines := strings.Split(string(data), "\n")
		if f.pos.Line > len(lines) {
			return
		}
		line = lines[f.pos.Line-1]
	}
	io.WriteString(w, syntax.ExcerptLine(strings.TrimRight(line, "\r"), f.pos.Line, f.pos.Col))
}
