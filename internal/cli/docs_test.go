package cli_test

import (
	"bytes"
	"flag"
	"os"
	"testing"

	"nix2gpu/internal/cli"
)

var update = flag.Bool("update", false, "rewrite the reference page")

const referencePage = "../../docs/reference/cli.md"

func TestReferenceIsFresh(t *testing.T) {
	var b bytes.Buffer
	if err := cli.WriteReference(&b); err != nil {
		t.Fatal(err)
	}
	if *update {
		if err := os.WriteFile(referencePage, b.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	page, err := os.ReadFile(referencePage)
	if err != nil || !bytes.Equal(page, b.Bytes()) {
		t.Errorf("%s is stale (%v): go test ./internal/cli -update", referencePage, err)
	}
}
