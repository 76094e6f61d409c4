package definition_test

import (
	"path/filepath"
	"strings"
	"testing"

	"nix2gpu/definition"
)

// An extension that no Debian package is known for is remarked, with its place and the package
// that it is taken for, in whichever way it is named.
func TestExtensionsThatDebianLacks(t *testing.T) {
	for text, want := range map[string]string{
		`extensions = e: [ e.nosuch ];`:                                           `2:21: extension "nosuch" is none that Debian 12 has; it is taken for the Debian package postgresql-15-nosuch`,
		`extensions = with pkgs.postgresql15Packages; [ pg_crom ];`:               `2:48: extension "pg_crom" is none that Debian 12 has; it is taken for the Debian package postgresql-15-pg-crom (did you mean "pg_cron"?)`,
		`package = pkgs.postgresql.withPackages (ps: [ ps.hipopg ]);`:             `2:50: extension "hipopg" is none that Debian 12 has; it is taken for the Debian package postgresql-15-hipopg (did you mean "hypopg"?)`,
		`extensions = e: [ e.hypopg e.pg_qualstats e.plpgsql_check e.pgvector ];`: "",
	} {
		file := filepath.Join(folder(t, map[string]string{"nix2gpu.nix": "{ pkgs, ... }: { services.postgresql.a = { enable = true;\n" + text + "\n}; }"}, nil), "nix2gpu.nix")
		loaded, err := definition.Load(t.Context(), definition.Ref{Path: file}, definition.Options{System: "x86_64-linux"})
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		var got []string
		for _, n := range loaded.Project.Notes {
			got = append(got, strings.TrimPrefix(n.Pos.String(), "nix2gpu.nix:")+": "+n.Text)
		}
		if strings.Join(got, "\n") != want {
			t.Errorf("%s: notes\n%s\nwant\n%s", text, strings.Join(got, "\n"), want)
		}
	}
}
