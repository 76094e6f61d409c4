package module

import (
	"fmt"
	"strings"

	"nix2gpu/nix/eval"
)

// show returns a value from Go as one would write it in Nix.
func show(v any) string {
	switch v := v.(type) {
	case nil, null:
		return "null"
	case Expr:
		return string(v)
	case string:
		return quote(v)
	case Str:
		return quote(v.S)
	case []string:
		return showList(v)
	case []any:
		return showList(v)
	case map[string]any:
		return showMap(v)
	case map[string]string:
		return showMap(v)
	}
	return fmt.Sprint(v)
}

func showList[T any](list []T) string {
	if len(list) == 0 {
		return "[ ]"
	}
	parts := make([]string, len(list))
	for i, e := range list {
		parts[i] = show(e)
		if strings.ContainsAny(parts[i], " ") && !strings.HasPrefix(parts[i], `"`) && !strings.HasPrefix(parts[i], "{") && !strings.HasPrefix(parts[i], "[") {
			parts[i] = "(" + parts[i] + ")"
		}
	}
	return "[ " + strings.Join(parts, " ") + " ]"
}

func showMap[T any](m map[string]T) string {
	if len(m) == 0 {
		return "{ }"
	}
	var b strings.Builder
	b.WriteString("{ ")
	for _, k := range sortedKeys(m) {
		b.WriteString(showPath([]string{k}) + " = " + show(m[k]) + "; ")
	}
	return b.String() + "}"
}

// quote returns s as a Nix string in double quotes.
func quote(s string) string {
	r := strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`, "\t", `\t`, "\r", `\r`, "${", `\${`)
	return `"` + r.Replace(s) + `"`
}

// show returns a value for a message: on one line, cut if it is long, and without
// evaluating more than the outermost levels.
func (m *merging) show(v eval.Value) string {
	s := m.showDepth(v, 2)
	if r := []rune(s); len(r) > 100 {
		s = string(r[:97]) + "…"
	}
	return s
}

func (m *merging) showDepth(v eval.Value, depth int) (s string) {
	if err := m.t.Try(func() { v = m.t.Force(v) }); err != nil {
		return "«error»"
	}
	switch v := v.(type) {
	case *eval.String:
		return quote(v.Text())
	case eval.Path:
		return string(v)
	case eval.Null:
		return "null"
	case eval.Bool, eval.Int, eval.Float:
		return m.t.Print(v, eval.PrintOptions{})
	case *eval.List:
		if v.Len() == 0 {
			return "[ ]"
		}
		if depth == 0 {
			return "[ … ]"
		}
		var parts []string
		for i, e := range v.Elems() {
			if i == 5 {
				parts = append(parts, "…")
				break
			}
			parts = append(parts, m.showDepth(e, depth-1))
		}
		return "[ " + strings.Join(parts, " ") + " ]"
	case *eval.Attrs:
		if v.Has("outPath") {
			name := "?"
			if n, ok := v.Get("name"); ok {
				name = strings.Trim(m.showDepth(n, 0), `"`)
			}
			return "<package " + name + ">"
		}
		if eval.IsFunction(v) {
			return "<function>"
		}
		if v.Len() == 0 {
			return "{ }"
		}
		if depth == 0 {
			return "{ … }"
		}
		var parts []string
		for i, name := range v.Names() {
			if i == 5 {
				parts = append(parts, "…")
				break
			}
			e, _ := v.Get(name)
			parts = append(parts, showPath([]string{name})+" = "+m.showDepth(e, depth-1)+";")
		}
		return "{ " + strings.Join(parts, " ") + " }"
	case *eval.Opaque:
		return "<" + v.Kind + ">"
	}
	return "<function>"
}
