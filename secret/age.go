package secret

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"
	"sync"

	"filippo.io/age"
	"filippo.io/age/agessh"
	"filippo.io/age/armor"
	"golang.org/x/crypto/ssh"
)

// decrypt reads an age file, armored or binary. Files of identities that can't be used
// are skipped, and named in the error if no other identity fits.
func (s Source) decrypt() ([]byte, error) {
	cipher, err := readFile(s.Age, 2*MaxSize)
	if err != nil {
		return nil, err
	}
	var keys []age.Identity
	var tried []string
	for _, path := range s.Identities {
		found, err := readIdentities(path)
		if err != nil {
			tried = append(tried, fmt.Sprintf("%q (%v)", path, err))
			continue
		}
		tried = append(tried, fmt.Sprintf("%q", path))
		keys = append(keys, found...)
	}
	const hint = "encrypt it to one of them, or add its identity to age.identityPaths; in a container, mount that"
	if len(keys) == 0 {
		return nil, &Error{Msg: fmt.Sprintf("%q cannot be decrypted, as no identity can be read: %s", s.Age, strings.Join(tried, ", ")), Hint: hint}
	}
	plain, err := decrypt(cipher, keys)
	var none *age.NoIdentityMatchError
	switch {
	case errors.As(err, &none):
		return nil, &Error{Msg: fmt.Sprintf("%q is not encrypted to any of the identities: %s", s.Age, strings.Join(tried, ", ")), Hint: hint}
	case err != nil && !isAge(cipher):
		return nil, notAge(s.Age)
	case err != nil: // err may show what the file holds
		return nil, &Error{Msg: fmt.Sprintf("%q is damaged", s.Age), Hint: "encrypt it again"}
	case len(plain) > MaxSize:
		return nil, &Error{Msg: fmt.Sprintf("%q holds more than %d bytes", s.Age, MaxSize)}
	}
	return plain, nil
}

// ReadEncrypted reads an encrypted file without decrypting it. A file that is not
// encrypted, perhaps the secret itself by mistake, is an error.
func ReadEncrypted(path string) ([]byte, error) {
	data, err := readFile(path, 2*MaxSize)
	if err == nil && !isAge(data) {
		return nil, notAge(path)
	}
	return data, err
}

func notAge(path string) error {
	return &Error{Msg: fmt.Sprintf("%q is not an age file", path), Hint: "if it is the secret itself, name it as file"}
}

// identity matches an age identity.
var identity = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`AGE-SECRET-KEY-(PQ-)?1[02-9AC-HJ-NP-Z]{58}`)
})

// HoldsIdentity reports whether text contains an age identity.
func HoldsIdentity(text []byte) bool { return identity().Match(text) }

// isAge reports whether data begins like an age file.
func isAge(data []byte) bool {
	return isArmored(data) || bytes.HasPrefix(data, []byte("age-encryption.org/"))
}

func isArmored(data []byte) bool {
	return bytes.HasPrefix(bytes.TrimLeft(data, " \t\r\n"), []byte(armor.Header))
}

func decrypt(cipher []byte, keys []age.Identity) ([]byte, error) {
	var in io.Reader = bufio.NewReader(bytes.NewReader(cipher))
	if isArmored(cipher) {
		in = armor.NewReader(in)
	}
	out, err := age.Decrypt(in, keys...)
	if err != nil {
		return nil, err
	}
	return io.ReadAll(io.LimitReader(out, MaxSize+1))
}

// readIdentities reads a file of identities: age's, one in each line, or a single ssh
// key without a passphrase.
func readIdentities(path string) ([]age.Identity, error) {
	data, err := readFile(path, MaxSize)
	if err != nil {
		var e *Error
		if errors.As(err, &e) && e.cause != nil {
			return nil, reason(e.cause)
		}
		return nil, err
	}
	if bytes.Contains(data, []byte("-----BEGIN ")) {
		key, err := agessh.ParseIdentity(data)
		var locked *ssh.PassphraseMissingError
		switch {
		case errors.As(err, &locked):
			return nil, errors.New("it needs a passphrase")
		case err != nil:
			return nil, errors.New("it is not an ssh key of type ed25519 or rsa") // err may show parts of the file
		}
		return []age.Identity{key}, nil
	}
	keys, err := age.ParseIdentities(bytes.NewReader(data))
	if err != nil {
		return nil, errors.New("it is not a file of identities")
	}
	return keys, nil
}
