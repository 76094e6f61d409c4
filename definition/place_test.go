package definition_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"nix2gpu/definition"
)

// Whatever fails, and however deep in a library: there is one error, and it names the line
// that the user wrote. In each definition ▸ stands before the place.
func TestErrorsNameTheUsersLine(t *testing.T) {
	command := func(expr string) string { // for mistakes in one expression
		return "{ pkgs, lib, config, ... }:\n{\n  services.custom.a = {\n    enable = true;\n    command = " + expr + ";\n  };\n}\n"
	}
	services := func(expr string) string {
		return "{ pkgs, lib, config, ... }:\n{\n  services.custom = " + expr + ";\n}\n"
	}
	for _, c := range []struct{ text, want string }{
		// The language.
		{command(`▸foo`), "undefined variable 'foo'"},
		{command(`"x" + ▸foo`), "undefined variable 'foo'"},
		{command(`▸"x" "y"`), "attempt to call something which is not a function but a string"},
		{command(`(▸{ a, b }: a) { a = "x"; }`), "called without required argument 'b'"},
		{command(`({ a }: a) { a = "x"; ▸c = 1; }`), "called with unexpected argument 'c'"},
		{command(`"run ${▸{ a = 1; }}"`), "cannot coerce a set to a string"},
		{command(`toString (1 ▸/ 0)`), "division by zero"},
		{command(`if "a" ▸< 1 then "x" else "y"`), "cannot compare a string with an integer"},
		{command(`▸throw "boom"`), "boom"},
		{command(`{ port = "x"; }.▸prt`), "attribute 'prt' missing"},
		{command(`if ▸1 then "x" else "y"`), "expected a Boolean but found an integer"},
		{command(`▸assert 1 == 2; "x"`), "assertion"},
		{"{ lib, ... }:\nassert ▸lib.assertMsg (1 == 2) \"ports differ\";\n{ services.custom.a = { enable = true; command = \"x\"; }; }\n", "ports differ"},
		{"{ lib, ... }:\nlet a = ▸b; b = a;\nin { services.custom.a = { enable = true; command = a; }; }\n", "infinite recursion"},
		{command(`▸config.services.custom.a.command`), "infinite recursion"},
		{"{ lib, ... }:\nlet f = n: ▸f (n + 1) + 1;\nin { services.custom.a = { enable = true; command = toString (f 0); }; }\n", "stack overflow"},
		// Builtins.
		{command(`toString (▸map (x: x + 1) 5)`), "expected a list but found an integer"},
		{command(`▸builtins.head [ ]`), "called on an empty list"},
		{command(`▸builtins.elemAt [ "a" ] 5`), "index 5"},
		{command(`builtins.head (▸builtins.match "(" "x")`), "invalid regular expression"},
		{command(`▸builtins.readFile ./nofile`), "no such file"},
		{command(`(▸builtins.fromJSON "{ bad").x`), "cannot parse JSON"},
		{command(`(▸builtins.fromTOML "= bad").x`), "while parsing TOML"},
		{services(`▸builtins.listToAttrs [ { nam = "a"; value = { enable = true; command = "x"; }; } ]`), "attribute 'name' missing"},
		{services(`▸removeAttrs { a = { enable = true; command = "x"; }; } "b"`), "expected a list but found a string"},
		// The library.
		{command(`lib.▸mkDefalt "x"`), "attribute 'mkDefalt' missing"},
		{command(`with lib; ▸concatStrngs [ "a" ]`), "undefined variable 'concatStrngs'"},
		{command(`▸lib.concatStringsSep "," "abc"`), "expected a list but found a string"},
		{command(`lib.concatMapStringsSep " " (x: x.▸name) [ { name = "a"; } { nam = "b"; } ]`), "attribute 'name' missing"},
		{command(`▸lib.getAttrFromPath [ "a" "b" ] { a = { }; }`), "cannot find attribute 'a.b'"},
		{command(`▸lib.escapeShellArgs { a = 1; }`), "expected a list but found a set"},
		{command(`▸lib.generators.toINI { } { a = 5; }`), "expected a set but found an integer"},
		{command(`lib.foldl' (a: b: a + ▸b) "" [ 1 2 ]`), "cannot coerce an integer to a string"},
		{command(`toString (lib.sort (a: b: a.▸x < b.x) [ 1 2 ])`), "expected a set with the attribute 'x'"},
		{command(`"${▸pkgs.writeShellScript "x" 5}"`), "cannot coerce an integer to a string"},
		{command(`"run ${▸pkgs.writeText}"`), "cannot coerce a function to a string"},
		{services(`▸lib.genAttrs [ "a" 5 ] (n: { enable = true; command = n; })`), "expected a string but found an integer"},
		{services(`▸lib.filterAttrs (n: v: v) { a = { enable = true; command = "x"; }; }`), "expected a Boolean but found a set"},
		{services(`▸lib.recursiveUpdate { a.enable = true; } 5`), "expected a set but found an integer"},
		{services(`▸lib.listToAttrs (lib.imap1 (i: v: lib.nameValuePair i { enable = true; command = v; }) [ "a" ])`), "expected a string but found an integer"},
		// Modules.
		{"{ lib, ... }:\n{\n  services.custom.▸a = lib.mkIf \"x\" { enable = true; command = \"x\"; };\n}\n", "the condition of mkIf must be a boolean"},
		{"{ lib, ... }:\n{\n  services.custom.▸a = lib.mkMerge { enable = true; };\n}\n", "mkMerge takes a list"},
		{"{ ▸imports = [ ./missing.nix ]; }\n", "no such file"},
		{"{ lib, config, ... }:\n{\n  options.x = lib.mkOption { type = lib.types.int; };\n  config.services.custom.a = { enable = true; command = toString ▸config.x; };\n}\n", "nothing is assigned to it"},
		{"{ lib, config, ... }:\n{\n  options.x = lib.mkOption { type = lib.types.int; };\n  config.services.custom.a = { enable = true; command = \"x${lib.optionalString (▸config.x > 3) \"y\"}\"; };\n}\n", "nothing is assigned to it"},
		{"{ lib, config, ... }:\nlet inherit (config) ▸x; in {\n  options.x = lib.mkOption { type = lib.types.int; };\n  config.services.custom.a = { enable = x > 3; command = toString x; };\n}\n", "nothing is assigned to it"},
		{"{ lib, config, ... }:\n{\n  options.x = lib.mkOption { type = lib.types.int; };\n  config.▸x = \"s\";\n  config.services.custom.a = { enable = true; command = toString config.x; };\n}\n", "x must be a whole number"},
		{"{ lib, config, ... }:\n{\n  options.x = lib.mkOption { type = lib.types.str; apply = s: lib.toUpper s.▸y; };\n  config.x = \"s\";\n  config.services.custom.a = { enable = true; command = config.x; };\n}\n", "expected a set with the attribute 'y'"},
		{services(`{ a = { name, ... }: { enable = true; command = name + ▸1; }; }`), "cannot coerce an integer to a string"},
	} {
		before, after, _ := strings.Cut(c.text, "▸")
		line := strings.Count(before, "\n")
		column := len(before) - strings.LastIndexByte(before, '\n')
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, "nix2gpu.nix"), []byte(before+after), 0o644); err != nil {
			t.Fatal(err)
		}
		_, err := definition.Load(t.Context(), definition.ParseRef(filepath.Join(dir, "nix2gpu.nix")), definition.Options{Dir: dir, System: "x86_64-linux"})
		var wrong definition.Errors
		if !errors.As(err, &wrong) {
			t.Errorf("%s\ngot %v, want errors", c.text, err)
			continue
		}
		place := fmt.Sprintf("nix2gpu.nix:%d:%d", line+1, column)
		if len(wrong) != 1 || !strings.HasSuffix(wrong[0].Pos.String(), place) || !strings.Contains(wrong[0].Msg, c.want) {
			t.Errorf("%s\ngot\n%swant one error at %s: %s", c.text, wrong.Report(), place, c.want)
		}
	}
}
