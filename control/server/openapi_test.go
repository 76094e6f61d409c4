package server_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3"

	"nix2gpu/control"
	"nix2gpu/control/server"
	"nix2gpu/internal/testkit"
	"nix2gpu/project"
)

// sourceDocs is what the source says of types that travel: their comments, those of
// their fields, and the constants of each.
type sourceDocs struct {
	types  map[string]string            // by "control.Service"
	fields map[string]map[string]string // by the type, then the field's Go name
	consts map[string][]string          // the values of a type of strings
}

// readDocs reads the comments of packages that have types of the API.
func readDocs(t *testing.T) *sourceDocs {
	t.Helper()
	d := &sourceDocs{map[string]string{}, map[string]map[string]string{}, map[string][]string{}}
	for _, dir := range []string{"..", "../../project"} {
		files, err := filepath.Glob(filepath.Join(dir, "*.go"))
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range files {
			if strings.HasSuffix(name, "_test.go") {
				continue
			}
			file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ParseComments)
			if err != nil {
				t.Fatal(err)
			}
			for _, decl := range file.Decls {
				if gen, ok := decl.(*ast.GenDecl); ok {
					d.read(file.Name.Name, gen)
				}
			}
		}
	}
	return d
}

func (d *sourceDocs) read(pkg string, gen *ast.GenDecl) {
	text := func(groups ...*ast.CommentGroup) string {
		var all []string
		for _, g := range groups {
			if s := strings.Join(strings.Fields(g.Text()), " "); s != "" {
				all = append(all, s)
			}
		}
		return strings.Join(all, " ")
	}
	for _, spec := range gen.Specs {
		switch spec := spec.(type) {
		case *ast.TypeSpec:
			name := pkg + "." + spec.Name.Name
			d.types[name] = text(gen.Doc, spec.Doc)
			st, ok := spec.Type.(*ast.StructType)
			if !ok {
				continue
			}
			d.fields[name] = map[string]string{}
			for _, f := range st.Fields.List {
				for _, n := range f.Names {
					d.fields[name][n.Name] = text(f.Doc, f.Comment)
				}
			}
		case *ast.ValueSpec:
			typ, ok := spec.Type.(*ast.Ident)
			if !ok || gen.Tok != token.CONST || len(spec.Values) != 1 {
				continue
			}
			lit, ok := spec.Values[0].(*ast.BasicLit)
			if ok && lit.Kind == token.STRING {
				value, _ := strconv.Unquote(lit.Value)
				d.consts[pkg+"."+typ.Name] = append(d.consts[pkg+"."+typ.Name], value)
			}
		}
	}
}

// object is a JSON object whose keys keep their order.
type object = map[string]any

// schemas makes the schema of each type that travels, once.
type schemas struct {
	docs *sourceDocs
	all  object
}

// of is the schema of a type: in place, or a reference to one of all.
func (s *schemas) of(t reflect.Type) object {
	switch t {
	case reflect.TypeFor[time.Time]():
		return object{"type": "string", "format": "date-time"}
	case reflect.TypeFor[project.Duration]():
		return object{"type": "string", "description": "a duration, such as \"1.5s\" or \"2m0s\""}
	case reflect.TypeFor[project.Signal]():
		return object{"type": "string", "description": "a signal by its name, such as \"SIGTERM\""}
	case reflect.TypeFor[project.Text]():
		return object{"description": "a text: a string, or where it names places a list, as in project.schema.json"}
	case reflect.TypeFor[project.Project]():
		return object{"type": "object", "description": "A project: project.schema.json is its schema."}
	}
	name := t.Name()
	switch t.Kind() {
	case reflect.Pointer:
		return s.of(t.Elem())
	case reflect.Slice:
		return object{"type": "array", "items": s.of(t.Elem())}
	case reflect.Map:
		return object{"type": "object", "additionalProperties": s.of(t.Elem())}
	case reflect.Bool:
		return object{"type": "boolean"}
	case reflect.Int, reflect.Int64, reflect.Uint64, reflect.Uint32, reflect.Uint16:
		return object{"type": "integer", "format": "int64"}
	case reflect.Float64:
		return object{"type": "number"}
	case reflect.String:
		out := object{"type": "string"}
		if values := s.docs.consts[t.String()]; len(values) > 1 {
			out["enum"] = values
		}
		return out
	case reflect.Struct:
		if _, done := s.all[name]; !done {
			s.all[name] = nil // it may contain itself
			s.all[name] = s.object(t)
		}
		return object{"$ref": "#/components/schemas/" + name}
	}
	panic("no schema for " + t.String())
}

