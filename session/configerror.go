package session

import (
	"os"
	"path/filepath"
	"slices"
	"sort"
	"strconv"
	"strings"

	"nix2gpu/project"
)

// A configError is a server's error about its configuration.
type configError struct {
	text string // one line
	file string // that the error names; "" if it names none
	line int    // in that file; 0 if it names none
}

// findConfigError finds the line of an output that says what is wrong, and where. files
// are the paths that it may be about, the likeliest first.
func findConfigError(out string, files []string) configError {
	lines := slices.DeleteFunc(strings.Split(out, "\n"), func(l string) bool { return strings.TrimSpace(l) == "" })
	// MariaDB says all of its options behind what is wrong with one.
	if i := slices.IndexFunc(lines, func(l string) bool { return strings.Contains(l, "[ERROR] ") }); i >= 0 {
		lines = lines[i : i+1]
	}
	if said, ok := placed(lines, files); ok {
		return said
	}
	named := ""
	for _, f := range files {
		if strings.Contains(out, f) {
			named = f
		}
	}
	if len(files) > 0 && named == "" {
		named = files[0]
	}
	for i, l := range lines { // a line number without a file belongs to the file above
		n := numberAfter(l)
		if n == 0 || named == "" {
			continue
		}
		if i+2 < len(lines) && strings.HasPrefix(lines[i+1], ">>> '") { // redis repeats the line, and then says it
			return configError{plain(lines[i+2]), named, n}
		}
		return configError{withoutPlace(plain(l), "", n), named, n}
	}
	for _, word := range []string{"emerg", "error", "fatal", "fail", "cannot", "invalid", "unknown"} {
		for _, l := range lines {
			if strings.Contains(strings.ToLower(l), word) && !strings.HasPrefix(l, `{"level":"`) {
				return configError{text: plain(l)}
			}
		}
	}
	if len(lines) == 0 {
		return configError{text: "it says nothing"}
	}
	return configError{text: plain(lines[len(lines)-1])}
}

// placed finds the line of an output that names one of the files and a line of it.
func placed(lines, files []string) (said configError, ok bool) {
	for i, l := range lines {
		for _, f := range files {
			at := strings.Index(l, f)
			if at < 0 {
				continue
			}
			n := numberAfter(l[at+len(f):])
			if n == 0 {
				n = numberBefore(l[:at])
			}
			if n == 0 {
				continue
			}
			text := plain(l)
			switch {
			case strings.HasSuffix(l, ":") && i+1 < len(lines): // the rest is on the next line
				text = strings.TrimSpace(lines[i+1])
			case strings.Contains(l, "CONTEXT:  "): // PostgreSQL has said it above
				for j := i - 1; j >= 0; j-- {
					if above := plain(lines[j]); above != strings.TrimSpace(lines[j]) {
						text = above
						break
					}
				}
			}
			return configError{withoutPlace(text, f, n), f, n}, true
		}
	}
	return configError{}, false
}

// numberAfter parses the line number in the text behind the name of a file: ":12", or
// "line 12" among other words.
func numberAfter(s string) int {
	if rest, ok := strings.CutPrefix(s, ":"); ok {
		if n := leading(rest); n > 0 {
			return n
		}
	}
	if _, rest, ok := strings.Cut(s, "line "); ok {
		return leading(rest)
	}
	return 0
}

// numberBefore parses the line number in the text before a file's name: "line 12 of".
func numberBefore(s string) int {
	at := strings.LastIndex(s, "line ")
	if at < 0 {
		return 0
	}
	return leading(s[at+len("line "):])
}

func leading(s string) int {
	end := 0
	for end < len(s) && s[end] >= '0' && s[end] <= '9' {
		end++
	}
	n, _ := strconv.Atoi(s[:end])
	return n
}

// plain removes what a log puts before the message of a line.
func plain(l string) string {
	for _, mark := range []string{"[emerg] ", "[error] ", "[ERROR] ", "FATAL:  ", "ERROR:  ", "LOG:  ", "Error: ", "FAILED: "} {
		if _, rest, ok := strings.Cut(l, mark); ok {
			l = rest
			break
		}
	}
	l = strings.TrimPrefix(l, "Buffered error: ") // of MariaDB, which it has not said at once
	// nginx prints its pid and thread, "26968#26968: ", and MariaDB its name.
	if id, rest, ok := strings.Cut(l, ": "); ok && (strings.Trim(id, "0123456789#") == "" || slices.Contains([]string{"mysqld", "mariadbd"}, filepath.Base(id))) {
		l = rest
	}
	return strings.TrimSpace(l)
}

