package compose

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"

	"nix2gpu/project"
)

// kind is the shape of a node.
type kind int

const (
	null kind = iota
	scalar
	list
	object
)

func (k kind) String() string {
	return [...]string{"nothing", "a value", "a list", "a map"}[k]
}

// A node is a piece of YAML with its place, aliases and merge keys resolved.
// Scalars stay text: what they mean depends on who reads them.
type node struct {
	kind   kind
	pos    project.Pos
	text   string // of a scalar
	quoted bool   // a quoted or block scalar: never a number, never empty-for-null
	items  []*node
	fields []*field
}

// A field is one key of an object, in the order of the file.
type field struct {
	key   string
	pos   project.Pos
	value *node
}

// get returns the value of the key, or nil.
func (n *node) get(key string) *node {
	if n == nil {
		return nil
	}
	for _, f := range n.fields {
		if f.key == key {
			return f.value
		}
	}
	return nil
}

// set replaces or adds a field.
func (n *node) set(f *field) {
	for i, old := range n.fields {
		if old.key == f.key {
			n.fields[i] = f
			return
		}
	}
	n.fields = append(n.fields, f)
}

// The limits on foreign text: an alias can stand for a large tree, and a tree
// can be deep. Both would take all memory or stack of this process.
const (
	maxNodes = 50_000
	maxDepth = 100
	maxBytes = 8 << 20
)

// parse reads one YAML document.
func parse(name string, data []byte) (n *node, err error) {
	if len(data) > maxBytes {
		return nil, Errors{{Pos: project.Pos{File: name}, Msg: fmt.Sprintf("is larger than %d MiB", maxBytes>>20)}}
	}
	// The parser's own recursion has no limit, so deep nesting is refused
	// before it starts.
	if depth(data) > 10*maxDepth {
		return nil, Errors{{Pos: project.Pos{File: name}, Msg: "is nested too deeply"}}
	}
	defer func() {
		// The parser panics on some malformed input that its authors have
		// not met; for a reader of foreign text that is one more syntax error.
		if r := recover(); r != nil {
			n, err = nil, Errors{{Pos: project.Pos{File: name}, Msg: "is not valid YAML"}}
		}
	}()
	file, err := parser.ParseBytes(data, 0)
	if err != nil {
		return nil, Errors{syntaxError(name, err)}
	}
	b := &builder{file: name, anchors: map[string]*node{}}
	var root *node
	for _, doc := range file.Docs {
		if doc.Body == nil {
			continue
		}
		if root != nil {
			b.fail(b.place(doc.Body), "only one document is allowed in a file")
			break
		}
		root = b.build(doc.Body, 0)
	}
	if root == nil {
		root = &node{kind: null, pos: project.Pos{File: name, Line: 1, Col: 1}}
	}
	return root, b.errs.sorted()
}

// depth bounds the nesting that data can reach, from its brackets and from
// the repeated dashes of one line.
func depth(data []byte) int {
	deepest, open, dashes := 0, 0, 0
	for _, c := range data {
		switch c {
		case '[', '{':
			open++
		case ']', '}':
			open = max(open-1, 0)
		case '-', '?':
			dashes++
		case '\n':
			dashes = 0
		}
		deepest = max(deepest, open, dashes)
	}
	return deepest
}

func syntaxError(name string, err error) *Error {
	e := &Error{Pos: project.Pos{File: name}, Msg: err.Error()}
	var at yaml.Error
	if errors.As(err, &at) {
		e.Msg = strings.ToLower(at.GetMessage())
		if tk := at.GetToken(); tk != nil && tk.Position != nil {
			e.Pos.Line, e.Pos.Col = tk.Position.Line, tk.Position.Column
		}
	}
	e.Msg = strings.ReplaceAll(strings.TrimSpace(e.Msg), "\n", " ")
	return e
}

// builder turns the parser's tree into nodes.
type builder struct {
	file    string
	anchors map[string]*node
	count   int
	errs    Errors
}

func (b *builder) fail(pos project.Pos, format string, args ...any) {
	b.errs = append(b.errs, &Error{Pos: pos, Msg: fmt.Sprintf(format, args...)})
}

func (b *builder) place(n ast.Node) project.Pos {
	pos := project.Pos{File: b.file, Line: 1, Col: 1}
	if n == nil {
		return pos
	}
	if m, ok := n.(*ast.MappingNode); ok && !m.IsFlowStyle && len(m.Values) > 0 {
		return b.place(m.Values[0]) // its own token is the first colon
	}
	if m, ok := n.(*ast.MappingValueNode); ok {
		return b.place(m.Key)
	}
	if tk := n.GetToken(); tk != nil && tk.Position != nil {
		pos.Line, pos.Col = tk.Position.Line, tk.Position.Column
	}
	return pos
}

