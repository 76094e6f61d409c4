package image

import (
	"errors"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"
	"time"

	"nix2gpu/debian/deb"
)

// A tree holds the known paths of an image. It is a file system that follows links and
// has no contents.
type tree struct {
	facts    map[string]fact
	children map[string]map[string]bool
}

func newTree() *tree {
	return &tree{facts: map[string]fact{}, children: map[string]map[string]bool{}}
}

// put adds a path. Like a later layer, it replaces what was there.
func (t *tree) put(f fact) {
	t.facts[f.Path] = f
	for name := f.Path; ; {
		dir := path.Dir(name)
		if t.children[dir] == nil {
			t.children[dir] = map[string]bool{}
		}
		if t.children[dir][path.Base(name)] {
			return
		}
		t.children[dir][path.Base(name)] = true
		if dir == "." {
			return
		}
		if _, ok := t.facts[dir]; !ok {
			t.facts[dir] = fact{Path: dir, Kind: deb.Dir, Mode: 0o755, Package: -1}
		}
		name = dir
	}
}

// remove removes a path that has nothing below it.
func (t *tree) remove(name string) {
	delete(t.facts, name)
	delete(t.children, name)
	delete(t.children[path.Dir(name)], path.Base(name))
}

// resolve follows links to the path that a name means. It reports whether there is one.
func (t *tree) resolve(name string) (string, bool) { return t.follow(name, nil) }

// follow is resolve, and calls via for each link on the way.
func (t *tree) follow(name string, via func(link string)) (string, bool) {
	rest := strings.Split(path.Clean(strings.TrimPrefix(name, "/")), "/")
	at := "."
	for links := 0; len(rest) > 0; {
		part := rest[0]
		rest = rest[1:]
		switch part {
		case ".", "":
			continue
		case "..":
			at = path.Dir(at)
			continue
		}
		next := path.Join(at, part)
		f, ok := t.facts[next]
		if !ok {
			return "", false
		}
		if f.Kind == deb.Symlink {
			if links++; links > 40 {
				return "", false
			}
			if via != nil {
				via(next)
			}
			if strings.HasPrefix(f.Link, "/") {
				at = "."
			}
			rest = append(strings.Split(strings.Trim(f.Link, "/"), "/"), rest...)
			continue
		}
		at = next
	}
	return at, true
}

// has reports whether a name leads to an existing path.
func (t *tree) has(name string) bool { _, ok := t.resolve(name); return ok }

// Open implements [fs.FS]. It opens folders only: the tree has no contents.
func (t *tree) Open(name string) (fs.File, error) {
	return nil, &fs.PathError{Op: "open", Path: name, Err: errors.ErrUnsupported}
}

// Stat implements [fs.StatFS].
func (t *tree) Stat(name string) (fs.FileInfo, error) {
	at, ok := t.resolve(name)
	if !ok {
		return nil, &fs.PathError{Op: "stat", Path: name, Err: fs.ErrNotExist}
	}
	if at == "." {
		return info{fact{Path: ".", Kind: deb.Dir, Mode: 0o755}}, nil
	}
	return info{t.facts[at]}, nil
}

// ReadDir implements [fs.ReadDirFS].
func (t *tree) ReadDir(name string) ([]fs.DirEntry, error) {
	at, ok := t.resolve(name)
	if !ok {
		return nil, &fs.PathError{Op: "readdir", Path: name, Err: fs.ErrNotExist}
	}
	var out []fs.DirEntry
	for _, base := range slices.Sorted(maps.Keys(t.children[at])) {
		out = append(out, fs.FileInfoToDirEntry(info{t.facts[path.Join(at, base)]}))
	}
	return out, nil
}

type info struct{ fact }

func (i info) Name() string       { return path.Base(i.Path) }
func (i info) Size() int64        { return 0 }
func (i info) ModTime() time.Time { return time.Time{} }
func (i info) IsDir() bool        { return i.Kind == deb.Dir }
func (i info) Sys() any           { return nil }

func (i info) Mode() fs.FileMode {
	mode := fs.FileMode(i.fact.Mode & 0o777)
	switch i.Kind {
	case deb.Dir:
		mode |= fs.ModeDir
	case deb.Symlink:
		mode |= fs.ModeSymlink
	}
	return mode
}
