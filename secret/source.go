package secret

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"nix2gpu/safefile"
)

// MaxSize bounds a secret, and each file that is read for it, in bytes.
const MaxSize = 1 << 20

// A Source says where a secret is. Exactly one of File, Age and Env is set. Paths are
// absolute.
type Source struct {
	File       string
	Age        string   // a file that is encrypted with age
	Identities []string // files of keys to decrypt Age with, tried in order
	Env        string   // the name of a variable
}

// An Error says why a secret can't be read.
type Error struct {
	Msg   string
	Hint  string // the cure
	cause error
}

func (e *Error) Error() string {
	if e.Hint == "" {
		return e.Msg
	}
	return e.Msg + "\nhint: " + e.Hint
}

// Unwrap returns the system's error.
func (e *Error) Unwrap() error { return e.cause }

// Read returns the secret. Variables are looked up in environ, a list of "NAME=value".
func (s Source) Read(environ []string) ([]byte, error) {
	var data []byte
	var err error
	from := ""
	switch {
	case s.File != "":
		from = fmt.Sprintf("%q", s.File)
		data, err = readFile(s.File, MaxSize)
	case s.Age != "":
		from = fmt.Sprintf("%q", s.Age)
		data, err = s.decrypt()
	default:
		from = fmt.Sprintf("variable %s", s.Env)
		data, err = variable(s.Env, environ)
	}
	if err != nil {
		return nil, err
	}
	if strings.Trim(string(data), "\r\n") == "" {
		return nil, &Error{Msg: fmt.Sprintf("%s is empty", from), Hint: "write the secret into it"}
	}
	return data, nil
}

func variable(name string, environ []string) ([]byte, error) {
	for i := len(environ) - 1; i >= 0; i-- { // the last one wins, as for os/exec
		if value, ok := strings.CutPrefix(environ[i], name+"="); ok {
			return []byte(value), nil
		}
	}
	return nil, &Error{Msg: fmt.Sprintf("variable %s is not set", name),
		Hint:  fmt.Sprintf("export %s before nix2gpu is started, or: docker run -e %s", name, name),
		cause: fs.ErrNotExist}
}

func readFile(path string, limit int64) ([]byte, error) {
	data, err := safefile.ReadNamed(path, limit)
	if err == nil {
		return data, nil
	}
	e := &Error{Msg: fmt.Sprintf("cannot read %q: %v", path, reason(err)), cause: err}
	switch {
	case errors.Is(err, fs.ErrNotExist) && strings.HasPrefix(path, "/run/secrets/"):
		e.Hint = fmt.Sprintf("mount it: docker run -v ./%s:%s:ro", filepath.Base(path), path)
	case errors.Is(err, fs.ErrNotExist):
		e.Hint = "make it, or correct its path"
	case errors.Is(err, fs.ErrPermission):
		e.Hint = fmt.Sprintf("it is read by user %d, who runs nix2gpu: give it to that user", os.Geteuid())
	}
	return nil, e
}

// reason returns err without the path, which the message has already.
func reason(err error) error {
	var pe *fs.PathError
	if errors.As(err, &pe) {
		return pe.Err
	}
	return err
}

// InMemory reports whether files in dir are only in memory. If dir does not exist, the
// nearest existing folder above it decides.
func InMemory(dir string) bool {
	for {
		var st unix.Statfs_t
		switch err := unix.Statfs(dir, &st); {
		case err == nil:
			return st.Type == unix.TMPFS_MAGIC || st.Type == unix.RAMFS_MAGIC
		case err != unix.ENOENT || dir == "/" || dir == ".":
			return false
		}
		dir = filepath.Dir(dir)
	}
}
