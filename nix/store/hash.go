package store

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

// Algorithms are the kinds of hashes that Nix knows, by name.
var Algorithms = map[string]func() hash.Hash{"md5": md5.New, "sha1": sha1.New, "sha256": sha256.New, "sha512": sha512.New}

// A Hash is a hash with the name of its algorithm.
type Hash struct {
	Kind string
	Sum  []byte
}

// HashText returns the hash of a text. The kind must be one of [Algorithms].
func HashText(kind, text string) Hash {
	h := Algorithms[kind]()
	h.Write([]byte(text))
	return Hash{kind, h.Sum(nil)}
}

// Base16 returns the hash in base 16.
func (h Hash) Base16() string { return hex.EncodeToString(h.Sum) }

// Base32 returns the hash in Nix's base 32.
func (h Hash) Base32() string { return base32(h.Sum) }

// Base64 returns the hash in base 64.
func (h Hash) Base64() string { return base64.StdEncoding.EncodeToString(h.Sum) }

// SRI returns the hash with its kind, as Subresource Integrity has it: sha256-….
func (h Hash) SRI() string { return h.Kind + "-" + h.Base64() }

// ErrNotHash says that a text is no hash of a known kind and length.
var ErrNotHash = errors.New("not a hash")

// ParseHash parses a hash in any format. kind may be "" if the text names it.
func ParseHash(kind, text string) (Hash, error) {
	sri := false
	if k, rest, found := strings.Cut(text, "-"); found && Algorithms[k] != nil {
		if kind != "" && kind != k {
			return Hash{}, ErrNotHash
		}
		kind, text, sri = k, rest, true
	} else if k, rest, found := strings.Cut(text, ":"); found && Algorithms[k] != nil {
		if kind != "" && kind != k {
			return Hash{}, ErrNotHash
		}
		kind, text = k, rest
	}
	if Algorithms[kind] == nil {
		return Hash{}, ErrNotHash
	}
	size := Algorithms[kind]().Size()
	var sum []byte
	var err error
	switch {
	case !sri && len(text) == 2*size:
		sum, err = hex.DecodeString(text)
	case !sri && len(text) == base32Len(size):
		sum, err = parseBase32(text, size)
	default:
		sum, err = base64.StdEncoding.DecodeString(text)
	}
	if err != nil || len(sum) != size {
		return Hash{}, ErrNotHash
	}
	return Hash{kind, sum}, nil
}

// base32Digits are the digits of Nix's base 32: no e, o, u or t.
const base32Digits = "0123456789abcdfghijklmnpqrsvwxyz"

func base32Len(size int) int { return (size*8-1)/5 + 1 }

func base32(sum []byte) string {
	out := make([]byte, base32Len(len(sum)))
	for i := range out {
		bit := (len(out) - 1 - i) * 5
		c := sum[bit/8] >> (bit % 8)
		if bit/8+1 < len(sum) {
			c |= sum[bit/8+1] << (8 - bit%8)
		}
		out[i] = base32Digits[c&31]
	}
	return string(out)
}

// parseBase32 parses what base32 returns, for a hash of size bytes.
func parseBase32(text string, size int) ([]byte, error) {
	sum := make([]byte, size+1)
	for i := range len(text) {
		digit := strings.IndexByte(base32Digits, text[len(text)-1-i])
		if digit < 0 {
			return nil, ErrNotHash
		}
		bit := i * 5
		sum[bit/8] |= byte(digit << (bit % 8))
		if bit%8 > 3 {
			sum[bit/8+1] |= byte(digit >> (8 - bit%8))
		}
	}
	if sum[size] != 0 {
		return nil, ErrNotHash
	}
	return sum[:size], nil
}
