package cli

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/spf13/cobra"
)

// Lines of help are as long as the terminal is wide, but never so long that the eye
// loses the next one.
const (
	usualWidth = 80 // where there is no terminal
	narrowest  = 20
	widest     = 100
)

// helpWidth is the longest line of help, in columns.
func (e *Env) helpWidth() int {
	if e.Width <= 0 {
		return usualWidth
	}
	return min(max(e.Width, narrowest), widest)
}

// newHelp makes the verb that says what others are for. Cobra's own accepts verbs that
// do not exist.
func newHelp() *cobra.Command {
	return &cobra.Command{
		Use:   "help [VERB...]",
		Short: "Say what a verb is for, and how it is used",
		ValidArgsFunction: func(cmd *cobra.Command, args []string, _ string) (names []string, _ cobra.ShellCompDirective) {
			if found, rest, err := cmd.Root().Find(args); err == nil && len(rest) == 0 {
				for _, v := range verbs(found) {
					names = append(names, v.Name())
				}
			}
			return names, cobra.ShellCompDirectiveNoFileComp
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			found, rest, err := cmd.Root().Find(args)
			if err != nil {
				return usageError("%v", err)
			}
			if len(rest) > 0 && found.HasSubCommands() {
				return unknownVerb(found, rest)
			}
			found.InitDefaultHelpFlag()
			found.InitDefaultVersionFlag()
			return found.Help()
		},
	}
}

// writeHelp prints what a verb is for and how it is used.
func writeHelp(cmd *cobra.Command, width int) {
	text := cmd.Long
	if text == "" {
		text = cmd.Short
	}
	if text != "" {
		fmt.Fprintln(cmd.OutOrStdout(), reflow(strings.TrimRight(text, " \n"), width)+"\n")
	}
	cmd.SetOut(cmd.OutOrStdout()) // usage goes to stderr otherwise
	if cmd.Runnable() || cmd.HasSubCommands() {
		_ = writeUsage(cmd, width)
	}
}

// reflow wraps the paragraphs of a text at width. Indented lines stay lines of their
// own.
func reflow(text string, width int) string {
	var b strings.Builder
	column := 0
	end := func() {
		if column > 0 {
			b.WriteByte('\n')
			column = 0
		}
	}
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, " \n")
		if line == "" || line[0] == ' ' {
			end()
			b.WriteString(fold(line, width) + "\n")
			continue
		}
		if strings.HasPrefix(line, "- ") {
			end()
		}
		for _, word := range strings.Fields(line) {
			n := utf8.RuneCountInString(word)
			if column > 0 && column+1+n > width {
				end()
			}
			if column > 0 {
				b.WriteByte(' ')
				column++
			}
			b.WriteString(word)
			column += n
		}
	}
	return strings.TrimRight(b.String(), "\n")
}

// hanging wraps text at width, with all lines but the first indented.
func hanging(text string, width, indent int) string {
	lines := strings.Split(reflow(text, width-indent), "\n")
	return strings.Join(lines, "\n"+strings.Repeat(" ", indent))
}

// leastSaid is the room that an explanation needs beside what it explains.
const leastSaid = 24

// fold breaks an indented line that is too long: what is to be typed stays whole, and
// what is said of it, after a gap, goes on in its column or stands below.
func fold(line string, width int) string {
	indent := len(line) - len(strings.TrimLeft(line, " "))
	gap := strings.Index(line[indent:], "  ")
	if utf8.RuneCountInString(line) <= width || gap < 0 {
		return line
	}
	typed, said := line[:indent+gap], strings.TrimLeft(line[indent+gap:], " ")
	column := utf8.RuneCountInString(line) - utf8.RuneCountInString(said)
	return beside(typed, said, column, indent+4, width)
}

// beside is a text with what is said of it: in a column of its own, or below where
// that would be too narrow.
func beside(text, said string, column, below, width int) string {
	room := column - utf8.RuneCountInString(text)
	if width-column < leastSaid || room < 1 {
		return text + "\n" + strings.Repeat(" ", below) + hanging(said, width, below)
	}
	return text + strings.Repeat(" ", room) + hanging(said, width, column)
}

// foldLines folds the indented lines of a text, and leaves its paragraphs.
func foldLines(text string, width int) string {
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		if strings.HasPrefix(line, " ") {
			lines[i] = fold(line, width)
		}
	}
	return strings.Join(lines, "\n")
}
