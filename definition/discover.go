package definition

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"nix2gpu/nix/osfs"
)

// ErrNoDefinition is what [Discover] and [Load] return when a folder has no
// definition.
var ErrNoDefinition = errors.New("no definition here")

// flakeFile is the one name that many folders have for other reasons.
const flakeFile = "flake.nix"

// FileNames are the names of definitions that are looked for in a folder, in
// this order.
func FileNames() []string { return []string{flakeFile, "nix2gpu.nix"} }

// Discover finds what may be the definition of a folder: those of names that
// are there, in their order. A flake that does not mention us comes last: it is
// somebody's development shell. The error wraps [ErrNoDefinition] when there is
// none.
func Discover(dir string, names []string) (files []string, err error) {
	var last []string
	for _, name := range names {
		file := filepath.Join(dir, name)
		if info, err := os.Stat(file); err != nil || info.IsDir() {
			continue
		}
		if name == flakeFile && !mentionsUs(file) {
			last = append(last, file)
			continue
		}
		files = append(files, file)
	}
	if files = append(files, last...); files == nil {
		return nil, fmt.Errorf("%w: folder %q has neither %s nor %s", ErrNoDefinition, dir, flakeFile, "nix2gpu.nix")
	}
	return files, nil
}

// mentionsUs reports whether a flake could define containers.
func mentionsUs(flake string) bool {
	data, err := osfs.FS{}.ReadFile(flake)
	return err == nil && bytes.Contains(data, []byte("nix2gpu"))
}

// find gives the files that ref may mean: the one that it names, or what is in
// the folder that it names.
func find(ref Ref, dir string) ([]string, error) {
	file := cmp.Or(ref.Path, ".")
	if !filepath.IsAbs(file) {
		file = filepath.Join(dir, file)
	}
	info, err := os.Stat(file)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, Errors{{Msg: fmt.Sprintf("no file %q", cmp.Or(ref.Path, ".")), Hint: nearFile(file)}}
	case err != nil:
		return nil, err
	case info.IsDir():
		return Discover(file, FileNames())
	}
	return []string{file}, nil
}

// nearFile suggests a file of the same folder.
func nearFile(file string) string {
	entries, err := os.ReadDir(filepath.Dir(file))
	if err != nil {
		return ""
	}
	for _, e := range entries {
		if near(e.Name(), filepath.Base(file)) {
			return fmt.Sprintf("did you mean %q?", e.Name())
		}
	}
	return ""
}
