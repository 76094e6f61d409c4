package eval

import (
	"encoding/hex"

	"nix2gpu/nix/store"
)

func hashBuiltins() []*Builtin {
	return []*Builtin{
		{Name: "hashString", Args: []string{"type", "s"}, Doc: "The hash of a string in base 16. Types are md5, sha1, sha256 and sha512.",
			Fn: func(t *Thread, args []Value) Value {
				kind := t.hashType(args[0])
				text := t.Text(args[1])
				t.spend(len(text))
				return Str(store.HashText(kind, text).Base16())
			}},
		{Name: "hashFile", Args: []string{"type", "path"}, Doc: "The hash of a file's content in base 16. Types are md5, sha1, sha256 and sha512.",
			Fn: func(t *Thread, args []Value) Value {
				kind := t.hashType(args[0])
				h := store.Algorithms[kind]()
				h.Write(t.readFile(t.fileArg(args[1])))
				return Str(hex.EncodeToString(h.Sum(nil)))
			}},
	}
}

func (t *Thread) hashType(v Value) string {
	kind := t.plainText(v)
	if store.Algorithms[kind] == nil {
		t.raise(&Error{Pos: t.Pos(), Msg: "unknown hash algorithm '" + kind + "'", Hint: "the known ones are md5, sha1, sha256 and sha512"})
	}
	return kind
}

func convertHash(t *Thread, args []Value) Value {
	set := t.Attrs(args[0])
	kind := ""
	if v, found := set.Get("hashAlgo"); found {
		kind = t.hashType(v)
	}
	text := t.plainText(t.need(set, "hash"))
	d, err := store.ParseHash(kind, text)
	if err != nil {
		t.Throw("%q is not a hash of a known kind and length", text)
	}
	switch format := t.plainText(t.need(set, "toHashFormat")); format {
	case "base16":
		return Str(d.Base16())
	case "nix32", "base32":
		return Str(d.Base32())
	case "base64":
		return Str(d.Base64())
	case "sri":
		return Str(d.SRI())
	default:
		t.raise(&Error{Pos: t.Pos(), Msg: "unknown hash format '" + format + "'", Hint: "the known ones are base16, nix32, base32, base64 and sri"})
		return nil
	}
}
