package rundir

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// A Lock says that this program supervises a project.
type Lock struct {
	file *os.File
	path string
}

// A LockedError says who supervises the project already.
type LockedError struct {
	Path string
	PID  int // 0 when it has not said
}

func (e *LockedError) Error() string {
	if e.PID == 0 {
		return fmt.Sprintf("already running (%s is locked)", e.Path)
	}
	return fmt.Sprintf("already running as pid %d", e.PID)
}

// Lock keeps other supervisors of the same state out, until Release or our
// end, whichever way that comes. When another is first, it is a *LockedError.
// The file itself says nothing: one without a holder is just taken, and the
// services' run folder emptied of what an earlier run has left there.
func (l Layout) Lock() (*Lock, error) {
	if err := l.prepareState(); err != nil {
		return nil, err
	}
	for {
		f, err := os.OpenFile(l.LockFile, os.O_RDWR|os.O_CREATE|unix.O_NOFOLLOW, 0o644)
		if err != nil {
			return nil, folderError(l.LockFile, "the lock", stateHint, err)
		}
		err = flock(f)
		if errors.Is(err, unix.EWOULDBLOCK) {
			holder := readPID(l.LockFile)
			f.Close()
			return nil, &LockedError{Path: l.LockFile, PID: holder}
		}
		if err != nil {
			f.Close()
			return nil, fmt.Errorf("cannot lock %s: %v", l.LockFile, err)
		}
		// Its last holder may have removed the file between our open and our
		// lock: then it guards nothing.
		if !sameFile(f, l.LockFile) {
			f.Close()
			continue
		}
		f.Truncate(0)
		if _, err := f.WriteAt([]byte(strconv.Itoa(os.Getpid())+"\n"), 0); err != nil && !errors.Is(err, unix.ENOSPC) {
			f.Close()
			return nil, fmt.Errorf("cannot write %s: %v", l.LockFile, err)
		}
		k := &Lock{file: f, path: l.LockFile}
		if err := l.emptyRun(); err != nil {
			k.Release()
			return nil, err
		}
		return k, nil
	}
}

func flock(f *os.File) error {
	for {
		err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if err != unix.EINTR {
			return err
		}
	}
}

func sameFile(f *os.File, path string) bool {
	open, err := f.Stat()
	if err != nil {
		return false
	}
	now, err := os.Lstat(path)
	return err == nil && os.SameFile(open, now)
}

func readPID(path string) int {
	data, err := os.ReadFile(path)
	if err != nil {
		return 0
	}
	pid, _ := strconv.Atoi(strings.TrimSpace(string(data)))
	return pid
}

// Release lets others in, and removes the file.
func (k *Lock) Release() error {
	err := os.Remove(k.path) // while it is still ours
	k.file.Close()
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// Holder is the pid of the supervisor that has the project; 0 when none runs.
func (l Layout) Holder() int {
	f, err := os.OpenFile(l.LockFile, os.O_RDONLY|unix.O_NOFOLLOW, 0)
	if err != nil {
		return 0
	}
	defer f.Close()
	// A starting supervisor could take a shared lock, however short, for
	// another's: so it is only tried while the pid in the file lives.
	pid := readPID(l.LockFile)
	if pid == 0 || errors.Is(unix.Access("/proc/"+strconv.Itoa(pid), unix.F_OK), unix.ENOENT) {
		return 0
	}
	if unix.Flock(int(f.Fd()), unix.LOCK_SH|unix.LOCK_NB) == nil {
		return 0
	}
	return pid
}