func (s *schemas) object(t reflect.Type) object {
	properties, required := object{}, []string{}
	var add func(t reflect.Type)
	add = func(t reflect.Type) {
		for i := range t.NumField() {
			f := t.Field(i)
			if f.Anonymous && f.Tag.Get("json") == "" {
				add(f.Type)
				continue
			}
			name, opts, _ := strings.Cut(f.Tag.Get("json"), ",")
			if name == "" || name == "-" || !f.IsExported() {
				panic(fmt.Sprintf("%s.%s has no name in JSON", t, f.Name))
			}
			schema := s.of(f.Type)
			if doc := s.docs.fields[t.String()][f.Name]; doc != "" {
				if _, ref := schema["$ref"]; ref { // a reference has no neighbours
					schema = object{"allOf": []any{schema}}
				}
				schema["description"] = doc
			}
			if !strings.Contains(opts, "omit") {
				required = append(required, name)
				if f.Type.Kind() == reflect.Slice || f.Type.Kind() == reflect.Map {
					schema["nullable"] = true
				}
			}
			properties[name] = schema
		}
	}
	add(t)
	if t == reflect.TypeFor[project.Exit]() {
		properties["text"] = object{"type": "string", "description": "all of it for people: \"killed by SIGSEGV\""}
	}
	out := object{"type": "object", "properties": properties}
	if len(required) > 0 {
		out["required"] = required
	}
	if doc := s.docs.types[t.String()]; doc != "" {
		out["description"] = doc
	}
	return out
}

// document makes the OpenAPI document of the routes.
func document(t *testing.T) object {
	t.Helper()
	s := &schemas{readDocs(t), object{}}
	paths := object{}
	for _, r := range server.Routes() {
		item, _ := paths[r.Path].(object)
		if item == nil {
			item = object{}
			paths[r.Path] = item
		}
		item[strings.ToLower(r.Method)] = operation(s, r)
	}
	s.of(reflect.TypeFor[control.Error]())
	return object{
		"openapi": "3.0.3",
		"info": object{"title": "nix2gpu", "version": "1",
			"description": "What a running project answers: on its control socket, and with --listen over TCP."},
		"servers":    []any{object{"url": "http://127.0.0.1", "description": "the address that --listen names; on the control socket any host"}},
		"security":   []any{object{}, object{"token": []any{}}},
		"paths":      paths,
		"components": object{"schemas": s.all, "securitySchemes": object{"token": object{"type": "http", "scheme": "bearer", "description": "over TCP"}}},
	}
}

func operation(s *schemas, r server.Route) object {
	summary, more, _ := strings.Cut(r.Doc, ". ")
	op := object{"summary": strings.TrimSuffix(summary, ".") + ".", "operationId": operationID(r), "x-access": access(r)}
	if more != "" {
		op["description"] = more
	}
	params := []any{}
	for _, part := range strings.Split(r.Path, "/") {
		if name, ok := strings.CutPrefix(part, "{"); ok {
			params = append(params, object{"name": strings.TrimSuffix(name, "}"), "in": "path", "required": true, "schema": object{"type": "string"}})
		}
	}
	for _, p := range r.Query {
		schema := object{"type": "string"}
		switch p.Kind {
		case server.ParamList:
			schema = object{"type": "array", "items": object{"type": "string"}}
		case server.ParamNumber:
			schema = object{"type": "integer", "minimum": 0}
		case server.ParamSwitch:
			schema = object{"type": "string", "enum": []any{"yes", "no"}}
		}
		params = append(params, object{"name": p.Name, "in": "query", "description": p.Doc, "schema": schema})
	}
	if len(params) > 0 {
		op["parameters"] = params
	}
	if r.Body != nil {
		op["requestBody"] = object{"required": !r.BodyOptional, "content": object{"application/json": object{"schema": s.of(reflect.TypeOf(r.Body))}}}
	}
	media := r.Media
	if len(media) == 0 {
		media = []string{"application/json"}
	}
	content := object{}
	for _, m := range media {
		schema := object{"type": "string"}
		if r.Answer != nil {
			schema = s.of(reflect.TypeOf(r.Answer))
		}
		content[m] = object{"schema": schema}
	}
	description := "the answer"
	if r.Stream {
		description = "an answer without an end, of which each line has this schema"
	}
	responses := object{"200": object{"description": description, "content": content},
		"default": object{"description": "an error", "content": object{"application/json": object{"schema": object{"$ref": "#/components/schemas/Error"}}}}}
	for status, answer := range r.Statuses {
		if status == http.StatusSwitchingProtocols {
			delete(responses, "200")
			responses[strconv.Itoa(status)] = object{"description": "the connection speaks another protocol from here on"}
			continue
		}
		responses[strconv.Itoa(status)] = object{"description": "the answer", "content": object{"application/json": object{"schema": s.of(reflect.TypeOf(answer))}}}
	}
	op["responses"] = responses
	return op
}

