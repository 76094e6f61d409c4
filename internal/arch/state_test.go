package arch

import (
	"go/ast"
	"go/token"
	"strings"
	"testing"
)

// TestRoomsOfTheLawExist wants a package for each name in the import law: a
// room that is only planned says nothing about those that are there.
func TestRoomsOfTheLawExist(t *testing.T) {
	packages := map[string]bool{}
	for _, f := range sources(t) {
		packages[f.pkg] = true
	}
	exists := func(name string) bool {
		prefix, all := strings.CutSuffix(name, "...") // "nix/...": anything below
		if !all {
			return packages[name]
		}
		for pkg := range packages {
			if strings.HasPrefix(pkg, prefix) {
				return true
			}
		}
		return false
	}
	for room, allowed := range mayImport {
		for _, name := range append([]string{room}, allowed...) {
			if !exists(name) {
				t.Errorf("the import law names %q (at %q), which does not exist", name, room)
			}
		}
	}
	for room := range neverImport {
		if !exists(room) {
			t.Errorf("the ban list names %q, which does not exist", room)
		}
	}
}

// TestNoMutableState keeps state out of package variables: what is declared
// there is never assigned to, added to or passed on by its address, and is no
// lock, counter or once. The globals of other packages are left alone as well.
func TestNoMutableState(t *testing.T) {
	globals := map[string]map[string]token.Pos{} // by package, then name
	all := sources(t)
	for _, f := range all {
		if f.test {
			continue
		}
		if globals[f.pkg] == nil {
			globals[f.pkg] = map[string]token.Pos{}
		}
		for _, d := range f.ast.Decls {
			decl, ok := d.(*ast.GenDecl)
			if !ok || decl.Tok != token.VAR {
				continue
			}
			for _, spec := range decl.Specs {
				v := spec.(*ast.ValueSpec)
				for _, name := range v.Names {
					globals[f.pkg][name.Name] = name.Pos()
				}
				if pkg := syncType(v.Type); pkg != "" {
					t.Errorf("%s: a variable of package %s is state that everybody shares: give it an owner", f.pos(v), pkg)
				}
			}
		}
	}
	found := 0
	for _, f := range all {
		if f.test {
			continue
		}
		found += len(globals[f.pkg])
		imported := importNames(f)
		report := func(n ast.Node, name string) {
			t.Errorf("%s: %s is changed, and belongs to the whole program: give it an owner", f.pos(n), name)
		}
		changed := func(n ast.Node, target ast.Expr) {
			root, field := rootOf(target)
			if root == nil {
				return
			}
			if imported[root.Name] && root.Obj == nil && field != "" {
				report(n, root.Name+"."+field)
				return
			}
			if pos, ok := globals[f.pkg][root.Name]; ok && (root.Obj == nil || root.Obj.Pos() == pos) {
				report(n, root.Name)
			}
		}
		ast.Inspect(f.ast, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.AssignStmt:
				if n.Tok == token.DEFINE {
					return true
				}
				for _, target := range n.Lhs {
					changed(n, target)
				}
			case *ast.IncDecStmt:
				changed(n, n.X)
			case *ast.UnaryExpr:
				if n.Op == token.AND {
					changed(n, n.X)
				}
			case *ast.CallExpr:
				if fn, ok := n.Fun.(*ast.Ident); ok && (fn.Name == "delete" || fn.Name == "clear" || fn.Name == "copy") && len(n.Args) > 0 {
					changed(n, n.Args[0])
				}
			}
			return true
		})
	}
	if found < 20 {
		t.Errorf("only %d package variables were found: the law is not being checked", found)
	}
}

// syncType is the package of a type such as sync.Mutex; "" for others.
func syncType(e ast.Expr) string {
	if star, ok := e.(*ast.StarExpr); ok {
		e = star.X
	}
	if generic, ok := e.(*ast.IndexExpr); ok {
		e = generic.X
	}
	if sel, ok := e.(*ast.SelectorExpr); ok {
		if x, ok := sel.X.(*ast.Ident); ok && (x.Name == "sync" || x.Name == "atomic") {
			return x.Name
		}
	}
	return ""
}

// rootOf is the variable that an expression such as a.b[c].d reaches into, and
// the first field of it.
func rootOf(e ast.Expr) (root *ast.Ident, field string) {
	for {
		switch x := e.(type) {
		case *ast.Ident:
			if x.Name == "_" {
				return nil, ""
			}
			return x, field
		case *ast.SelectorExpr:
			e, field = x.X, x.Sel.Name
		case *ast.IndexExpr:
			e = x.X
		case *ast.SliceExpr:
			e = x.X
		case *ast.StarExpr:
			e = x.X
		case *ast.ParenExpr:
			e = x.X
		default:
			return nil, ""
		}
	}
}

// importNames are the names under which a file knows other packages.
func importNames(f source) map[string]bool {
	names := map[string]bool{}
	for i, spec := range f.ast.Imports {
		name := f.imports[i][strings.LastIndex(f.imports[i], "/")+1:]
		if spec.Name != nil {
			name = spec.Name.Name
		}
		names[name] = true
	}
	return names
}
