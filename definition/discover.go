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

// ErrNoDefinition is wrapped by the error of [Discover] and [Load] if a folder has no
// definition.
var ErrNoDefinition = errors.New("no definition here")

// flakeFile is the only name that a folder may have for other reasons.
const flakeFile = "flake.nix"

// FileNames returns the names of definitions, in the order in which a folder is
// searched for them.
func FileNames() []string { return []string{flakeFile, "nix2gpu.nix"} }

// Discover returns the files of a folder that may be its definition, by the order of
// names. A flake that does not mention nix2gpu comes last: most likely it is for
// something else. If there is none, the error wraps [ErrNoDefinition].
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

// mentionsUs reports whether a flake may define containers.
func mentionsUs(flake string) bool {
	data, err := osfs.FS{}.ReadFile(flake)
	return err == nil && bytes.Contains(data, []byte("nix2gpu"))
}

// find returns the files that ref may mean: the file that it names, or the candidates
// in the folder that it names.
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

// nearFile returns a hint at a file of the same folder with a similar name, or "".
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
