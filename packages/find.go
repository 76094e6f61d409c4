package packages

import (
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// files is where packages are looked for: this machine, or the list of an image's files.
// Paths are absolute.
type files interface {
	stat(name string) (fs.FileInfo, error)
	readDir(name string) ([]fs.DirEntry, error)
	glob(pattern string) []string // pattern of the table, below the root; returns paths for the other methods
}

// machineFiles are this machine's files. Patterns of the table are below root.
type machineFiles struct{ root string }

func (m machineFiles) stat(name string) (fs.FileInfo, error)      { return os.Stat(name) }
func (m machineFiles) readDir(name string) ([]fs.DirEntry, error) { return os.ReadDir(name) }

func (m machineFiles) glob(pattern string) []string {
	if !strings.ContainsAny(pattern, "*?[") {
		if _, err := os.Stat(m.root + pattern); err != nil { // Glob would return a dangling link
			return nil
		}
	}
	found, _ := filepath.Glob(m.root + pattern) // patterns of the table are well-formed
	return found
}

// listedFiles are the files of a file system.
type listedFiles struct{ fs.FS }

func (l listedFiles) stat(name string) (fs.FileInfo, error) { return fs.Stat(l.FS, name[1:]) }

func (l listedFiles) readDir(name string) ([]fs.DirEntry, error) { return fs.ReadDir(l.FS, name[1:]) }

func (l listedFiles) glob(pattern string) []string {
	found, _ := fs.Glob(l.FS, pattern[1:])
	for i := range found {
		found[i] = "/" + found[i]
	}
	return found
}

// In finds the software of the package in a file system, such as the list of an image's
// files. It returns the links for the package's folder, from a path below it to an
// absolute path, and whether they are enough to count as the package.
func (p Package) In(fsys fs.FS) (links map[string]string, ok bool) {
	links = p.find(listedFiles{fsys}, systemDirs)
	return links, satisfied(p, links)
}

// find looks for everything in the row.
func (p Package) find(on files, search []string) map[string]string {
	out := map[string]string{}
	for _, pattern := range p.Dirs {
		dir := newest(on, pattern)
		if dir == "" {
			continue
		}
		entries, _ := on.readDir(dir) // an unreadable folder counts as missing
		for _, e := range entries {
			if file := path.Join(dir, e.Name()); isProgram(on, file) {
				out["bin/"+e.Name()] = file
			}
		}
		if len(out) > 0 {
			break
		}
	}
	for name, places := range p.Programs {
		sub := "bin/" + name
		if _, ok := out[sub]; ok {
			continue
		}
		if file := program(on, search, name, places); file != "" {
			out[sub] = file
		}
	}
	for sub, patterns := range p.Links {
		for _, pattern := range patterns {
			if place := newest(on, pattern); place != "" {
				out[strings.TrimPrefix(sub, "/")] = place
				break
			}
		}
	}
	return out
}

func program(on files, search []string, name string, places []string) string {
	if file := inDirs(on, search, name); file != "" {
		return file
	}
	for _, place := range places {
		if !strings.HasPrefix(place, "/") {
			if file := inDirs(on, search, place); file != "" {
				return file
			}
		} else if file := newest(on, place); file != "" && isProgram(on, file) {
			return file
		}
	}
	return ""
}

func inDirs(on files, dirs []string, name string) string {
	for _, dir := range dirs {
		if file := path.Join(dir, name); isProgram(on, file) {
			return file
		}
	}
	return ""
}

func isProgram(on files, file string) bool {
	info, err := on.stat(file)
	return err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0
}

// newest returns the match of a pattern with the highest numbers, so that postgresql/15
// is preferred to postgresql/9.
func newest(on files, pattern string) string {
	matches := on.glob(pattern)
	if len(matches) == 0 {
		return ""
	}
	return slices.MaxFunc(matches, compareVersions)
}
