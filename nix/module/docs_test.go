package module_test

import (
	"fmt"
	"strings"
	"testing"

	"nix2gpu/nix/module"
)

// TestDescribe documents options of Go and of Nix together.
func TestDescribe(t *testing.T) {
	e := evaluate(t, "more.nix", `{ lib, config, pkgs, ... }: {
		options.more = lib.mkOption {
			type = lib.types.listOf (lib.types.submodule ({ name, ... }: {
				options.it = lib.mkOption { type = lib.types.either lib.types.int lib.types.str; default = name; defaultText = lib.literalExpression "name"; };
				options.on = lib.mkEnableOption "it";
			}));
			default = [ ];
			example = [ { it = 3; } ];
			description = "More.";
		};
		options.hidden = lib.mkOption { internal = true; };
		options.pkg = lib.mkPackageOption pkgs "hello" { };
	}`)
	var b strings.Builder
	for _, d := range e.Describe() {
		fmt.Fprintf(&b, "%s: %s\n", d, d.Type)
		for _, line := range []string{"default " + d.Default, "example " + d.Example, "about " + d.Description, "declared " + fmt.Sprint(d.Declared)} {
			if !strings.HasSuffix(line, " ") && line != "declared []" {
				fmt.Fprintf(&b, "    %s\n", line)
			}
		}
	}
	golden(t, "testdata/describe.golden", b.String())
	if docs := module.Describe(options); len(docs) == 0 || docs[0].String() != "command" {
		t.Errorf("Describe = %v", docs)
	}
}
