package store

import (
	"fmt"
	"slices"
	"strings"
)

// Dir is the folder of the store. It is part of each hash, so no other is known.
const Dir = "/nix/store"

const (
	hashLen = 32  // digits of the hash in a path
	maxName = 211 // bytes of a name
)

// CheckName reports why nothing in a store can have a name.
func CheckName(name string) error {
	if name == "" {
		return fmt.Errorf("a name in the store cannot be empty")
	}
	if len(name) > maxName {
		return fmt.Errorf("the name %q is longer than the %d characters that a name in the store may have", name[:40]+"…", maxName)
	}
	for _, dots := range []string{".", ".."} {
		if name == dots || strings.HasPrefix(name, dots+"-") {
			return fmt.Errorf("the name %q in the store cannot be, or begin with, %q", name, dots)
		}
	}
	for i := range len(name) {
		switch c := name[i]; {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', strings.IndexByte("+-._?=", c) >= 0:
		default:
			return fmt.Errorf("the name %q has the character %q: only letters, digits and +-._?= can be in one in the store", name, c)
		}
	}
	return nil
}

// Split returns the path in the store that text is, or is below, and the rest, which is
// empty or begins with a slash.
func Split(text string) (path, rest string, ok bool) {
	below, ok := strings.CutPrefix(text, Dir+"/")
	if !ok {
		return "", "", false
	}
	name, _, _ := strings.Cut(below, "/")
	if len(name) < hashLen+2 || name[hashLen] != '-' || CheckName(name[hashLen+1:]) != nil {
		return "", "", false
	}
	for i := range hashLen {
		if strings.IndexByte(base32Digits, name[i]) < 0 {
			return "", "", false
		}
	}
	end := len(Dir) + 1 + len(name)
	return text[:end], text[end:], true
}

// IsDerivation reports whether a path is that of a derivation's file.
func IsDerivation(path string) bool { return strings.HasSuffix(path, ".drv") }

// name returns what follows the hash in a path.
func name(path string) string { return path[len(Dir)+1+hashLen+1:] }

// makePath returns the path of what a hash identifies.
func makePath(kind string, of Hash, name string) string {
	sum := HashText("sha256", kind+":"+of.Kind+":"+of.Base16()+":"+Dir+":"+name).Sum
	short := make([]byte, 20)
	for i, b := range sum {
		short[i%len(short)] ^= b
	}
	return Dir + "/" + base32(short) + "-" + name
}

// TextPath returns the path of a text that refers to other paths.
func TextPath(name, text string, references []string) string {
	return makePath("text"+listed(references), HashText("sha256", text), name)
}

// listed returns references as a part of what is hashed.
func listed(references []string) string {
	sorted := slices.Compact(slices.Sorted(slices.Values(references)))
	return strings.Join(append([]string{""}, sorted...), ":")
}

// A Method says what of a file or folder is hashed.
type Method string

// The methods.
const (
	Flat      Method = ""      // the content of a file
	Recursive Method = "r:"    // the archive of a file or folder
	Text      Method = "text:" // the content of a file that may refer to paths
)

// FixedPath returns the path of what is known by its hash: a source, or the output of a
// derivation that names it.
func FixedPath(name string, method Method, of Hash) string {
	switch {
	case method == Recursive && of.Kind == "sha256":
		return makePath("source", of, name)
	case method == Text:
		return makePath("text", of, name)
	}
	return makePath("output:out", HashText("sha256", "fixed:out:"+string(method)+of.Kind+":"+of.Base16()+":"), name)
}

// Placeholder returns the text that stands for the path of an output while that is not
// known, inside of the derivation that makes it.
func Placeholder(output string) string {
	return "/" + HashText("sha256", "nix-output:"+output).Base32()
}

// downstream returns the text that stands for the path of an output of a derivation,
// where others use it and it will be known only once it is built.
func downstream(drv, output string) string {
	hash := drv[len(Dir)+1:][:hashLen]
	return "/" + HashText("sha256", "nix-upstream-output:"+hash+":"+outputName(strings.TrimSuffix(name(drv), ".drv"), output)).Base32()
}

// outputName returns the name in the path of an output.
func outputName(name, output string) string {
	if output == "out" {
		return name
	}
	return name + "-" + output
}
