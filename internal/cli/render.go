package cli

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"nix2gpu/compose"
	"nix2gpu/project"
)

// An invalid error is everything that is wrong with a definition. The files
// that its places name are relative to root.
type invalid struct {
	root string
	err  error
}

func (e *invalid) Error() string { return e.err.Error() }
func (e *invalid) Unwrap() error { return e.err }

// A fault is one error with its place.
type fault struct {
	pos        project.Pos
	msg, hint  string
	line       string // of the source, where the error brought it along
	hasExcerpt bool   // the message shows the source itself
}

// faults takes an error apart into what can be shown one by one.
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
	return []fault{{msg: err.Error(), hasExcerpt: true}}
}

// writeFaults prints each error with its line of the source, a caret under
// the place, and the cure.
func writeFaults(w io.Writer, root string, faults []fault) {
	for _, f := range faults {
		place := f.pos.String()
		if place != "" {
			place += ": "
		}
		fmt.Fprintf(w, "%s%s\n", place, strings.TrimRight(f.msg, "\n"))
		if !f.hasExcerpt {
			writeExcerpt(w, root, f)
		}
		if f.hint != "" {
			fmt.Fprintf(w, "hint: %s\n", f.hint)
		}
	}
}

// writeExcerpt prints the source line of a fault, when it can be had.
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
	number := fmt.Sprint(f.pos.Line)
	line = strings.TrimRight(line, "\r")
	fmt.Fprintf(w, " %s | %s\n", number, line)
	if f.pos.Col <= 0 || f.pos.Col > len(line)+1 {
		return
	}
	var gap strings.Builder // tabs stay tabs, so that the caret stands right
	for _, r := range line[:f.pos.Col-1] {
		if r == '\t' {
			gap.WriteRune('\t')
		} else {
			gap.WriteRune(' ')
		}
	}
	fmt.Fprintf(w, " %s | %s^\n", strings.Repeat(" ", len(number)), gap.String())
}
