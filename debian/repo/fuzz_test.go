package repo_test

import (
	"bytes"
	"testing"

	"nix2gpu/debian/repo"
	"nix2gpu/internal/debtest"
)

// FuzzVerify wants that nothing but what the key has signed is ever returned.
func FuzzVerify(f *testing.F) {
	key := debtest.NewKey(f, 0)
	signed := debtest.Archive{Keys: []*debtest.Key{key}, Debs: []debtest.Deb{{Name: "app"}}}.Tree(f)["dists/bookworm/InRelease"]
	ring, err := repo.NewKeyring(key.Public(f))
	if err != nil {
		f.Fatal(err)
	}
	text, err := repo.Verify(signed, ring, now())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(signed)
	f.Add(bytes.ReplaceAll(signed, []byte("\n"), []byte("\r\n")))
	f.Add(append(bytes.Clone(signed), signed...))
	f.Add([]byte("-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA256\n\nx\n-----BEGIN PGP SIGNATURE-----\n\n=\n-----END PGP SIGNATURE-----\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		got, err := repo.Verify(data, ring, now())
		// Blanks at the ends of lines are not signed.
		if err == nil && !bytes.Equal(trimLines(got), trimLines(text)) {
			t.Errorf("accepted: %q", got)
		}
	})
}

func trimLines(text []byte) []byte {
	var out [][]byte
	for line := range bytes.Lines(text) {
		out = append(out, bytes.TrimRight(line, " \t\r\n"))
	}
	return bytes.TrimRight(bytes.Join(out, []byte("\n")), "\n")
}

// FuzzKeyring wants of any file keys or an error.
func FuzzKeyring(f *testing.F) {
	f.Add(debtest.NewKey(f, 0).Public(f))
	f.Add([]byte("\x99\x01"))
	f.Fuzz(func(t *testing.T, data []byte) {
		ring, err := repo.NewKeyring(data)
		if err != nil {
			return
		}
		if prints, err := ring.Fingerprints(); err != nil || len(prints) == 0 {
			t.Errorf("a keyring without keys: %q, %v", prints, err)
		}
	})
}
