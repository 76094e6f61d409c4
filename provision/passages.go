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

// passages says where the definition has the scripts that stand in it, by the paths of
// the files that they became. Other scripts are files of the user's.
type passages map[string]*project.Passage

// passagesHere returns the passages that whoever runs us has put into the environment.
func passagesHere() passages {
	var p passages
	_ = json.Unmarshal([]byte(os.Getenv(project.PassagesVar)), &p) // without them a script goes by its path
	return p
}

// name returns what messages call a script.
func (p passages) name(file string) string {
	if at := p[file]; at != nil {
		return fmt.Sprintf("%s (%s)", filepath.Base(file), at.Pos)
	}
	return file
}

// line returns the position of a line of a script: in the definition, if it stands
// there.
func (p passages) line(file string, n int) string {
	at := p[file]
	if at == nil {
		return fmt.Sprintf("%s:%d", file, n)
	}
	pos, exact := at.At(n)
	pos.Col = 0 // it would always be where the line begins
	if !exact {
		return fmt.Sprintf("%s: line %d of the text", pos, n)
	}
	return pos.String()
}

// psql puts such positions into what psql has said about a script:
// "psql:FILE:LINE: …".
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

// mysql puts such positions into what the client of MySQL has said about a script on
// its stdin: "ERROR 1064 (42000) at line 3: …". It names a file only if that script
// has sourced it.
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
