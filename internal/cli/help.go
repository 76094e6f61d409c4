package cli

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/spf13/cobra"
)

// helpWidth is the longest line of help, in columns: terminals have at least as
// many.
const helpWidth = 80

// writeHelp prints what a verb is for and how it is used.
func writeHelp(cmd *cobra.Command, _ []string) {
	text := cmd.Long
	if text == "" {
		text = cmd.Short
	}
	if text != "" {
		fmt.Fprintln(cmd.OutOrStdout(), reflow(strings.TrimRight(text, " \n"), helpWidth)+"\n")
	}
	cmd.SetOut(cmd.OutOrStdout()) // usage goes to stderr otherwise
	if cmd.Runnable() || cmd.HasSubCommands() {
		_ = writeUsage(cmd)
	}
}

// reflow wraps the paragraphs of a text at width. Indented lines stay as they are.
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
			b.WriteString(line + "\n")
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
