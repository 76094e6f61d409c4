package image

import (
	"bytes"
	"crypto/sha1"
	"crypto/x509"
	"encoding/asn1"
	"encoding/binary"
	"encoding/pem"
	"fmt"
	"maps"
	"path"
	"slices"
	"sort"
	"strings"
	"unicode/utf16"

	"nix2gpu/debian/deb"
)

// hashLinks makes what update-ca-certificates makes beside the bundle: for each
// certificate a link in /etc/ssl/certs, and another one whose name is the hash of its
// subject, by which OpenSSL finds it. Files that are no certificates are ignored.
func hashLinks(s *system, certs map[string]string) (nodes []*node) {
	taken := map[string]int{}
	for _, file := range slices.Sorted(maps.Keys(certs)) {
		hash, err := subjectHash(certs[file])
		if err != nil || s.tree.facts[file].Kind != deb.File {
			continue
		}
		base := strings.NewReplacer(" ", "_", ",", "_", "(", "=", ")", "=").Replace(strings.TrimSuffix(path.Base(file), ".crt")) + ".pem"
		nodes = append(nodes, link("etc/ssl/certs/"+base, "/"+file), link(fmt.Sprintf("etc/ssl/certs/%s.%d", hash, taken[hash]), base))
		taken[hash]++
	}
	return nodes
}

// subjectHash returns what "openssl x509 -hash" prints: the first bytes of the SHA-1 of
// the subject in a canonical form, which ignores case, spaces and the type of string.
func subjectHash(text string) (string, error) {
	block, _ := pem.Decode([]byte(text))
	if block == nil || block.Type != "CERTIFICATE" {
		return "", fmt.Errorf("no certificate in PEM")
	}
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return "", err
	}
	type attributeSET []struct {
		Type  asn1.ObjectIdentifier
		Value asn1.RawValue
	}
	var name []attributeSET
	if _, err := asn1.Unmarshal(cert.RawSubject, &name); err != nil {
		return "", err
	}
	var canonical []byte
	for _, set := range name {
		var members [][]byte
		for _, a := range set {
			if text, ok := plainText(a.Value); ok {
				a.Value = asn1.RawValue{Tag: asn1.TagUTF8String, Bytes: []byte(strings.Join(strings.FieldsFunc(lower(text), isSpace), " "))}
			}
			one, err := asn1.Marshal(a)
			if err != nil {
				return "", err
			}
			members = append(members, one)
		}
		sort.Slice(members, func(i, j int) bool { return bytes.Compare(members[i], members[j]) < 0 })
		one, err := asn1.Marshal(asn1.RawValue{Tag: asn1.TagSet, IsCompound: true, Bytes: bytes.Join(members, nil)})
		if err != nil {
			return "", err
		}
		canonical = append(canonical, one...)
	}
	sum := sha1.Sum(canonical)
	return fmt.Sprintf("%08x", binary.LittleEndian.Uint32(sum[:])), nil
}

// plainText returns the text of an ASN.1 string of a type that OpenSSL compares as text.
func plainText(v asn1.RawValue) (string, bool) {
	switch v.Tag {
	case asn1.TagUTF8String, asn1.TagPrintableString, asn1.TagIA5String, 26: // VisibleString
		return string(v.Bytes), true
	case asn1.TagT61String: // OpenSSL takes it for Latin-1
		runes := make([]rune, len(v.Bytes))
		for i, c := range v.Bytes {
			runes[i] = rune(c)
		}
		return string(runes), true
	case asn1.TagBMPString:
		units := make([]uint16, len(v.Bytes)/2)
		for i := range units {
			units[i] = binary.BigEndian.Uint16(v.Bytes[2*i:])
		}
		return string(utf16.Decode(units)), true
	}
	return "", false
}

// lower and isSpace know only ASCII, as OpenSSL does here.
func lower(s string) string {
	return strings.Map(func(r rune) rune {
		if r >= 'A' && r <= 'Z' {
			return r + 'a' - 'A'
		}
		return r
	}, s)
}

func isSpace(r rune) bool { return r == ' ' || r >= '\t' && r <= '\r' }
