package debtest

import (
	"testing"

	"nix2gpu/debian/repo"
)

// MachineArchives returns the archives of this machine's Debian, by its own sources.
func MachineArchives(tb testing.TB) []repo.Archive {
	tb.Helper()
	sources, err := repo.ReadSources("/")
	if err != nil {
		tb.Fatal(err)
	}
	archives, err := repo.Place{Sources: sources}.Archives()
	if err != nil {
		tb.Fatal(err)
	}
	return archives
}

// Mirror returns a client of archives with a cache of its own, until the end of the test.
func Mirror(tb testing.TB, archives []repo.Archive) *repo.Client {
	tb.Helper()
	client, err := repo.NewClient(tb.Context(), repo.Options{Cache: tb.TempDir(), Archives: archives})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { client.Close() })
	return client
}
