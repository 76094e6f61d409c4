package cli

import (
	"errors"
	"strings"
	"testing"

	"nix2gpu/control"
	"nix2gpu/project"
)

func TestServerThatAReloadHasRemoved(t *testing.T) {
	_, err := serverOf(&project.Project{}, control.Service{ID: "postgresql.db", Label: "db", Type: "postgresql"}, "/run")
	if !errors.Is(err, control.ErrNotFound) || !strings.Contains(err.Error(), `a reload has removed "db" just now`) {
		t.Errorf("%v", err)
	}
}

// A dump that says where it begins says where it ends, whatever pieces it comes in.
func TestIncompleteDumps(t *testing.T) {
	long := strings.Repeat("INSERT INTO t VALUES (1);\n", 500)
	for name, c := range map[string]struct {
		dump string
		want bool
	}{
		"PostgreSQL":     {"--\n-- PostgreSQL database dump\n--\n" + long + "--\n-- PostgreSQL database dump complete\n--\n\n\\unrestrict abc\n", false},
		"cut PostgreSQL": {"--\n-- PostgreSQL database dump\n--\n" + long, true},
		"MariaDB":        {"/*M!999999\\- enable the sandbox mode */ \n-- MariaDB dump 10.19\n" + long + "-- Dump completed\n", false},
		"cut MySQL":      {"-- MySQL dump 8.4\n" + long, true},
		"short":          {"-- MySQL dump 8.4\n-- Dump completed on 2026-01-01\n", false},
		"a person's":     {long, false},
		"nothing":        {"", false},
	} {
		for _, size := range []int{1, 7, 1000, 1 << 20} {
			r := &dumpReader{Reader: strings.NewReader(c.dump)}
			for b := make([]byte, size); ; {
				if _, err := r.Read(b); err != nil {
					break
				}
			}
			if got := r.incomplete(); got != c.want || r.err != nil {
				t.Errorf("%s by %d bytes: incomplete %t, %v", name, size, got, r.err)
			}
		}
	}
}
