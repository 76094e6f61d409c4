package safefile

import (
	"io/fs"

	"golang.org/x/sys/unix"
)

// MakeFolder makes a folder in one that exists, with just that mode whatever
// the umask is. One that is there already must be ours or root's, and no
// stranger's link may be on the way to it.
func MakeFolder(path string, mode fs.FileMode) error {
	w, err := walk(path, true)
	if err != nil {
		return err
	}
	defer w.close()
	if w.none {
		err := unix.Mkdirat(w.dir, w.name, uint32(mode.Perm()))
		switch {
		case err == nil: // the mode may lack what the umask took
			return pathError("chmod", path, unix.Fchmodat(w.dir, w.name, uint32(mode.Perm()), 0))
		case err != unix.EEXIST:
			return pathError("mkdir", path, err)
		}
		if err := w.look(); err != nil { // somebody was faster
			return pathError("mkdir", path, err)
		}
	}
	return w.checkFolder(path)
}

// CheckFolder says what MakeFolder would say of a folder that is there.
func CheckFolder(path string) error {
	w, err := walk(path, true)
	if err != nil {
		return err
	}
	defer w.close()
	return w.checkFolder(path)
}

func (w *place) checkFolder(path string) error {
	switch {
	case w.none:
		return pathError("stat", path, unix.ENOENT)
	case w.stat.Mode&unix.S_IFMT != unix.S_IFDIR:
		return &Error{Path: path, Why: "it is not a folder", Hint: "remove it"}
	case !trusted(w.stat.Uid):
		return &Error{Path: path, Why: "it belongs to " + user(w.stat.Uid), Hint: "make it yours"}
	}
	return nil
}

func pathError(op, path string, err error) error {
	if err == nil {
		return nil
	}
	return &fs.PathError{Op: op, Path: path, Err: err}
}
