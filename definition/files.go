package definition

import (
	"embed"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"

	"nix2gpu/nix/eval"
	"nix2gpu/nix/osfs"
	"nix2gpu/nix/syntax"
)

// inputsDir is where the stand-ins of flake inputs seem to lie, so that
// `import nixpkgs { }` and <nixpkgs> work.
const inputsDir = "/nix2gpu/inputs"

//go:embed inputs
var inputs embed.FS

// files is the machine's files as an evaluation sees them: with the stand-ins
// among them, and remembering the text of what was read, for excerpts.
type files struct {
	osfs.FS                           // whose ReadLink serves for all: the stand-ins have no links
	named   string                    // the file that the user named, which may be a pipe
	sources map[string]*syntax.Source // by absolute path
}

// embedded gives the name of a stand-in's file.
func embedded(path string) (string, bool) {
	rest, ok := strings.CutPrefix(path, inputsDir)
	return "inputs" + rest, ok
}

func (f *files) ReadFile(path string) ([]byte, error) {
	if name, ok := embedded(path); ok {
		return inputs.ReadFile(name)
	}
	if path == f.named {
		return osfs.ReadNamed(path)
	}
	return f.FS.ReadFile(path)
}

func (f *files) ReadDir(path string) ([]fs.DirEntry, error) {
	if name, ok := embedded(path); ok {
		return inputs.ReadDir(name)
	}
	return f.FS.ReadDir(path)
}

func (f *files) Stat(path string) (fs.FileInfo, error) {
	if name, ok := embedded(path); ok {
		return fs.Stat(inputs, name)
	}
	return f.FS.Stat(path)
}

func (f *files) Lstat(path string) (fs.FileInfo, error) {
	if _, ok := embedded(path); ok {
		return f.Stat(path)
	}
	return f.FS.Lstat(path)
}

// maxSource bounds the text of a definition and of the modules it imports.
const maxSource = 1 << 24

// read is the text of a file that is evaluated.
func (f *files) read(path string) (*syntax.Source, error) {
	if s, ok := f.sources[path]; ok {
		return s, nil
	}
	data, err := f.ReadFile(path)
	if err != nil {
		return nil, err
	}
	if len(data) > maxSource {
		return nil, fmt.Errorf("%w: more than %d MiB", eval.ErrTooBig, maxSource>>20)
	}
	s := syntax.NewSource(path, string(data))
	f.sources[path] = s
	return s, nil
}

// source is the text of a file, for positions that name only line and column;
// nil when it can't be read.
func (f *files) source(path string) *syntax.Source {
	s, err := f.read(path)
	if err != nil {
		return nil
	}
	return s
}

// shorten writes an absolute path as people do: relative to dir if it is
// below.
func shorten(path, dir string) string {
	if rel, err := filepath.Rel(dir, path); err == nil && filepath.IsLocal(rel) {
		return rel
	}
	return path
}