// operationID is a name for generated clients: "getServicesName".
func operationID(r server.Route) string {
	id := strings.ToLower(r.Method)
	for _, part := range strings.FieldsFunc(strings.TrimPrefix(r.Path, "/v1"), func(c rune) bool { return strings.ContainsRune("/{}", c) }) {
		id += strings.ToUpper(part[:1]) + part[1:]
	}
	return id
}

func access(r server.Route) server.Access {
	if r.Access == "" {
		return server.AccessRead
	}
	return r.Access
}

// page is the reference for people.
func page() string {
	var b strings.Builder
	b.WriteString(`# Control API

This page is made from the program itself, as is [openapi.json](openapi.json), from which
clients can be generated. [Ask a running project](../how-to/api.md) shows how to use it.

A running project answers HTTP with JSON on its control socket, which only its owner and
root may open, and with ` + "`--listen`" + ` over TCP. ` + "`nix2gpu ls`" + ` has the path of the socket. What stands
under ` + "`/v1`" + ` keeps its meaning: fields and requests are added to it, and none is changed or
removed. A field or a parameter of a request that is not known is an error.

| request | | over TCP |
|---|---|---|
`)
	for _, r := range server.Routes() {
		over := "yes"
		switch a := access(r); a {
		case server.AccessRead, server.AccessAct:
		case server.AccessLocal:
			over = "never"
		default:
			over = fmt.Sprintf("`--listen-allow %s`", a)
		}
		fmt.Fprintf(&b, "| `%s %s` | %s | %s |\n", r.Method, r.Path, strings.ReplaceAll(r.Doc, "|", `\|`), over)
	}
	b.WriteString("\n## Parameters\n\nA name is one as the command line takes it: an id, a label, an instance or a type.\n\n| request | parameter | | |\n|---|---|---|---|\n")
	for _, r := range server.Routes() {
		for _, p := range r.Query {
			fmt.Fprintf(&b, "| `%s` | `%s` | %s | %s |\n", r.Path, p.Name, map[server.ParamKind]string{
				server.ParamText: "text", server.ParamList: "may be repeated", server.ParamNumber: "a number", server.ParamSwitch: "yes or no", server.ParamTime: "RFC 3339, or a duration before now",
			}[p.Kind], p.Doc)
		}
	}
	b.WriteString("\n## Errors\n\nAn error is `{\"code\": …, \"error\": …, \"hint\": …}`; a command that meets it ends with the exit code.\n\n| code | HTTP | exit code | meaning |\n|---|---|---|---|\n")
	for _, k := range control.Kinds() {
		fmt.Fprintf(&b, "| `%s` | %d | %d | %s |\n", k.Code, k.HTTP, k.Exit, k.Doc)
	}
	return b.String()
}

func TestAPIReferenceIsFresh(t *testing.T) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(document(t)); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string][]byte{"openapi.json": b.Bytes(), "api.md": []byte(page())} {
		path := "../../docs/reference/" + name
		if testkit.Updating() {
			if err := os.WriteFile(path, want, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		if got, err := os.ReadFile(path); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s is stale (%v): go test ./control/server -run TestAPIReferenceIsFresh -update", path, err)
		}
	}
	loaded, err := openapi3.NewLoader().LoadFromData(b.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	if err := loaded.Validate(t.Context()); err != nil {
		t.Errorf("the document is no OpenAPI: %v", err)
	}
}

// Each field of a type that travels says what it is, or its name does: it is a word that
// needs no explanation.
func TestAPITypesAreDocumented(t *testing.T) {
	for name, schema := range document(t)["components"].(object)["schemas"].(object) {
		if doc, _ := schema.(object)["description"].(string); doc == "" {
			t.Errorf("the type %s has no comment", name)
		}
	}
}

// schemaOf is the schema of the JSON answer of a route.
func schemaOf(t *testing.T, doc *openapi3.T, r server.Route, status int) *openapi3.Schema {
	t.Helper()
	op := doc.Paths.Find(r.Path).GetOperation(r.Method)
	resp := op.Responses.Status(status)
	if resp == nil {
		resp = op.Responses.Default()
	}
	media := slices.Collect(func(yield func(*openapi3.MediaType) bool) {
		for _, m := range resp.Value.Content {
			if !yield(m) {
				return
			}
		}
	})
	if len(media) == 0 {
		t.Fatalf("%s %s: no content for %d", r.Method, r.Path, status)
	}
	return media[0].Schema.Value
}

// loadDocument loads what is published.
func loadDocument(t *testing.T) *openapi3.T {
	t.Helper()
	doc, err := openapi3.NewLoader().LoadFromFile("../../docs/reference/openapi.json")
	if err != nil {
		t.Fatal(err)
	}
	return doc
}

// Who may read may not change anything: each request that is no GET says what it needs.
func TestChangesNeedAnAccess(t *testing.T) {
	for _, r := range server.Routes() {
		if r.Method != "GET" && r.Access == "" {
			t.Errorf("%s %s says no access", r.Method, r.Path)
		}
	}
}
