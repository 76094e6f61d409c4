package store

import (
	"encoding/binary"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"
)

// Files is where sources are read.
type Files interface {
	ReadFile(path string) ([]byte, error)
	ReadDir(path string) ([]fs.DirEntry, error)
	Lstat(path string) (fs.FileInfo, error)
	ReadLink(path string) (string, error)
}

// WriteNAR writes the archive of a file or folder: names in order, contents, which files
// can be executed, where links lead, and nothing else. filter says which of the files
// and folders below root are in it; nil: all.
func WriteNAR(w io.Writer, files Files, root string, filter func(path string, mode fs.FileMode) bool) error {
	a := &archive{w: w, files: files, filter: filter}
	a.text("nix-archive-1")
	a.node(root)
	return a.err
}

type archive struct {
	w      io.Writer
	files  Files
	filter func(path string, mode fs.FileMode) bool
	err    error // the first
}

func (a *archive) text(texts ...string) {
	for _, s := range texts {
		a.data([]byte(s))
	}
}

// data writes bytes with their length before them, filled up to a multiple of eight.
func (a *archive) data(b []byte) {
	var zeros [8]byte
	a.write(binary.LittleEndian.AppendUint64(nil, uint64(len(b))))
	a.write(b)
	a.write(zeros[:(8-len(b)%8)%8])
}

func (a *archive) write(b []byte) {
	if a.err == nil {
		_, a.err = a.w.Write(b)
	}
}

func (a *archive) node(name string) {
	if a.err != nil {
		return
	}
	info, err := a.files.Lstat(name)
	if err != nil {
		a.err = err
		return
	}
	a.text("(", "type")
	switch info.Mode().Type() {
	case 0:
		a.text("regular")
		if info.Mode()&0o100 != 0 {
			a.text("executable", "")
		}
		data, err := a.files.ReadFile(name)
		a.fail(err)
		a.text("contents")
		a.data(data)
	case fs.ModeSymlink:
		target, err := a.files.ReadLink(name)
		a.fail(err)
		a.text("symlink", "target", target)
	case fs.ModeDir:
		a.text("directory")
		entries, err := a.files.ReadDir(name)
		a.fail(err)
		slices.SortFunc(entries, func(x, y fs.DirEntry) int { return strings.Compare(x.Name(), y.Name()) })
		for _, e := range entries {
			if a.err != nil {
				return
			}
			below := path.Join(name, e.Name())
			if a.filter != nil && !a.filter(below, e.Type()) {
				continue
			}
			a.text("entry", "(", "name", e.Name(), "node")
			a.node(below)
			a.text(")")
		}
	default:
		a.fail(&fs.PathError{Op: "read", Path: name, Err: fmt.Errorf("it is a %s, and only files, folders and links can be sources", kind(info.Mode()))})
	}
	a.text(")")
}

func (a *archive) fail(err error) {
	if a.err == nil {
		a.err = err
	}
}

func kind(mode fs.FileMode) string {
	switch {
	case mode&fs.ModeNamedPipe != 0:
		return "named pipe"
	case mode&fs.ModeSocket != 0:
		return "socket"
	}
	return "device"
}
