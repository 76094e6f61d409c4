package eval

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
	"time"

	"nix2gpu/nix/store"
)

// A virtualStore is what an evaluation has put into Nix's store: nothing is written, but
// all has its path, and can be read below it. Names of context elements are Nix's own:
// "/nix/store/…" for a path, "!OUTPUT!/nix/store/….drv" for an output of a derivation,
// and "=/nix/store/….drv" for a derivation with all that it needs.
type virtualStore struct {
	derivations store.Derivations
	objects     map[string]object // by their paths
	sources     map[Path]string   // the paths of sources that were taken whole
}

// An object is a source or a text.
type object struct {
	root string          // of a source: where it is
	left map[string]bool // its files and folders that a filter left out
	text string          // of a text, whose root is empty
}

// find returns what a path leads to: either a text or the path of a file that is a part
// of a source. It is not found if a filter left it out.
func (s *virtualStore) find(name string) (o object, file string, ok bool) {
	at, rest, ok := store.Split(name)
	if !ok {
		return object{}, "", false
	}
	if d, known := s.derivations.Get(at); known && rest == "" {
		return object{text: d.String()}, "", true
	}
	o, ok = s.objects[at]
	if !ok || o.root == "" {
		return o, "", ok && rest == ""
	}
	file = path.Join(o.root, rest)
	for below := file; len(below) > len(o.root); below = path.Dir(below) {
		if o.left[below] {
			return object{}, file, false
		}
	}
	return o, file, true
}

// has reports whether there is something at a path that is no derivation.
func (s *virtualStore) has(at string) bool {
	_, known := s.objects[at]
	return known
}

// storeFS are files beside which there are those of a virtual store.
type storeFS struct {
	FS
	store *virtualStore
}

// open returns what name leads to in the store, a text or a file and the files among which that
// is; or the name itself if it is elsewhere. A part of a source can be a source of its own, so
// the file may be in the store again.
func (f storeFS) open(op, name string) (o object, in FS, file string, err error) {
	o, file, ok := f.store.find(name)
	if ok {
		return o, f, file, nil
	}
	if at, _, _ := store.Split(name); f.store.has(at) {
		return object{}, nil, "", &fs.PathError{Op: op, Path: name, Err: fs.ErrNotExist}
	}
	return object{root: name}, f.FS, name, nil
}

// follow returns where the links on the way to name and name itself lead, if it is in the store:
// from there, what is beside a source and what a filter left out is not to be found.
func (f storeFS) follow(name string) string {
	for range maxLinks {
		at, rest, _ := store.Split(name)
		if !f.store.has(at) {
			break
		}
		next := f.firstLink(at, rest)
		if next == "" {
			break
		}
		name = next
	}
	return name
}

// followDir is follow for the folder of name.
func (f storeFS) followDir(name string) string {
	return path.Join(f.follow(path.Dir(name)), path.Base(name))
}

// firstLink returns where at+rest leads after the first link on the way; "" if there is none.
func (f storeFS) firstLink(at, rest string) string {
	for end := 0; ; {
		here := at + rest[:end]
		info, err := f.lstat(here)
		if err != nil {
			return "" // whoever reads it will see why
		}
		if info.Mode()&fs.ModeSymlink != 0 {
			target, err := f.readLink(here)
			if err != nil {
				return ""
			}
			if !path.IsAbs(target) {
				target = path.Join(path.Dir(here), target)
			}
			return path.Join(target, rest[end:])
		}
		if end == len(rest) {
			return ""
		}
		if next := strings.IndexByte(rest[end+1:], '/'); next >= 0 {
			end += 1 + next
		} else {
			end = len(rest)
		}
	}
}

func (f storeFS) ReadFile(name string) ([]byte, error) {
	o, in, file, err := f.open("read", f.follow(name))
	if err != nil || o.root == "" {
		return []byte(o.text), err
	}
	return in.ReadFile(file)
}

func (f storeFS) ReadDir(name string) ([]fs.DirEntry, error) {
	o, in, file, err := f.open("read", f.follow(name))
	if err == nil && o.root == "" {
		err = &fs.PathError{Op: "read", Path: name, Err: fmt.Errorf("not a directory")}
	}
	if err != nil {
		return nil, err
	}
	entries, err := in.ReadDir(file)
	return slices.DeleteFunc(entries, func(e fs.DirEntry) bool { return o.left[path.Join(file, e.Name())] }), err
}

func (f storeFS) Stat(name string) (fs.FileInfo, error) {
	o, in, file, err := f.open("stat", f.follow(name))
	if err != nil || o.root == "" {
		return textInfo(o.text), err
	}
	return in.Stat(file)
}

