package debtest

import (
	"bytes"
	"cmp"
	"crypto/md5"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp"
	"github.com/ProtonMail/go-crypto/openpgp/armor"
	"github.com/ProtonMail/go-crypto/openpgp/clearsign"
	"github.com/ProtonMail/go-crypto/openpgp/packet"
)

// A Key signs archives.
type Key struct{ entity *openpgp.Entity }

// NewKey makes a key that is valid from 2020 on, for the duration life, or for ever if
// that is zero.
func NewKey(tb testing.TB, life time.Duration) *Key {
	tb.Helper()
	born := func() time.Time { return time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC) }
	e, err := openpgp.NewEntity("Archive of tests", "", "archive@example.org", &packet.Config{
		Algorithm: packet.PubKeyAlgoEdDSA, Time: born, KeyLifetimeSecs: uint32(life / time.Second),
	})
	if err != nil {
		tb.Fatal(err)
	}
	return &Key{e}
}

// Fingerprint returns the fingerprint in capital hexadecimal digits.
func (k *Key) Fingerprint() string { return fmt.Sprintf("%X", k.entity.PrimaryKey.Fingerprint) }

// Public returns the public key in ASCII armour, as archives publish it.
func (k *Key) Public(tb testing.TB) []byte {
	tb.Helper()
	var b bytes.Buffer
	w, err := armor.Encode(&b, openpgp.PublicKeyType, nil)
	if err == nil {
		err = k.entity.Serialize(w)
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		tb.Fatal(err)
	}
	b.WriteByte('\n')
	return b.Bytes()
}

// An Archive is one suite of a signed repository.
type Archive struct {
	Codename  string   // default: "bookworm"
	Suite     string   // default: "oldstable"
	Component string   // default: "main"
	More      []string // other components, which are empty
	// Prefix comes before the component's name in Components, as Debian's security
	// archive has "updates/".
	Prefix     string
	Arches     []string  // default: amd64 and arm64
	Date       time.Time // default: 1 June 2026
	ValidUntil time.Time // default: none
	Keys       []*Key    // that sign, in order
	Debs       []Deb
	Pool       string   // default: "pool/main"
	Indexes    []string // compressions offered: default gz and xz
	NoByHash   bool
	Flat       bool // without dists and pool: Packages is beside InRelease
}

// A Tree holds the files of a server, by path without a leading slash.
type Tree map[string][]byte

// Tree returns all files of the archive's server.
func (a Archive) Tree(tb testing.TB) Tree {
	tb.Helper()
	tree := Tree{}
	listed := map[string][]byte{}
	arches := a.Arches
	if arches == nil {
		arches = []string{"amd64", "arm64"}
	}
	for _, arch := range arches {
		var list bytes.Buffer
		for _, d := range a.Debs {
			if d.arch() != arch && d.arch() != "all" && !a.Flat {
				continue
			}
			data := d.Bytes(tb)
			file := path.Join(cmp.Or(a.Pool, "pool/main"), d.Name[:1], d.Name, d.File())
			if a.Flat {
				file = "./" + d.File()
			}
			tree[strings.TrimPrefix(file, "./")] = data
			fmt.Fprintf(&list, "%sFilename: %s\nSize: %d\nSHA256: %s\n\n", d.Control(), file, len(data), sum(data))
		}
		dir := cmp.Or(a.Component, "main") + "/binary-" + arch + "/"
		if a.Flat {
			dir = ""
		}
		listed[dir+"Packages"] = list.Bytes()
		kinds := a.Indexes
		if kinds == nil {
			kinds = []string{"gz", "xz"}
		}
		for _, kind := range kinds {
			listed[dir+"Packages."+kind] = Compress(tb, kind, list.Bytes())
		}
	}
	for _, component := range a.More {
		for _, arch := range arches {
			dir := component + "/binary-" + arch + "/"
			listed[dir+"Packages"] = nil
			listed[dir+"Packages.gz"] = Compress(tb, "gz", nil)
		}
	}
	root := ""
	if !a.Flat {
		root = "dists/" + cmp.Or(a.Codename, "bookworm") + "/"
	}
	for name, data := range listed {
		if path.Base(name) == "Packages" && !slices.Contains(a.Indexes, "none") {
			continue // named by the Release, as Debian does, but not there
		}
		tree[root+name] = data
		if !a.NoByHash {
			tree[root+path.Join(path.Dir(name), "by-hash/SHA256", sum(data))] = data
		}
	}
	tree[root+"InRelease"] = a.sign(tb, a.release(arches, listed))
	return tree
}

func (a Archive) release(arches []string, listed map[string][]byte) []byte {
	var b bytes.Buffer
	date := a.Date
	if date.IsZero() {
		date = time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)
	}
	fmt.Fprintf(&b, "Origin: Tests\nLabel: Tests\nSuite: %s\nCodename: %s\nDate: %s\n",
		cmp.Or(a.Suite, "oldstable"), cmp.Or(a.Codename, "bookworm"), date.UTC().Format(time.RFC1123))
	if !a.ValidUntil.IsZero() {
		fmt.Fprintf(&b, "Valid-Until: %s\n", a.ValidUntil.UTC().Format(time.RFC1123))
	}
	if !a.NoByHash {
		b.WriteString("Acquire-By-Hash: yes\n")
	}
	components := strings.Join(append([]string{a.Prefix + cmp.Or(a.Component, "main")}, a.More...), " ")
	fmt.Fprintf(&b, "Architectures: %s\nComponents: %s\n", strings.Join(arches, " "), components)
	b.WriteString("MD5Sum:\n")
	for _, name := range sortedKeys(listed) {
		fmt.Fprintf(&b, " %x %8d %s\n", md5.Sum(listed[name]), len(listed[name]), name)
	}
	b.WriteString("SHA256:\n")
	for _, name := range sortedKeys(listed) {
		fmt.Fprintf(&b, " %s %8d %s\n", sum(listed[name]), len(listed[name]), name)
	}
	return b.Bytes()
}

// sign makes an InRelease of a Release; without a key it stays unsigned.
func (a Archive) sign(tb testing.TB, release []byte) []byte {
	tb.Helper()
	if len(a.Keys) == 0 {
		return release
	}
	var keys []*packet.PrivateKey
	for _, k := range a.Keys {
		keys = append(keys, k.entity.PrivateKey)
	}
	at := a.Date
	if at.IsZero() {
		at = time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)
	}
	var b bytes.Buffer
	w, err := clearsign.EncodeMulti(&b, keys, &packet.Config{Time: func() time.Time { return at }})
	if err == nil {
		_, err = w.Write(release)
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		tb.Fatal(err)
	}
	b.WriteByte('\n')
	return b.Bytes()
}

// Add adds the files of another tree, below the folder dir, and returns t.
func (t Tree) Add(dir string, other Tree) Tree {
	for name, data := range other {
		t[path.Join(dir, name)] = data
	}
	return t
}

// Find returns the only path that ends in suffix, and fails the test unless there is
// exactly one.
func (t Tree) Find(tb testing.TB, suffix string) string {
	tb.Helper()
	var found []string
	for _, name := range sortedKeys(t) {
		if strings.HasSuffix(name, suffix) {
			found = append(found, name)
		}
	}
	if len(found) != 1 {
		tb.Fatalf("%d files end in %q: %q", len(found), suffix, found)
	}
	return found[0]
}

func sum(data []byte) string {
	s := sha256.Sum256(data)
	return hex.EncodeToString(s[:])
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
