package definition_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"nix2gpu/definition"
)

func TestParseRef(t *testing.T) {
	for s, want := range map[string]definition.Ref{
		"":                   {},
		".":                  {Path: "."},
		"#web":               {Container: "web"},
		".#web":              {Path: ".", Container: "web"},
		"sub/x.nix":          {Path: "sub/x.nix"},
		"path:./sub#web":     {Path: "./sub", Container: "web"},
		".#nix2gpu.web":      {Path: ".", Container: "web"},
		`.#nix2gpu."my-web"`: {Path: ".", Container: "my-web"},
	} {
		if got := definition.ParseRef(s); got != want {
			t.Errorf("ParseRef(%q) = %+v, want %+v", s, got, want)
		}
	}
}

func TestIsRef(t *testing.T) {
	for word, want := range map[string]bool{
		".": true, "./x": true, "x/y": true, "#web": true, "x.nix": true, "x.yaml": true, "x.yml": true, "x.json": true, ".hidden": true,
		"postgresql": false, "postgresql.main-db": false, "my-api": false, "nix": false,
	} {
		if got := definition.IsRef(word); got != want {
			t.Errorf("IsRef(%q) = %t", word, got)
		}
	}
}

func TestDiscover(t *testing.T) {
	const with, without, own = `{ outputs = _: { nix2gpu.x86_64-linux.web = { }; }; }`, `{ outputs = _: { packages = { }; }; }`, `{ services = { }; }`
	for name, c := range map[string]struct {
		files map[string]string
		want  string
		err   string
	}{
		"nothing":                       {err: "no definition here"},
		"own":                           {files: map[string]string{"nix2gpu.nix": own}, want: "nix2gpu.nix"},
		"flake":                         {files: map[string]string{"flake.nix": with}, want: "flake.nix"},
		"both":                          {files: map[string]string{"flake.nix": with, "nix2gpu.nix": own}, want: "flake.nix"},
		"a flake of something else":     {files: map[string]string{"flake.nix": without}, err: "no definition here"},
		"such a flake and our own":      {files: map[string]string{"flake.nix": without, "nix2gpu.nix": own}, want: "nix2gpu.nix"},
		"a broken flake":                {files: map[string]string{"flake.nix": "{ outputs = "}, err: "flake.nix:1:13"},
		"a broken flake beside our own": {files: map[string]string{"flake.nix": "{ outputs = ", "nix2gpu.nix": own}, want: "nix2gpu.nix"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			for file, text := range c.files {
				if err := os.WriteFile(filepath.Join(dir, file), []byte(text), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			got, err := definition.Discover(t.Context(), dir, definition.Options{Dir: dir, System: "x86_64-linux"})
			switch {
			case c.err == "" && (err != nil || filepath.Base(got) != c.want):
				t.Errorf("found %q, %v, want %q", got, err, c.want)
			case c.err != "" && (err == nil || !strings.Contains(err.Error(), c.err)):
				t.Errorf("found %q, %v, want the error %s", got, err, c.err)
			case c.err == "no definition here" && !errors.Is(err, definition.ErrNoDefinition):
				t.Errorf("%v is not ErrNoDefinition", err)
			}
		})
	}
}
