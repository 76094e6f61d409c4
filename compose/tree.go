package compose

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/token"

	"nix2gpu/project"
	"nix2gpu/safeyaml"
)

// A kind is the shape of a node.
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

// A node is a piece of YAML with its position, aliases and merge keys resolved.
// Scalars stay text: their type depends on who reads them.
type node struct {
	kind   kind
	pos    project.Pos
	text   string // of a scalar
	quoted bool   // a quoted or block scalar, which is always text
	items  []*node
	fields []*field
}

// A field is one key of an object, in the order of the file.
type field struct {
	key     string
	pos     project.Pos
	value   *node
	brought bool // by "<<": a field that is written out wins over it
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

// parse reads one YAML document, which may have variables that only veil makes parsable.
func parse(name string, data []byte) (*node, error) {
	text, veiled := veil(data)
	root, err := parseText(name, text, veiled)
	if err != nil && veiled { // what looked like a variable may not be one
		if root, err := parseText(name, data, false); err == nil {
			return root, nil
		}
	}
	return root, err
}

func parseText(name string, text []byte, veiled bool) (*node, error) {
	b := &builder{file: name, anchors: map[string]*node{}, veiled: veiled}
	root := &node{kind: null, pos: project.Pos{File: name, Line: 1, Col: 1}}
	err := safeyaml.Read(text, func(body ast.Node) {
		if body != nil {
			root = b.build(body)
		}
	})
	var bad *safeyaml.Error
	if errors.As(err, &bad) {
		return nil, Errors{{Pos: project.Pos{File: name, Line: bad.Line, Col: bad.Col}, Msg: b.read(bad.Msg)}}
	}
	return root, b.errs.sorted()
}

// A builder turns the parser's tree into nodes.
type builder struct {
	file    string
	anchors map[string]*node
	veiled  bool // see veil
	errs    Errors
}

// read is a text of the parser as it is in the file.
func (b *builder) read(s string) string {
	if b.veiled {
		return unveil(s)
	}
	return s
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
		return b.place(m.Values[0]) // the map's own token is its first colon
	}
	if m, ok := n.(*ast.MappingValueNode); ok {
		return b.place(m.Key)
	}
	if tk := n.GetToken(); tk != nil && tk.Position != nil {
		pos.Line, pos.Col = tk.Position.Line, tk.Position.Column
	}
	return pos
}

func (b *builder) build(n ast.Node) *node {
	out := &node{pos: b.place(n)}
	switch n := n.(type) {
	case nil, *ast.NullNode:
	case *ast.MappingNode:
		out.kind = object
		for _, v := range n.Values {
			b.addField(out, v)
		}
	case *ast.MappingValueNode:
		out.kind = object
		b.addField(out, n)
	case *ast.SequenceNode:
		out.kind = list
		for _, v := range n.Values {
			out.items = append(out.items, b.build(v))
		}
	case *ast.AnchorNode:
		out = b.build(n.Value)
		if n.Name != nil {
			b.anchors[n.Name.GetToken().Value] = out
		}
	case *ast.AliasNode:
		name := n.Value.GetToken().Value
		if target, ok := b.anchors[name]; ok {
			return target
		}
		b.fail(out.pos, "unknown anchor %q", name)
	case *ast.TagNode:
		return b.build(n.Value)
	case *ast.LiteralNode:
		out.kind, out.quoted = scalar, true
		if n.Value != nil {
			out.text = b.read(n.Value.Value)
		}
	case *ast.StringNode:
		out.kind, out.text = scalar, b.read(n.Value)
		if tk := n.GetToken(); tk != nil {
			out.quoted = tk.Type == token.SingleQuoteType || tk.Type == token.DoubleQuoteType
		}
	case *ast.CommentGroupNode, *ast.CommentNode:
	default: // numbers and booleans stay as they were typed
		out.kind = scalar
		if tk := n.GetToken(); tk != nil {
			out.text = b.read(tk.Value)
		}
	}
	return out
}

func (b *builder) addField(out *node, v *ast.MappingValueNode) {
	if v == nil {
		return
	}
	value := b.build(v.Value)
	if value.kind == null && value.pos.Line <= 1 {
		value.pos = b.place(v.Key)
	}
	if _, ok := v.Key.(*ast.MergeKeyNode); ok {
		b.merge(out, value)
		return
	}
	key := b.build(v.Key)
	if key.kind != scalar {
		b.fail(key.pos, "a key must be text")
		return
	}
	// A key that is written out replaces one that "<<" has brought in.
	out.set(&field{key: key.text, pos: key.pos, value: value})
}

// merge adds those fields of a "<<" value that are not set yet.
func (b *builder) merge(out, value *node) {
	sources := []*node{value}
	if value.kind == list {
		sources = value.items
	}
	for _, s := range sources {
		if s.kind != object {
			b.fail(s.pos, "%q must be a map or a list of maps, not %s", "<<", s.kind)
			continue
		}
		for _, f := range s.fields {
			if out.get(f.key) == nil {
				brought := *f
				brought.brought = true
				out.fields = append(out.fields, &brought)
			}
		}
	}
}

// asBool and asInt read the text of a scalar. It may be quoted, as for
// process-compose, whose variables expand inside quotes.
func asBool(s string) (bool, error) {
	switch strings.ToLower(s) {
	case "true", "yes", "on":
		return true, nil
	case "false", "no", "off":
		return false, nil
	}
	return false, fmt.Errorf("must be true or false, not %q", s)
}

// asInt reads a number of YAML: 0o17, 017 and 0xf are 15, as in process-compose.
func asInt(s string, low, high int) (int, error) { return asIntOf(0, s, low, high) }

func asIntOf(base int, s string, low, high int) (int, error) {
	n, err := strconv.ParseInt(strings.TrimSpace(s), base, 64)
	if err != nil || n < int64(low) || n > int64(high) {
		return 0, fmt.Errorf("must be a whole number from %d to %d, not %q", low, high, s)
	}
	return int(n), nil
}
