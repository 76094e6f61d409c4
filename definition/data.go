package definition

import (
	"errors"
	"fmt"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/token"

	"nix2gpu/nix/syntax"
	"nix2gpu/safeyaml"
)

// parseData parses JSON or YAML into the Nix expression that means the same, so that
// everything after it, positions included, is the same for all of them.
func parseData(name, text string) (e syntax.Expr, err error) {
	d := dataReader{src: syntax.NewSource(name, text), anchors: map[string]syntax.Expr{}}
	empty := &syntax.AttrSet{At: syntax.At{Place: syntax.Pos{Source: d.src}}}
	e = empty
	readErr := safeyaml.Read([]byte(text), func(root ast.Node) {
		if root != nil {
			e, err = d.expr(root)
		}
	})
	var bad *safeyaml.Error
	switch {
	case errors.As(readErr, &bad):
		return nil, &syntax.Error{Pos: d.src.At(max(bad.Line, 1), bad.Col), Msg: bad.Msg}
	case err != nil:
		return nil, err
	}
	if v, ok := e.(*syntax.Var); ok && v.Name == "null" {
		return empty, nil
	}
	return e, nil
}

type dataReader struct {
	src     *syntax.Source
	anchors map[string]syntax.Expr
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

func (d *dataReader) expr(n ast.Node) (syntax.Expr, error) {
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
		return nil, d.fail(n, "integer %s does not fit in 64 bits; write it as text, in quotes", n.GetToken().Value)
	case *ast.FloatNode:
		return &syntax.Float{At: at, Value: n.Value}, nil
	case *ast.StringNode:
		return text(at, n.Value), nil
	case *ast.LiteralNode:
		return text(at, n.Value.Value), nil
	case *ast.SequenceNode:
		list := &syntax.List{At: at}
		for _, v := range n.Values {
			e, err := d.expr(v)
			if err != nil {
				return nil, err
			}
			list.Elems = append(list.Elems, e)
		}
		return list, nil
	case *ast.MappingNode:
		return d.mapping(at, n.Values)
	case *ast.MappingValueNode:
		return d.mapping(at, []*ast.MappingValueNode{n})
	case *ast.AnchorNode:
		e, err := d.expr(n.Value)
		if err == nil {
			d.anchors[n.Name.GetToken().Value] = e
		}
		return e, err
	case *ast.AliasNode:
		name := n.Value.GetToken().Value
		if e, ok := d.anchors[name]; ok {
			return e, nil
		}
		return nil, d.fail(n, "anchor %q must be defined before it is used", name)
	case *ast.TagNode:
		if n.Value == nil {
			return word("null")
		}
		return d.expr(n.Value)
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

func (d *dataReader) mapping(at syntax.At, values []*ast.MappingValueNode) (syntax.Expr, error) {
	set := &syntax.AttrSet{At: at}
	if len(values) > 0 {
		set.Place = d.pos(values[0].Key.GetToken())
	}
	place := map[string]syntax.Pos{}
	var merged []*syntax.AttrSet
	for _, v := range values {
		e, err := d.expr(v.Value)
		if err != nil {
			return nil, err
		}
		if _, ok := v.Key.(*ast.MergeKeyNode); ok {
			base, ok := e.(*syntax.AttrSet)
			if !ok {
				return nil, d.fail(v.Key, "the value of \"<<\" must be a map")
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
			return nil, &syntax.Error{Pos: pos, Msg: fmt.Sprintf("attribute %q is defined twice, first at %s", key, first)}
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
