package repo

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp/clearsign"
	pgperrors "github.com/ProtonMail/go-crypto/openpgp/errors"
	"github.com/ProtonMail/go-crypto/openpgp/packet"

	"github.com/ProtonMail/go-crypto/openpgp"
)

// Verify returns the text of an InRelease file if a key of the ring has signed it.
// Archives sign with the keys of two releases; one valid signature of a known key is
// enough. The error says why no signature counts.
func Verify(inRelease []byte, ring Keyring, now time.Time) ([]byte, error) {
	block, _ := clearsign.Decode(inRelease)
	if block == nil {
		return nil, errors.New("it is not signed")
	}
	keys, err := ring.keys()
	if err != nil {
		return nil, err
	}
	config := &packet.Config{Time: func() time.Time { return now }}
	var reasons []string
	signatures := packet.NewReader(block.ArmoredSignature.Body)
	for {
		p, err := signatures.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			reasons = append(reasons, "a signature cannot be read: "+err.Error())
			break
		}
		sig, ok := p.(*packet.Signature)
		if !ok {
			continue
		}
		var one bytes.Buffer
		if err := sig.Serialize(&one); err != nil {
			reasons = append(reasons, "a signature cannot be read: "+err.Error())
			continue
		}
		signer, err := openpgp.CheckDetachedSignature(keys, bytes.NewReader(block.Bytes), &one, config)
		if err == nil {
			return block.Plaintext, nil
		}
		reasons = append(reasons, because(err, sig, signer))
	}
	if len(reasons) == 0 {
		reasons = []string{"it has no signature"}
	}
	return nil, errors.New(strings.Join(reasons, "; "))
}

// because returns why a signature does not count.
func because(err error, sig *packet.Signature, signer *openpgp.Entity) string {
	key := "an unnamed key"
	if sig.IssuerKeyId != nil {
		key = fmt.Sprintf("key %016X", *sig.IssuerKeyId)
	}
	if len(sig.IssuerFingerprint) > 0 {
		key = fmt.Sprintf("key %X", sig.IssuerFingerprint)
	}
	if signer != nil {
		key = "key " + fingerprint(signer)
	}
	var wrong pgperrors.SignatureError
	switch {
	case errors.Is(err, pgperrors.ErrUnknownIssuer):
		return "it is signed by " + key + ", which is not known"
	case errors.Is(err, pgperrors.ErrKeyExpired):
		return key + ", which signed it, has expired"
	case errors.Is(err, pgperrors.ErrKeyRevoked):
		return key + ", which signed it, was revoked"
	case errors.Is(err, pgperrors.ErrSignatureExpired):
		return "the signature of " + key + " is not valid at this time"
	case errors.As(err, &wrong):
		return "the signature of " + key + " is wrong: the file was changed"
	}
	return "the signature of " + key + ": " + err.Error()
}
