package safeyaml

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
)

// The limits. A tree of many values comes from a large file, or from a few lines whose
// aliases stand for each other.
const (
	MaxBytes  = 8 << 20
	MaxValues = 50_000
	MaxDepth  = 100
)

// An Error says why a text is refused, and where; Line is 0 if it is about the whole
// text.
type Error struct {
	Line, Col int
	Msg       string
}

func (e *Error) Error() string {
	if e.Line == 0 {
		return e.Msg
	}
	return fmt.Sprintf("%d:%d: %s", e.Line, e.Col, e.Msg)
}

// Read parses a text of one document and calls build with it; root is nil for a text
// without values. The tree keeps the limits even with its aliases written out, so build
// may recurse. If the library's nodes make build panic, that counts as a syntax error.
func Read(text []byte, build func(root ast.Node)) (err error) {
	if len(text) > MaxBytes {
		return &Error{Msg: fmt.Sprintf("is larger than %d MiB", MaxBytes>>20)}
	}
	text = bytes.TrimPrefix(text, []byte("\ufeff"))
	if err := notUTF8(text); err != nil { // the parser would put another character in its place
		return err
	}
	// The parser recurses without a limit, so deep nesting is refused before it runs.
	if nesting(text) > 10*MaxDepth {
		return &Error{Msg: fmt.Sprintf("nests more than %d levels deep", MaxDepth)}
	}
	defer func() {
		if r := recover(); r != nil {
			err = &Error{Msg: "is not valid YAML"}
		}
	}()
	file, err := parser.ParseBytes(text, 0)
	if err != nil {
		return syntaxError(err)
	}
	var root ast.Node
	for _, doc := range file.Docs {
		if doc.Body == nil {
			continue
		}
		if root != nil {
			return at(doc.Body, "a file must hold one document only, and this is a second one")
		}
		root = doc.Body
	}
	c := counter{anchors: make(map[string]int)}
	if _, err := c.count(root, 0); err != nil {
		return err
	}
	build(root)
	return nil
}

// notUTF8 says where the first byte is that is no part of a character; nil if there is none.
func notUTF8(text []byte) error {
	if utf8.Valid(text) {
		return nil
	}
	for line := 1; ; line++ {
		row, rest, _ := bytes.Cut(text, []byte("\n"))
		for at, r := range string(row) {
			if _, size := utf8.DecodeRune(row[at:]); r == utf8.RuneError && size == 1 {
				return &Error{Line: line, Col: utf8.RuneCount(row[:at]) + 1, Msg: "is not UTF-8: save the file in that encoding"}
			}
		}
		text = rest
	}
}

// nesting returns an upper bound of the depth that a text reaches on one line, or by
// brackets. Depth by indentation needs no bound here: a line costs what it indents.
func nesting(text []byte) int {
	deepest, open, dashes := 0, 0, 0
	for i, c := range text {
		switch c {
		case '[', '{':
			open++
		case ']', '}':
			open = max(open-1, 0)
		case '-', '?':
			if i+1 == len(text) || strings.IndexByte(" \t\r\n", text[i+1]) >= 0 {
				dashes++ // "- - - a" is a list in a list in a list; in "a-b" it is a letter
			}
		case '\n':
			dashes = 0
		}
		deepest = max(deepest, open, dashes)
	}
	return deepest
}

func syntaxError(err error) *Error {
	e := &Error{Msg: err.Error()}
	var bad yaml.Error
	if errors.As(err, &bad) {
		e.Msg = strings.ToLower(bad.GetMessage())
		if tk := bad.GetToken(); tk != nil && tk.Position != nil {
			e.Line, e.Col = tk.Position.Line, tk.Position.Column
		}
	}
	e.Msg = strings.ReplaceAll(strings.TrimSpace(e.Msg), "\n", " ")
	return e
}

func at(n ast.Node, format string, args ...any) *Error {
	e := &Error{Msg: fmt.Sprintf(format, args...)}
	if tk := n.GetToken(); tk != nil && tk.Position != nil {
		e.Line, e.Col = tk.Position.Line, tk.Position.Column
	}
	return e
}

// A counter adds up the values of a tree as if its aliases were written out.
type counter struct {
	total   int
	anchors map[string]int // how many values each stands for
}

// count returns the size of n.
func (c *counter) count(n ast.Node, depth int) (size int, err error) {
	before := c.total
	c.total++
	children := []ast.Node(nil)
	switch n := n.(type) {
	case nil:
		return 0, nil
	case *ast.MappingNode:
		for _, v := range n.Values {
			children = append(children, v.Key, v.Value)
		}
	case *ast.MappingValueNode:
		children = []ast.Node{n.Key, n.Value}
	case *ast.SequenceNode:
		children = n.Values
	case *ast.TagNode:
		children = []ast.Node{n.Value}
	case *ast.AnchorNode:
		size, err := c.count(n.Value, depth+1)
		if err == nil {
			c.anchors[n.Name.GetToken().Value] = size
		}
		return size, err
	case *ast.AliasNode:
		c.total += c.anchors[n.Value.GetToken().Value] // for an unknown one build returns an error
	}
	if c.total > MaxValues {
		return 0, at(n, "more than %d values, with aliases written out", MaxValues)
	}
	if depth > MaxDepth {
		return 0, at(n, "nests more than %d levels deep", MaxDepth)
	}
	for _, child := range children {
		if _, err := c.count(child, depth+1); err != nil {
			return 0, err
		}
	}
	return c.total - before, nil
}
