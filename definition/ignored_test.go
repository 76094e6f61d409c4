package definition_test

import (
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"nix2gpu/definition"
	"nix2gpu/nix/module"
	"nix2gpu/nix/syntax"
)

// everything is a container that sets every option of its own, as
// catalog/testdata/everything does for services.
const everything = `{ pkgs, ... }: {
  services.custom.a = { enable = true; command = "x"; };
  services.mine.it.enable = true;
  exposedPorts."8080/tcp" = { };
  cudaPackages = pkgs.cudaPackages_12_8;
  tailscale = { enable = true; hostname = "h"; tags = [ "tag:a" ]; authKey.secret = "plain"; proxy = [ "a" ]; };
  env.A = "1"; extraEnv.B = "2"; labels.a = "1"; extraLabels.b = "2";
  extraStartupScript = "echo"; sshdConfig = "Port 2222"; systemPackages = [ pkgs.git ];
  aptSources.s = { url = "https://x.example.org"; suite = "stable"; components = [ "main" ]; key = ./key.asc; fingerprint = "B53AE77BADB630A683046005963FA27710458545"; packages = [ "p" ]; };
  archives.tool = { url = "https://example.org/tool.tar.gz"; bin = [ "tool" ]; sha256 = "0000000000000000000000000000000000000000000000000000000000000000"; strip = 2; };
  python.requirements = ./requirements.txt;
  copyToRoot = [ ./root ]; extraCopyToRoot = [ ./more ];
  user = "somebody"; workingDir = "/elsewhere"; tag = "v1"; registries = [ "ghcr.io/me" ]; maxLayers = 20; variant = "full";
  fromImage = "docker.io/x@sha256:0000000000000000000000000000000000000000000000000000000000000000";
  serviceModules = [ ./mine.nix ]; settings.processes.own.command = "y";
  secrets.plain = { file = "/run/secrets/x"; owner = "somebody"; mode = "0440"; path = "/run/x"; };
  secrets.sealed.age = ./x.age; secrets.variable.env = "X";
  age = { enable = true; identityPaths = [ "/etc/key" ]; package = pkgs.age; secretsDir = "/run/other"; secretsMountPoint = "/run/d";
    secrets.one = { file = ./x.age; owner = "somebody"; mode = "0440"; path = "/run/one"; symlink = false; }; secrets.two = { file = ./x.age; name = "dos"; }; };
  home = { }; nimiSettings = { }; nixConfig = "a = b";
  whenDone = "stay"; onFailed = "exit"; stopTimeout = "3s";
  listen = { address = "127.0.0.1:9400"; tokenFile = "/run/token"; certFile = "/etc/cert"; keyFile = "/etc/key"; allow = [ "scale" ]; hosts = [ "h" ]; };
  metrics.listen = "0.0.0.0:9464"; log.maxTotalSize = "1G";
}`

// Each option of a container is taken away: without it the project, the requirements of
// Python, the warnings or the errors differ.
func TestNothingOfAContainerIsIgnored(t *testing.T) {
	readElsewhere := map[string]string{
		"aptSources": "the lock reads it, and asks the repository",
		"archives":   "the lock reads it, and gets the file",
		"age.enable": "true is the default; false takes the secrets away, and is noted",
	}
	dir := t.TempDir()
	for name, text := range map[string]string{"key.asc": "key", "requirements.txt": "numpy==2.0.0\n", "root/a": "a", "more/b": "b", "x.age": "age-encryption.org/v1\n",
		"mine.nix": "{ config, lib, name, ... }: { options.word = lib.mkOption { default = \"\"; }; config.outputs.settings.processes.${name}.command = \"x\"; }"} {
		file := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	result := func(text string) string {
		if err := os.WriteFile(filepath.Join(dir, "nix2gpu.nix"), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		r, err := definition.Load(t.Context(), definition.Ref{Path: "nix2gpu.nix"}, definition.Options{Dir: dir, System: "x86_64-linux"})
		if err != nil {
			return "error: " + err.Error()
		}
		data, err := json.Marshal([]any{r.Project, r.Requirements})
		if err != nil {
			t.Fatal(err)
		}
		var tree any
		if err := json.Unmarshal(data, &tree); err != nil {
			t.Fatal(err)
		}
		stripPlaces(tree)
		if data, err = json.Marshal(tree); err != nil {
			t.Fatal(err)
		}
		for _, w := range r.Warnings {
			data = append(data, w.Msg...)
		}
		return string(data)
	}
	root, err := syntax.Parse("nix2gpu.nix", everything)
	if err != nil {
		t.Fatal(err)
	}
	whole := result(syntax.Print(root))
	if strings.HasPrefix(whole, "error: ") {
		t.Fatal(whole)
	}
	works := map[string]bool{}
	set := root.(*syntax.Lambda).Body.(*syntax.AttrSet)
	var walk func(set *syntax.AttrSet, path []string)
	walk = func(set *syntax.AttrSet, path []string) {
		for i := range set.Attrs {
			at := append(slices.Clone(path), set.Attrs[i].Name)
			all := set.Attrs
			set.Attrs = slices.Delete(slices.Clone(all), i, i+1)
			works[strings.Join(at, ".")] = result(syntax.Print(root)) != whole
			set.Attrs = all
			if inner, ok := set.Attrs[i].Value.(*syntax.AttrSet); ok && at[0] != "services" {
				walk(inner, at)
			}
		}
	}
	walk(set, nil)
	for _, path := range slices.Sorted(maps.Keys(works)) {
		if !works[path] && readElsewhere[strings.Split(path, ".")[0]]+readElsewhere[path] == "" {
			t.Errorf("%s: nothing comes of it, and nothing is said", path)
		}
	}
	options := definition.ContainerOptions()
	delete(options, "services")
	for _, doc := range module.Describe(options) {
		found := doc.AliasOf != "" || doc.String() == "tailscale.authKeyFile" || // the same option as authKey
			readElsewhere[doc.String()] != "" || strings.HasPrefix(doc.Path[0], "cuda") || slices.Contains(doc.Path, "*")
		pattern := strings.Split(doc.String(), ".")
		for path := range works {
			if parts := strings.Split(path, "."); len(parts) == len(pattern) && fits(pattern, parts) {
				found = true
			}
		}
		if last := doc.Path[len(doc.Path)-1]; !found && last != "secret" {
			t.Errorf("the definition of this test does not set %s", doc)
		}
	}
}

func fits(pattern, parts []string) bool {
	for i, p := range pattern {
		if !strings.HasPrefix(p, "<") && p != parts[i] {
			return false
		}
	}
	return true
}

// stripPlaces removes the positions from a project.
func stripPlaces(v any) {
	switch v := v.(type) {
	case map[string]any:
		for name, one := range v {
			if strings.HasSuffix(strings.ToLower(name), "pos") {
				delete(v, name)
				continue
			}
			if name == "options" || name == "notes" {
				delete(v, name) // places of a service's options; notes are compared by their texts
				continue
			}
			stripPlaces(one)
		}
	case []any:
		for _, one := range v {
			stripPlaces(one)
		}
	}
}
