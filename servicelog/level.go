package servicelog

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
)

// A Level is how severe a line is, by syslog's numbers from 1 on: the lower, the worse.
// Zero is none.
type Level int8

// Levels that have a meaning of their own here.
const (
	Critical Level = 3
	Err      Level = 4
	Notice   Level = 6
	Info     Level = 7 // also of lines that don't tell
	Debug    Level = 8
)

// levels has journalctl's words.
var levels = [...]string{"emerg", "alert", "crit", "err", "warning", "notice", "info", "debug"}

func (l Level) String() string {
	if l < 1 || int(l) > len(levels) {
		return ""
	}
	return levels[l-1]
}

// levelOf returns the level that a word means: journalctl's, or one of servers.
func levelOf(word []byte) Level {
	var lower [13]byte
	if len(word) < 3 || len(word) > len(lower) {
		return 0
	}
	for i, c := range word {
		if 'A' <= c && c <= 'Z' {
			c |= 0x20
		}
		lower[i] = c
	}
	switch string(lower[:len(word)]) {
	case "emerg", "emergency":
		return 1
	case "alert":
		return 2
	case "crit", "critical", "fatal", "panic":
		return Critical
	case "err", "error", "severe", "eror":
		return Err
	case "warning", "warn", "wrn":
		return 5
	case "notice", "note":
		return Notice
	case "info", "inf", "information", "informational", "log":
		return Info
	case "debug", "debug1", "debug2", "debug3", "debug4", "debug5", "dbg", "trace", "trc", "verbose":
		return Debug
	}
	return 0
}

// ParseLevel parses a word or number of journalctl's --priority.
func ParseLevel(word string) (Level, error) {
	if n, err := strconv.Atoi(word); err == nil && n >= 0 && n < len(levels) {
		return Level(n + 1), nil
	}
	l := levelOf([]byte(word))
	if l == 0 {
		return 0, fmt.Errorf("must be err, warning, info, debug or another level of syslog, not %q", word)
	}
	return l, nil
}

// headSize is how much of a line is looked at for its level.
const headSize = 256

// FindLevel returns the level that a line tells: by a field of JSON, syslog's prefix
// "<3>", or as the usual servers write it. It is zero where it can't be told.
func FindLevel(line []byte) Level {
	if at := skipSpace(line, 0); at < len(line) && line[at] == '{' {
		return jsonLevel(line[at:])
	}
	head := line[:min(len(line), headSize)]
	if len(head) > 2 && head[0] == '<' {
		if end := bytes.IndexByte(head, '>'); end > 1 && end <= 4 {
			if n, err := strconv.ParseUint(string(head[1:end]), 10, 8); err == nil {
				return Level(n&7) + 1
			}
		}
	}
	if bytes.IndexByte(head, 0x1b) >= 0 {
		head = appendSafe(nil, head, ColorNever)
	}
	// What stands before the level are times, numbers, names in brackets, and the
	// name of the program with a colon. Words of a sentence end the search.
	named := false // a name comes next: "06:19:37,123 - app - ERROR - no", by Python
	tabs := bytes.IndexByte(head, '\t') >= 0
	for i, at := 0, 0; i < 12; i++ {
		for at < len(head) && (head[at] == ' ' || head[at] == '\t') {
			at++
		}
		if at == len(head) {
			return 0
		}
		end := wordEnd(head, at, tabs)
		word := head[at:end]
		at = end
		if word[0] >= '0' && word[0] <= '9' {
			named = false
			continue
		}
		if l, over := wordLevel(word, i); l > 0 || over && !named {
			return l
		}
		named = i > 0 && len(word) == 1 && word[0] == '-'
	}
	return 0
}

// wordEnd returns where the word at a place ends.
func wordEnd(head []byte, at int, tabs bool) int {
	end := len(head)
	if i := bytes.IndexByte(head[at:], ' '); i >= 0 {
		end = at + i
	}
	if tabs {
		if i := bytes.IndexByte(head[at:end], '\t'); i >= 0 {
			end = at + i
		}
	}
	return end
}

