package definition

import (
	"embed"
	"io/fs"
	"path/filepath"
	"sort"
	"strings"

	"nix2gpu/nix/eval"
	"nix2gpu/nix/osfs"
	"nix2gpu/nix/syntax"
)

// inputsDir is the folder that the stand-ins of flake inputs seem to be in, so that
// `import nixpkgs { }` and <nixpkgs> work.
const inputsDir = "/nix2gpu/inputs"

//go:embed inputs
var inputs embed.FS

// files are the machine's files as an evaluation sees them, with the stand-ins among
// them. It keeps the text of what was read, for excerpts in messages.
type files struct {
	osfs.FS                           // its ReadLink serves for all, since the stand-ins have no links
	named   string                    // the file that the user named, which may be a pipe
	sources map[string]*syntax.Source // by absolute path
	seen    map[string]bool           // what was read, by absolute path
}

// embedded returns the embedded name of a stand-in's file.
func embedded(path string) (string, bool) {
	rest, ok := strings.CutPrefix(path, inputsDir)
	return "inputs" + rest, ok
}

func (f *files) ReadFile(path string) ([]byte, error) {
	if name, ok := embedded(path); ok {
		return inputs.ReadFile(name)
	}
	f.seen[path] = true
	if path == f.named {
		text, err := osfs.ReadNamed(path)
		return []byte(text), err
	}
	return f.FS.ReadFile(path)
}

// text is ReadFile for a file that is evaluated.
func (f *files) text(path string) (string, error) {
	if path == f.named {
		f.seen[path] = true
		return osfs.ReadNamed(path)
	}
	data, err := eval.ReadText(f, path, eval.MaxText)
	return string(data), err
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

// read returns the text of a file that is evaluated. It reads each file once: a pipe
// can't be read again.
func (f *files) read(path string) (*syntax.Source, error) {
	if s, ok := f.sources[path]; ok {
		return s, nil
	}
	text, err := f.text(path)
	if err != nil {
		return nil, err
	}
	s := syntax.NewSource(path, text)
	f.sources[path] = s
	return s, nil
}

// evaluated returns the machine's files among those that were read: the one that was
// named, and the others, sorted. What an expression imports or reads counts as well.
func (f *files) evaluated() []string {
	var others []string
	for path := range f.seen {
		if path != f.named {
			others = append(others, path)
		}
	}
	sort.Strings(others)
	return append([]string{f.named}, others...)
}

// source returns the text of a file, for a position that has only line and column, or
// nil if it can't be read.
func (f *files) source(path string) *syntax.Source {
	s, err := f.read(path)
	if err != nil {
		return nil
	}
	return s
}

// shorten returns an absolute path relative to dir if it is below dir, else as it is.
func shorten(path, dir string) string {
	if rel, err := filepath.Rel(dir, path); err == nil && filepath.IsLocal(rel) {
		return rel
	}
	return path
}
