package arch

import (
	"go/ast"
	"go/token"
	"testing"
)

// TestExportedNamesHaveContracts wants a comment at each exported function, type,
// constant and variable: what others may rely on. Methods that only fulfil an
// interface have theirs there.
func TestExportedNamesHaveContracts(t *testing.T) {
	found := 0
	for _, f := range sources(t) {
		if f.test {
			continue
		}
		want := func(n ast.Node, name *ast.Ident, comments ...*ast.CommentGroup) {
			if !name.IsExported() {
				return
			}
			found++
			for _, c := range comments {
				if c != nil {
					return
				}
			}
			t.Errorf("%s: %s is exported, and no comment says its contract", f.pos(n), name.Name)
		}
		for _, d := range f.ast.Decls {
			switch d := d.(type) {
			case *ast.FuncDecl:
				if d.Recv == nil {
					want(d, d.Name, d.Doc)
				}
			case *ast.GenDecl:
				if d.Tok == token.IMPORT {
					continue
				}
				for _, spec := range d.Specs {
					switch spec := spec.(type) {
					case *ast.TypeSpec:
						want(spec, spec.Name, d.Doc, spec.Doc, spec.Comment)
					case *ast.ValueSpec:
						for _, name := range spec.Names {
							want(spec, name, d.Doc, spec.Doc, spec.Comment)
						}
					}
				}
			}
		}
	}
	if found < 500 {
		t.Errorf("only %d exported names were found: the law is not being checked", found)
	}
}
