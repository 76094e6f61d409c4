package rundir

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"nix2gpu/safefile"
)

// A FolderError says why a folder can't be used, and what to do.
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

// Prepare makes the folders. Only we can enter those of our socket and logs. Services,
// which may run as other users, can enter the others.
func (l Layout) Prepare() error {
	if len(l.Socket) >= maxPath {
		return &FolderError{
			Path: l.Socket, Use: "the control socket", Why: fmt.Sprintf("its path is longer than %d bytes", maxPath-1),
			Hint: "name a shorter one with --socket",
		}
	}
	return Again(l.prepare)
}

// Again calls do, which makes folders, and again if one was removed meanwhile. Projects
// share two folders, which the last one removes with Clear. That may happen after the
// folder was made and before its content is, or between the two steps of os.MkdirAll
// (then the folder "exists"). Each further try means that another project has just
// ended. The tries are bounded for places such as /proc, where no folder can be made.
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

// Within calls do, which makes something in the folders of [Layout.Prepare]. If the end of
// another project has removed them meanwhile, it makes them and calls do again.
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

// CheckState returns why the state folder can't be trusted: it exists, and somebody else
// has made it. Call it before anything in there is read.
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
	// On a full disk, running services matters more than keeping their state.
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

// full reports whether err is that of a full disk, which may pass.
func full(err error) bool { return errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT) }

// prepareBase makes the folder of the control socket. It trusts an existing one only if
// nobody else can have made it or can change it.
func (l Layout) prepareBase() error {
	if dir := filepath.Dir(l.Socket); dir != l.base {
		if err := makeFolder(dir, "the folder of the control socket", 0o700, "name another socket with --socket"); err != nil {
			return err
		}
	}
	if err := os.MkdirAll(filepath.Dir(l.base), 0o755); err != nil {
		return folderError(l.base, "the folder of the control socket", l.elsewhere(), err)
	}
	if err := os.Mkdir(l.base, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return folderError(l.base, "the folder of the control socket", l.elsewhere(), err)
	}
	return private(l.base, l.uid)
}

// elsewhere says how to have the folder of sockets in another place. Root's has none.
func (l Layout) elsewhere() string {
	if l.uid == 0 {
		return "mount a file system that takes files on " + filepath.Dir(l.base) + ", such as a tmpfs (docker run --tmpfs /run)"
	}
	return "set XDG_RUNTIME_DIR to a folder of yours"
}

// private checks that dir is a real folder of uid's that nobody else can enter. If the
// mode allows it to others, it is corrected.
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

// emptyRun removes what an earlier run has left that was killed: sockets without a
// server, and pid files, whose pids may now be of other processes.
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
	return makeFolder(l.Run, "the run folder", mode, l.elsewhere())
}

// ignore keeps a state folder beside the definition out of git, and so out of what a
// flake copies.
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

// makeFolder makes dir and checks that we can write to it.
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

// checkSocket refuses to replace what is not a socket. Whether a socket is in use is
// known only once the locks are held.
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

// Clear removes the services' run folder, and its parent if that is then empty. It does
// not remove the socket, which its listener does: one that still exists may be somebody
// else's. Call it with the lock held, when nothing runs any more.
func (l Layout) Clear() error {
	err := errors.Join(os.RemoveAll(l.Run), l.ClearSecrets())
	os.Remove(filepath.Dir(l.Run)) // fails unless it is empty; Release removes base
	return err
}

// SecretLinks is a folder in Layout.Secrets. Its links lead to those links outside the
// run's folders that lead to secrets.
const SecretLinks = "links"

// ClearSecrets removes the folder of secrets, and the links to its files. It does so only
// if the folder is ours: in shared memory anybody can make one of that name.
func (l Layout) ClearSecrets() error {
	if l.Secrets == "" || safefile.CheckFolder(filepath.Dir(l.Secrets)) != nil {
		return nil
	}
	links := filepath.Join(l.Secrets, SecretLinks)
	entries, _ := os.ReadDir(links) // an error means that there are none
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
	trials, _ := filepath.Glob(l.Secrets + trialMark + "*") // no pattern in it is malformed
	for _, dir := range trials {
		pid, _, _ := strings.Cut(strings.TrimPrefix(dir, l.Secrets+trialMark), "-")
		if _, gone := os.Stat(filepath.Join("/proc", pid)); errors.Is(gone, fs.ErrNotExist) {
			err = errors.Join(err, os.RemoveAll(dir))
		}
	}
	os.Remove(filepath.Dir(l.Secrets))
	return err
}

// trialMark stands between a project's key and the pid of a process that tries something.
const trialMark = ".trial-"

// TrialSecrets returns a folder for the secrets of a trial, or "". It needs no lock: it
// lies beside the folder that ClearSecrets removes. Whoever uses it removes it; if that
// one was killed, ClearSecrets does.
func (l Layout) TrialSecrets(name string) string {
	if l.Secrets == "" {
		return ""
	}
	return l.Secrets + trialMark + strconv.Itoa(os.Getpid()) + "-" + name
}
