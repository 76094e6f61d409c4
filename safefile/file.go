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

// An Error says why a file is refused, and what to do about it.
type Error struct {
	Path string
	Why  string // "it is a FIFO"
	Hint string
	// InUse is set for a folder or a device. Others need it, so the cure for a user who
	// has named the path is to name another one.
	InUse bool
}

func (e *Error) Error() string {
	return fmt.Sprintf("cannot use %s: %s\n  hint: %s", e.Path, e.Why, e.Hint)
}

// OpenFile is [os.OpenFile] for a path where others may have put something: the file
// must be regular and ours, and not a link. It never blocks.
func OpenFile(path string, flag int, mode fs.FileMode) (*os.File, error) {
	return openFile(path, flag, mode, nofollow)
}

// Peek opens a file for reading, whoever owns it. It is for content that is only shown.
func Peek(path string) (*os.File, error) {
	return openFile(path, os.O_RDONLY, 0, anyone)
}

// OpenLinked is [OpenFile], but follows a link at the path's end if the link and every
// folder on its way are ours or root's.
func OpenLinked(path string, flag int, mode fs.FileMode) (*os.File, error) {
	return openFile(path, flag, mode, linked)
}

// Append opens a file to append to it, and makes it if it is missing.
func Append(path string, mode fs.FileMode) (*os.File, error) {
	return OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_APPEND, mode)
}

// ReadFile reads a file of at most limit bytes.
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

// ReadNamed reads a file that a user has named, whoever owns it and through any links.
// It must be regular and of at most limit bytes, because nothing else is sure to end.
func ReadNamed(path string, limit int64) ([]byte, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_NONBLOCK, 0) // don't block on a FIFO
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
	// The size of a file in /proc is 0, and a file may grow meanwhile.
	data, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err == nil && int64(len(data)) > limit {
		return nil, fmt.Errorf("it is larger than %d bytes", limit)
	}
	return data, err
}

// Replace makes data the content of a file, atomically: readers see the old file or the
// new one. It replaces whatever has the path, or path+".new", unless it is a folder.
func Replace(path string, data []byte, mode fs.FileMode) error {
	f, err := Rewrite(path, data, mode)
	if err != nil {
		return err
	}
	return f.Close()
}

// Rewrite is [Replace], but returns the file, open for appending.
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
	// A file without a name gets its name when it is complete. So two programs that
	// write the same file never rename each other's half.
	f := w.nameless(path, mode)
	publish := w.publish
	if f == nil {
		// O_EXCL fails if somebody puts something there meanwhile.
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

// nameless makes a file without a name in the folder. It returns nil if the file system
// has no such files, or without /proc, which is needed to name it later.
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

// publish gives a file without a name the name of the place, replacing what has it. It
// goes by a temporary name, because a link can't replace a file and a rename can.
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

// A rule allows more than a regular file of ours.
type rule int

const (
	nofollow rule = iota
	linked        // it may be behind a trusted link
	anyone        // anyone may own it
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
	// Check before opening: opening a device can have an effect.
	if !w.none {
		if err := w.check(path, &w.stat, writes, r); err != nil {
			return nil, err
		}
	}
	// Without O_TRUNC, which would act before the second check.
	fd, err := open(w.dir, w.name, flag&^os.O_TRUNC|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_NOCTTY, uint32(mode.Perm()))
	if err != nil {
		if w.look() == nil && !w.none { // it was planted meanwhile: report what it is
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
		err = unix.SetNonblock(fd, false) // programs that inherit it expect a blocking descriptor
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

// check refuses what somebody else may have planted.
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
		// It may be another file of ours that was hard-linked here: whoever may write
		// to the folder can do that, unless the kernel forbids it.
		return bad("it has other names too (hard links), and others may write to its folder", "remove it")
	}
	return nil
}

// kind returns what is there instead of a regular file; "" if it is one.
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
