package rundir

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"nix2gpu/safefile"
)

// A FolderError says why a folder cannot be used, and what to do.
type FolderError struct {
	Path string
	Use  string // "the state folder"
	Why  string
	Hint string
	Err  error
}

func (e *FolderError) Error() string {
	s := fmt.Sprintf("cannot use %s %s: %s", e.Use, e.Path, e.Why)
	if e.Hint != "" {
		s += "\n  hint: " + e.Hint
	}
	return s
}

func (e *FolderError) Unwrap() error { return e.Err }

// Prepare makes the folders. Those with our socket and logs are ours alone;
// the others can be read by services, which may have users of their own.
func (l Layout) Prepare() error {
	if len(l.Socket) >= maxPath {
		return &FolderError{
			Path: l.Socket, Use: "the control socket", Why: fmt.Sprintf("its path is longer than %d bytes", maxPath-1),
			Hint: "name a shorter one with --socket",
		}
	}
	return Again(l.prepare)
}

// Again does what makes folders, and once more when one was taken away
// meanwhile: projects share two of them, and the Clear of the last one removes
// them, which may come between the making of one and of what lies in it, or
// (then the folder "exists") between the two steps of os.MkdirAll. Each
// further try means that another project has ended just then; the bound is for
// places such as /proc, where a folder never comes to exist.
func Again(do func() error) error {
	for try := 0; ; try++ {
		err := do()
		taken := errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrExist)
		if !taken || try == maxTries {
			return err
		}
	}
}

const maxTries = 1000

// Within does what makes something in the folders that Prepare has made, and
// both once more when another project's end has taken them away meanwhile.
func (l Layout) Within(do func() error) error {
	return Again(func() error {
		err := do()
		if errors.Is(err, fs.ErrNotExist) {
			if failed := l.prepare(); failed != nil {
				return failed
			}
		}
		return err
	})
}

// CheckState says why the state folder can't be trusted, before anything in it
// is read: that it is there and somebody else made it.
func (l Layout) CheckState() error {
	var refused *safefile.Error
	if err := safefile.CheckFolder(l.State); errors.As(err, &refused) {
		return folderError(l.State, "the state folder", stateHint, err)
	}
	return nil
}

func (l Layout) prepare() error {
	if err := l.prepareBase(); err != nil {
		return err
	}
	// On a full disk services matter more than what is kept of them.
	if err := l.prepareState(); err == nil {
		err = makeFolder(l.Logs, "the log folder", 0o700, stateHint)
		if err != nil && !full(err) {
			return err
		}
	} else if !full(err) {
		return err
	}
	if err := l.prepareRun(); err != nil {
		return err
	}
	return checkSocket(l.Socket)
}

const stateHint = "name a folder of yours with NIX2GPU_STATE"

func (l Layout) prepareState() error {
	if err := makeFolder(l.State, "the state folder", 0o755, stateHint); err != nil {
		return err
	}
	l.ignore()
	return nil
}

// full reports whether a disk without space was in the way: that passes.
func full(err error) bool { return errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT) }

// prepareBase makes the folder of the control socket, and trusts one that is
// there only when nobody else can have made or can change it.
func (l Layout) prepareBase() error {
	if dir := filepath.Dir(l.Socket); dir != l.base {
		if err := makeFolder(dir, "the folder of the control socket", 0o700, "name another socket with --socket"); err != nil {
			return err
		}
	}
	if err := os.MkdirAll(filepath.Dir(l.base), 0o755); err != nil {
		return folderError(l.base, "the folder of the control socket", "set XDG_RUNTIME_DIR to a folder of yours", err)
	}
	if err := os.Mkdir(l.base, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return folderError(l.base, "the folder of the control socket", "set XDG_RUNTIME_DIR to a folder of yours", err)
	}
	return private(l.base, l.uid)
}

// private checks that dir is a real folder of uid's that nobody else may
// enter, and closes one that is ours but open.
func private(dir string, uid int) error {
	bad := func(why string) *FolderError {
		return &FolderError{
			Path: dir, Use: "the folder of the control socket", Why: why,
			Hint: "somebody else may have made it: have it removed, or set XDG_RUNTIME_DIR to a folder of yours",
		}
	}
	var st unix.Stat_t
	if err := unix.Lstat(dir, &st); err != nil {
		e := bad(err.Error())
		e.Err = err
		return e
	}
	switch {
	case st.Mode&unix.S_IFMT != unix.S_IFDIR:
		return bad("it is not a folder")
	case int(st.Uid) != uid:
		return bad(fmt.Sprintf("it belongs to user %d", st.Uid))
	case st.Mode&0o077 != 0:
		if err := os.Chmod(dir, 0o700); err != nil {
			return bad(fmt.Sprintf("others may enter it (mode %04o)", st.Mode&0o777))
		}
	}
	return nil
}

