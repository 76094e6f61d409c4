package module_test

import (
	"context"
	"strings"
	"testing"
	"testing/fstest"

	"nix2gpu/nix/eval"
	"nix2gpu/nix/module"
)

// The functions of lib that read folders find what Git, Cabal and Nix put there.
func TestLibReadsFolders(t *testing.T) {
	m := fstest.MapFS{}
	for name, text := range map[string]string{
		"plain/.git/HEAD":                     "ref: refs/heads/main\n",
		"plain/.git/refs/heads/main":          "1111\n",
		"packed/.git/HEAD":                    "ref: refs/heads/main\n",
		"packed/.git/packed-refs":             "# pack-refs\n2222 refs/heads/other\n3333 refs/heads/main\n",
		"lost/.git/HEAD":                      "ref: refs/heads/gone\n",
		"lost/.git/packed-refs":               "4444 refs/heads/main\n",
		"detached/.git/HEAD":                  "5555\n",
		"sub/.git":                            "gitdir: ../plain/.git\n",
		"tree/.git":                           "gitdir: /plain/.git/worktrees/tree\n",
		"plain/.git/worktrees/tree/HEAD":      "ref: refs/heads/main\n",
		"plain/.git/worktrees/tree/commondir": "../..\n",
		"broken/.git":                         "nothing\n",
		"hs/a/a.cabal":                        "",
		"hs/b/c.cabal":                        "",
		"top/default.nix":                     "1",
		"top/deep/er/file.txt":                "",
		"top/stack.yaml":                      "",
		"pkgs/one.nix":                        "{ v }: { r = v; }",
		"pkgs/two/package.nix":                "{ v, three }: { r = v + three.deep.r; }",
		"pkgs/three/deep.nix":                 "{ v }: { r = v * 10; }",
		"pkgs/README":                         "",
	} {
		m[name] = &fstest.MapFile{Data: []byte(text)}
	}
	ev := eval.New(eval.Options{FS: files{m}})
	sys := module.NewSystem(ev)
	for expr, want := range map[string]string{
		`map (n: lib.commitIdFromGitRepo (/. + "/${n}/.git")) [ "plain" "packed" "detached" "sub" "tree" ]`: `["1111","3333","5555","1111","1111"]`,
		`map (n: lib.pathIsGitRepo (/. + "/${n}/.git")) [ "plain" "lost" "broken" "hs" "none" ]`:            `[true,false,false,false,false]`,
		`lib.attrNames (lib.filesystem.haskellPathsInDir /hs)`:                                              `["a"]`,
		`map (p: toString (lib.filesystem.resolveDefaultNix p)) [ /top /top/default.nix ]`:                  `["/top/default.nix","/top/default.nix"]`,
		`(lib.filesystem.locateDominatingFile "(stack)\\.yaml" /top/deep/er/file.txt).matches`:              `[["stack"]]`,
		`toString (lib.filesystem.locateDominatingFile "stack.*" /top/deep).path`:                           `"/top"`,
		`lib.filesystem.locateDominatingFile "no" /top/deep`:                                                `null`,
		`let s = lib.makeScope lib.callPackageWith (self: { v = 2; }); p = lib.packagesFromDirectoryRecursive { inherit (s) callPackage newScope; directory = /pkgs; }; in [ p.one.r p.two.r p.recurseForDerivations ]`: `[2,22,true]`,
		`lib.attrNames (lib.packagesFromDirectoryRecursive { callPackage = f: a: 1; directory = /pkgs; })`:                                                                                                              `["one","three","two"]`,
	} {
		v, err := ev.EvalText(context.Background(), "line", "builtins.toJSON ("+expr+")", "/", eval.Scope{"lib": sys.Lib()})
		if err != nil {
			t.Errorf("%s: %v", expr, err)
		} else if got := v.(*eval.String).Text(); got != want {
			t.Errorf("%s: got %s, want %s", expr, got, want)
		}
	}
	_, err := ev.EvalText(context.Background(), "line", `lib.commitIdFromGitRepo /lost/.git`, "/", eval.Scope{"lib": sys.Lib()})
	if err == nil || !strings.Contains(err.Error(), "has no refs/heads/gone") {
		t.Errorf("a branch without commits: %v", err)
	}
}
