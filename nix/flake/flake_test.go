package flake_test

import (
	"io/fs"
	"strings"
	"testing"
	"testing/fstest"

	"nix2gpu/nix/eval"
	"nix2gpu/nix/flake"
)

// memory is files by absolute path.
type memory struct{ fstest.MapFS }

func (m memory) ReadFile(path string) ([]byte, error)       { return m.MapFS.ReadFile(path[1:]) }
func (m memory) ReadDir(path string) ([]fs.DirEntry, error) { return m.MapFS.ReadDir(path[1:]) }
func (m memory) Stat(path string) (fs.FileInfo, error)      { return m.MapFS.Stat(path[1:]) }
func (m memory) Lstat(path string) (fs.FileInfo, error)     { return m.MapFS.Stat(path[1:]) }

func TestInputs(t *testing.T) {
	const other = `{ outputs = { self, ... }: { name = "other"; where = self.outPath; }; }`
	for name, c := range map[string]struct {
		files map[string]string
		want  string // of outputs.x
		err   string
	}{
		"no inputs":         {files: map[string]string{"flake.nix": `{ outputs = { self }: { x = "plain"; }; }`}, want: "plain"},
		"self":              {files: map[string]string{"flake.nix": `{ outputs = { self }: { x = self.y; y = "via self"; }; }`}, want: "via self"},
		"stand-in":          {files: map[string]string{"flake.nix": `{ inputs.nixpkgs.url = "github:NixOS/nixpkgs/nixos-25.05"; outputs = { nixpkgs, ... }: { x = nixpkgs.it; }; }`}, want: "stand-in"},
		"by its name":       {files: map[string]string{"flake.nix": `{ outputs = { self, nixpkgs }: { x = nixpkgs.it; }; }`}, want: "stand-in"},
		"by its repository": {files: map[string]string{"flake.nix": `{ inputs.stable.url = "github:NixOS/nixpkgs"; outputs = inputs: { x = inputs.stable.it; }; }`}, want: "stand-in"},
		"relative path": {files: map[string]string{
			"flake.nix":     `{ inputs.o.url = "path:./sub"; outputs = { o, ... }: { x = o.name + o.where; }; }`,
			"sub/flake.nix": other}, want: "other/f/sub"},
		"path outside": {files: map[string]string{
			"flake.nix":      `{ inputs.o.url = "../g"; outputs = { o, ... }: { x = o.where; }; }`,
			"../g/flake.nix": other}, want: "/g"},
		"follows": {files: map[string]string{
			"flake.nix":     `{ inputs.o.url = "path:./sub"; inputs.o.inputs.nixpkgs.follows = "nixpkgs"; outputs = { o, nixpkgs, ... }: { x = o.it; }; }`,
			"sub/flake.nix": `{ inputs.nixpkgs.url = "github:a/b"; outputs = { nixpkgs, ... }: { it = nixpkgs.it; }; }`}, want: "stand-in"},
		"follows an input's input": {files: map[string]string{
			"flake.nix":     `{ inputs.o.url = "path:./sub"; inputs.n.follows = "o/nixpkgs"; outputs = { n, ... }: { x = n.it; }; }`,
			"sub/flake.nix": `{ outputs = { self, nixpkgs }: { }; }`}, want: "stand-in"},
		"locked to a path": {files: map[string]string{
			"flake.nix":     `{ inputs.nixpkgs.url = "github:NixOS/nixpkgs"; outputs = { nixpkgs, ... }: { x = nixpkgs.name; }; }`,
			"flake.lock":    `{"version": 7, "root": "root", "nodes": {"root": {"inputs": {"nixpkgs": "n_1"}}, "n_1": {"locked": {"type": "path", "path": "./sub"}}}}`,
			"sub/flake.nix": other}, want: "other"},
		"no flake": {files: map[string]string{
			"flake.nix": `{ inputs.src.url = "path:./src"; inputs.src.flake = false; outputs = { src, ... }: { x = builtins.readFile (src + "/a"); }; }`,
			"src/a":     "text"}, want: "text"},
		"foreign": {files: map[string]string{
			"flake.nix": "{\n  inputs.hm.url = \"github:nix-community/home-manager\";\n  outputs = { hm, ... }: { x = hm.y; };\n}"},
			err: `/f/flake.nix:2:13: not supported: fetching github:nix-community/home-manager for input "hm"`},
		"foreign and unused": {files: map[string]string{
			"flake.nix": `{ inputs.hm.url = "github:nix-community/home-manager"; outputs = { hm, ... }: { x = "fine"; }; }`}, want: "fine"},
		"bad follows": {files: map[string]string{
			"flake.nix": `{ inputs.a.follows = "b"; outputs = { a, ... }: { x = a.y; }; }`}, err: `input "a" follows "b", which is no input`},
		"itself": {files: map[string]string{
			"flake.nix": `{ inputs.me.url = "path:."; outputs = { me, ... }: me; }`}, err: "nest more than 30 levels deep"},
		"old lock": {files: map[string]string{
			"flake.nix": `{ outputs = _: { x = "y"; }; }`, "flake.lock": `{"version": 3}`}, err: "not supported: /f/flake.lock has version 3"},
	} {
		t.Run(name, func(t *testing.T) {
			files := memory{fstest.MapFS{}}
			for name, text := range c.files {
				at := "f/" + name
				if rest, ok := strings.CutPrefix(name, "../"); ok {
					at = rest
				}
				files.MapFS[at] = &fstest.MapFile{Data: []byte(text)}
			}
			ev := eval.New(eval.Options{FS: files})
			var got string
			err := ev.Do(t.Context(), func(th *eval.Thread) {
				f := flake.Load(th, "/f", flake.Options{FS: files, StandIns: map[string]eval.Value{
					"nixpkgs": eval.NewAttrs(1).Set("it", eval.Str("stand-in")).Done(),
				}})
				got = th.Text(th.Select(f.Self, "x"))
			})
			switch {
			case c.err == "" && (err != nil || got != c.want):
				t.Errorf("x = %q, %v, want %q", got, err, c.want)
			case c.err != "" && (err == nil || !strings.Contains(err.Error(), c.err)):
				t.Errorf("x = %q, %v, want the error %s", got, err, c.err)
			}
		})
	}
}
