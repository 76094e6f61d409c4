package doctest

import (
	"fmt"
	"regexp"
	"strings"
)

// A step is one thing that a page's reader does.
type step struct {
	line int // in the page

	file, content string // write this file, or
	image         string // and have an image of it, or

	example string   // the folder under examples to be in; "" for the reader's own
	command string   // type this, "^C" to end what goes on
	prints  []string // and see this
	online  bool     // the command needs Debian's archive
	gpu     bool     // the command needs a GPU
}

var fence = regexp.MustCompile("^( *)```(.*)$")

// parsePage finds the steps of a page, in order.
func parsePage(text string) ([]step, error) {
	var steps []step
	lines := strings.Split(text, "\n")
	for i := 0; i < len(lines); i++ {
		open := fence.FindStringSubmatch(lines[i])
		if open == nil {
			continue
		}
		start := i + 1
		var body []string
		for i++; i < len(lines) && fence.FindStringSubmatch(lines[i]) == nil; i++ {
			body = append(body, strings.TrimPrefix(lines[i], open[1]))
		}
		if i == len(lines) {
			return nil, fmt.Errorf("line %d: block is never closed", start)
		}
		words := strings.Fields(open[2])
		switch {
		case len(words) > 0 && words[0] == "console":
			example, online, gpu := "", len(words) > 1 && words[1] == "online", len(words) > 1 && words[1] == "gpu"
			if len(words) > 1 && !online && !gpu {
				example = strings.TrimPrefix(words[1], "in=")
			}
			more, err := parseConsole(body, start+1, example)
			if err != nil {
				return nil, err
			}
			for i := range more {
				more[i].online, more[i].gpu = online, gpu
			}
			steps = append(steps, more...)
		case len(words) == 2 || len(words) == 3 && strings.HasPrefix(words[2], "image="):
			st := step{line: start, file: words[1], content: strings.Join(body, "\n") + "\n"}
			if len(words) == 3 {
				st.image = strings.TrimPrefix(words[2], "image=")
			}
			steps = append(steps, st)
		}
	}
	return steps, nil
}

func parseConsole(body []string, line int, example string) ([]step, error) {
	var steps []step
	for n, text := range body {
		command, typed := strings.CutPrefix(text, "$ ")
		switch {
		case typed:
			steps = append(steps, step{line: line + n, example: example, command: command})
		case text == "^C":
			steps = append(steps, step{line: line + n, example: example, command: "^C"})
		case len(steps) == 0:
			return nil, fmt.Errorf("line %d: output before any command", line+n)
		default:
			last := &steps[len(steps)-1]
			last.prints = append(last.prints, text)
		}
	}
	return steps, nil
}

// goesOn reports whether a command runs until it is ended.
func goesOn(command string) bool {
	words := strings.Fields(command)
	if len(words) < 2 || words[0] != "nix2gpu" && words[0] != "process-compose" {
		return false
	}
	has := func(flags ...string) bool {
		for _, w := range words[2:] {
			for _, f := range flags {
				if w == f {
					return true
				}
			}
		}
		return false
	}
	switch words[1] {
	case "up":
		return !has("-d", "--detach", "--dry-run", "-D")
	case "logs":
		return has("-f", "--follow")
	case "events":
		return true
	}
	return false
}

// pattern matches a shown line in the output.
func pattern(shown string) *regexp.Regexp {
	parts := strings.Split(shown, "…")
	for i, p := range parts {
		parts[i] = regexp.QuoteMeta(p)
	}
	return regexp.MustCompile("(?m)^" + strings.Join(parts, ".*") + "$")
}
