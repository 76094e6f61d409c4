package safefile

import (
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// A Folder is for peeking at many files of one folder. The path is walked once and, if
// nobody else can plant anything in the folder, each file is checked once, not twice.
type Folder struct {
	path    string
	dir     int  // descriptor, O_PATH
	private bool // only we and root can change its entries
}

// OpenFolder opens a folder, whoever owns it.
func OpenFolder(path string) (*Folder, error) {
	w, err := walk(filepath.Join(path, "file"), false)
	if err != nil {
		return nil, err
	}
	return &Folder{path, w.dir, trusted(w.folder.Uid) && w.folder.Mode&0o022 == 0}, nil
}

// Close closes the folder. Files opened in it stay open.
func (f *Folder) Close() error { return unix.Close(f.dir) }

// Peek is [Peek] for a file in the folder. It also returns the file's status.
func (f *Folder) Peek(name string) (*os.File, unix.Stat_t, error) {
	path := filepath.Join(f.path, name)
	var st unix.Stat_t
	fd, err := -1, error(unix.ELOOP)
	if f.private {
		fd, err = open(f.dir, name, unix.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_NOCTTY, 0)
	}
	if err == unix.ELOOP { // a link, which is not opened: report what it is
		file, err := Peek(path)
		if err == nil {
			err = unix.Fstat(int(file.Fd()), &st)
		}
		return file, st, err
	}
	if err != nil {
		return nil, st, &fs.PathError{Op: "open", Path: path, Err: err}
	}
	if err := unix.Fstat(fd, &st); err != nil {
		unix.Close(fd)
		return nil, st, &fs.PathError{Op: "stat", Path: path, Err: err}
	}
	if kind := kind(st.Mode); kind != "" {
		unix.Close(fd)
		return nil, st, &Error{Path: path, Why: "it is " + kind, Hint: "remove it"}
	}
	return os.NewFile(uintptr(fd), path), st, nil
}
