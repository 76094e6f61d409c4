package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A folder of copies is counted by what the program says of each definition.
// write makes files, by their paths below dir.
func write(t *testing.T, dir string, files map[string]string) {
	t.Helper()
	for name, text := range files {
		file := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o777); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o777); err != nil {
			t.Fatal(err)
		}
	}
}

func TestCounts(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a ${folder}") // which no path literal can name
	write(t, dir, map[string]string{
		"services-flake/nix/services/echo.nix":               `{ name, ... }: { config.outputs.settings.processes.${name}.command = "x"; }`,
		"services-flake/nix/services/bad/default.nix":        `{ config.outputs.settings.processes = 1; }`,
		"services-flake/nix/services/bad/part.nix":           `{ }`,
		"services-flake/nix/services/echo_test.nix":          `{ services.echo.a.enable = true; }`,
		"nix2gpu-old/examples/basic.nix":                     `{ perSystem.nix2gpu.basic = { }; }`,
		"nix2gpu-old/examples/basic/_home.nix":               `{ }`,
		"nix2gpu-old/templates/basic/flake.nix":              `{ outputs = { nix2gpu, ... }: { }; }`,
		"nix2gpu-old/templates/basic/default.nix":            `{ perSystem.nix2gpu.basic = { }; }`,
		"nix2gpu-old/services/comfyui.nix":                   `{ config.outputs.settings.processes = { }; }`,
		"process-compose-flake/nix/services/not-counted.nix": `{ }`,
		// It refuses what names the module bad.
		"program": "#!/bin/sh\necho 'a.nix:1:1: note: b' >&2\nif grep -q bad \"$2\"; then echo 'a.nix:1:1: c' >&2; exit 1; fi\n",
	})
	var out strings.Builder
	if err := run(dir, filepath.Join(dir, "program"), &out); err != nil {
		t.Fatal(err)
	}
	const want = `nix2gpu-old: definitions: 2 of 2 pass
  examples/basic       ok
  templates/basic/flake ok
nix2gpu-old: modules by path: 1 of 1 pass
  comfyui              ok
services-flake: modules by path: 1 of 2 pass
  bad                  a.nix:1:1: c
  echo                 ok
services-flake: test definitions, with its modules by path: 0 of 1 pass
  echo                 a.nix:1:1: c
services-flake: test definitions, with the types of nix2gpu: 1 of 1 pass
  echo                 ok
`
	if out.String() != want {
		t.Errorf("got\n%s\nwant\n%s", out.String(), want)
	}
	if err := run(filepath.Join(dir, "nix2gpu-old"), "program", &out); err == nil {
		t.Error("a folder without copies is no error")
	}
}
