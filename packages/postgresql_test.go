package packages_test

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"nix2gpu/packages"
)

// Extensions have the names of nixpkgs, and Debian's packages for the server of the release
// or of this machine.
func TestExtensions(t *testing.T) {
	for attr, want := range map[string]string{
		"postgresqlPackages.hypopg":          "bullseye 13 hypopg, bookworm 15 hypopg, trixie 17 hypopg, sid 15 hypopg",
		"postgresql16Packages.plpgsql_check": "bookworm 16 plpgsql-check, trixie 16 plpgsql-check",
		"postgresqlPackages.pg_cron":         "bookworm 15 cron",
		"postgresqlPackages.postgis":         "noble 16 postgis-3",
	} {
		for one := range strings.SplitSeq(want, ", ") {
			f := strings.Fields(one)
			if got := packages.Released(packages.Lookup(attr).Debian, f[0]); !slices.Equal(got, []string{"postgresql-" + f[1] + "-" + f[2]}) {
				t.Errorf("%s in %s is %q", attr, f[0], got)
			}
		}
	}
	for server, want := range map[string]string{
		"postgresql": "postgresqlPackages", "postgresql_16": "postgresql16Packages", "postgresql_jit": "postgresqlPackages",
		"postgresql_17_jit": "postgresql17Packages", "postgresql_99": "postgresqlPackages", "": "postgresqlPackages",
	} {
		if got := packages.ExtensionsOf(server); got != want {
			t.Errorf("the extensions of %s are %s, want %s", server, got, want)
		}
	}
}

func TestExtensionsOfThisMachine(t *testing.T) {
	root := t.TempDir()
	file := func(name, content string) {
		t.Helper()
		name = filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(content), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	h := &packages.Host{Dir: filepath.Join(root, "farm"), Root: root, SearchPath: []string{}}
	missing := func(want string) {
		t.Helper()
		_, err := h.Path("postgresqlPackages.pg_cron")
		var e *packages.MissingError
		if !errors.As(err, &e) || !slices.Equal(e.Debian, []string{want}) {
			t.Errorf("got %v, want that %s is missing", err, want)
		}
	}
	missing("postgresql-15-cron")
	file("etc/os-release", "ID=debian\nVERSION_CODENAME=trixie\n")
	missing("postgresql-17-cron")
	file("usr/lib/postgresql/16/bin/postgres", "")
	missing("postgresql-16-cron")
	file("usr/share/postgresql/16/extension/pg_cron.control", "")
	if _, err := h.Path("postgresqlPackages.pg_cron"); err != nil {
		t.Error(err)
	}
	if _, err := h.Path("postgresql15Packages.pg_cron"); err == nil {
		t.Error("the extension of another server is taken for it")
	}
}