func (b *builder) build(n ast.Node, depth int) *node {
	out := &node{pos: b.place(n)}
	if b.count++; b.count > maxNodes || depth > maxDepth {
		if b.count == maxNodes+1 || depth == maxDepth+1 {
			b.fail(out.pos, "too much: more than %d values or %d levels", maxNodes, maxDepth)
		}
		return out
	}
	switch n := n.(type) {
	case nil, *ast.NullNode:
	case *ast.MappingNode:
		out.kind = object
		for _, v := range n.Values {
			b.addField(out, v, depth)
		}
	case *ast.MappingValueNode:
		out.kind = object
		b.addField(out, n, depth)
	case *ast.SequenceNode:
		out.kind = list
		for _, v := range n.Values {
			out.items = append(out.items, b.build(v, depth+1))
		}
	case *ast.AnchorNode:
		out = b.build(n.Value, depth+1)
		if n.Name != nil {
			b.anchors[n.Name.String()] = out
		}
	case *ast.AliasNode:
		return b.alias(n, out)
	case *ast.TagNode:
		return b.build(n.Value, depth+1)
	case *ast.LiteralNode:
		out.kind, out.quoted = scalar, true
		if n.Value != nil {
			out.text = n.Value.Value
		}
	case *ast.StringNode:
		out.kind, out.text = scalar, n.Value
		if tk := n.GetToken(); tk != nil {
			out.quoted = tk.Type == token.SingleQuoteType || tk.Type == token.DoubleQuoteType
		}
	case *ast.CommentGroupNode, *ast.CommentNode:
	default: // numbers and booleans keep the characters that were typed
		out.kind = scalar
		if tk := n.GetToken(); tk != nil {
			out.text = tk.Value
		}
	}
	return out
}

// alias shares the anchored tree, and counts it again: expansion is what a
// reader pays for.
func (b *builder) alias(n *ast.AliasNode, out *node) *node {
	name := ""
	if n.Value != nil {
		name = n.Value.String()
	}
	target, ok := b.anchors[name]
	if !ok {
		b.fail(out.pos, "unknown anchor %q", name)
		return out
	}
	b.count += size(target, maxNodes)
	return target
}

// size counts the nodes of a tree, up to limit.
func size(n *node, limit int) int {
	total := 1
	for _, i := range n.items {
		if total < limit {
			total += size(i, limit-total)
		}
	}
	for _, f := range n.fields {
		if total < limit {
			total += size(f.value, limit-total)
		}
	}
	return total
}

func (b *builder) addField(out *node, v *ast.MappingValueNode, depth int) {
	if v == nil {
		return
	}
	value := b.build(v.Value, depth+1)
	if value.kind == null && value.pos.Line <= 1 {
		value.pos = b.place(v.Key)
	}
	if _, ok := v.Key.(*ast.MergeKeyNode); ok {
		b.merge(out, value)
		return
	}
	key := b.build(v.Key, depth+1)
	if key.kind != scalar {
		b.fail(key.pos, "a key must be text")
		return
	}
	// A key that a merge brought in gives way to one that is written out.
	out.set(&field{key: key.text, pos: key.pos, value: value})
}

// merge adds the fields of a "<<" value that are not set yet.
func (b *builder) merge(out, value *node) {
	sources := []*node{value}
	if value.kind == list {
		sources = value.items
	}
	for _, s := range sources {
		if s.kind != object {
			b.fail(s.pos, "%q must be a map or a list of maps, is %s", "<<", s.kind)
			continue
		}
		for _, f := range s.fields {
			if out.get(f.key) == nil {
				out.fields = append(out.fields, f)
			}
		}
	}
}

// asBool and the like read a scalar's text. Quoted text is accepted too:
// process-compose does, since its variables expand inside quotes.
func asBool(s string) (bool, error) {
	switch strings.ToLower(s) {
	case "true", "yes", "on":
		return true, nil
	case "false", "no", "off":
		return false, nil
	}
	return false, fmt.Errorf("must be true or false, is %q", s)
}

func asInt(s string, low, high int) (int, error) {
	n, err := strconv.Atoi(strings.TrimSpace(s))
	if err != nil || n < low || n > high {
		return 0, fmt.Errorf("must be a whole number from %d to %d, is %q", low, high, s)
	}
	return n, nil
}
