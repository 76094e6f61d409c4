package cli

import (
	"bytes"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"nix2gpu/control/client"
	"nix2gpu/rundir"
)

// TestDownOfWhatHasJustEnded: a project that ends between our look for it and our
// request is down, which is what was asked for.
func TestDownOfWhatHasJustEnded(t *testing.T) {
	var out bytes.Buffer
	env := &Env{Stdout: &out, Stderr: &out, Now: time.Now}
	gone := client.New(filepath.Join(t.TempDir(), "control.sock"))
	if err := runDown(t.Context(), env, gone, rundir.Layout{}, downOptions{}); err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(out.String(), "the project: down (") {
		t.Errorf("it said %q", out.String())
	}
}
