package syntax_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"sort"
	"strings"
	"testing"

	"nix2gpu/nix/syntax"
)

// TestOracle compares trees with those of nix-instantiate. What it prints is
// read back and printed by us, so that only meaning is compared.
func TestOracle(t *testing.T) {
	nix, err := exec.LookPath("nix-instantiate")
	if err != nil {
		t.Skip("nix-instantiate is not installed (Debian package nix-bin)")
	}
	files, _ := filepath.Glob("testdata/parse/*.nix")
	page, _ := filepath.Glob("../../definition/testdata/page/*.nix")
	files = append(files, page...)
	equal := 0
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, src := range strings.Split(string(data), "---\n") {
			e, err := syntax.ParseFragment(file, src)
			if err != nil {
				t.Errorf("%v", err)
				continue
			}
			if _, err := syntax.Parse(file, src); err != nil {
				src = "{" + src + "}" // bindings without braces
			}
			cmd := exec.Command(nix, "--parse", "-E", "with { }; (\n"+src+"\n)") // or free names are rejected
			cmd.Env = append(os.Environ(), "NIX_REMOTE=dummy://", "HOME=/nonexistent")
			var stderr strings.Builder
			cmd.Stderr = &stderr
			out, err := cmd.Output()
			if err != nil {
				t.Errorf("%s: nix rejects\n%s\n%s", file, src, stderr.String())
				continue
			}
			// It prints "./a/${b}" as a sum of a path with a final slash.
			read, err := syntax.Parse("nix-instantiate", strings.ReplaceAll(string(out), "/ + ", " + "))
			if err != nil {
				t.Errorf("%s: reading the oracle's\n%s%v", file, out, err)
				continue
			}
			theirs := read.(*syntax.With).Body
			dir, _ := os.Getwd()
			if got, want := normal(e, dir), normal(theirs, dir); got != want {
				t.Errorf("%s:\n got %s\nwant %s", src, got, want)
			}
			// The same holds of what Normal prints; newer Nix, which it follows, sorts names
			// and keeps "inherit". Without those the texts are the same.
			printed := syntax.Normal(e, dir, "/nonexistent")
			read, err = syntax.Parse("normal", strings.ReplaceAll(printed, "/ + ", " + "))
			if err != nil {
				t.Errorf("%s: reading what Normal prints\n%s\n%v", file, printed, err)
			} else if got, want := normal(read, dir), normal(theirs, dir); got != want {
				t.Errorf("Normal of %s:\n got %s\nwant %s", src, got, want)
			}
			if "(with { }; "+printed+")\n" == string(out) {
				equal++
			}
		}
	}
	t.Logf("%d texts are printed by Normal as by Nix", equal)
}

// normal prints e in the one form that both sides agree on: operators as
// calls, names in order, paths absolute.
func normal(e syntax.Expr, dir string) string {
	n := normalizer{dir: dir}
	return syntax.Print(n.expr(e))
}

type normalizer struct{ dir string }

func call(name string, args ...syntax.Expr) syntax.Expr {
	return &syntax.Apply{Fn: &syntax.Var{Name: name}, Args: args}
}

