package safefile

import (
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// maxLinks is how many links a path may lead through, as in the kernel.
const maxLinks = 40

// A place is a name in an open folder. Changes of the folders above it no longer matter.
type place struct {
	dir  int // descriptor, O_PATH
	name string
	stat unix.Stat_t // status of what has the name
	none bool        // nothing has the name, and stat is empty

	folder  unix.Stat_t // status of dir
	foreign string      // the first folder on the way that is neither ours nor root's
	linked  bool        // a link at the path's end was followed
}

func (p *place) close() { unix.Close(p.dir) }

// walk opens the folder of a path. It follows links on the way if they are ours or
// root's, and a link at the end only if last is set.
func walk(path string, last bool) (*place, error) {
	full, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	if w := straight(full); w != nil && !(last && w.stat.Mode&unix.S_IFMT == unix.S_IFLNK) {
		return w, nil
	} else if w != nil {
		w.close()
	}
	w := &place{dir: -1}
	rest, links := names(full), 0
	if err := w.root(); err != nil {
		return nil, &fs.PathError{Op: "open", Path: "/", Err: err}
	}
	for {
		w.name, rest = rest[0], rest[1:]
		if err := w.look(); err != nil {
			w.close()
			return nil, &fs.PathError{Op: "open", Path: path, Err: err}
		}
		link := w.stat.Mode&unix.S_IFMT == unix.S_IFLNK
		if len(rest) == 0 && !(link && last) {
			if err := w.strange(path); err != nil {
				w.close()
				return nil, err
			}
			return w, nil
		}
		if link {
			target, err := w.follow(path, &links, len(rest) == 0)
			if err != nil {
				w.close()
				return nil, err
			}
			rest = append(names(target), rest...)
			if filepath.IsAbs(target) {
				err = w.root()
			}
			if err != nil {
				w.close()
				return nil, &fs.PathError{Op: "open", Path: path, Err: err}
			}
			continue
		}
		if err := w.enter(); err != nil {
			w.close()
			return nil, &fs.PathError{Op: "open", Path: path, Err: err}
		}
	}
}

// straight is walk for the usual path without any links, with one system call instead of
// three for each folder. It returns nil if there is a link, if anything fails, and on
// kernels before 5.6; then walk is needed.
func straight(path string) *place {
	how := &unix.OpenHow{Flags: unix.O_PATH | unix.O_DIRECTORY | unix.O_CLOEXEC, Resolve: unix.RESOLVE_NO_SYMLINKS}
	fd, err := unix.Openat2(unix.AT_FDCWD, filepath.Dir(path), how)
	if err != nil || path == "/" {
		if err == nil {
			unix.Close(fd)
		}
		return nil
	}
	w := &place{dir: fd, name: filepath.Base(path)}
	if unix.Fstat(fd, &w.folder) != nil || w.look() != nil {
		w.close()
		return nil
	}
	return w
}

// names returns the elements of a path; for the root, only ".".
func names(path string) []string {
	list := strings.FieldsFunc(path, func(r rune) bool { return r == '/' })
	if len(list) == 0 {
		return []string{"."}
	}
	return list
}

// root restarts at the root.
func (w *place) root() error {
	fd, err := open(unix.AT_FDCWD, "/", unix.O_PATH|unix.O_DIRECTORY, 0)
	if err != nil {
		return err
	}
	return w.move(fd)
}

// enter opens the folder that has the name.
func (w *place) enter() error {
	if w.none {
		return unix.ENOENT
	}
	fd, err := open(w.dir, w.name, unix.O_PATH|unix.O_DIRECTORY|unix.O_NOFOLLOW, 0)
	if err != nil {
		return err
	}
	return w.move(fd)
}

func (w *place) move(fd int) error {
	if w.dir >= 0 {
		unix.Close(w.dir)
	}
	w.dir = fd
	err := unix.Fstat(fd, &w.folder)
	if err == nil && w.foreign == "" && !trusted(w.folder.Uid) {
		w.foreign = w.name
	}
	return err
}

// look gets the present status of the name.
func (w *place) look() error {
	w.stat, w.none = unix.Stat_t{}, false
	err := unix.Fstatat(w.dir, w.name, &w.stat, unix.AT_SYMLINK_NOFOLLOW)
	if err == unix.ENOENT {
		w.none = true
		return nil
	}
	return err
}

// follow returns where a link leads, if it may be followed. For a link at the end of a
// path, nobody else may have been able to put it there.
func (w *place) follow(path string, links *int, last bool) (string, error) {
	if *links++; *links > maxLinks {
		return "", &fs.PathError{Op: "open", Path: path, Err: unix.ELOOP}
	}
	if !trusted(w.stat.Uid) {
		return "", &Error{Path: path, Why: fmt.Sprintf("%q on the way to it is a link of %s", w.name, user(w.stat.Uid)), Hint: "name it without the link, or make the link yours"}
	}
	w.linked = w.linked || last
	if err := w.strange(path); err != nil {
		return "", err
	}
	buf := make([]byte, unix.PathMax)
	n, err := unix.Readlinkat(w.dir, w.name, buf)
	if err != nil {
		return "", &fs.PathError{Op: "readlink", Path: path, Err: err}
	}
	return string(buf[:n]), nil
}

// strange refuses a link at a path's end if a folder on the way to it is another user's.
func (w *place) strange(path string) error {
	if !w.linked || w.foreign == "" {
		return nil
	}
	return &Error{Path: path, Why: fmt.Sprintf("it is a link, and the folder %q on the way to it is another user's", w.foreign), Hint: "name what the link leads to"}
}

// open is openat, repeated when a signal interrupts it.
func open(dir int, name string, flag int, mode uint32) (int, error) {
	for {
		fd, err := unix.Openat(dir, name, flag|unix.O_CLOEXEC, mode)
		if err != unix.EINTR {
			return fd, err
		}
	}
}

// ours reports whether uid is the one that we run as.
func ours(uid uint32) bool { return int(uid) == unix.Geteuid() }

// trusted reports whether uid is ours or root's: root can do anything to us anyway.
func trusted(uid uint32) bool { return uid == 0 || ours(uid) }

func user(uid uint32) string { return fmt.Sprintf("user %d", uid) }
