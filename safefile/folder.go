package safefile

import (
	"io/fs"

	"golang.org/x/sys/unix"
)

// MakeFolder makes a folder in an existing one, with exactly this mode, whatever the
// umask. If it exists already, it must be ours or root's, and no link of another user may
// be on the way to it.
func MakeFolder(path string, mode fs.FileMode) error {
	w, err := walk(path, true)
	if err != nil {
		return err
	}
	defer w.close()
	if w.none {
		err := unix.Mkdirat(w.dir, w.name, uint32(mode.Perm()))
		switch {
		case err == nil: // mkdir obeys the umask
			return pathError("chmod", path, unix.Fchmodat(w.dir, w.name, uint32(mode.Perm()), 0))
		case err != unix.EEXIST:
			return pathError("mkdir", path, err)
		}
		if err := w.look(); err != nil { // somebody has just made it
			return pathError("mkdir", path, err)
		}
	}
	return w.checkFolder(path)
}

// CheckFolder returns the error that [MakeFolder] would return for an existing folder.
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
