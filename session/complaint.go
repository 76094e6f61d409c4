package session

import (
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"nix2gpu/project"
)

// A complaint is a server's error about its configuration.
type complaint struct {
	text string // one line
	file string // that the error names; "" if it names none
	line int    // in that file; 0 if it names none
}

// complaintOf finds the line of an output that says what is wrong, and where. files
// are the paths that it may be about, the likeliest first.
func complaintOf(out string, files []string) complaint {
	lines := slices.DeleteFunc(strings.Split(out, "\n"), func(l string) bool { return strings.TrimSpace(l) == "" })
	named := ""
	for i, l := range lines {
		for _, f := range files {
			at := strings.Index(l, f)
			if at < 0 {
				continue
			}
			named = f
			n := numberAfter(l[at+len(f):])
			if n == 0 {
				n = numberBefore(l[:at])
			}
			if n == 0 {
				continue
			}
			text := plain(l)
			if strings.HasSuffix(l, ":") && i+1 < len(lines) { // the rest is on the next line
				text = strings.TrimSpace(lines[i+1])
			}
			return complaint{withoutPlace(text, f, n), f, n}
		}
	}
	if len(files) > 0 && named == "" {
		named = files[0]
	}
	for _, l := range lines { // a line number without a file belongs to the file above
		if n := numberAfter(l); n > 0 && named != "" {
			return complaint{withoutPlace(plain(l), "", n), named, n}
		}
	}
	for _, word := range []string{"emerg", "error", "fatal", "fail", "cannot", "invalid", "unknown"} {
		for _, l := range lines {
			if strings.Contains(strings.ToLower(l), word) && !strings.HasPrefix(l, `{"level":"`) {
				return complaint{text: plain(l)}
			}
		}
	}
	if len(lines) == 0 {
		return complaint{text: "it says nothing"}
	}
	return complaint{text: plain(lines[len(lines)-1])}
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
	for _, mark := range []string{"[emerg] ", "[error] ", "FATAL:  ", "ERROR:  ", "LOG:  ", "Error: ", "FAILED: "} {
		if _, rest, ok := strings.Cut(l, mark); ok {
			l = rest
			break
		}
	}
	// nginx prints its pid and thread: "26968#26968: "
	if id, rest, ok := strings.Cut(l, ": "); ok && strings.Trim(id, "0123456789#") == "" {
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
	slices.SortStableFunc(paths, func(a, b string) int { return strings.Count(b, "conf") - strings.Count(a, "conf") })
	said := complaintOf(out, append(paths, userFiles(out, o)...))
	a.pos = a.service.Pos
	if i := slices.IndexFunc(files, func(f writtenFile) bool { return f.path == said.file }); i >= 0 && said.line > 0 {
		lines := strings.Split(files[i].content, "\n")
		if said.line <= len(lines) {
			text := strings.TrimSpace(lines[said.line-1])
			if pos, ok := c.origin(a.service, text); ok {
				a.pos = pos
			} else if text != "" {
				a.hint = "the generated line is: " + text
			}
		}
	} else if below, ok := strings.CutPrefix(o.back(said.file), c.Root+"/"); ok && said.line > 0 {
		a.pos = project.Pos{File: below, Line: said.line, Col: 1}
	}
	for _, l := range lent {
		if pos, ok := c.origin(a.service, filepath.Base(l[1])); ok && strings.Contains(said.text, l[0]) {
			a.pos, a.hint = pos, ""
		}
	}
	a.msg = a.service.Type + " rejects its configuration: " + o.back(said.text)
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

// origin finds a line of a generated file in the definition: the whole line, if it is
// the user's own text, or else its longest word that occurs only once.
func (c *check) origin(s *project.Service, line string) (project.Pos, bool) {
	var words []string
	for _, w := range strings.FieldsFunc(line, func(r rune) bool { return strings.ContainsRune(" \t\"';{}=,", r) }) {
		if len(w) >= 4 {
			words = append(words, w)
			if base := filepath.Base(w); base != w && len(base) >= 4 {
				words = append(words, base)
			}
		}
	}
	slices.SortStableFunc(words, func(a, b string) int { return len(b) - len(a) })
	for _, text := range append([]string{line}, words...) {
		var found []project.Pos
		for _, file := range definitionFiles(s) {
			data, err := os.ReadFile(filepath.Join(c.Root, file))
			if err != nil {
				continue
			}
			for n, l := range strings.Split(string(data), "\n") {
				if col := strings.Index(l, text); col >= 0 {
					found = append(found, project.Pos{File: file, Line: n + 1, Col: col + 1})
				}
			}
		}
		if len(found) == 1 {
			return found[0], true
		}
	}
	return project.Pos{}, false
}

// definitionFiles returns the files that define a service and its options.
func definitionFiles(s *project.Service) (files []string) {
	add := func(pos project.Pos) {
		if pos.File != "" && !slices.Contains(files, pos.File) {
			files = append(files, pos.File)
		}
	}
	add(s.Pos)
	for _, pos := range s.Options {
		add(pos)
	}
	for _, p := range s.Ports {
		add(p.Pos)
	}
	slices.Sort(files)
	return files
}