func (n normalizer) expr(e syntax.Expr) syntax.Expr {
	switch e := e.(type) {
	case *syntax.String:
		if len(e.Parts) == 1 && e.Parts[0].Expr == nil {
			return e
		}
		out := &syntax.String{}
		for _, p := range e.Parts {
			if p.Expr != nil {
				p.Expr = n.expr(p.Expr)
			}
			out.Parts = append(out.Parts, p)
		}
		return n.concat(out.Parts)
	case *syntax.URI:
		return &syntax.String{Parts: []syntax.Part{{Text: e.Value}}}
	case *syntax.Path:
		first := e.Parts[0].Text
		if strings.HasPrefix(first, "~") {
			first = "/nonexistent" + first[1:]
		} else if !strings.HasPrefix(first, "/") {
			first = n.dir + "/" + first
		}
		abs := filepath.Clean(first)
		if len(e.Parts) == 1 {
			return &syntax.Path{Parts: []syntax.Part{{Text: abs}}}
		}
		if strings.HasSuffix(first, "/") {
			abs += "/"
		}
		parts := []syntax.Part{{Expr: &syntax.Path{Parts: []syntax.Part{{Text: filepath.Clean(abs)}}}}}
		for _, p := range e.Parts[1:] {
			if p.Expr != nil {
				p.Expr = n.expr(p.Expr)
			}
			parts = append(parts, p)
		}
		return n.concat(parts)
	case *syntax.SearchPath:
		return call("__findFile", &syntax.Var{Name: "__nixPath"}, &syntax.String{Parts: []syntax.Part{{Text: e.Name}}})
	case *syntax.List:
		out := &syntax.List{}
		for _, x := range e.Elems {
			out.Elems = append(out.Elems, n.expr(x))
		}
		return out
	case *syntax.AttrSet:
		return n.set(e)
	case *syntax.Let:
		return &syntax.Let{Bindings: n.set(e.Bindings), Body: n.expr(e.Body)}
	case *syntax.With:
		return &syntax.With{Env: n.expr(e.Env), Body: n.expr(e.Body)}
	case *syntax.If:
		return &syntax.If{Cond: n.expr(e.Cond), Then: n.expr(e.Then), Else: n.expr(e.Else)}
	case *syntax.Assert:
		return &syntax.Assert{Cond: n.expr(e.Cond), Body: n.expr(e.Body)}
	case *syntax.Lambda:
		out := &syntax.Lambda{Arg: e.Arg, Body: n.expr(e.Body)}
		if e.Formals != nil {
			out.Formals = &syntax.Formals{Ellipsis: e.Formals.Ellipsis}
			for _, f := range e.Formals.List {
				if f.Default != nil {
					f.Default = n.expr(f.Default)
				}
				out.Formals.List = append(out.Formals.List, f)
			}
			sort.Slice(out.Formals.List, func(i, j int) bool { return out.Formals.List[i].Name < out.Formals.List[j].Name })
		}
		return out
	case *syntax.Apply:
		out := &syntax.Apply{Fn: n.expr(e.Fn)}
		if inner, ok := out.Fn.(*syntax.Apply); ok { // (f a) b is f a b
			out.Fn, out.Args = inner.Fn, inner.Args
		}
		for _, a := range e.Args {
			out.Args = append(out.Args, n.expr(a))
		}
		return out
	case *syntax.Select:
		out := &syntax.Select{Base: n.expr(e.Base), Path: n.path(e.Path)}
		if e.Default != nil {
			out.Default = n.expr(e.Default)
		}
		return out
	case *syntax.HasAttr:
		return &syntax.HasAttr{Base: n.expr(e.Base), Path: n.path(e.Path)}
	case *syntax.Unary:
		if e.Op == syntax.OpNeg {
			return call("__sub", &syntax.Int{}, n.expr(e.X))
		}
		return &syntax.Unary{Op: e.Op, X: n.expr(e.X)}
	case *syntax.Binary:
		x, y := n.expr(e.X), n.expr(e.Y)
		not := func(x syntax.Expr) syntax.Expr { return &syntax.Unary{Op: syntax.OpNot, X: x} }
		switch e.Op {
		case syntax.OpAdd:
			return n.concat([]syntax.Part{{Expr: x}, {Expr: y}})
		case syntax.OpSub:
			return call("__sub", x, y)
		case syntax.OpMul:
			return call("__mul", x, y)
		case syntax.OpDiv:
			return call("__div", x, y)
		case syntax.OpLess:
			return call("__lessThan", x, y)
		case syntax.OpLessEq:
			return not(call("__lessThan", y, x))
		case syntax.OpMore:
			return call("__lessThan", y, x)
		case syntax.OpMoreEq:
			return not(call("__lessThan", x, y))
		}
		return &syntax.Binary{Op: e.Op, X: x, Y: y}
	}
	return e
}

// concat writes parts as the sum that the oracle prints; nested sums are one.
func (n normalizer) concat(parts []syntax.Part) syntax.Expr {
	list := &syntax.List{}
	for _, p := range parts {
		switch x := p.Expr.(type) {
		case nil:
			if p.Text == "" {
				continue
			}
			list.Elems = append(list.Elems, &syntax.String{Parts: []syntax.Part{{Text: p.Text}}})
		case *syntax.Apply:
			if v, ok := x.Fn.(*syntax.Var); ok && v.Name == "__concat" {
				list.Elems = append(list.Elems, x.Args[0].(*syntax.List).Elems...)
				continue
			}
			list.Elems = append(list.Elems, x)
		case *syntax.String:
			if len(x.Parts) > 0 {
				list.Elems = append(list.Elems, x)
			}
		default:
			list.Elems = append(list.Elems, x)
		}
	}
	merged := list.Elems[:0:0]
	for _, x := range list.Elems { // it keeps each piece of a literal apart
		s, ok := x.(*syntax.String)
		if n := len(merged); ok && n > 0 {
			if last, ok := merged[n-1].(*syntax.String); ok {
				merged[n-1] = &syntax.String{Parts: []syntax.Part{{Text: last.Parts[0].Text + s.Parts[0].Text}}}
				continue
			}
		}
		merged = append(merged, x)
	}
	list.Elems = merged
	if len(list.Elems) == 0 {
		return &syntax.String{}
	}
	return call("__concat", list)
}

func (n normalizer) path(path syntax.AttrPath) syntax.AttrPath {
	var out syntax.AttrPath
	for _, s := range path {
		if s.Expr != nil {
			s.Expr = n.name(s.Expr)
		}
		out = append(out, s)
	}
	return out
}

// name is a dynamic name, which the oracle shows as a string.
func (n normalizer) name(e syntax.Expr) syntax.Expr {
	return n.concat([]syntax.Part{{Expr: n.expr(e)}})
}

func (n normalizer) set(s *syntax.AttrSet) *syntax.AttrSet {
	out := &syntax.AttrSet{Recursive: s.Recursive}
	for _, a := range s.Attrs {
		switch a.Kind {
		case syntax.Plain:
			a.Value = n.expr(a.Value)
		case syntax.InheritedFrom: // the oracle shows it as a selection
			a.Kind = syntax.Plain
			a.Value = &syntax.Select{Base: n.expr(s.Sources[a.From]), Path: syntax.AttrPath{{Name: a.Name}}}
		}
		out.Attrs = append(out.Attrs, a)
	}
	sort.Slice(out.Attrs, func(i, j int) bool { return out.Attrs[i].Name < out.Attrs[j].Name })
	for _, d := range s.Dynamic {
		out.Dynamic = append(out.Dynamic, syntax.DynamicAttr{Name: n.name(d.Name), Value: n.expr(d.Value)})
	}
	return out
}
