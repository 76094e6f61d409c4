package safefile

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"

	"golang.org/x/sys/unix"
)

// An Error says why a file is not used, and what to do about it.
type Error struct {
	Path string
	Why  string // "it is a FIFO"
	Hint string
	// InUse tells of a folder or a device: others need it, so a person who has
	// named the path is better told to name another.
	InUse bool
}

func (e *Error) Error() string {
	return fmt.Sprintf("cannot use %s: %s\n  hint: %s", e.Path, e.Why, e.Hint)
}

// OpenFile is os.OpenFile for a file that others may have put there: it must
// be regular and ours, and the path's last name no link. It never waits.
func OpenFile(path string, flag int, mode fs.FileMode) (*os.File, error) {
	return openFile(path, flag, mode, nofollow)
}

// Peek opens a file to read it whosever it is: for what is only shown.
func Peek(path string) (*os.File, error) {
	return openFile(path, os.O_RDONLY, 0, anyone)
}

// OpenLinked is OpenFile that also follows a link at the path's end, when the
// link and every folder on its way are ours or root's.
func OpenLinked(path string, flag int, mode fs.FileMode) (*os.File, error) {
	return openFile(path, flag, mode, linked)
}

// Append opens a file to add to it, and makes it when it is missing.
func Append(path string, mode fs.FileMode) (*os.File, error) {
	return OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_APPEND, mode)
}

// ReadFile reads a file that has at most limit bytes.
func ReadFile(path string, limit int64) ([]byte, error) {
	f, err := OpenFile(path, os.O_RDONLY, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err == nil && int64(len(data)) > limit {
		return nil, &Error{Path: path, Why: fmt.Sprintf("it has more than %d bytes", limit), Hint: "remove it"}
	}
	return data, err
}

// ReadNamed reads a file that a user has named, whosever it is and whatever
// links lead there. It must be a plain one, and no larger than limit: nothing
// else ends for sure.
func ReadNamed(path string, limit int64) ([]byte, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_NONBLOCK, 0) // no waiting for the other end of a FIFO
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	switch {
	case err != nil:
		return nil, err
	case !info.Mode().IsRegular():
		return nil, errors.New("it is not a plain file")
	case info.Size() > limit:
		return nil, fmt.Errorf("it is larger than %d bytes", limit)
	}
	return io.ReadAll(io.LimitReader(f, limit))
}

// Replace makes data the content of a file, at once: whoever reads sees the
// old file or the new one. Whatever has the path, or path+".new", is replaced,
// unless it is a folder.
func Replace(path string, data []byte, mode fs.FileMode) error {
	f, err := Rewrite(path, data, mode)
	if err != nil {
		return err
	}
	return f.Close()
}

