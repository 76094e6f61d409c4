package module_test

import (
	"errors"
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
	var text, markdown strings.Builder
	if err := errors.Join(module.WriteText(&text, e.Describe()), module.WriteMarkdown(&markdown, e.Describe())); err != nil {
		t.Fatal(err)
	}
	golden(t, "testdata/describe.golden", text.String())
	golden(t, "testdata/describe.md.golden", markdown.String())
	if docs := module.Describe(options); len(docs) == 0 || docs[0].String() != "command" {
		t.Errorf("Describe = %v", docs)
	}
}
