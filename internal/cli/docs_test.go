package cli_test

import (
	"bytes"
	"io"
	"os"
	"testing"

	"nix2gpu/internal/cli"
	"nix2gpu/internal/testkit"
)

func TestReferenceIsFresh(t *testing.T) {
	for name, write := range map[string]func(io.Writer) error{
		"cli.md":        cli.WriteReference,
		"exit-codes.md": cli.WriteExitCodes,
	} {
		var b bytes.Buffer
		if err := write(&b); err != nil {
			t.Fatal(err)
		}
		path := "../../docs/reference/" + name
		if testkit.Updating() {
			if err := os.WriteFile(path, b.Bytes(), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		page, err := os.ReadFile(path)
		if err != nil || !bytes.Equal(page, b.Bytes()) {
			t.Errorf("%s is stale (%v): go test ./internal/cli -update", path, err)
		}
	}
}
