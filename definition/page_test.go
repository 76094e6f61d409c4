package definition_test

import (
	"errors"
	"path/filepath"
	"testing"

	"nix2gpu/definition"
)

// Every block of the documentation is a valid definition as it is, but for one, which
// depends on a service that it does not define.
func TestPage(t *testing.T) {
	files, _ := filepath.Glob("testdata/page/*.nix")
	if len(files) != 18 {
		t.Fatalf("%d blocks, want 18", len(files))
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			all, err := definition.LoadAll(t.Context(), definition.Ref{Path: file}, definition.Options{})
			var wrong definition.Errors
			if errors.As(err, &wrong) {
				t.Logf("%s", wrong.Report())
			}
			if filepath.Base(file) == "08-custom-app.nix" {
				const want = `testdata/page/08-custom-app.nix:20:9: "my-api" depends on "postgresql": no service "postgresql"`
				if len(wrong) != 1 || wrong[0].Error() != want {
					t.Errorf("got %v\nwant %s", err, want)
				}
				return
			}
			if err != nil {
				t.Error(err)
			}
			for _, r := range all {
				for _, w := range r.Warnings {
					t.Logf("warning: %s: %s", w.Pos, w.Msg)
				}
			}
			if file == "testdata/page/01-inputs.nix" {
				if len(all) != 0 {
					t.Errorf("inputs alone define %d containers", len(all))
				}
			} else if len(all) != 1 || all[0].Project == nil || len(all[0].Project.Services) == 0 {
				t.Errorf("%d containers, want one with services", len(all))
			}
		})
	}
}
