package definition_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"nix2gpu/definition"
)

// The options that matter to the image are in the project.
func TestImageOptions(t *testing.T) {
	load := func(text string) (*definition.Result, error) {
		file := filepath.Join(t.TempDir(), "nix2gpu.nix")
		for _, folder := range []string{"rootfs", "other"} {
			if err := os.Mkdir(filepath.Join(filepath.Dir(file), folder), 0o755); err != nil {
				t.Fatal(err)
			}
		}
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		return definition.Load(t.Context(), definition.Ref{Path: file}, definition.Options{})
	}
	r, err := load(`{
		copyToRoot = [ ./rootfs (pkgs.writeTextDir "etc/x" "hi") (pkgs.buildEnv { name = "both"; paths = [ pkgs.curl pkgs.jq ]; }) ];
		extraCopyToRoot = ./other;
		registries = [ "ghcr.io/me" ];
		maxLayers = 20;
		exposedPorts = [ 80 "08080" "+81/udp" "3000-3010/udp" ];
		env.lower_case = "is a name too";
		variant = "full";
		services = {};
	}`)
	if err != nil {
		t.Fatal(err)
	}
	c := r.Project.Container
	var texts []string
	for _, text := range c.CopyToRoot {
		texts = append(texts, text.String())
	}
	got := strings.Join(texts, " ")
	if _, after, ok := strings.Cut(got, "-x> "); !ok || !strings.HasPrefix(got, "./rootfs <file ") || after != "<curl> <jq> ./other" {
		t.Errorf("copyToRoot is %s", got)
	}
	if text, _ := c.Env["lower_case"].Text.Literal(); text != "is a name too" {
		t.Errorf("env is %v", c.Env)
	}
	if got := strings.Join(c.ExposedPorts, " "); got != "80/tcp 8080/tcp 81/udp 3000-3010/udp" {
		t.Errorf("exposed ports are %s", got)
	}
	if c.MaxLayers != 20 || c.Variant != "full" || len(c.Registries) != 1 {
		t.Errorf("container is %+v", c)
	}
	for text, notes := range map[string]int{
		`{ perSystem.nix2gpu."web" = { nixConfig = "sandbox = false"; services = {}; }; }`: 1,
		`{ nixConfig = "sandbox = false"; services = {}; }`:                                1,
		// The option of a flake, beside a container of it.
		`{ nixConfig.sandbox = false; perSystem.nix2gpu."web".services = {}; }`: 0,
	} {
		r, err = load(text)
		if err != nil || len(r.Warnings) != notes || notes > 0 && !strings.Contains(r.Warnings[0].Msg, "left out: nixConfig") {
			t.Errorf("%s: %v, %v", text, r, err)
		}
	}
	for text, want := range map[string]string{
		`{ maxLayers = 128; services = {}; }`:       "maxLayers must be from 5 to 127",
		`{ maxLayers = 4; services = {}; }`:         "maxLayers must be from 5 to 127",
		`{ extraEnv."a=b" = "c"; services = {}; }`:  `the name of a variable must not be empty or hold "=": "a=b"`,
		`{ variant = "tiny"; services = {}; }`:      "variant",
		`{ copyToRoot = [ "no" ]; services = {}; }`: "copyToRoot",
	} {
		if _, err := load(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", text, err, want)
		}
	}
}
