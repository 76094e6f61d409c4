package repo_test

import (
	"os"
	"slices"
	"testing"
	"time"

	"nix2gpu/debian/repo"
)

// NVIDIA's own key, as its repositories have it since 2022, and a message that it has
// signed: the key vouches for itself with SHA-1, which must not make it worthless. The
// message is that of cuda-keyring 1.0, in
// https://github.com/NVIDIA/cuda-repo-management/blob/main/SIGNATURES.md.
func TestNVIDIAKey(t *testing.T) {
	read := func(name string) []byte {
		data, err := os.ReadFile("testdata/" + name)
		if err != nil {
			t.Fatal(err)
		}
		return data
	}
	ring, err := repo.NewKeyring(read("nvidia.asc"))
	if err != nil {
		t.Fatal(err)
	}
	prints, err := ring.Fingerprints()
	if err != nil || !slices.Equal(prints, []string{"EB693B3035CD5710E231E123A4B469963BF863CC"}) {
		t.Errorf("the key is %v, %v", prints, err)
	}
	message := read("nvidia-signed.txt")
	now := time.Date(2026, 6, 1, 0, 0, 0, 0, time.UTC)
	if _, err := repo.Verify(message, ring, now); err != nil {
		t.Errorf("what it has signed: %v", err)
	}
	message[len("-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA512\n\nVersion: ")] = '5'
	if _, err := repo.Verify(message, ring, now); err == nil {
		t.Error("what was changed is believed")
	}
}
