package repo

import (
	"bytes"
	_ "embed"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/ProtonMail/go-crypto/openpgp"
	"github.com/ProtonMail/go-crypto/openpgp/armor"
)

// The keys of debian.asc without armour and without what other keys say of them, which
// is three quarters of it: go test ./debian/repo -run 'TestDebianKeyring$' -update
//
//go:embed debian.pgp
var debianKeys []byte

// A Keyring is a set of public keys that may sign archives. It is kept as text and
// parsed when a signature is verified. The zero value has no keys.
type Keyring struct {
	text []byte
	// only restricts the ring to these fingerprints, in capital digits; nil: it does not.
	only []string
}

// DebianKeyring returns the archive keys of Debian 11, 12 and 13.
func DebianKeyring() Keyring { return Keyring{text: debianKeys} }

// NewKeyring takes the keys of a file: in ASCII armour, with one or more blocks, or in
// binary.
func NewKeyring(data []byte) (Keyring, error) {
	k := Keyring{text: data}
	keys, err := k.keys()
	if err != nil {
		return Keyring{}, err
	}
	if len(keys) == 0 {
		return Keyring{}, errors.New("no OpenPGP key in it")
	}
	return k, nil
}

// Only returns the keyring restricted to these fingerprints.
func (k Keyring) Only(fingerprints ...string) Keyring {
	k.only = nil
	for _, f := range fingerprints {
		k.only = append(k.only, strings.ToUpper(strings.TrimRight(f, "!")))
	}
	return k
}

// Fingerprints lists the fingerprints of the keys, in capital digits.
func (k Keyring) Fingerprints() ([]string, error) {
	keys, err := k.keys()
	var out []string
	for _, e := range keys {
		out = append(out, fingerprint(e))
	}
	return out, err
}

// Armoured returns the keys in ASCII armour, without those that [Keyring.Only] excludes.
func (k Keyring) Armoured() (string, error) {
	keys, err := k.keys()
	if err != nil {
		return "", err
	}
	var b strings.Builder
	for _, e := range keys {
		w, err := armor.Encode(&b, openpgp.PublicKeyType, nil)
		if err == nil {
			err = e.Serialize(w)
		}
		if err == nil {
			err = w.Close()
		}
		if err != nil {
			return "", err
		}
		b.WriteByte('\n')
	}
	return b.String(), nil
}

func fingerprint(e *openpgp.Entity) string {
	return strings.ToUpper(hex.EncodeToString(e.PrimaryKey.Fingerprint))
}

func (k Keyring) keys() (openpgp.EntityList, error) {
	var all openpgp.EntityList
	if !bytes.Contains(k.text, []byte("-----BEGIN PGP")) {
		keys, err := openpgp.ReadKeyRing(bytes.NewReader(k.text))
		if err != nil && !errors.Is(err, io.EOF) {
			return nil, fmt.Errorf("no OpenPGP keys: %w", err)
		}
		all = keys
	}
	for r := bytes.NewReader(k.text); ; {
		block, err := armor.Decode(r)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, fmt.Errorf("no OpenPGP keys: %w", err)
		}
		if block.Type != openpgp.PublicKeyType {
			return nil, fmt.Errorf("a block of type %q, not of public keys", block.Type)
		}
		keys, err := openpgp.ReadKeyRing(block.Body)
		if err != nil {
			return nil, fmt.Errorf("no OpenPGP keys: %w", err)
		}
		all = append(all, keys...)
	}
	if k.only == nil {
		return all, nil
	}
	var kept openpgp.EntityList
	for _, e := range all {
		for _, f := range k.only {
			if fingerprint(e) == f {
				kept = append(kept, e)
			}
		}
	}
	return kept, nil
}
