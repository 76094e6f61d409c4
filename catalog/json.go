package catalog

import (
	"bytes"
	"encoding/json"
	"maps"
	"strings"

	"nix2gpu/nix/module"
	"nix2gpu/project"
)

// jsonFile is a file below RunDir that holds a value as JSON, which is valid YAML.
func (in *Instance) jsonFile(sub string, v any) project.File {
	return project.File{Path: in.RunDir(sub), Content: in.jsonText(v), Mode: "0640", Escape: quotes}
}

// jsonText writes a value of Config.Any as JSON. References in strings stay references;
// the file that they become part of must escape what they stand for.
func (in *Instance) jsonText(v any) project.Text {
	b := &textBuilder{}
	in.writeJSON(b, v)
	b.endLine()
	return b.text
}

func (in *Instance) writeJSON(b *textBuilder, v any) {
	pad := func() { b.add(project.Lit("\n" + b.pad())) }
	switch v := v.(type) {
	case module.Str:
		writeJSONText(b, in.place.Text(v))
	case rootedPath:
		writeJSONText(b, in.place.Path(module.Str(v)))
	case project.Text:
		writeJSONText(b, v)
	case []any:
		if len(v) == 0 {
			b.add(project.Lit("[]"))
			return
		}
		b.add(project.Lit("["))
		b.indent++
		for i, e := range v {
			if i > 0 {
				b.add(project.Lit(","))
			}
			pad()
			in.writeJSON(b, e)
		}
		b.indent--
		pad()
		b.add(project.Lit("]"))
	case map[string]any:
		if len(v) == 0 {
			b.add(project.Lit("{}"))
			return
		}
		b.add(project.Lit("{"))
		b.indent++
		for i, k := range sortedKeys(v) {
			if i > 0 {
				b.add(project.Lit(","))
			}
			pad()
			b.add(project.Lit(encode(k) + ": "))
			in.writeJSON(b, v[k])
		}
		b.indent--
		pad()
		b.add(project.Lit("}"))
	default:
		b.add(project.Lit(encode(v)))
	}
}

func writeJSONText(b *textBuilder, t project.Text) {
	escaped := make(project.Text, len(t))
	for i, p := range t {
		if p.IsLiteral() {
			quoted := encode(p.Literal)
			p.Literal = quoted[1 : len(quoted)-1]
		}
		escaped[i] = p
	}
	b.add(project.Lit(`"`), escaped, project.Lit(`"`))
}

// encode is JSON without HTML escapes.
func encode(v any) string {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return "null" // a function is an error of its own already
	}
	return strings.TrimRight(b.String(), "\n")
}

// mergeDeep merges over into a copy of base: sets merge, anything else replaces.
func mergeDeep(base, over map[string]any) map[string]any {
	out := maps.Clone(base)
	if out == nil {
		out = map[string]any{}
	}
	for k, v := range over {
		a, isSet := out[k].(map[string]any)
		b, alsoSet := v.(map[string]any)
		if isSet && alsoSet {
			out[k] = mergeDeep(a, b)
			continue
		}
		out[k] = v
	}
	return out
}

// attrs is the value at path as a set; empty when it is null.
func (in *Instance) attrs(path ...string) map[string]any {
	m, _ := in.Any(path...).(map[string]any)
	return m
}
