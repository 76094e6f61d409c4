package definition_test

import (
	"errors"
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

// In a folder the first candidate that defines containers counts, and a broken one is
// no reason to take another.
func TestDiscover(t *testing.T) {
	const with, without, own = `{ outputs = _: { nix2gpu.x86_64-linux.web = { }; }; }`, `{ outputs = _: { packages = { }; }; }`, `{ services = { }; }`
	const mentions = `{ outputs = _: { packages.nix2gpu = { }; }; }`
	for name, c := range map[string]struct {
		files map[string]string
		want  string
		none  bool // without containers
		err   string
	}{
		"nothing":                        {err: "no definition here"},
		"a folder of that name":          {files: map[string]string{"nix2gpu.nix/default.nix": own}, err: "no definition here"},
		"own":                            {files: map[string]string{"nix2gpu.nix": own}, want: "nix2gpu.nix"},
		"flake":                          {files: map[string]string{"flake.nix": with}, want: "flake.nix"},
		"both":                           {files: map[string]string{"flake.nix": with, "nix2gpu.nix": own}, want: "flake.nix"},
		"a flake of something else":      {files: map[string]string{"flake.nix": without}, want: "flake.nix", none: true},
		"such a flake and our own":       {files: map[string]string{"flake.nix": without, "nix2gpu.nix": own}, want: "nix2gpu.nix"},
		"one that mentions us, and ours": {files: map[string]string{"flake.nix": mentions, "nix2gpu.nix": own}, want: "nix2gpu.nix"},
		"a broken flake":                 {files: map[string]string{"flake.nix": "{ outputs = "}, err: "flake.nix:1:13"},
		"a broken flake beside our own":  {files: map[string]string{"flake.nix": "{ outputs = ", "nix2gpu.nix": own}, want: "nix2gpu.nix"},
		"a broken flake of ours":         {files: map[string]string{"flake.nix": "{ outputs = # nix2gpu", "nix2gpu.nix": own}, err: "flake.nix:1:"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := folder(t, c.files, nil)
			r, err := definition.Load(t.Context(), definition.Ref{}, definition.Options{Dir: dir, System: "x86_64-linux"})
			switch {
			case c.err == "" && (err != nil || filepath.Base(r.File) != c.want || (r.Project == nil) != c.none):
				t.Errorf("found %+v, %v, want %q", r, err, c.want)
			case c.err != "" && (err == nil || !strings.Contains(err.Error(), c.err)):
				t.Errorf("found %+v, %v, want the error %s", r, err, c.err)
			case c.err == "no definition here" && !errors.Is(err, definition.ErrNoDefinition):
				t.Errorf("%v is not ErrNoDefinition", err)
			}
		})
	}
}
