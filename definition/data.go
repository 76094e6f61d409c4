package definition

import (
	"errors"
	"fmt"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"

	"nix2gpu/nix/syntax"
)

// parseData reads JSON or YAML as the Nix expression that it stands for, so
// that everything after it, positions included, is the same for both.
func parseData(name, text string) (e syntax.Expr, err error) {
	d := dataReader{src: syntax.NewSource(name, text), anchors: map[string]syntax.Expr{}}
	// The YAML parser recurses without limit, and panics on some bad input.
	if bracketDepth(text) > maxDataDepth {
		return nil, &syntax.Error{Pos: d.pos(nil), Msg: fmt.Sprintf("values nest more than %d levels deep", maxDataDepth)}
	}
	defer func() {
		if r := recover(); r != nil {
			e, err = nil, &syntax.Error{Pos: d.pos(nil), Msg: "text is not valid YAML"}
		}
	}()
	file, err := parser.ParseBytes([]byte(text), 0)
	if err != nil {
		return nil, d.syntaxError(err)
	}
	empty := &syntax.AttrSet{At: syntax.At{Place: syntax.Pos{Source: d.src}}}
	var root syntax.Expr = empty
	for i, doc := range file.Docs {
		if i > 0 && doc.Body != nil {
			return nil, &syntax.Error{Pos: d.pos(doc.Body.GetToken()), Msg: "a definition must be one document"}
		}
		if doc.Body != nil {
			if root, err = d.expr(doc.Body, 0); err != nil {
				return nil, err
			}
		}
	}
	if v, ok := root.(*syntax.Var); ok && v.Name == "null" {
		return empty, nil
	}
	return root, nil
}

// bracketDepth bounds how deeply the text can nest on one line.
func bracketDepth(text string) int {
	deepest, open, dashes := 0, 0, 0
	for i := range len(text) {
		switch text[i] {
		case '[', '{':
			open++
		case ']', '}':
			open = max(open-1, 0)
		case '-', '?':
			dashes++ // "- - - a" is a list in a list in a list
		case '\n':
			dashes = 0
		}
		deepest = max(deepest, open, dashes)
	}
	return deepest
}

type dataReader struct {
	src     *syntax.Source
	anchors map[string]syntax.Expr
}

func (d *dataReader) syntaxError(err error) error {
	var bad yaml.Error
	if errors.As(err, &bad) {
		return &syntax.Error{Pos: d.pos(bad.GetToken()), Msg: strings.ToLower(strings.TrimSpace(bad.GetMessage()))}
	}
	return &syntax.Error{Pos: syntax.Pos{Source: d.src}, Msg: err.Error()}
}

func (d *dataReader) pos(t *token.Token) syntax.Pos {
	if t == nil || t.Position == nil {
		return syntax.Pos{Source: d.src}
	}
	return d.src.At(t.Position.Line, t.Position.Column)
}

func (d *dataReader) at(n ast.Node) syntax.At { return syntax.At{Place: d.pos(n.GetToken())} }

func (d *dataReader) fail(n ast.Node, format string, args ...any) error {
	return &syntax.Error{Pos: d.pos(n.GetToken()), Msg: fmt.Sprintf(format, args...)}
}

// maxDataDepth bounds how deeply lists and maps nest.
const maxDataDepth = 200

func (d *dataReader) expr(n ast.Node, depth int) (syntax.Expr, error) {
	if depth > maxDataDepth {
		return nil, d.fail(n, "values nest more than %d levels deep", maxDataDepth)
	}
	at := d.at(n)
	word := func(name string) (syntax.Expr, error) { return &syntax.Var{At: at, Name: name}, nil }
	switch n := n.(type) {
	case *ast.NullNode:
		return word("null")
	case *ast.BoolNode:
		return word(fmt.Sprint(n.Value))
	case *ast.IntegerNode:
		switch v := n.Value.(type) {
		case int64:
			return &syntax.Int{At: at, Value: v}, nil
		case uint64:
			if v < 1<<63 {
				return &syntax.Int{At: at, Value: int64(v)}, nil
			}
		}
		return nil, d.fail(n, "integer %s does not fit in 64 bits", n.GetToken().Value)
	case *ast.FloatNode:
		return &syntax.Float{At: at, Value: n.Value}, nil
	case *ast.StringNode:
		return text(at, n.Value), nil
	case *ast.LiteralNode:
		return text(at, n.Value.Value), nil
	case *ast.SequenceNode:
		list := &syntax.List{At: at}
		for _, v := range n.Values {
			e, err := d.expr(v, depth+1)
			if err != nil {
				return nil, err
			}
			list.Elems = append(list.Elems, e)
		}
		return list, nil
	case *ast.MappingNode:
		return d.mapping(at, n.Values, depth)
	case *ast.MappingValueNode:
		return d.mapping(at, []*ast.MappingValueNode{n}, depth)
	case *ast.AnchorNode:
		e, err := d.expr(n.Value, depth+1)
		if err == nil {
			d.anchors[n.Name.GetToken().Value] = e
		}
		return e, err
	case *ast.AliasNode:
		name := n.Value.GetToken().Value
		if e, ok := d.anchors[name]; ok {
			return e, nil
		}
		return nil, d.fail(n, "no anchor %q stands before this", name)
	case *ast.TagNode:
		if n.Value == nil {
			return word("null")
		}
		return d.expr(n.Value, depth+1)
	}
	return nil, d.fail(n, "value %q is not supported here", n.GetToken().Value)
}

func text(at syntax.At, s string) *syntax.String {
	e := &syntax.String{At: at}
	if s != "" {
		e.Parts = []syntax.Part{{Place: at.Place, Text: s}}
	}
	return e
}

func (d *dataReader) mapping(at syntax.At, values []*ast.MappingValueNode, depth int) (syntax.Expr, error) {
	set := &syntax.AttrSet{At: at}
	if len(values) > 0 {
		set.Place = d.pos(values[0].Key.GetToken())
	}
	place := map[string]syntax.Pos{}
	var merged []*syntax.AttrSet
	for _, v := range values {
		e, err := d.expr(v.Value, depth+1)
		if err != nil {
			return nil, err
		}
		if _, ok := v.Key.(*ast.MergeKeyNode); ok {
			base, ok := e.(*syntax.AttrSet)
			if !ok {
				return nil, d.fail(v.Key, "what is merged must be a map")
			}
			merged = append(merged, base)
			continue
		}
		key := v.Key.GetToken().Value
		if s, ok := v.Key.(*ast.StringNode); ok {
			key = s.Value
		}
		pos := d.pos(v.Key.GetToken())
		if first, ok := place[key]; ok {
			return nil, &syntax.Error{Pos: pos, Msg: fmt.Sprintf("attribute %q is already defined at %s", key, first)}
		}
		place[key] = pos
		set.Attrs = append(set.Attrs, syntax.Attr{Place: pos, Name: key, Value: e})
	}
	for _, base := range merged {
		for _, a := range base.Attrs {
			if _, ok := place[a.Name]; !ok {
				place[a.Name] = a.Place
				set.Attrs = append(set.Attrs, a)
			}
		}
	}
	return set, nil
}
