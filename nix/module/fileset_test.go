package module_test

import (
	"fmt"
	"io/fs"
	"slices"
	"testing"
	"testing/fstest"

	"nix2gpu/nix/eval"
	"nix2gpu/nix/module"
)

// A counted file system counts how often folders are read.
type counted struct {
	files
	reads *int
}

func (c counted) ReadDir(name string) ([]fs.DirEntry, error) {
	*c.reads++
	return c.files.ReadDir(name)
}

// However many files a folder has, a set of files reads it a few times and no more.
func TestFileSetsReadFoldersOnce(t *testing.T) {
	m := fstest.MapFS{"main.nix": {Data: []byte(`{ lib, ... }:
		let
		  set = lib.fileset.fileFilter (f: f.hasExt "py") ./big;
		  source = lib.fileset.toSource { root = ./.; fileset = set; };
		in { l = map toString (lib.fileset.toList set) ++ lib.optional (source.filter "/big" "directory") "/big"
		  ++ lib.optional ((lib.fileset.toSource { root = ./.; fileset = ./.; }).filter "/main.nix" "regular") "all"; }`)}}
	for i := range 100 {
		m[fmt.Sprintf("big/%d.txt", i)] = &fstest.MapFile{}
	}
	reads := 0
	sys := module.NewSystem(eval.New(eval.Options{FS: counted{files{m}, &reads}}))
	e := sys.Evaluate(t.Context(), module.Spec{Modules: []module.Module{
		module.Declare(module.Options{"l": {Type: module.ListOf(module.String), Default: []string{}}}, nil),
		module.FromFile("/main.nix"),
	}})
	if err := e.Check(); err != nil {
		t.Fatal(err)
	}
	if got := e.Config().Strings("l"); !slices.Equal(got, []string{"all"}) {
		t.Errorf("got %q; want nothing of the set without files, and all of the root's", got)
	}
	if reads > 20 {
		t.Errorf("folders are read %d times", reads)
	}
}