// Rewrite is Replace that leaves the file open, to add to it.
func Rewrite(path string, data []byte, mode fs.FileMode) (*os.File, error) {
	w, err := walk(path, false)
	if err != nil {
		return nil, err
	}
	defer w.close()
	next := w.name + ".new"
	if err := unix.Unlinkat(w.dir, next, 0); err != nil && err != unix.ENOENT {
		return nil, &fs.PathError{Op: "remove", Path: path + ".new", Err: err}
	}
	// A file that has no name yet gets it when it is whole: two programs that write the
	// same one never give each other's half the name.
	f := w.nameless(path, mode)
	publish := w.publish
	if f == nil {
		// With O_EXCL nothing is opened that somebody puts there meanwhile.
		fd, failed := open(w.dir, next, unix.O_WRONLY|unix.O_APPEND|unix.O_CREAT|unix.O_EXCL|unix.O_NOFOLLOW, uint32(mode.Perm()))
		if failed != nil {
			return nil, &fs.PathError{Op: "open", Path: path + ".new", Err: failed}
		}
		f = os.NewFile(uintptr(fd), path)
		publish = func(*os.File) error { return unix.Renameat(w.dir, next, w.dir, w.name) }
		defer func() {
			if err != nil {
				unix.Unlinkat(w.dir, next, 0)
			}
		}()
	}
	if _, err = f.Write(data); err == nil {
		if err = publish(f); err != nil {
			err = &fs.PathError{Op: "rename", Path: path, Err: err}
		}
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// nameless makes a file without a name in the folder; nil where there are none, and
// without /proc, by which it would get one.
func (w *place) nameless(path string, mode fs.FileMode) *os.File {
	fd, err := open(w.dir, ".", unix.O_WRONLY|unix.O_APPEND|unix.O_TMPFILE, uint32(mode.Perm()))
	if err != nil {
		return nil
	}
	f := os.NewFile(uintptr(fd), path)
	if _, err := os.Stat(link(f)); err != nil {
		f.Close()
		return nil
	}
	return f
}

// publish gives a file without a name that of the place, in place of what has it: by
// way of a name that nobody else takes, since a link replaces nothing.
func (w *place) publish(f *os.File) error {
	passing := fmt.Sprintf("%s%016x", newPrefix, rand.Uint64())
	err := unix.Linkat(unix.AT_FDCWD, link(f), w.dir, passing, unix.AT_SYMLINK_FOLLOW)
	if err == nil {
		if err = unix.Renameat(w.dir, passing, w.dir, w.name); err != nil {
			unix.Unlinkat(w.dir, passing, 0)
		}
	}
	return err
}

// A rule is what a file may be beside regular and ours.
type rule int

const (
	nofollow rule = iota
	linked        // a trusted link may lead to it
	anyone        // it may be anyone's
)

func openFile(path string, flag int, mode fs.FileMode, r rule) (*os.File, error) {
	w, err := walk(path, r == linked)
	if err != nil {
		return nil, err
	}
	defer w.close()
	writes := flag&(os.O_WRONLY|os.O_RDWR) != 0
	if w.none && flag&os.O_CREATE == 0 {
		return nil, &fs.PathError{Op: "open", Path: path, Err: unix.ENOENT}
	}
	// Looked at before it is opened: to open a device can already do something.
	if !w.none {
		if err := w.check(path, &w.stat, writes, r); err != nil {
			return nil, err
		}
	}
	// Without O_TRUNC: it would come before the second look.
	fd, err := open(w.dir, w.name, flag&^os.O_TRUNC|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_NOCTTY, uint32(mode.Perm()))
	if err != nil {
		if w.look() == nil && !w.none { // planted meanwhile: say what it is
			if err := w.check(path, &w.stat, writes, r); err != nil {
				return nil, err
			}
		}
		return nil, &fs.PathError{Op: "open", Path: path, Err: err}
	}
	var st unix.Stat_t
	if err = unix.Fstat(fd, &st); err == nil {
		err = w.check(path, &st, writes, r)
	}
	if err == nil {
		err = unix.SetNonblock(fd, false) // for the programs that inherit it
	}
	if err == nil && flag&os.O_TRUNC != 0 {
		err = unix.Ftruncate(fd, 0)
	}
	if err != nil {
		unix.Close(fd)
		return nil, err
	}
	return os.NewFile(uintptr(fd), path), nil
}

// check refuses what somebody else may have put there to mislead us.
func (w *place) check(path string, st *unix.Stat_t, writes bool, r rule) error {
	bad := func(why, hint string) error { return &Error{Path: path, Why: why, Hint: hint} }
	if kind := kind(st.Mode); kind != "" {
		format := st.Mode & unix.S_IFMT
		return &Error{Path: path, Why: "it is " + kind, Hint: "remove it",
			InUse: format == unix.S_IFDIR || format == unix.S_IFCHR || format == unix.S_IFBLK}
	}
	switch {
	case writes && !ours(st.Uid), r != anyone && !trusted(st.Uid):
		return bad("it belongs to "+user(st.Uid), "remove it, or make it yours")
	case writes && st.Nlink > 1 && (!ours(w.folder.Uid) || w.folder.Mode&0o022 != 0):
		// A name of ours for another file of ours: who may write in the folder
		// can have made it, where the kernel does not prevent that.
		return bad("it has other names too (hard links), and others may write to its folder", "remove it")
	}
	return nil
}

// kind says what is there instead of a file; "" for a file.
func kind(mode uint32) string {
	switch mode & unix.S_IFMT {
	case unix.S_IFREG:
		return ""
	case unix.S_IFDIR:
		return "a folder"
	case unix.S_IFLNK:
		return "a link"
	case unix.S_IFIFO:
		return "a FIFO"
	case unix.S_IFSOCK:
		return "a socket"
	}
	return "a device"
}
