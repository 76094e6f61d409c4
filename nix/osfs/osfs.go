// Package osfs gives evaluations the files of the machine.
//
// A program in the Nix language may name any file, so reading must end: only regular
// files are read, no devices or named pipes, and none larger than [MaxFile].
// What is evaluated has a lower limit, [eval.MaxText].
package osfs

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"syscall"
	"unsafe"

	"nix2gpu/nix/eval"
)

// MaxFile is the size of the largest file that is read, in bytes.
const MaxFile = 1 << 27

// FS implements [eval.FS]. It has no state.
type FS struct{}

var _ eval.FS = FS{}

// ReadDir implements [eval.FS].
func (FS) ReadDir(path string) ([]fs.DirEntry, error) { return os.ReadDir(path) }

// Stat implements [eval.FS].
func (FS) Stat(path string) (fs.FileInfo, error) { return os.Stat(path) }

// Lstat implements [eval.FS].
func (FS) Lstat(path string) (fs.FileInfo, error) { return os.Lstat(path) }

// ReadLink implements [eval.FS].
func (FS) ReadLink(path string) (string, error) { return os.Readlink(path) }

// ReadFile implements [eval.FS]. Neither opening nor reading waits, neither for the
// writer of a pipe nor for the kernel, as some files below /proc would.
func (FS) ReadFile(path string) ([]byte, error) { return read(path, MaxFile) }

// read reads a regular file of at most limit bytes.
func read(path string, limit int) ([]byte, error) {
	fail := func(err error) ([]byte, error) { return nil, &fs.PathError{Op: "read", Path: path, Err: err} }
	fd, err := syscall.Open(path, syscall.O_RDONLY|syscall.O_NONBLOCK|syscall.O_NOCTTY|syscall.O_CLOEXEC, 0)
	if err != nil {
		if kind := irregular(path); kind != nil { // a socket can't be opened at all
			err = kind
		}
		return fail(err)
	}
	defer syscall.Close(fd)
	var st syscall.Stat_t
	if err := syscall.Fstat(fd, &st); err != nil {
		return fail(err)
	}
	if st.Mode&syscall.S_IFMT != syscall.S_IFREG {
		if st.Mode&syscall.S_IFMT == syscall.S_IFCHR && st.Rdev == devNull {
			return nil, nil // programs use it as an empty file
		}
		return fail(irregular(path))
	}
	if st.Size > int64(limit) {
		return fail(tooBig(limit))
	}
	// A file below /proc has the size 0, and any other may grow.
	data := make([]byte, 0, st.Size+512)
	for {
		n, err := syscall.Read(fd, data[len(data):cap(data)])
		switch {
		case errors.Is(err, syscall.EINTR):
			continue
		case err != nil:
			return fail(err)
		case n == 0:
			return data, nil
		}
		if data = data[:len(data)+n]; len(data) > limit {
			return fail(tooBig(limit))
		}
		if len(data) == cap(data) {
			data = append(data, 0)[:len(data)]
		}
	}
}

// devNull is the number of the device /dev/null.
const devNull = 1<<8 | 3

func tooBig(limit int) error { return fmt.Errorf("%w: more than %d MiB", eval.ErrTooBig, limit>>20) }

// irregular says why a file that is not regular can't be read; nil for a regular one.
func irregular(path string) error {
	info, err := os.Stat(path)
	if err != nil {
		return nil
	}
	var kind string
	switch mode := info.Mode(); {
	case mode.IsRegular():
		return nil
	case mode.IsDir():
		return syscall.EISDIR
	case mode&fs.ModeNamedPipe != 0:
		kind = "a named pipe"
	case mode&fs.ModeSocket != 0:
		kind = "a socket"
	default:
		kind = "a device"
	}
	return fmt.Errorf("it is %s, and only regular files can be read", kind)
}

// ReadNamed reads a text that a user names on the command line, of at most [eval.MaxText]
// bytes. Unlike a program's files it may be a pipe, such as the shell's <(…), and is then
// read until its writer closes it. One that nobody writes to is an error: it could be for ever.
func ReadNamed(path string) (string, error) {
	if info, err := os.Stat(path); err == nil && info.Mode().IsRegular() {
		data, err := read(path, eval.MaxText)
		return unsafe.String(unsafe.SliceData(data), len(data)), err // nobody else has data
	}
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK|syscall.O_NOCTTY, 0)
	if err != nil {
		return "", err
	}
	defer f.Close()
	text, err := ReadStream(f, path)
	if info, statErr := f.Stat(); err == nil && text == "" && statErr == nil && info.Mode()&fs.ModeNamedPipe != 0 {
		err = &fs.PathError{Op: "read", Path: path, Err: errors.New("it is a pipe, and no program writes to it: start that one before")}
	}
	return text, err
}

// ReadStream reads all of a stream, of at most [eval.MaxText] bytes; name is for errors.
func ReadStream(r io.Reader, name string) (string, error) {
	// One buffer, of which nothing is touched that is not read: one that grew would
	// take several times as much for a stream without an end.
	data := make([]byte, eval.MaxText+1)
	n, err := io.ReadFull(r, data)
	switch {
	case err == nil:
		return "", &fs.PathError{Op: "read", Path: name, Err: tooBig(eval.MaxText)}
	case !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF):
		return "", err
	}
	return string(data[:n]), nil
}
