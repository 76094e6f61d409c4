package module

import (
	"fmt"
	"strings"
)

// show writes a value given from Go as one would write it in Nix.
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

// quote writes s as a Nix string in double quotes.
func quote(s string) string {
	r := strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`, "\t", `\t`, "\r", `\r`, "${", `\${`)
	return `"` + r.Replace(s) + `"`
}
