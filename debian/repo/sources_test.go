package repo_test

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ProtonMail/go-crypto/openpgp"
	"github.com/ProtonMail/go-crypto/openpgp/armor"
	"github.com/ProtonMail/go-crypto/openpgp/packet"
	"github.com/google/go-cmp/cmp"

	"nix2gpu/debian/repo"
	"nix2gpu/internal/debtest"
	"nix2gpu/internal/testkit"
)

func TestParseSourcesList(t *testing.T) {
	got, err := repo.ParseSourcesList("/l", `# remark
deb http://a.example/debian bookworm main contrib # remark
deb-src http://a.example/debian bookworm main

  deb [arch=amd64,arm64 signed-by=/k.gpg check-valid-until=no trusted=yes] https://b.example/x ./
`)
	want := []repo.Source{
		{File: "/l", Line: 2, URLs: []string{"http://a.example/debian"}, Suites: []string{"bookworm"}, Components: []string{"main", "contrib"}, CheckValidUntil: true},
		{File: "/l", Line: 5, URLs: []string{"https://b.example/x"}, Suites: []string{"./"}, Components: []string{}, Arches: []string{"amd64", "arm64"}, SignedBy: "/k.gpg"},
	}
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("%v\n%s", err, diff)
	}
	for text, want := range map[string]string{
		"\nrpm x":                     `/l:2: "rpm" must be deb or deb-src`,
		"deb [a=b http://x y z":       `/l:1: the options have no end: a "]" is missing`,
		"deb [a] http://x y z":        `/l:1: option "a" must be name=value`,
		"deb http://x":                `/l:1: an entry needs a URL and a suite`,
		"deb http://x bookworm":       `/l:1: suite "bookworm": components are for suites that do not end in a slash, and those need them`,
		"deb http://x bookworm/ main": `/l:1: suite "bookworm/": components are for suites that do not end in a slash, and those need them`,
	} {
		if _, err := repo.ParseSourcesList("/l", text); err == nil || err.Error() != want {
			t.Errorf("%q: %v, want %s", text, err, want)
		}
	}
}

func TestParseSources(t *testing.T) {
	got, err := repo.ParseSources("/s", `# head
Types: deb deb-src
# between
URIs: http://a.example/debian
Suites: bookworm
# within a field
 bookworm-updates
Components: main
Signed-By:
 -----BEGIN PGP PUBLIC KEY BLOCK-----
 .
 abc
 -----END PGP PUBLIC KEY BLOCK-----

Enabled: no
Types: deb

Types: deb-src
URIs: http://none

Types: deb
Architectures: amd64
URIs: http://b.example
Suites: ./
Check-Valid-Until: no
`)
	want := []repo.Source{
		{
			File: "/s", Line: 2, URLs: []string{"http://a.example/debian"}, Suites: []string{"bookworm", "bookworm-updates"}, Components: []string{"main"},
			SignedBy: "-----BEGIN PGP PUBLIC KEY BLOCK-----\n .\n abc\n -----END PGP PUBLIC KEY BLOCK-----", CheckValidUntil: true,
		},
		{File: "/s", Line: 21, URLs: []string{"http://b.example"}, Suites: []string{"./"}, Components: []string{}, Arches: []string{"amd64"}},
	}
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("%v\n%s", err, diff)
	}
	for text, want := range map[string]string{
		"\nURIs: x":                      `/s:2: a paragraph without Types: deb`,
		"Types: deb\nURIs: x":            `/s:1: a paragraph needs URIs and Suites`,
		"Types: deb\nURIs: x\nSuites: y": `/s:1: suite "y": components are for suites that do not end in a slash, and those need them`,
	} {
		if _, err := repo.ParseSources("/s", text); err == nil || err.Error() != want {
			t.Errorf("%q: %v, want %s", text, err, want)
		}
	}
}

func FuzzSources(f *testing.F) {
	f.Add("Types: deb\nURIs: http://x\nSuites: y\nComponents: main\n")
	f.Add("deb [a=b] http://x y z\n#\n")
	f.Fuzz(func(t *testing.T, text string) {
		for _, parse := range []func(file, text string) ([]repo.Source, error){repo.ParseSources, repo.ParseSourcesList} {
			got, err := parse("f", text)
			for _, s := range got {
				if s.Line < 1 || s.Line > 1+strings.Count(text, "\n") || len(s.URLs) == 0 || len(s.Suites) == 0 {
					t.Errorf("%q: %+v", text, s)
				}
			}
			if err != nil && !strings.HasPrefix(err.Error(), "f:") {
				t.Errorf("%q: an error without place: %v", text, err)
			}
		}
	})
}

