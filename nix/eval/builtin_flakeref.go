package eval

import (
	"path"
	"strings"

	"nix2gpu/nix/flakeref"
)

// flakeRefBuiltins are those that take references of flakes apart. They look at the text
// alone: nothing is fetched, and no file is read.
func flakeRefBuiltins() []*Builtin {
	return []*Builtin{
		{Name: "parseFlakeRef", Args: []string{"ref"},
			Doc: "The set that a flake reference stands for, such as { type = \"github\"; owner = …; repo = …; } for \"github:owner/repo\".",
			Fn: func(t *Thread, args []Value) Value {
				text := t.plainText(args[0])
				ref, err := flakeref.Parse(text)
				if err != nil {
					t.Throw("%v", err)
				}
				if ref.Type() == "path" && !path.IsAbs(ref.Text("path")) && !strings.HasPrefix(text, "path:") {
					t.Throw("%q is no reference to a flake: a path must be absolute here, or have path: before it", text)
				}
				set := NewAttrs(len(ref))
				for name, v := range ref {
					switch v := v.(type) {
					case string:
						set.Set(name, Str(v))
					case int64:
						set.Set(name, MakeInt(v))
					case bool:
						set.Set(name, Bool(v))
					}
				}
				return set.Done()
			}},
		{Name: "flakeRefToString", Args: []string{"set"},
			Doc: "The flake reference of a set as of parseFlakeRef, as text.",
			Fn: func(t *Thread, args []Value) Value {
				ref := flakeref.Ref{}
				set := t.Attrs(args[0])
				for i := range set.Len() {
					name, v, _ := set.At(i)
					switch v := t.Force(v).(type) {
					case *String:
						ref[name] = v.Text()
					case Int:
						ref[name] = int64(v)
					case Bool:
						ref[name] = bool(v)
					default:
						t.Throw("the attribute %q of a flake reference must be a string, a number or a boolean, not %s", name, WithArticle(v))
					}
				}
				if err := ref.Check(); err != nil {
					t.Throw("these attributes are no reference to a flake: %v", err)
				}
				return Str(ref.String())
			}},
	}
}