// emptyRun removes what an earlier run, whose end was sudden, has left to
// mislead: sockets without a server, pid files of strangers.
func (l Layout) emptyRun() error {
	entries, err := os.ReadDir(l.Run)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	for _, entry := range entries {
		err = errors.Join(err, os.RemoveAll(filepath.Join(l.Run, entry.Name())))
	}
	if err != nil {
		return folderError(l.Run, "the run folder", "remove it", err)
	}
	return nil
}

func (l Layout) prepareRun() error {
	mode := fs.FileMode(0o700)
	if l.uid == 0 {
		mode = 0o755
	}
	return makeFolder(l.Run, "the run folder", mode, "set XDG_RUNTIME_DIR to a folder of yours")
}

// ignore keeps a state folder beside the definition out of git, and out of
// what a flake copies.
func (l Layout) ignore() {
	dir := filepath.Dir(l.State)
	if filepath.Base(dir) != ".nix2gpu" {
		return
	}
	f, err := os.OpenFile(filepath.Join(dir, ".gitignore"), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err == nil {
		f.WriteString("*\n")
		f.Close()
	}
}

// makeFolder makes dir and sees to it that we can write there.
func makeFolder(dir, use string, mode fs.FileMode, hint string) error {
	err := os.MkdirAll(filepath.Dir(dir), 0o755)
	if err == nil {
		err = safefile.MakeFolder(dir, mode)
	}
	if err == nil {
		if errno := unix.Access(dir, unix.W_OK|unix.X_OK); errno != nil {
			err = errno
		}
	}
	if err != nil {
		return folderError(dir, use, hint, err)
	}
	return nil
}

func folderError(dir, use, hint string, err error) error {
	why := err.Error()
	var refused *safefile.Error
	if errors.As(err, &refused) {
		why, hint = refused.Why, refused.Hint+", or "+hint
	}
	var errno syscall.Errno
	if errors.As(err, &errno) {
		why = map[syscall.Errno]string{
			unix.EACCES:  "no permission to write there",
			unix.EPERM:   "no permission to write there",
			unix.EROFS:   "the file system is read-only",
			unix.ENOSPC:  "the disk is full",
			unix.ENOTDIR: "something on the way is not a folder",
		}[errno]
		if why == "" {
			why = errno.Error()
		}
	}
	return &FolderError{Path: dir, Use: use, Why: why, Hint: hint, Err: err}
}

// checkSocket refuses to replace what is no socket. Whether a socket is a
// living one shows only when the locks are held.
func checkSocket(path string) error {
	st, err := os.Lstat(path)
	if err != nil || st.Mode()&fs.ModeSocket != 0 {
		return nil
	}
	return &FolderError{
		Path: path, Use: "the control socket", Why: "something else has that name",
		Hint: "remove it, or name another with --socket",
	}
}

// Clear removes the services' run folder, and the folder of those when it is
// empty after it. The socket is its listener's to remove: one that is there
// still may be somebody else's. Call it with the lock held, when nothing runs
// any more.
func (l Layout) Clear() error {
	err := errors.Join(os.RemoveAll(l.Run), l.ClearSecrets())
	os.Remove(filepath.Dir(l.Run)) // the last one turns off the light; Release removes base
	return err
}

// SecretLinks is the folder in Layout.Secrets whose links lead to links, outside
// the run's folders, to secrets.
const SecretLinks = "links"

// ClearSecrets removes the folder of secrets, and the links to what is in it,
// as far as it is ours: in shared memory anybody can make one of that name.
func (l Layout) ClearSecrets() error {
	if l.Secrets == "" || safefile.CheckFolder(filepath.Dir(l.Secrets)) != nil {
		return nil
	}
	links := filepath.Join(l.Secrets, SecretLinks)
	entries, _ := os.ReadDir(links) // most runs have none
	for _, entry := range entries {
		at, err := os.Readlink(filepath.Join(links, entry.Name()))
		if err != nil {
			continue
		}
		if target, err := os.Readlink(at); err == nil && strings.HasPrefix(target, l.Secrets+"/") {
			os.Remove(at)
		}
	}
	err := os.RemoveAll(l.Secrets)
	os.Remove(filepath.Dir(l.Secrets))
	return err
}
