package catalog

import (
	"maps"
	"strings"

	"nix2gpu/nix/module"
)

// An option is one row of a table's options. As data it weighs a tenth of the code that
// would declare it.
type option struct {
	name  string
	kind  string // see kind; "null X" may be left out; "alias X" is another name of X; "inert X" has no effect, and doc says why
	value any    // the default
	doc   string
}

// declare adds rows to the options that no row can say.
func declare(rows []option, others module.Options) module.Options {
	all := module.Options{}
	for i := range rows {
		all[rows[i].name] = rows[i].declare()
	}
	maps.Copy(all, others)
	return all
}

// declare is the option as the module system has it.
func (o *option) declare() module.Option {
	if target, ok := strings.CutPrefix(o.kind, "alias "); ok {
		return module.Option{AliasOf: []string{target}}
	}
	if name, ok := strings.CutPrefix(o.kind, "inert "); ok {
		t, _ := kind(name)
		return inert(t, o.doc)
	}
	if name, ok := strings.CutPrefix(o.kind, "null "); ok {
		t, _ := kind(name)
		out := def(module.NullOr(t), o.value, o.doc)
		if out.Default == nil {
			out.Default = module.Null
		}
		return out
	}
	t, value := kind(o.kind)
	switch v := o.value.(type) {
	case int:
		value = int64(v)
	case nil:
	default:
		value = v
	}
	return def(t, value, o.doc)
}

// kind is the type that a word stands for, and the default where a row has none.
func kind(name string) (t module.Type, value any) {
	if words, ok := strings.CutPrefix(name, "enum "); ok {
		var values []any
		for _, word := range strings.Fields(words) {
			values = append(values, word)
		}
		return module.Enum(values...), values[0]
	}
	if elem, ok := strings.CutPrefix(name, "list "); ok {
		t, _ := kind(elem)
		return module.ListOf(t), []any{}
	}
	if elem, ok := strings.CutPrefix(name, "attrs "); ok {
		t, _ := kind(elem)
		return module.AttrsOf(t), map[string]any{}
	}
	switch name {
	case "port":
		return module.Port, int64(0)
	case "bool":
		return module.Bool, false
	case "int":
		return module.Int, int64(0)
	case "unsigned":
		return module.UnsignedInt, int64(0)
	case "positive":
		return module.PositiveInt, int64(1)
	case "string":
		return module.String, ""
	case "lines":
		return module.Lines, ""
	case "path":
		return filePath, ""
	case "key":
		return keyFile, ""
	case "secret":
		return secretText, ""
	case "password": // null: none
		return module.NullOr(secretText), module.Null
	case "listen":
		return module.OneOf(module.Port, module.String), ""
	case "anything":
		return module.Anything, nil
	case "bucket":
		return bucketName(), ""
	case "database":
		return databaseWithSchemas(), ""
	case "json":
		return module.JSON, map[string]any{}
	case "scalar": // null removes what we would write
		return module.NullOr(module.OneOf(module.String, module.Int, module.Float, module.Bool)), module.Null
	}
	return nil, nil // a test knows that no row has it
}
