package definition

import (
	"embed"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

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
	return os.ReadFile(path)
}

func (f *files) ReadDir(path string) ([]fs.DirEntry, error) {
	if name, ok := embedded(path); ok {
		return inputs.ReadDir(name)
	}
	return os.ReadDir(path)
}

func (f *files) Stat(path string) (fs.FileInfo, error) {
	if name, ok := embedded(path); ok {
		return fs.Stat(inputs, name)
	}
	return os.Stat(path)
}

func (f *files) Lstat(path string) (fs.FileInfo, error) {
	if _, ok := embedded(path); ok {
		return f.Stat(path)
	}
	return os.Lstat(path)
}

// source is the text of a file, for positions that name only line and column.
func (f *files) source(path string) *syntax.Source {
	if s, ok := f.sources[path]; ok {
		return s
	}
	data, err := f.ReadFile(path)
	if err != nil {
		return nil
	}
	s := syntax.NewSource(path, string(data))
	f.sources[path] = s
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