// wordLevel returns the level that the i-th word of a line means there, and whether the
// words after it are only text.
func wordLevel(word []byte, i int) (l Level, over bool) {
	if len(word) == 1 && i == 5 { // "1:M 26 Nov 2026 06:19:37.123 * Ready", by Redis
		if at := strings.IndexByte("#*-.", word[0]); at >= 0 {
			return [...]Level{5, Notice, Info, Debug}[at], true
		}
	}
	switch word[0] {
	case '[', '<', '(':
		inner := bytes.Trim(word, "[<(:)>],")
		return levelOf(inner[bytes.LastIndexByte(inner, ':')+1:]), false // "[core:error]", by Apache
	}
	if key, value, ok := bytes.Cut(word, []byte("=")); ok {
		switch string(key) {
		case "level", "lvl", "severity":
			return levelOf(bytes.Trim(value, `"`)), true
		}
		return 0, false // another pair
	}
	name, _, colon := bytes.Cut(word, []byte(":"))
	if l := levelOf(name); l > 0 {
		// At the beginning, a word without a colon is one of a sentence, unless it is
		// in capitals.
		if i == 0 && !colon && hasLower(name) {
			l = 0
		}
		return l, true
	}
	if i == 0 && len(word) == 5 && strings.IndexByte("IWEF", word[0]) >= 0 && len(bytes.Trim(word[1:], "0123456789")) == 0 { // klog
		return [...]Level{Info, 5, Err, Critical}[strings.IndexByte("IWEF", word[0])], true
	}
	return 0, isText(word)
}

func hasLower(word []byte) bool {
	for _, c := range word {
		if 'a' <= c && c <= 'z' {
			return true
		}
	}
	return false
}

// isText reports whether a word is one of a sentence, and not a name or a part of a time:
// "Nov" is a month.
func isText(word []byte) bool {
	if len(word) == 3 || word[len(word)-1] == ':' || !hasLower(word) {
		return false
	}
	for _, c := range word {
		if c == '@' || c == '/' || c == '.' || c == '[' || '0' <= c && c <= '9' {
			return false
		}
	}
	return true
}

// A Field is a condition on JSON lines: a field that has a value.
type Field struct {
	path  []string
	value string
}

// ParseField parses "status=500" or "request.method=GET".
func ParseField(text string) (Field, error) {
	path, value, ok := strings.Cut(text, "=")
	if !ok || path == "" {
		return Field{}, fmt.Errorf("must be like status=500, not %q", text)
	}
	return Field{strings.Split(path, "."), value}, nil
}

// In reports whether a line is a JSON object that has the field. A name with dots is
// that of one field, or leads to one field by way of others; an index leads into a list.
func (f Field) In(line []byte) bool {
	line = bytes.TrimSpace(line)
	return len(line) > 0 && line[0] == '{' && f.in(line, f.path)
}

func (f Field) in(value json.RawMessage, path []string) bool {
	if len(path) == 0 {
		var text string
		if json.Unmarshal(value, &text) == nil && value[0] == '"' {
			return text == f.value
		}
		return string(value) == f.value || value[0] != '{' && value[0] != '[' && sameNumber(string(value), f.value)
	}
	if value[0] == '[' {
		var list []json.RawMessage
		n, err := strconv.ParseUint(path[0], 10, 31)
		return err == nil && json.Unmarshal(value, &list) == nil && int(n) < len(list) && f.in(list[n], path[1:])
	}
	if value[0] != '{' {
		return false
	}
	fields := members(value)
	for n := len(path); n > 0; n-- {
		if inner, ok := fields[strings.Join(path[:n], ".")]; ok && f.in(inner, path[n:]) {
			return true
		}
	}
	return false
}

// members returns the fields of an object, or nil if it is none. Of a name that it has
// twice, the first counts, as it does for its level.
func members(object json.RawMessage) map[string]json.RawMessage {
	if !json.Valid(object) {
		return nil
	}
	fields := map[string]json.RawMessage{}
	d := json.NewDecoder(bytes.NewReader(object))
	for _, _ = d.Token(); d.More(); { // it is valid, so nothing fails
		name, _ := d.Token()
		var value json.RawMessage
		_ = d.Decode(&value)
		if _, twice := fields[name.(string)]; !twice {
			fields[name.(string)] = value
		}
	}
	return fields
}

// sameNumber reports whether both are the same number, such as 500 and 5e2.
func sameNumber(a, b string) bool {
	x, err1 := strconv.ParseFloat(a, 64)
	y, err2 := strconv.ParseFloat(b, 64)
	return err1 == nil && err2 == nil && x == y
}
