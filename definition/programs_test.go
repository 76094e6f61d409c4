package definition_test

import (
	"encoding/json"
	"errors"
	"regexp"
	"strings"
	"testing"

	"nix2gpu/definition"
	"nix2gpu/project"
)

// hashes matches the beginning of the names of generated files.
var hashes = regexp.MustCompile(`"file":"[0-9a-f]{8}-`)

// Where a command is expected, a package stands for its main program.
func TestMainPrograms(t *testing.T) {
	pkg := func(attr, sub string) string { return `[[{"package":"` + attr + `","sub":"` + sub + `"}]` }
	for value, want := range map[string]string{
		`pkgs.hello`:                    pkg("hello", "/bin/hello") + `]`,
		`pkgs.ripgrep`:                  pkg("ripgrep", "/bin/rg") + `]`,
		`"${pkgs.ripgrep}"`:             pkg("ripgrep", "/bin/rg") + `]`,
		`pkgs.python3Packages.gunicorn`: pkg("python3Packages.gunicorn", "/bin/gunicorn") + `]`,
		`"${pkgs.python3.withPackages (p: [ p.flask ])}"`:                                                       pkg("python3", "/bin/python3") + `]`,
		`pkgs.postgresql.withPackages (p: [ p.hypopg ])`:                                                        pkg("postgresql", "/bin/postgres") + `]`,
		`[ pkgs.ripgrep pkgs.hello ]`:                                                                           pkg("ripgrep", "/bin/rg") + `,[{"package":"hello"}]]`,
		`pkgs.hello // { meta.mainProgram = "other"; }`:                                                         pkg("hello", "/bin/other") + `]`,
		`pkgs.symlinkJoin { name = "tools"; paths = [ pkgs.ripgrep pkgs.curl ]; meta.mainProgram = "curl"; }`:   pkg("curl", "/bin/curl") + `]`,
		`pkgs.python3.withPackages (p: [ p.flask ])`:                                                            pkg("python3", "/bin/python3") + `]`,
		`pkgs.writeShellApplication { name = "app"; text = "true"; }`:                                           `[[{"file":"app"},"/bin/app"]]`,
		`pkgs.writeShellScriptBin "app" "true"`:                                                                 `[[{"file":"app"},"/bin/app"]]`,
		`pkgs.writeShellScript "app" "true"`:                                                                    `[[{"file":"app"}]]`,
		`[ (pkgs.writeShellScript "app" "true") "--flag" ]`:                                                     `[[{"file":"app"}],"--flag"]`,
		`[ (pkgs.writeShellScriptBin "app" "true") "--flag" ]`:                                                  `[[{"file":"app"},"/bin/app"],"--flag"]`,
		`pkgs.writers.writePython3Bin "app" { } "pass"`:                                                         `[[{"file":"app"},"/bin/app"]]`,
		`pkgs.writeTextFile { name = "x"; destination = "/bin/app"; executable = true; text = ""; }`:            `[[{"file":"x"},"/bin/app"]]`,
		`pkgs.writeTextFile { name = "x"; destination = "/libexec/app"; text = ""; meta.mainProgram = "app"; }`: `[[{"file":"x"},"/bin/app"]]`,
		`lib.getExe (pkgs.writeShellScriptBin "app" "true")`:                                                    ``, // a line for the shell, as any string
		`./run.sh`: ``,
	} {
		t.Run(value, func(t *testing.T) {
			dir := folder(t, map[string]string{
				"run.sh": "",
				"nix2gpu.nix": `{ pkgs, lib, ... }: let c = ` + value + `; in {
					services.custom."api" = {
						enable = true;
						command = c;
						shutdown.command = c;
						readiness_probe.exec.command = c;
						liveness_probe.exec.command = c;
					};
				}`}, nil)
			r, err := definition.Load(t.Context(), definition.Ref{Path: dir}, definition.Options{Dir: dir})
			if err != nil {
				t.Fatal(err)
			}
			p := r.Project.Processes["api"]
			for name, c := range map[string]project.Command{
				"command": p.Command, "shutdown": *p.Shutdown.Command,
				"readiness": p.Readiness.Exec.Command, "liveness": p.Liveness.Exec.Command,
			} {
				if want == "" {
					if len(c.Exec) > 0 || c.Shell.IsEmpty() {
						t.Errorf("%s: %v is no line for the shell", name, c)
					}
					continue
				}
				data, err := json.Marshal(c.Exec)
				if err != nil {
					t.Fatal(err)
				}
				if got := hashes.ReplaceAllString(string(data), `"file":"`); got != want {
					t.Errorf("%s: got %s, want %s", name, got, want)
				}
			}
		})
	}
	dir := folder(t, map[string]string{"nix2gpu.nix": `{ pkgs, ... }: {
		services.custom."api" = { enable = true; command = pkgs.writeTextDir "share/x" "text"; };
	}`}, nil)
	_, err := definition.Load(t.Context(), definition.Ref{Path: dir}, definition.Options{Dir: dir})
	if _, ok := errors.AsType[definition.Errors](err); !ok || !strings.Contains(err.Error(), "the package has no main program") {
		t.Errorf("a package without a program: error %v", err)
	}
}

// What a module declares and nobody reads may fail.
func TestUnreadDeclarations(t *testing.T) {
	for _, declaration := range []string{
		`lib.mkOption { type = lib.types.str; default = throw "default"; }`,
		`lib.mkOption { type = throw "type"; default = 1; }`,
		`lib.mkOption { type = lib.types.str; description = throw "description"; }`,
		`lib.mkOption { type = lib.types.submodule { options.x = throw "x"; }; default = { }; }`,
	} {
		for _, in := range []string{
			`{ lib, ... }: { options.my.thing = D; config.services.custom."api" = { enable = true; command = "x"; }; }`,
			`{ perSystem = { lib, ... }: { options.mine = D; config.nix2gpu.web = { lib, ... }: { options.my.thing = D; config.services.custom."api" = { enable = true; command = "x"; }; }; }; }`,
		} {
			dir := folder(t, map[string]string{"nix2gpu.nix": strings.ReplaceAll(in, "D;", declaration+";")}, nil)
			if r, err := definition.Load(t.Context(), definition.Ref{Path: dir}, definition.Options{Dir: dir}); err != nil || r.Project == nil {
				t.Errorf("%s: %v", declaration, err)
			}
		}
		read := `{ lib, config, ... }: { options.my.thing = ` + declaration + `; config.services.custom."api" = { enable = true; command = toString (builtins.seq config.my.thing 1); }; }`
		dir := folder(t, map[string]string{"nix2gpu.nix": read}, nil)
		if _, err := definition.Load(t.Context(), definition.Ref{Path: dir}, definition.Options{Dir: dir}); err == nil && !strings.Contains(declaration, "submodule") {
			t.Errorf("%s is read: no error", declaration)
		}
	}
}
