package safefile

import (
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// A New is a file that gets its name when it is complete. Until then it has no name, if
// the file system supports that, so that a program that is killed leaves nothing.
type New struct {
	*os.File
	dir      string
	nameless bool
	done     bool // it was published or given up
}

// Create makes a new file in a folder, readable only by us. It must be closed, published
// or not.
func Create(dir string) (*New, error) {
	fd, err := unix.Open(dir, unix.O_TMPFILE|unix.O_RDWR|unix.O_CLOEXEC, 0o600)
	switch {
	case err == nil:
		f := os.NewFile(uintptr(fd), filepath.Join(dir, "(new)"))
		if _, err := os.Stat(link(f)); err == nil {
			return &New{File: f, dir: dir, nameless: true}, nil
		}
		f.Close() // without /proc it can't be named
	case errors.Is(err, unix.EOPNOTSUPP), errors.Is(err, unix.EISDIR), errors.Is(err, unix.EINVAL):
	default:
		return nil, &fs.PathError{Op: "create", Path: dir, Err: err}
	}
	return createNamed(dir)
}

// createNamed is for file systems that have no files without a name.
func createNamed(dir string) (*New, error) {
	f, err := os.CreateTemp(dir, newPrefix)
	if err != nil {
		return nil, err
	}
	return &New{File: f, dir: dir}, nil
}

// newPrefix begins the names of incomplete files.
const newPrefix = ".new-"

// Unfinished reports whether a name is that of an incomplete file, which a killed
// program has left.
func Unfinished(name string) bool { return strings.HasPrefix(name, newPrefix) }

// link is the path by which the kernel shows an open file.
func link(f *os.File) string { return fmt.Sprintf("/proc/self/fd/%d", f.Fd()) }

var errNotAFile = errors.New("it is there, and no regular file")

// IsStream reports whether a file is a device, a pipe or the like, or a name such as
// /dev/stdout, also where that is a regular file for now: others need the name as it is.
func IsStream(name string) bool {
	info, err := os.Stat(name)
	if err != nil || info.IsDir() {
		return false
	}
	dir, err := filepath.EvalSymlinks(filepath.Dir(name))
	return !info.Mode().IsRegular() || err == nil && (dir == "/dev" || strings.HasPrefix(dir, "/proc/"))
}

// Publish gives the file its name, replacing what has it, and closes it. The name must be
// on the folder's file system, and neither a folder's nor a stream's, see [IsStream].
func (f *New) Publish(name string, mode fs.FileMode) error {
	if f.done {
		return &fs.PathError{Op: "publish", Path: name, Err: fs.ErrClosed}
	}
	if info, err := os.Stat(name); err == nil && info.IsDir() || IsStream(name) {
		return &fs.PathError{Op: "publish", Path: name, Err: errNotAFile}
	}
	if err := f.Chmod(mode); err != nil {
		return err
	}
	if !f.nameless {
		if err := f.File.Close(); err != nil {
			return err
		}
		if err := os.Rename(f.Name(), name); err != nil {
			return err
		}
		f.done = true
		return nil
	}
	err := unix.Linkat(unix.AT_FDCWD, link(f.File), unix.AT_FDCWD, name, unix.AT_SYMLINK_FOLLOW)
	if err == unix.EEXIST { // a link can't replace a file; a rename can
		passing := filepath.Join(f.dir, fmt.Sprintf("%s%016x", newPrefix, rand.Uint64()))
		if err = unix.Linkat(unix.AT_FDCWD, link(f.File), unix.AT_FDCWD, passing, unix.AT_SYMLINK_FOLLOW); err == nil {
			if err := os.Rename(passing, name); err != nil {
				return errors.Join(err, os.Remove(passing))
			}
		}
	}
	if err != nil {
		return &fs.PathError{Op: "publish", Path: name, Err: err}
	}
	f.done = true
	return f.File.Close()
}

// Close removes the file unless it was published. After [New.Publish] it does nothing.
func (f *New) Close() error {
	if f.done {
		return nil
	}
	f.done = true
	err := f.File.Close()
	if errors.Is(err, fs.ErrClosed) { // a failed Publish has closed it
		err = nil
	}
	if !f.nameless {
		err = errors.Join(err, os.Remove(f.Name()))
	}
	return err
}
