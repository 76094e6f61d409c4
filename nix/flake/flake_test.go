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
func (m memory) Lstat(path string) (fs.FileInfo, error)     { return m.MapFS.Lstat(path[1:]) }
func (m memory) ReadLink(path string) (string, error)       { return m.MapFS.ReadLink(path[1:]) }

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
		"an override is locked below the input": {files: map[string]string{
			"flake.nix":     `{ inputs.b.url = "github:x/b"; inputs.o.url = "path:./sub"; inputs.o.inputs.b.url = "github:x/b"; outputs = { o, ... }: { x = o.it; }; }`,
			"flake.lock":    `{"version": 7, "root": "root", "nodes": {"root": {"inputs": {"b": "b", "o": "o"}}, "b": {"locked": {"type": "path", "path": "/nowhere"}}, "o": {"locked": {"type": "path", "path": "./sub"}, "inputs": {"b": "c"}}, "c": {"locked": {"type": "path", "path": "/f/third"}}}}`,
			"sub/flake.nix": `{ inputs.b.url = "github:y/b"; outputs = { b, ... }: { it = b.name; }; }`, "third/flake.nix": other}, want: "other"},
		"an override that is no flake": {files: map[string]string{
			"flake.nix":     `{ inputs.o.url = "path:./sub"; inputs.o.inputs.b.url = "path:./third"; outputs = { o, ... }: { x = o.it; }; }`,
			"sub/flake.nix": `{ inputs.b = { url = "github:y/b"; flake = false; }; outputs = { b, ... }: { it = b.outPath; }; }`, "third/text": "x"}, want: "/f/third"},
		"locked by another reference": {files: map[string]string{
			"flake.nix":     `{ inputs.n.url = "github:a/b/two"; outputs = { n, ... }: { x = n.name; }; }`,
			"flake.lock":    `{"version": 7, "root": "root", "nodes": {"root": {"inputs": {"n": "n"}}, "n": {"original": {"type": "github", "owner": "a", "repo": "b", "ref": "one"}, "locked": {"type": "path", "path": "/f/sub"}}}}`,
			"sub/flake.nix": other}, err: "not supported: fetching github:a/b/two"},
		"in a folder of another one": {files: map[string]string{
			"flake.nix":          `{ inputs.o.url = "path:./sub?dir=deep"; outputs = { o, ... }: { x = o.where; }; }`,
			"sub/deep/flake.nix": other}, want: "/f/sub/deep"},
		"follows the flake itself": {files: map[string]string{
			"flake.nix":     `{ inputs.o.url = "path:./sub"; inputs.o.inputs.nixpkgs.follows = ""; outputs = { self, o }: { x = o.it; name = "root"; }; }`,
			"sub/flake.nix": `{ inputs.nixpkgs.url = "github:a/b"; outputs = { nixpkgs, ... }: { it = nixpkgs.name; }; }`}, want: "root"},
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
			"flake.nix": "{\n  inputs.hm.url = \"github:someone/something\";\n  outputs = { hm, ... }: { x = hm.y; };\n}"},
			err: `/f/flake.nix:2:13: not supported: fetching github:someone/something for input "hm"`},
		"foreign and unused": {files: map[string]string{
			"flake.nix": `{ inputs.hm.url = "github:someone/something"; outputs = { hm, ... }: { x = "fine"; }; }`}, want: "fine"},
		"bad follows": {files: map[string]string{
			"flake.nix": `{ inputs.a.follows = "b"; outputs = { a, ... }: { x = a.y; }; }`}, err: `input "a" follows "b", which is not an input`},
		"itself": {files: map[string]string{
			"flake.nix": `{ inputs.me.url = "path:."; outputs = { me, ... }: me; }`}, err: "nest more than 30 levels deep"},
		"through a link": {files: map[string]string{
			"flake.nix":      "-> ../g/flake.nix",
			"here.nix":       `"here"`,
			"../g/flake.nix": `{ outputs = _: { x = import ./here.nix; }; }`, "../g/here.nix": `"there"`}, want: "there"},
		"a path attribute": {files: map[string]string{
			"flake.nix":     `{ inputs.o = { type = "path"; path = ./sub; }; outputs = { o, ... }: { x = o.where; }; }`,
			"sub/flake.nix": other}, want: "/f/sub"},
		"a path as URL": {files: map[string]string{
			"flake.nix":     `{ inputs.o.url = ./sub; outputs = { o, ... }: { x = o.where; }; }`,
			"sub/flake.nix": other}, want: "/f/sub"},
		"an absolute URL": {files: map[string]string{
			"flake.nix":      `{ inputs.o.url = "git+file:///g?ref=main"; outputs = { o, ... }: { x = o.where; }; }`,
			"../g/flake.nix": other}, want: "/g"},
		"a path from the root": {files: map[string]string{
			"flake.nix":      `{ inputs.o.url = "/g"; outputs = { o, ... }: { x = o.where; }; }`,
			"../g/flake.nix": other}, want: "/g"},
		"owner and repository": {files: map[string]string{
			"flake.nix": `{ inputs.n = { type = "github"; owner = "NixOS"; repo = "nixpkgs"; }; outputs = { n, ... }: { x = n.it; }; }`}, want: "stand-in"},
		"of a registry":                {files: map[string]string{"flake.nix": `{ inputs.n.url = "nixpkgs/nixos-25.05"; outputs = { n, ... }: { x = n.it; }; }`}, want: "stand-in"},
		"by flake:":                    {files: map[string]string{"flake.nix": `{ inputs.n.url = "flake:nixpkgs/nixos-25.05"; outputs = { n, ... }: { x = n.it; }; }`}, want: "stand-in"},
		"an archive":                   {files: map[string]string{"flake.nix": `{ inputs.n.url = "https://example.org/x/nixpkgs.tar.gz?y=z"; outputs = { n, ... }: { x = n.it; }; }`}, want: "stand-in"},
		"a git repository":             {files: map[string]string{"flake.nix": `{ inputs.n.url = "git+https://example.org/nixpkgs.git"; outputs = { n, ... }: { x = n.it; }; }`}, want: "stand-in"},
		"a list of systems":            {files: map[string]string{"flake.nix": `{ inputs.n.url = "github:nix-systems/x86_64-linux"; outputs = { n, ... }: { x = n.it; }; }`}, want: "all systems"},
		"an owner alone":               {files: map[string]string{"flake.nix": `{ inputs.n.url = "github:nixpkgs"; outputs = { n, ... }: { x = n.it; }; }`}, err: `fetching github:nixpkgs for input "n"`},
		"a stand-in as no flake":       {files: map[string]string{"flake.nix": `{ inputs.nixpkgs = { url = "github:NixOS/nixpkgs"; flake = false; }; outputs = { nixpkgs, ... }: { x = nixpkgs.it; }; }`}, err: "not supported: fetching github:NixOS/nixpkgs"},
		"an unknown name":              {files: map[string]string{"flake.nix": `{ outputs = { self, hm }: { x = hm.it; }; }`}, err: `not supported: fetching the input hm for input "hm"; check it out and write inputs.hm.url = "path:./…"`},
		"no set":                       {files: map[string]string{"flake.nix": `[ ]`}, err: "/f/flake.nix must be a set with outputs, not a list"},
		"without outputs":              {files: map[string]string{"flake.nix": `{ }`}, err: "attribute 'x' missing"},
		"outputs that fail":            {files: map[string]string{"flake.nix": `{ outputs = _: 1; }`}, err: "expected a set but found an integer: 1"},
		"outputs that are no function": {files: map[string]string{"flake.nix": `{ outputs = { x = "y"; }; }`}, err: "flake.nix:1:3: the outputs of /f/flake.nix must be a function of its inputs"},
		"a URL that is none":           {files: map[string]string{"flake.nix": `{ inputs.o.url = 3; outputs = _: { x = "y"; }; }`}, err: `flake.nix:1:12: the url of input "o" must be a reference`},
		"an input that fails": {files: map[string]string{
			"flake.nix": `{ inputs.o.url = "path:./sub"; outputs = { o, ... }: { x = o.name; }; }`, "sub/flake.nix": `{ outputs = _: { name = throw "broken"; }; }`}, err: "broken"},
		"locked by a path of inputs": {files: map[string]string{
			"flake.nix":     `{ inputs.n.url = "github:a/b"; outputs = { n, ... }: { x = n.name; }; }`,
			"flake.lock":    `{"version": 7, "root": "root", "nodes": {"root": {"inputs": {"n": ["o", "m"], "o": "o"}}, "o": {"inputs": {"m": "m"}}, "m": {"locked": {"type": "path", "path": "/f/sub"}}}}`,
			"sub/flake.nix": other}, want: "other"},
		"locked in a circle": {files: map[string]string{
			"flake.nix":  `{ inputs.n.url = "github:a/b"; outputs = { n, ... }: { x = n.name; }; }`,
			"flake.lock": `{"version": 7, "root": "root", "nodes": {"root": {"inputs": {"n": ["n"]}}}}`}, err: "not supported: fetching github:a/b"},
		"locked to nothing": {files: map[string]string{
			"flake.nix":  `{ inputs.n.url = "github:a/b"; outputs = { n, ... }: { x = n.name; }; }`,
			"flake.lock": `{"version": 7, "root": "root", "nodes": {"root": {"inputs": {"n": "m"}}}}`}, err: "not supported: fetching github:a/b"},
		"locked elsewhere": {files: map[string]string{
			"flake.nix":  `{ inputs.n.url = "github:NixOS/nixpkgs"; outputs = { n, ... }: { x = n.it; }; }`,
			"flake.lock": `{"version": 7, "root": "root", "nodes": {"root": {"inputs": {"n": "m"}}, "m": {"locked": {"type": "github"}}}}`}, want: "stand-in"},
		"an input's own lock": {files: map[string]string{
			"flake.nix":       `{ inputs.o.url = "path:./sub"; outputs = { o, ... }: { x = o.it; }; }`,
			"sub/flake.nix":   `{ inputs.n.url = "github:a/b"; outputs = { n, ... }: { it = n.where; }; }`,
			"sub/flake.lock":  `{"version": 7, "root": "root", "nodes": {"root": {"inputs": {"n": "m"}}, "m": {"locked": {"type": "path", "path": "../third"}}}}`,
			"third/flake.nix": other}, want: "/f/third"},
		"no lock":            {files: map[string]string{"flake.nix": `{ outputs = _: { x = "y"; }; }`, "flake.lock": `{`}, err: "/f/flake.lock is not a lock file: unexpected end of JSON input"},
		"a future lock":      {files: map[string]string{"flake.nix": `{ outputs = _: { x = "y"; }; }`, "flake.lock": `{"version": 8}`}, err: "has version 8"},
		"the oldest lock":    {files: map[string]string{"flake.nix": `{ outputs = _: { x = "y"; }; }`, "flake.lock": `{"version": 5}`}, want: "y"},
		"an unreadable lock": {files: map[string]string{"flake.nix": `{ outputs = _: { x = "y"; }; }`, "flake.lock/x": ``}, err: "cannot read /f/flake.lock"},
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
				file := &fstest.MapFile{Data: []byte(text)}
				if target, ok := strings.CutPrefix(text, "-> "); ok {
					file.Data, file.Mode = []byte(target), fs.ModeSymlink
				}
				files.MapFS[at] = file
			}
			ev := eval.New(eval.Options{FS: files})
			var got string
			err := ev.Do(t.Context(), func(th *eval.Thread) {
				f := flake.Load(th, "/f", flake.Options{FS: files, StandIns: map[string]eval.Value{
					"nixpkgs": eval.NewAttrs(1).Set("it", eval.Str("stand-in")).Done(),
					"systems": eval.NewAttrs(1).Set("it", eval.Str("all systems")).Done(),
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