// withoutPlace removes the position from a message that is printed with another one.
func withoutPlace(text, file string, line int) string {
	n := strconv.Itoa(line)
	if file != "" {
		for _, place := range []string{" in " + file + ":" + n, " in file \"" + file + "\" line " + n, ", at " + file + ":" + n} {
			text = strings.Replace(text, place, "", 1)
		}
		if head, rest, ok := strings.Cut(text, file+":"+n+":"); ok { // a column may follow
			if column, more, ok := strings.Cut(rest, ":"); ok && strings.Trim(column, "0123456789") == "" {
				rest = more
			}
			if !strings.Contains(strings.TrimSuffix(head, ": "), " ") { // the program's name
				head = ""
			}
			text = head + strings.TrimSpace(rest)
		}
	}
	if rest, ok := strings.CutPrefix(text, "line "+n+": "); ok {
		return rest
	}
	return text
}

// explain sets the message of a failed test and its position in what the user wrote:
// in a file of theirs that the server names, or where the definition has the text
// of the generated line.
func (c *check) explain(a *attempt, o *overlay, files []writtenFile, lent [][2]string, out string) {
	paths := make([]string, len(files))
	for i, f := range files {
		paths[i] = f.path
	}
	sort.SliceStable(paths, func(i, j int) bool {
		a, b := paths[i], paths[j]
		return strings.Count(b, "conf")-strings.Count(a, "conf") < 0
	})
	said := findConfigError(out, append(paths, userFiles(out, o)...))
	a.pos = a.service.Pos
	if pos, line, ok := c.locate(a.service, said, files); ok {
		a.pos = pos
	} else if line != "" {
		a.hint = "the generated line is: " + line
	} else if below, ok := strings.CutPrefix(o.back(said.file), c.Root+"/"); ok && said.line > 0 && !slices.Contains(paths, said.file) {
		a.pos = project.Pos{File: below, Line: said.line, Col: 1}
	}
	for _, l := range lent {
		if pos, ok := c.origin(a.service, filepath.Base(l[1])); ok && strings.Contains(said.text, l[0]) {
			a.pos, a.hint = pos, ""
		}
	}
	a.msg = a.service.Type + " rejects its configuration: " + o.back(said.text)
}

// locate finds where the user has written what a configError is about. If it is about a
// line of ours, it returns that, unless the file holds secrets.
func (c *check) locate(s *project.Service, said configError, files []writtenFile) (pos project.Pos, line string, ok bool) {
	i := slices.IndexFunc(files, func(f writtenFile) bool { return f.path == said.file })
	if i < 0 || said.line == 0 {
		if said.line > 0 {
			return pos, "", false
		}
		for _, text := range quoted(said.text) { // no line, but what stands in it
			for _, text := range []string{text, strings.ReplaceAll(text, "-", "_")} { // names of MariaDB
				if pos, ok := c.origin(s, text); ok {
					return pos, "", true
				}
			}
		}
		return pos, "", false
	}
	if pos, exact := files[i].pos.At(said.line); exact {
		return pos, "", true
	}
	lines := strings.Split(files[i].content, "\n")
	if said.line > len(lines) {
		return pos, "", false
	}
	line = strings.TrimSpace(lines[said.line-1])
	if pos, ok = c.origin(s, line); ok {
		return pos, "", true
	}
	if files[i].secret {
		line = ""
	}
	return pos, line, false
}

// quoted returns the words that a configError quotes, in order.
func quoted(text string) (words []string) {
	for rest := text; ; {
		at := strings.IndexAny(rest, "'\"`")
		if at < 0 {
			return words
		}
		word, more, ok := strings.Cut(rest[at+1:], rest[at:at+1])
		if !ok {
			return words
		}
		if len(word) >= 4 {
			words = append(words, word)
		}
		rest = more
	}
}

// Explain finds in the last lines of a process that does not take its configuration
// what is wrong with a file that was written for it, and where the user has written
// that.
func (m Machine) Explain(p *project.Project, proc *project.Process, lines []string) (pos project.Pos, text string, ok bool) {
	s := p.Services[proc.Service]
	if s == nil || len(proc.Files) == 0 {
		return pos, "", false
	}
	c := &check{Machine: m, project: p}
	files := c.written(m.Stage(), proc)
	paths := make([]string, len(files))
	for i, f := range files {
		paths[i] = f.path
	}
	said, ok := placed(lines, paths)
	if !ok {
		return pos, "", false
	}
	if pos, _, ok = c.locate(s, said, files); !ok {
		return pos, "", false
	}
	return pos, said.text, true
}

// userFiles returns the files below the definition's folder that an output names.
func userFiles(out string, o *overlay) (paths []string) {
	for _, word := range strings.FieldsFunc(out, func(r rune) bool { return strings.ContainsRune(" \t\n\"'`,;()[]", r) }) {
		word, _, _ = strings.Cut(word, ":")
		for _, base := range []string{o.own, o.real} {
			if strings.HasPrefix(word, base+"/") {
				paths = append(paths, word)
			}
		}
	}
	return paths
}

// origin finds a line of a generated file in the definition.
func (c *check) origin(s *project.Service, line string) (project.Pos, bool) {
	var sources []project.Source
	for _, name := range s.SourceNames() {
		if data, err := os.ReadFile(filepath.Join(c.Root, name)); err == nil {
			sources = append(sources, project.Source{Name: name, Text: string(data)})
		}
	}
	return project.Origin(line, sources)
}
