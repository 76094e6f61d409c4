package eval

import (
	"crypto/sha256"
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
	if !ok {
		return object{}, "", false
	}
	file = o.root + rest
	for below := file; len(below) > len(o.root); below = path.Dir(below) {
		if o.left[below] {
			return object{}, file, false
		}
	}
	return o, file, o.root != "" || rest == ""
}

// storeFS are files beside which there are those of a virtual store.
type storeFS struct {
	FS
	store *virtualStore
}

// open returns what name leads to in the store, or the name itself if it is elsewhere.
func (f storeFS) open(op, name string) (o object, file string, err error) {
	o, file, ok := f.store.find(name)
	if ok {
		return o, file, nil
	}
	if at, _, below := store.Split(name); below {
		if _, known := f.store.objects[at]; known {
			return o, "", &fs.PathError{Op: op, Path: name, Err: fs.ErrNotExist}
		}
	}
	return object{root: name}, name, nil
}

func (f storeFS) ReadFile(name string) ([]byte, error) {
	o, file, err := f.open("read", name)
	if err != nil || o.root == "" {
		return []byte(o.text), err
	}
	return f.FS.ReadFile(file)
}

func (f storeFS) ReadDir(name string) ([]fs.DirEntry, error) {
	o, file, err := f.open("read", name)
	if err == nil && o.root == "" {
		err = &fs.PathError{Op: "read", Path: name, Err: fmt.Errorf("not a directory")}
	}
	if err != nil {
		return nil, err
	}
	entries, err := f.FS.ReadDir(file)
	return slices.DeleteFunc(entries, func(e fs.DirEntry) bool { return o.left[path.Join(file, e.Name())] }), err
}

func (f storeFS) Stat(name string) (fs.FileInfo, error) {
	o, file, err := f.open("stat", name)
	if err != nil || o.root == "" {
		return textInfo(o.text), err
	}
	return f.FS.Stat(file)
}

func (f storeFS) Lstat(name string) (fs.FileInfo, error) {
	o, file, err := f.open("lstat", name)
	if err != nil || o.root == "" {
		return textInfo(o.text), err
	}
	return f.FS.Lstat(file)
}

func (f storeFS) ReadLink(name string) (string, error) {
	o, file, err := f.open("readlink", name)
	if err == nil && o.root == "" {
		err = &fs.PathError{Op: "readlink", Path: name, Err: fs.ErrInvalid}
	}
	if err != nil {
		return "", err
	}
	return f.FS.ReadLink(file)
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
	t.checkName(name)
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
		t.FailFile(root, err)
	}
	at := store.FixedPath(name, store.Recursive, store.Hash{Kind: "sha256", Sum: h.Sum(nil)})
	t.ev.store.objects[at] = o
	return at
}

// counted reads files as a part of an evaluation, which may end meanwhile.
type counted struct {
	t *Thread
	FS
}

func (c counted) ReadFile(name string) ([]byte, error) {
	c.t.step()
	data, err := c.FS.ReadFile(name)
	c.t.spend(len(data))
	return data, err
}

func (c counted) ReadDir(name string) ([]fs.DirEntry, error) {
	c.t.step()
	return c.FS.ReadDir(name)
}

func (t *Thread) checkName(name string) {
	if err := store.CheckName(name); err != nil {
		t.raise(&Error{Pos: t.Pos(), Msg: err.Error(), Hint: "builtins.path { path = …; name = \"…\"; } gives a source another name"})
	}
	if store.IsDerivation(name) {
		t.Throw("the name %q ends in .drv, as only files of derivations do", name)
	}
}

// addText puts a text into the store.
func (t *Thread) addText(name string, content *String) Value {
	t.checkName(name)
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