func (f storeFS) Lstat(name string) (fs.FileInfo, error) { return f.lstat(f.followDir(name)) }

// lstat is Lstat for a name without links on the way.
func (f storeFS) lstat(name string) (fs.FileInfo, error) {
	o, in, file, err := f.open("lstat", name)
	if err != nil || o.root == "" {
		return textInfo(o.text), err
	}
	return in.Lstat(file)
}

func (f storeFS) ReadLink(name string) (string, error) { return f.readLink(f.followDir(name)) }

// readLink is ReadLink for a name without links on the way.
func (f storeFS) readLink(name string) (string, error) {
	o, in, file, err := f.open("readlink", name)
	if err == nil && o.root == "" {
		err = &fs.PathError{Op: "readlink", Path: name, Err: fs.ErrInvalid}
	}
	if err != nil {
		return "", err
	}
	return in.ReadLink(file)
}

// textInfo describes a text of the store as a file.
type textInfo string

func (textInfo) Name() string       { return "" }
func (t textInfo) Size() int64      { return int64(len(t)) }
func (textInfo) Mode() fs.FileMode  { return 0o444 }
func (textInfo) ModTime() time.Time { return time.Unix(1, 0) } // as all in the store
func (textInfo) IsDir() bool        { return false }
func (textInfo) Sys() any           { return nil }

// inStore returns a string with the path of an object.
func inStore(path string) *String { return &String{s: path, ctx: NewContext(path)} }

// addSource puts a file or folder into the store, under its own name.
func (t *Thread) addSource(p Path) *String {
	s := t.ev.store
	if at, found := s.sources[p]; found {
		return inStore(at)
	}
	at := t.archive(path.Base(string(p)), string(p), nil)
	s.sources[p] = at
	return inStore(at)
}

// archive puts what of a file or folder the filter takes into the store, under a name.
func (t *Thread) archive(name, root string, filter func(path string, mode fs.FileMode) bool) string {
	t.checkName(name, sourceName)
	o := object{root: root}
	var take func(string, fs.FileMode) bool
	if filter != nil {
		take = func(path string, mode fs.FileMode) bool {
			ok := filter(path, mode)
			if !ok {
				if o.left == nil {
					o.left = map[string]bool{}
				}
				o.left[path] = true
			}
			return ok
		}
	}
	h := sha256.New()
	if err := store.WriteNAR(h, counted{t, t.files()}, root, take); err != nil {
		file := root
		if inner, ok := errors.AsType[*fs.PathError](err); ok {
			file = inner.Path // of all that is in the source
		}
		t.FailFile(file, err)
	}
	at := store.FixedPath(name, store.Recursive, store.Hash{Kind: "sha256", Sum: h.Sum(nil)})
	t.keep(at, o)
	return at
}

// keep notes where a source is, unless there is something at its path in the store already:
// that has the same content, and it may be what the source was taken from, which must not
// lead to itself.
func (t *Thread) keep(at string, o object) {
	if _, err := t.files().Lstat(at); err != nil {
		t.ev.store.objects[at] = o
	}
}

// counted reads files as a part of an evaluation, which may end meanwhile.
type counted struct {
	t *Thread
	FS
}

func (c counted) ReadFile(name string) ([]byte, error) {
	data, err := c.FS.ReadFile(name)
	c.t.spend(len(data))
	return data, err
}

// Lstat is called once for each file, folder and link.
func (c counted) Lstat(name string) (fs.FileInfo, error) {
	c.t.step()
	return c.FS.Lstat(name)
}

// sourceName is the cure if a source cannot have its own name in the store.
const sourceName = "builtins.path { path = …; name = \"…\"; } gives a source another name"

func (t *Thread) checkName(name, cure string) {
	if err := store.CheckName(name); err != nil {
		t.raise(&Error{Pos: t.Pos(), Msg: err.Error(), Hint: cure})
	}
	if store.IsDerivation(name) {
		t.Throw("the name %q ends in .drv, as only files of derivations do", name)
	}
}

// addText puts a text into the store.
func (t *Thread) addText(name string, content *String) Value {
	t.checkName(name, "")
	refs := content.ctx.Elems()
	for _, e := range refs {
		if !strings.HasPrefix(e, store.Dir) {
			t.Throw("the file %q cannot contain a reference to a derivation, but contains %q", name, e)
		}
	}
	at := store.TextPath(name, content.s, refs)
	t.ev.store.objects[at] = object{text: content.s}
	t.ev.store.derivations.Refer(at, refs)
	return inStore(at)
}