// machine writes files below a root folder.
func machine(t *testing.T, files map[string]string) string {
	t.Helper()
	root := t.TempDir()
	for name, text := range files {
		file := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

func TestReadSources(t *testing.T) {
	root := machine(t, map[string]string{
		"etc/apt/sources.list":                  "deb http://one x main\n",
		"etc/apt/sources.list.d/b.list":         "deb http://two x main\n",
		"etc/apt/sources.list.d/a.sources":      "Types: deb\nURIs: http://three\nSuites: x\nComponents: main\n",
		"etc/apt/sources.list.d/c.sources.save": "rubbish",
	})
	all, err := repo.ReadSources(root)
	var got []string
	for _, s := range all {
		got = append(got, s.URLs[0])
	}
	if want := []string{"http://one", "http://three", "http://two"}; !cmp.Equal(got, want) || err != nil {
		t.Errorf("got %q, %v, want %q", got, err, want)
	}
	if all, err := repo.ReadSources(t.TempDir()); len(all) > 0 || err != nil {
		t.Errorf("a machine without apt has %v, %v", all, err)
	}
	if err := os.WriteFile(filepath.Join(root, "etc/apt/sources.list.d/d.list"), []byte("x"), 0o644); err != nil {
		t.Fatal(err)
	}
	_, err = repo.ReadSources(root)
	wantError(t, err, "/etc/apt/sources.list.d/d.list:1: ")
}

// archives prints what a place comes to: "name url suite".
func archives(t *testing.T, p repo.Place) string {
	t.Helper()
	all, err := p.Archives()
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, a := range all {
		out = append(out, strings.Join(append([]string{a.Name, a.URL, a.Suite}, a.Mirrors...), " "))
	}
	return strings.Join(out, "\n")
}

func TestPlace(t *testing.T) {
	source := func(url string, suites ...string) repo.Source {
		return repo.Source{File: "/f", Line: 1, URLs: []string{url}, Suites: suites, Components: []string{"main"}, CheckValidUntil: true}
	}
	several := func(s repo.Source, urls ...string) repo.Source { s.URLs = urls; return s }
	for name, test := range map[string]struct {
		place repo.Place
		want  string
	}{
		"a mirror": {
			repo.Place{Mirror: "http://m.example/debian/", Sources: []repo.Source{source("http://no", "bookworm")}},
			"debian http://m.example/debian bookworm\ndebian http://m.example/debian bookworm-updates\ndebian-security http://m.example/debian-security bookworm-security",
		},
		"the machine's sources": {
			repo.Place{Sources: []repo.Source{source("http://other", "stable"), source("http://a.example/d/", "bookworm", "bookworm-updates"), source("https://b.example/s", "bookworm-security"), source("http://late", "bookworm")}},
			"debian http://a.example/d bookworm http://late\ndebian http://a.example/d bookworm-updates\ndebian-security https://b.example/s bookworm-security",
		},
		"several URLs, some that cannot be used": {
			repo.Place{Sources: []repo.Source{several(source("", "bookworm"), "file:/srv", "http://a.example/d", "http://b.example/d/", "http://a.example/d/")}},
			"debian http://a.example/d bookworm http://b.example/d\ndebian http://a.example/d bookworm-updates http://b.example/d\ndebian-security http://a.example/d-security bookworm-security http://b.example/d-security",
		},
		"an entry that believes other keys is no mirror": {
			repo.Place{Sources: []repo.Source{source("http://a.example/d", "bookworm"), {URLs: []string{"http://b.example/d"}, Suites: []string{"bookworm"}, Components: []string{"main"}, SignedBy: "/k.asc", CheckValidUntil: true}}},
			"debian http://a.example/d bookworm\ndebian http://a.example/d bookworm-updates\ndebian-security http://a.example/d-security bookworm-security",
		},
		"a source for the release alone": {
			repo.Place{Sources: []repo.Source{source("http://a.example/debian", "bookworm")}},
			"debian http://a.example/debian bookworm\ndebian http://a.example/debian bookworm-updates\ndebian-security http://a.example/debian-security bookworm-security",
		},
		"another release": {
			repo.Place{Suite: "trixie", Mirror: "http://m", Others: []repo.Archive{{Name: "x", URL: "http://x", Suite: "./"}}},
			"debian http://m trixie\ndebian http://m trixie-updates\ndebian-security http://m-security trixie-security\nx http://x ./",
		},
	} {
		if got := archives(t, test.place); got != test.want {
			t.Errorf("%s:\n%s\nwant\n%s", name, got, test.want)
		}
	}
	for _, test := range []struct {
		place repo.Place
		want  string
	}{
		{repo.Place{Mirror: "ftp://x"}, `not supported: an archive at "ftp://x"`},
		{repo.Place{Mirror: "http://x?y"}, `"http://x?y" must be the URL of a folder`},
		{repo.Place{Suite: "../x"}, `suite "../x" must be the name of a Debian release`},
		{repo.Place{Keyring: []byte("no keys")}, "keyring: no OpenPGP key"},
		{repo.Place{Sources: []repo.Source{several(source("", "bookworm"), "cdrom:x", "cdrom:y")}}, `/f:1: not supported: an archive at "cdrom:x"`},
	} {
		_, err := test.place.Archives()
		wantError(t, err, test.want)
	}
}

// Signed-By may be a file, keys in place, or fingerprints; --keyring overrides it.
func TestSignedBy(t *testing.T) {
	key, other := debtest.NewKey(t, 0), debtest.NewKey(t, 0)
	root := machine(t, map[string]string{"k.asc": string(key.Public(t)), "bad": "x"})
	inPlace := "\n " + strings.ReplaceAll(strings.ReplaceAll(string(key.Public(t)), "\n\n", "\n.\n"), "\n", "\n ")
	debian := "4D64FEC119C2029067D6E791F8D2585B8783D481"
	for signedBy, want := range map[string]string{"/k.asc": key.Fingerprint(), inPlace: key.Fingerprint(), strings.ToLower(debian): debian} {
		source := repo.Source{File: "/f", Line: 1, URLs: []string{"http://x"}, Suites: []string{"bookworm"}, Components: []string{"main"}, SignedBy: signedBy}
		all, err := repo.Place{Root: root, Sources: []repo.Source{source}}.Archives()
		if err != nil {
			t.Errorf("%.20q: %v", signedBy, err)
			continue
		}
		if got, err := all[0].Keys.Fingerprints(); err != nil || !cmp.Equal(got, []string{want}) {
			t.Errorf("%.20q: keys %q, %v, want %q", signedBy, got, err, want)
		}
		if all, err = (repo.Place{Root: root, Keyring: other.Public(t), Sources: []repo.Source{source}}).Archives(); err != nil {
			t.Fatal(err)
		}
		if got, _ := all[0].Keys.Fingerprints(); !cmp.Equal(got, []string{other.Fingerprint()}) {
			t.Errorf("--keyring beside %.20q: keys %q", signedBy, got)
		}
	}
	for signedBy, want := range map[string]string{
		"/none": "/f:1: Signed-By: cannot read the keys: ", "/bad": "/f:1: Signed-By: /bad: no OpenPGP key", "/a /b": `/f:1: Signed-By: not supported: several files, ["/a" "/b"]`,
	} {
		source := repo.Source{File: "/f", Line: 1, URLs: []string{"http://x"}, Suites: []string{"bookworm"}, Components: []string{"main"}, SignedBy: signedBy}
		_, err := repo.Place{Root: root, Sources: []repo.Source{source}}.Archives()
		wantError(t, err, want)
	}
}

// bareKeys are the keys of blocks in armour, each with the signatures that are its own.
func bareKeys(t *testing.T, armoured []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	for r := bytes.NewReader(armoured); ; {
		block, err := armor.Decode(r)
		if errors.Is(err, io.EOF) {
			return out.Bytes()
		}
		if err != nil {
			t.Fatal(err)
		}
		keys, err := openpgp.ReadKeyRing(block.Body)
		if err != nil || len(keys) != 1 || len(keys[0].Identities) != 1 {
			t.Fatalf("keys %v, %v, want one of one name", keys, err)
		}
		key := keys[0]
		key.Signatures = nil // who else might revoke it
		for _, name := range key.Identities {
			name.Signatures = []*packet.Signature{name.SelfSignature}
		}
		if err := key.Serialize(&out); err != nil {
			t.Fatal(err)
		}
	}
}

// Each key that is built in is the one whose fingerprint stands above it in debian.asc.
func TestDebianKeyring(t *testing.T) {
	data, err := os.ReadFile("debian.asc")
	if err != nil {
		t.Fatal(err)
	}
	var want []string
	for line := range strings.Lines(string(data)) {
		if f, ok := strings.CutPrefix(line, "Fingerprint: "); ok {
			want = append(want, strings.TrimSpace(f))
		}
	}
	testkit.Golden(t, "debian.pgp", bareKeys(t, data))
	got, err := repo.DebianKeyring().Fingerprints()
	if !cmp.Equal(got, want) || len(got) != 9 || err != nil {
		t.Errorf("keys %q, %v, want %q", got, err, want)
	}
	// And Debian's package has the same.
	if _, err := os.Stat("/usr/share/keyrings/debian-archive-keyring.gpg"); err != nil {
		t.Skip("debian-archive-keyring is not installed: apt-get install debian-archive-keyring")
	}
	data, err = os.ReadFile("/usr/share/keyrings/debian-archive-keyring.gpg")
	if err != nil {
		t.Fatal(err)
	}
	ring, err := repo.NewKeyring(data)
	if err != nil {
		t.Fatal(err)
	}
	installed, err := ring.Fingerprints()
	for _, f := range got {
		if err != nil || !strings.Contains(strings.Join(installed, " "), f) {
			t.Errorf("Debian's package has no key %s: %v", f, err)
		}
	}
}
