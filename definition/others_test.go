package definition_test

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"

	"nix2gpu/definition"
)

// Definitions in the forms that other programs of this name have had pass as they stand:
// each file whose name begins with "def-" in testdata/others/others.txtar. Its first line
// says which services it has, and the lines of comments after that are its notes.
func TestDefinitionsOfOthers(t *testing.T) {
	archive, err := txtar.ParseFile("testdata/others/others.txtar")
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]string{}
	for _, f := range archive.Files {
		files[f.Name] = string(f.Data)
	}
	dir := folder(t, files, nil)
	for _, name := range slices.Sorted(maps.Keys(files)) {
		if !strings.HasPrefix(filepath.Base(name), "def-") && filepath.Base(name) != "flake.nix" {
			continue
		}
		r, err := definition.Load(t.Context(), definition.Ref{Path: filepath.Join(dir, name)}, definition.Options{System: "x86_64-linux"})
		if err != nil || r.Project == nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		var ids []string
		for id := range r.Project.Services {
			ids = append(ids, string(id))
		}
		slices.Sort(ids)
		got := "# services: " + strings.Join(ids, " ") + "\n"
		for _, w := range r.Warnings {
			got += "# note: " + w.Msg + "\n"
		}
		text, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		want := ""
		for line := range strings.Lines(string(text)) {
			if !strings.HasPrefix(line, "# ") {
				break
			}
			want += line
		}
		if strings.ReplaceAll(got, ": \n", ":\n") != want {
			t.Errorf("%s: got\n%swant\n%s", name, got, want)
		}
	}
}
