package provision

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"nix2gpu/project"
)

// passages are where the user has written the scripts that stand in a definition, by
// the paths of the files that they became. Other scripts are the user's own files.
type passages map[string]*project.Passage

// passagesHere are those that whoever runs us knows.
func passagesHere() passages {
	var p passages
	_ = json.Unmarshal([]byte(os.Getenv(project.PassagesVar)), &p) // without them a script goes by its path
	return p
}

// name is what a script is called in a message.
func (p passages) name(file string) string {
	if at := p[file]; at != nil {
		return fmt.Sprintf("%s (%s)", filepath.Base(file), at.Pos)
	}
	return file
}

// line is the place of a line of a script: that in the definition, where the text
// stands there.
func (p passages) line(file string, n int) string {
	at := p[file]
	if at == nil {
		return fmt.Sprintf("%s:%d", file, n)
	}
	pos, exact := at.At(n)
	pos.Col = 0 // of the line's beginning, which says nothing
	if !exact {
		return fmt.Sprintf("%s: line %d of the text", pos, n)
	}
	return pos.String()
}

// psql puts such places into what psql has said of a script: "psql:FILE:LINE: …".
func (p passages) psql(message, file string) string {
	if p[file] == nil {
		return message
	}
	lines := strings.Split(message, "\n")
	for i, l := range lines {
		rest, ok := strings.CutPrefix(l, "psql:"+file+":")
		if !ok {
			continue
		}
		number, rest, ok := strings.Cut(rest, ": ")
		if n, err := strconv.Atoi(number); ok && err == nil {
			lines[i] = "psql:" + p.line(file, n) + ": " + rest
		}
	}
	return strings.Join(lines, "\n")
}

// mysql puts such places into what the client of MySQL has said of a script, which it
// got as its input: "ERROR 1064 (42000) at line 3: …". One that it has read by itself
// it names.
func (p passages) mysql(message, file string) string {
	const begin, number, other = "ERROR ", ") at line ", " in file: '"
	lines := strings.Split(message, "\n")
	for i, l := range lines {
		head, rest, ok := strings.Cut(l, number)
		if !ok || !strings.HasPrefix(head, begin) {
			continue
		}
		where, rest, ok := strings.Cut(rest, ": ")
		script := file
		if n, named, is := strings.Cut(l[len(head)+len(number):], other); is && strings.Trim(n, "0123456789") == "" {
			where = n
			script, rest, ok = strings.Cut(named, "': ")
		}
		if n, err := strconv.Atoi(where); ok && err == nil {
			lines[i] = p.line(script, n) + ": " + head + "): " + rest
		}
	}
	return strings.Join(lines, "\n")
}
