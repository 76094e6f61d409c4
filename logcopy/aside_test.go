package logcopy

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// Only what has the time of a rotation in its name was put aside.
func TestIsAside(t *testing.T) {
	const when = "2026-01-02T03-04-05.678"
	for path, c := range map[string]struct {
		log  string
		want bool
	}{
		"/d/web-" + when + ".log":         {"/d/web.log", true},
		"/d/web-" + when + ".log.gz":      {"/d/web.log", true},
		"/d/web-" + when + ".log.gz.part": {"/d/web.log", true},
		"/d/server-" + when:               {"/d/server", true},
		"/d/server-" + when + ".gz":       {"/d/server", true},
		"/d/web-" + when:                  {"/d/web.log", false},
		"/d/events-schema.json":           {"/d/events.json", false},
		"/d/server-main.go":               {"/d/server", false},
		"/d/server.go":                    {"/d/server", false},
		"/d/web.log":                      {"/d/web.log", false},
		"/d/web-" + when + "/x.log":       {"/d/web.log", false},
		"/e/web-" + when + ".log":         {"/d/web.log", false},
	} {
		if got := IsAside(path, c.log); got != c.want {
			t.Errorf("%s of %s: %t, want %t", path, c.log, got, c.want)
		}
	}
}

// The packed file is as old as what it was made of: files go by their age.
func TestPackedKeepsItsAge(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.log")
	when := time.Date(2026, 2, 3, 4, 5, 6, 0, time.UTC)
	if err := errors.Join(os.WriteFile(path, []byte("lines"), 0o640), os.Chtimes(path, when, when)); err != nil {
		t.Fatal(err)
	}
	if !new(Set).pack(path) {
		t.Fatal("it was not packed")
	}
	if info, err := os.Stat(path + packed); err != nil || !info.ModTime().Equal(when) || info.Mode().Perm() != 0o640 {
		t.Errorf("got %v, %v", info, err)
	}
	if _, err := os.Stat(path + part); err == nil {
		t.Error("its part is left")
	}
}
