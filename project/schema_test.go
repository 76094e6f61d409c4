package project_test

import (
	"bytes"
	"encoding/json"
	"go/ast"
	"go/doc/comment"
	"go/parser"
	"go/token"
	"os"
	"reflect"
	"strings"
	"testing"

	"nix2gpu/internal/testkit"
	"nix2gpu/project"
)

const schemaFile = "../docs/reference/project.schema.json"

// The JSON schema is generated from the types and their comments.
func TestSchemaIsFresh(t *testing.T) {
	g := &schema{docs: fieldDocs(t), defs: map[string]any{}}
	root := map[string]any{
		"$schema": "https://json-schema.org/draft/2020-12/schema",
		"title":   "A nix2gpu project",
		"$ref":    g.of(reflect.TypeFor[project.Project]())["$ref"],
		"$defs":   g.defs,
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(root); err != nil {
		t.Fatal(err)
	}
	if testkit.Updating() {
		if err := os.WriteFile(schemaFile, b.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(schemaFile)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(want, b.Bytes()) {
		t.Errorf("%s is stale; make it anew with: go test ./project -run Schema -update", schemaFile)
	}
}

type schema struct {
	docs map[string]string // of types, and of fields as "Type.Field"
	defs map[string]any
}

// of describes a type; structs are defined once and referred to.
func (g *schema) of(t reflect.Type) map[string]any {
	switch t {
	case reflect.TypeFor[project.Text]():
		return g.define(t, map[string]any{"oneOf": []any{
			map[string]any{"type": "string"},
			map[string]any{"type": "array", "items": map[string]any{"oneOf": []any{
				map[string]any{"type": "string"},
				map[string]any{"type": "object", "minProperties": 1, "additionalProperties": false, "properties": map[string]any{
					"package": str, "sub": str, "root": str, "state": str, "run": str, "file": str, "secret": str,
					"self": map[string]any{"type": "boolean"},
				}},
			}}},
		}})
	case reflect.TypeFor[project.Signal]():
		return map[string]any{"type": "string", "examples": []any{"SIGTERM", "SIGRTMIN+3"}}
	case reflect.TypeFor[project.Duration]():
		return map[string]any{"type": "string", "examples": []any{"1m30s"}}
	}
	switch t.Kind() {
	case reflect.Pointer:
		return g.of(t.Elem())
	case reflect.String:
		return map[string]any{"type": "string"}
	case reflect.Bool:
		return map[string]any{"type": "boolean"}
	case reflect.Int, reflect.Int64, reflect.Uint32, reflect.Uint64:
		return map[string]any{"type": "integer"}
	case reflect.Float64:
		return map[string]any{"type": "number"}
	case reflect.Slice:
		return map[string]any{"type": "array", "items": g.of(t.Elem())}
	case reflect.Map:
		return map[string]any{"type": "object", "additionalProperties": g.of(t.Elem())}
	case reflect.Struct:
		if _, known := g.defs[t.Name()]; known {
			return map[string]any{"$ref": "#/$defs/" + t.Name()}
		}
		g.defs[t.Name()] = nil // so that a type may hold itself
		fields := map[string]any{}
		var required []string
		for i := range t.NumField() {
			f := t.Field(i)
			name, opts, _ := strings.Cut(f.Tag.Get("json"), ",")
			field := g.of(f.Type)
			if text := g.docs[t.Name()+"."+f.Name]; text != "" {
				field["description"] = text
			}
			fields[name] = field
			if !strings.Contains(opts, "omit") {
				required = append(required, name)
			}
		}
		return g.define(t, map[string]any{
			"type": "object", "properties": fields, "required": append([]string{}, required...), "additionalProperties": false,
		})
	}
	panic("no schema for " + t.String())
}

var str = map[string]any{"type": "string"}

func (g *schema) define(t reflect.Type, def map[string]any) map[string]any {
	if text := g.docs[t.Name()]; text != "" {
		def["description"] = text
	}
	g.defs[t.Name()] = def
	return map[string]any{"$ref": "#/$defs/" + t.Name()}
}

// fieldDocs reads the comments of this package's types and fields.
func fieldDocs(t *testing.T) map[string]string {
	t.Helper()
	docs := map[string]string{}
	clean := func(groups ...*ast.CommentGroup) string {
		for _, g := range groups {
			if text := strings.TrimSpace(g.Text()); text != "" {
				var p comment.Parser
				text = string((&comment.Printer{TextWidth: -1}).Text(p.Parse(text)))
				return strings.Join(strings.Fields(text), " ")
			}
		}
		return ""
	}
	names, err := os.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range names {
		if !strings.HasSuffix(entry.Name(), ".go") || strings.HasSuffix(entry.Name(), "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), entry.Name(), nil, parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range file.Decls {
			decl, ok := d.(*ast.GenDecl)
			if !ok {
				continue
			}
			for _, s := range decl.Specs {
				spec, ok := s.(*ast.TypeSpec)
				if !ok {
					continue
				}
				docs[spec.Name.Name] = clean(spec.Doc, decl.Doc)
				if st, ok := spec.Type.(*ast.StructType); ok {
					for _, f := range st.Fields.List {
						for _, name := range f.Names {
							docs[spec.Name.Name+"."+name.Name] = clean(f.Doc, f.Comment)
						}
					}
				}
			}
		}
	}
	return docs
}
