package deploy

import (
	"fmt"
	"regexp"
	"strconv"
	"sync"

	"github.com/goccy/go-yaml"
)

// pairs makes a mapping that keeps its order: pairs("kind", "Pod", …).
func pairs(keysAndValues ...any) yaml.MapSlice {
	m := yaml.MapSlice{}
	for i := 0; i < len(keysAndValues); i += 2 {
		m = append(m, yaml.MapItem{Key: keysAndValues[i], Value: keysAndValues[i+1]})
	}
	return m
}

// head returns the comment at the top of a file, with what to do before it is used.
func head(p Platform, from string, before []string) string {
	text := fmt.Sprintf("# Made by \"nix2gpu deploy %s\" of %s. Change the definition, not this file.\n", p, from)
	for _, line := range before {
		text += "# " + line + "\n"
	}
	return text
}

// yamlText encodes a document.
func yamlText(doc yaml.MapSlice) ([]byte, error) {
	return yaml.MarshalWithOptions(quoteNumbers(doc), yaml.Indent(2), yaml.IndentSequence(true))
}

// quoted is a string that some YAML readers would take for a number.
type quoted string

// MarshalYAML writes the string with quotes.
func (q quoted) MarshalYAML() ([]byte, error) { return []byte(strconv.Quote(string(q))), nil }

// quoteNumbers replaces strings such as 1e3, which the encoder would not quote.
func quoteNumbers(v any) any {
	switch v := v.(type) {
	case string:
		if isNumber(v) {
			return quoted(v)
		}
	case []string:
		var out []any
		for _, s := range v {
			out = append(out, quoteNumbers(s))
		}
		return out
	case yaml.MapSlice:
		out := yaml.MapSlice{}
		for _, item := range v {
			out = append(out, yaml.MapItem{Key: item.Key, Value: quoteNumbers(item.Value)})
		}
		return out
	case []yaml.MapSlice:
		var out []any
		for _, m := range v {
			out = append(out, quoteNumbers(m))
		}
		return out
	}
	return v
}

// number matches all that YAML 1.1 or 1.2 takes for a number, and more.
var number = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[-+]?[0-9.][0-9a-fA-FxXoOeE_.:+-]*$`) })

func isNumber(s string) bool { return number().MatchString(s) }
