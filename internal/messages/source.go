package messages

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// A pkg is one package as its source describes it.
type pkg struct {
	name   string // path below the module
	fset   *token.FileSet
	files  []*ast.File
	texts  map[string]ast.Expr      // package constants and variables
	funcs  map[string]*ast.FuncDecl // functions without a receiver
	makers map[string]maker         // functions and closures that make a message of a format
}

// A maker is where a function takes a message, and its cure: the numbers of the
// arguments, -1 for none.
type maker struct{ format, cure int }

// parse reads the package in the folder name below root, without its tests.
func parse(root, name string) (*pkg, error) {
	r := &pkg{name: name, fset: token.NewFileSet(), texts: map[string]ast.Expr{}, funcs: map[string]*ast.FuncDecl{}, makers: map[string]maker{}}
	entries, err := os.ReadDir(filepath.Join(root, name))
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		if !strings.HasSuffix(e.Name(), ".go") || strings.HasSuffix(e.Name(), "_test.go") {
			continue
		}
		text, err := os.ReadFile(filepath.Join(root, name, e.Name()))
		if err != nil {
			return nil, err
		}
		f, err := parser.ParseFile(r.fset, path.Join(name, e.Name()), text, parser.SkipObjectResolution)
		if err != nil {
			return nil, err
		}
		r.files = append(r.files, f)
		r.declare(f)
	}
	return r, nil
}

func (r *pkg) declare(f *ast.File) {
	ast.Inspect(f, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.FuncDecl:
			if n.Recv == nil {
				r.funcs[n.Name.Name] = n
			}
			r.takes(n.Name.Name, n.Type)
		case *ast.AssignStmt: // a closure with a name
			for i, rhs := range n.Rhs {
				if fn, ok := rhs.(*ast.FuncLit); ok && i < len(n.Lhs) {
					if id, ok := n.Lhs[i].(*ast.Ident); ok {
						r.takes(id.Name, fn.Type)
					}
				}
			}
		}
		return true
	})
	for _, d := range f.Decls {
		if decl, ok := d.(*ast.GenDecl); ok {
			for _, spec := range decl.Specs {
				if v, ok := spec.(*ast.ValueSpec); ok && len(v.Values) == len(v.Names) {
					for i, name := range v.Names {
						r.texts[name.Name] = v.Values[i]
					}
				}
			}
		}
	}
}

// takes notes a function as a maker, by the names of its parameters: a format,
// or what is wrong, and a cure.
func (r *pkg) takes(name string, fn *ast.FuncType) {
	if slices.Contains(quiet, name) {
		return
	}
	m := maker{-1, -1}
	n, variadic := 0, false
	for _, field := range fn.Params.List {
		_, more := field.Type.(*ast.Ellipsis)
		variadic = variadic || more
		for _, p := range field.Names {
			switch p.Name {
			case "format":
				m.format = n
			case "msg", "why":
				if m.format < 0 {
					m.format = n
				}
			case "hint", "cure":
				m.cure = n
			}
			n++
		}
	}
	if m.format >= 0 && (m.cure >= 0 || variadic) {
		r.makers[name] = m
	}
}

// quiet are functions that take a format and report nothing wrong.
var quiet = []string{"say", "sayf", "line", "printf", "logf", "open", "unless", "state"}

// A scope is a function, with what its variables are set to.
type scope struct {
	*pkg
	locals map[string][]ast.Expr
	inside map[ast.Expr]bool // what is being looked at
	depth  int
}

func (r *pkg) scope(body ast.Node) *scope {
	s := &scope{pkg: r, locals: map[string][]ast.Expr{}, inside: map[ast.Expr]bool{}}
	if body == nil {
		return s
	}
	ast.Inspect(body, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.AssignStmt:
			if len(n.Lhs) == len(n.Rhs) && n.Tok != token.ADD_ASSIGN {
				for i, lhs := range n.Lhs {
					if id, ok := lhs.(*ast.Ident); ok {
						s.locals[id.Name] = append(s.locals[id.Name], n.Rhs[i])
					}
				}
			}
		case *ast.ValueSpec:
			if len(n.Names) == len(n.Values) {
				for i, id := range n.Names {
					s.locals[id.Name] = append(s.locals[id.Name], n.Values[i])
				}
			}
		}
		return true
	})
	return s
}

// callee returns what a call calls: the receiver or package, "" if there is none, and
// the name.
func callee(call *ast.CallExpr) (of, name string) {
	switch fn := call.Fun.(type) {
	case *ast.Ident:
		return "", fn.Name
	case *ast.SelectorExpr:
		if x, ok := fn.X.(*ast.Ident); ok {
			return x.Name, fn.Sel.Name
		}
		return "?", fn.Sel.Name
	}
	return "", ""
}

func unquote(lit *ast.BasicLit) (string, bool) {
	if lit.Kind != token.STRING {
		return "", false
	}
	s, err := strconv.Unquote(lit.Value)
	return s, err == nil
}
