package cli

import (
	"fmt"
	"strings"

	"nix2gpu/cells"
)

// writeColumns prints a table, the first row of which is its head.
func writeColumns(env *Env, rows [][]string) {
	writeRows(env, rows, columnWidths(rows, nil), 0)
}

// columnWidths are the widths that rows need; at least those of before.
func columnWidths(rows [][]string, before []int) []int {
	widths := make([]int, len(rows[0]))
	copy(widths, before)
	for _, row := range rows {
		for i, cell := range row {
			widths[i] = max(widths[i], cells.Of(cell))
		}
	}
	return widths
}

// How a table fits into a terminal: its last column, which explains, is broken where it
// has room for some words, and else stands below its row; when what is left is still
// too wide, names lose their middle.
const (
	someWords    = 40
	mostLines    = 3
	belowIndent  = 4
	shortestName = 12
)

// A tableLayout is how a table is printed.
type tableLayout struct {
	widths []int
	room   int  // of the last column; 0: as much as it wants
	below  bool // the last column stands below
}

// arrange fits columns into a terminal of a width; 0 is none, which has all the room.
// Whole is the width of the longest text in the last column that can't be broken.
func arrange(widths []int, whole, terminal int) tableLayout {
	l := tableLayout{widths: append([]int(nil), widths...)}
	last := len(widths) - 1
	used := 0
	for _, w := range widths[:last] {
		used += w + 2
	}
	switch {
	case terminal <= 0 || used+widths[last] <= terminal:
		return l
	case terminal-used >= max(someWords, whole):
		l.room = terminal - used
		return l
	}
	l.below, l.room = true, max(terminal-belowIndent, shortestName)
	if over := used - 2 - terminal; over > 0 {
		l.widths[0] = max(l.widths[0]-over, min(l.widths[0], shortestName))
	}
	return l
}

// writeRows prints a table, or what of it comes after the first rows.
func writeRows(env *Env, rows [][]string, widths []int, first int) {
	whole := 0
	for _, row := range rows {
		if text := row[len(row)-1]; !strings.Contains(text, " ") {
			whole = max(whole, cells.Of(text))
		}
	}
	l := arrange(widths, whole, env.Width)
	for n, row := range rows {
		if n >= first {
			fmt.Fprintln(env.Stdout, l.draw(row, n == 0, env.color() && rows[0][1] == "STATE"))
		}
	}
}

// draw is a row as it is printed; colored, its second column is a state.
func (l tableLayout) draw(row []string, head, colored bool) string {
	var b strings.Builder
	last := len(row) - 1
	indent := 0
	for i, cell := range row[:last] {
		cell = withoutMiddle(cell, l.widths[i])
		blanks := strings.Repeat(" ", l.widths[i]-cells.Of(cell)+2)
		if colored && i == 1 && !head {
			cell = paint(cell)
		}
		b.WriteString(cell + blanks)
		indent += l.widths[i] + 2
	}
	line := strings.TrimRight(b.String(), " ")
	switch text := row[last]; {
	case text == "" || l.below && (head || text == "-"):
		return line
	case l.below:
		return line + "\n" + strings.Repeat(" ", belowIndent) + indented(text, l.room, belowIndent)
	case l.room > 0:
		return b.String() + indented(shortened(text, mostLines*l.room), l.room, indent)
	default:
		return b.String() + text
	}
}

// indented is a text in lines of a width, those after the first indented. What has no
// blanks, such as a path, stays whole: it may be copied.
func indented(text string, width, indent int) string {
	if !strings.Contains(text, " ") {
		return text
	}
	return strings.Join(broken(text, width), "\n"+strings.Repeat(" ", indent))
}

// broken parts a text into lines of a width: between words, and within those that are
// too long for one.
func broken(text string, width int) (lines []string) {
	line := ""
	for _, word := range strings.Fields(text) {
		switch {
		case line == "":
			line = word
		case cells.Of(line)+1+cells.Of(word) > width:
			lines, line = append(lines, line), word
		default:
			line += " " + word
		}
		for cells.Of(line) > width {
			head := cells.Head(line, width)
			lines, line = append(lines, head), line[len(head):]
		}
	}
	if line != "" {
		lines = append(lines, line)
	}
	return lines
}

// fill breaks a line for the terminal, with an indent after the first line; without one
// it stays whole.
func (e *Env) fill(line string, indent int) string {
	if e.Width-indent < shortestName || cells.Of(line) <= e.Width {
		return line
	}
	return indented(line, e.Width-indent, indent)
}

// withoutMiddle is a name that takes at most so many cells: what differs from other names
// is mostly at its end.
func withoutMiddle(name string, most int) string {
	if cells.Of(name) <= most {
		return name
	}
	head := cells.Head(name, (most-1)/2)
	return head + "…" + cells.Tail(name, most-1-cells.Of(head))
}

// paint colours the name of a state.
func paint(state string) string {
	code := "33" // on its way
	switch state {
	case "running", "completed":
		code = "32"
	case "failed", "skipped", "unready":
		code = "31"
	case "stopped":
		code = "2"
	}
	return "\x1b[" + code + "m" + state + "\x1b[0m"
}
