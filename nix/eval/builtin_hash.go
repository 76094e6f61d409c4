package eval

import (
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"hash"
	"strings"
)

func hashBuiltins() []*Builtin {
	return []*Builtin{
		{Name: "hashString", Args: []string{"type", "s"}, Doc: "The hash of a string in base 16. Types are md5, sha1, sha256 and sha512.",
			Fn: func(t *Thread, args []Value) Value {
				kind := t.hashType(args[0])
				text := t.Text(args[1])
				t.spend(len(text))
				return Str(hex.EncodeToString(hashText(kind, text).sum))
			}},
		{Name: "hashFile", Args: []string{"type", "path"}, Doc: "The hash of a file's content in base 16. Types are md5, sha1, sha256 and sha512.",
			Fn: func(t *Thread, args []Value) Value {
				kind := t.hashType(args[0])
				h := hashes[kind]()
				h.Write(t.readFile(t.fileArg(args[1])))
				return Str(hex.EncodeToString(h.Sum(nil)))
			}},
	}
}

// A digest is a hash with the name of its algorithm.
type digest struct {
	kind string
	sum  []byte
}

var hashes = map[string]func() hash.Hash{"md5": md5.New, "sha1": sha1.New, "sha256": sha256.New, "sha512": sha512.New}

func (t *Thread) hashType(v Value) string {
	kind := t.Text(v)
	if hashes[kind] == nil {
		t.raise(&Error{Pos: t.Pos(), Msg: "unknown hash algorithm '" + kind + "'", Hint: "the known ones are md5, sha1, sha256 and sha512"})
	}
	return kind
}

func hashText(kind, s string) digest {
	h := hashes[kind]()
	h.Write([]byte(s))
	return digest{kind, h.Sum(nil)}
}

// nix32Chars are the digits of Nix's base 32: no e, o, u or t.
const nix32Chars = "0123456789abcdfghijklmnpqrsvwxyz"

func (d digest) nix32() string {
	n := (len(d.sum)*8-1)/5 + 1
	out := make([]byte, n)
	for i := range out {
		bit := (n - 1 - i) * 5
		c := d.sum[bit/8] >> (bit % 8)
		if bit/8+1 < len(d.sum) {
			c |= d.sum[bit/8+1] << (8 - bit%8)
		}
		out[i] = nix32Chars[c&31]
	}
	return string(out)
}

// parseNix32 parses what nix32 returns, for a hash of size bytes.
func parseNix32(s string, size int) ([]byte, error) {
	if len(s) != (size*8-1)/5+1 {
		return nil, errNotHash
	}
	sum := make([]byte, size+1)
	for i := range len(s) {
		digit := strings.IndexByte(nix32Chars, s[len(s)-1-i])
		if digit < 0 {
			return nil, errNotHash
		}
		bit := i * 5
		sum[bit/8] |= byte(digit << (bit % 8))
		if bit%8 > 3 {
			sum[bit/8+1] |= byte(digit >> (8 - bit%8))
		}
	}
	if sum[size] != 0 {
		return nil, errNotHash
	}
	return sum[:size], nil
}

var errNotHash = errors.New("not a hash")

// parseHash parses a hash in any format. kind may be "" if the text names it.
func parseHash(kind, s string) (digest, error) {
	sri := false
	if k, rest, found := strings.Cut(s, "-"); found && hashes[k] != nil {
		if kind != "" && kind != k {
			return digest{}, errNotHash
		}
		kind, s, sri = k, rest, true
	} else if k, rest, found := strings.Cut(s, ":"); found && hashes[k] != nil {
		if kind != "" && kind != k {
			return digest{}, errNotHash
		}
		kind, s = k, rest
	}
	if hashes[kind] == nil {
		return digest{}, errNotHash
	}
	size := hashes[kind]().Size()
	var sum []byte
	var err error
	switch {
	case !sri && len(s) == 2*size:
		sum, err = hex.DecodeString(s)
	case !sri && len(s) == (size*8-1)/5+1:
		sum, err = parseNix32(s, size)
	default:
		sum, err = base64.StdEncoding.DecodeString(s)
	}
	if err != nil || len(sum) != size {
		return digest{}, errNotHash
	}
	return digest{kind, sum}, nil
}

func convertHash(t *Thread, args []Value) Value {
	set := t.Attrs(args[0])
	kind := ""
	if v, found := set.Get("hashAlgo"); found {
		kind = t.hashType(v)
	}
	text := t.Text(t.need(set, "hash"))
	d, err := parseHash(kind, text)
	if err != nil {
		t.Throw("%q is not a hash of a known kind and length", text)
	}
	switch format := t.Text(t.need(set, "toHashFormat")); format {
	case "base16":
		return Str(hex.EncodeToString(d.sum))
	case "nix32", "base32":
		return Str(d.nix32())
	case "base64":
		return Str(base64.StdEncoding.EncodeToString(d.sum))
	case "sri":
		return Str(d.kind + "-" + base64.StdEncoding.EncodeToString(d.sum))
	default:
		t.raise(&Error{Pos: t.Pos(), Msg: "unknown hash format '" + format + "'", Hint: "the known ones are base16, nix32, base32, base64 and sri"})
		return nil
	}
}
