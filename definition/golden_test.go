package definition_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"

	"nix2gpu/definition"
	"nix2gpu/internal/testkit"
)

// TestGolden loads the definition of each archive and compares what comes out
// with its want files. The comment of an archive has lines "load: REF"; the
// n-th of them has its result in want.n: the project as JSON, the warnings, or
// the errors as people see them.
func TestGolden(t *testing.T) {
	archives, _ := filepath.Glob("testdata/*.txtar")
	if len(archives) == 0 {
		t.Fatal("no archives")
	}
	for _, name := range archives {
		t.Run(strings.TrimSuffix(filepath.Base(name), ".txtar"), func(t *testing.T) {
			archive, err := txtar.ParseFile(name)
			if err != nil {
				t.Fatal(err)
			}
			dir := filepath.Join(t.TempDir(), "app")
			inputs := archive.Files[:0:0]
			wants := map[string]string{}
			for _, f := range archive.Files {
				if strings.HasPrefix(f.Name, "want.") {
					wants[f.Name] = string(f.Data)
					continue
				}
				inputs = append(inputs, f)
				file := filepath.Join(dir, f.Name)
				if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(file, f.Data, 0o644); err != nil {
					t.Fatal(err)
				}
			}
			n := 0
			for line := range strings.Lines(string(archive.Comment)) {
				ref, ok := strings.CutPrefix(strings.TrimSpace(line), "load: ")
				if !ok {
					continue
				}
				n++
				want := "want." + strconv.Itoa(n)
				got := show(t, dir, ref)
				inputs = append(inputs, txtar.File{Name: want, Data: []byte(got)})
				if !testkit.Updating() && got != wants[want] {
					t.Errorf("%s: %s: got\n%s\nwant\n%s(if meant: go test ./definition -update)", name, ref, got, wants[want])
				}
			}
			if n == 0 {
				t.Errorf("%s loads nothing", name)
			}
			if testkit.Updating() {
				archive.Files = inputs
				if err := os.WriteFile(name, txtar.Format(archive), 0o644); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}

func show(t *testing.T, dir, ref string) string {
	t.Helper()
	var out bytes.Buffer
	r, err := definition.Load(t.Context(), definition.ParseRef(ref), definition.Options{Dir: dir, System: "x86_64-linux"})
	var wrong definition.Errors
	switch {
	case errors.As(err, &wrong):
		return strings.ReplaceAll(wrong.Report(), dir, "DIR")
	case err != nil:
		return "error: " + strings.ReplaceAll(err.Error(), dir, "DIR") + "\n"
	case r.Project == nil:
		return "no containers\n"
	}
	for _, w := range r.Warnings {
		out.WriteString("warning: " + w.Pos.String() + ": " + w.Msg + "\n")
	}
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(r.Project); err != nil {
		t.Fatal(err)
	}
	return out.String()
}
