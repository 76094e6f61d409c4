// Package examples runs each example as its reader would: the real binary,
// real servers, a real client. Each stack has a network namespace of its own,
// so the ports that the examples name never clash.
package examples

import (
	"os"
	"testing"

	"nix2gpu/internal/engine"
	"nix2gpu/internal/testkit"
)

func TestMain(m *testing.M) {
	code := m.Run()
	engine.Stop()
	testkit.RemoveBinary()
	os.Exit(code)
}
