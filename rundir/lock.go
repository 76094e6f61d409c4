package rundir

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"nix2gpu/safefile"
)

// A lockKind says what a lock protects.
type lockKind int

const (
	runLock    lockKind = iota // the project, among the runs of one user
	socketLock                 // a control socket that the user has named
	stateLock                  // the state folder, among all users
)

// A Lock holds the locks of the supervisor of a project.
type Lock struct {
	layout Layout

	mu   sync.Mutex
	held []heldFile
	lost error // why we don't hold the lock of the state folder
}

type heldFile struct {
	lockFile
	file *os.File
}

// A LockedError says that another supervisor has the project, or its socket.
type LockedError struct {
	Path   string
	PID    int    // 0 if the lock does not tell yet
	Socket string // the control socket, if only that is taken
	Owner  string // the project that has it: `"web" in /srv/shop`
}

func (e *LockedError) Error() string {
	by := fmt.Sprintf("pid %d", e.PID)
	if e.PID == 0 {
		by = "another (" + e.Path + " is locked)"
	}
	if e.Socket != "" {
		return fmt.Sprintf("the control socket %s is in use by the project %s, which runs as %s\n  hint: name another socket with --socket, or stop that project with \"nix2gpu down --socket %s\"",
			e.Socket, cmp.Or(e.Owner, "of somebody"), by, e.Socket)
	}
	return fmt.Sprintf("already running as %s\n  hint: stop it with \"nix2gpu down\"", by)
}

// Lock keeps out other supervisors of the same project, control socket or state, until
// [Lock.Release] or our end, even by kill -9. If another one has the locks, the error is a
// [*LockedError]. A lock file without a holder means nothing: it is taken, and what an
// earlier run has left in the services' run folder is removed.
//
// On a full disk the state folder may remain without its lock, which [Lock.Check]
// reports.
func (l Layout) Lock() (*Lock, error) {
	k := &Lock{layout: l}
	if err := Again(l.prepareBase); err != nil {
		return nil, err
	}
	if k.lost = l.prepareState(); k.lost != nil && !full(k.lost) {
		k.Release()
		return nil, k.lost
	}
	// Always in the same order, so that of several supervisors one gets all locks.
	for _, want := range l.locks {
		if want.what == stateLock && k.lost != nil {
			continue
		}
		f, err := l.take(want)
		if want.what == stateLock && full(err) {
			k.lost = err
			continue
		}
		if err != nil {
			k.Release()
			return nil, err
		}
		k.held = append(k.held, heldFile{want, f})
	}
	if err := cmp.Or(l.emptyRun(), l.ClearSecrets()); err != nil {
		k.Release()
		return nil, err
	}
	return k, nil
}

// take locks one file.
func (l Layout) take(want lockFile) (*os.File, error) {
	use, hint := "the lock", stateHint
	if want.what != stateLock {
		hint = l.elsewhere()
	}
	for try := 0; ; {
		f, err := safefile.OpenFile(want.path, os.O_RDWR|os.O_CREATE, 0o644)
		if errors.Is(err, fs.ErrNotExist) && want.what != stateLock && try < maxTries {
			// The last project of the folder has just ended and removed it.
			if try++; Again(l.prepareBase) == nil {
				continue
			}
		}
		if err != nil {
			return nil, folderError(want.path, use, hint, err)
		}
		err = lockFor(f)
		if errors.Is(err, unix.EWOULDBLOCK) {
			locked := &LockedError{Path: want.path}
			locked.PID, locked.Owner = readLock(f)
			if want.what == socketLock {
				locked.Socket = l.Socket
			}
			f.Close()
			return nil, locked
		}
		if err != nil {
			f.Close()
			return nil, fmt.Errorf("cannot lock %s: %v", want.path, err)
		}
		// Its last holder may have removed the file between our open and our lock.
		// Then our lock protects nothing.
		if !sameFile(f, want.path) {
			f.Close()
			continue
		}
		text := strconv.Itoa(os.Getpid()) + "\n"
		if want.says != "" {
			text += want.says + "\n"
		}
		if err := say(f, text); err != nil && !full(err) {
			f.Close()
			return nil, fmt.Errorf("cannot write %s: %v", want.path, err)
		}
		return f, nil
	}
}

// say makes text the content of a file, with one write, so that no reader finds the file
// empty and takes its holder for unknown.
func say(f *os.File, text string) error {
	if _, err := f.WriteAt([]byte(text), 0); err != nil {
		return errors.Join(f.Truncate(0), err)
	}
	return f.Truncate(int64(len(text)))
}

// lockFor locks a file against all others. Those who share its lock only ask whether it is
// held, and let go at once: it waits for them, but for no holder.
func lockFor(f *os.File) error {
	for try := 0; ; try++ {
		err := flock(f, unix.LOCK_EX)
		if !errors.Is(err, unix.EWOULDBLOCK) || try == maxTries || flock(f, unix.LOCK_SH) != nil {
			return err
		}
		if err := flock(f, unix.LOCK_UN); err != nil {
			return err
		}
		time.Sleep(time.Millisecond)
	}
}

// flock takes a lock or releases it. It does not wait for one that others hold.
func flock(f *os.File, how int) error {
	for {
		err := unix.Flock(int(f.Fd()), how|unix.LOCK_NB)
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

// readLock reads the holder of a lock; 0 if it is not known.
func readLock(f *os.File) (pid int, owner string) {
	data, err := io.ReadAll(io.NewSectionReader(f, 0, 8<<10))
	if err != nil {
		return 0, ""
	}
	first, rest, _ := strings.Cut(string(data), "\n")
	pid, _ = strconv.Atoi(strings.TrimSpace(first))
	return pid, strings.TrimSpace(rest)
}

// Check returns an error if others could take what we hold: if the state folder or a lock
// was removed, or the disk was full. Once there is space again, it takes the missing
// lock.
func (k *Lock) Check() error {
	k.mu.Lock()
	defer k.mu.Unlock()
	l := k.layout
	if k.lost != nil {
		if err := l.prepareState(); err != nil {
			return err
		}
		want := l.locks[len(l.locks)-1]
		f, err := l.take(want)
		if err != nil {
			return err
		}
		k.lost = nil
		k.held = append(k.held, heldFile{want, f})
	}
	var gone []error
	for _, h := range k.held {
		if sameFile(h.file, h.path) {
			continue
		}
		if _, err := os.Lstat(l.State); h.what == stateLock && errors.Is(err, fs.ErrNotExist) {
			gone = append(gone, fmt.Errorf("the state folder %s was removed", l.State))
		} else {
			gone = append(gone, fmt.Errorf("the lock %s was removed", h.path))
		}
	}
	return errors.Join(gone...)
}

// Release releases the locks and removes their files, and the folder of run locks if it
// is then empty.
func (k *Lock) Release() error {
	k.mu.Lock()
	defer k.mu.Unlock()
	var failed []error
	for _, h := range k.held {
		if sameFile(h.file, h.path) { // as long as we still hold it
			if err := os.Remove(h.path); err != nil && !errors.Is(err, fs.ErrNotExist) {
				failed = append(failed, err)
			}
		}
		h.file.Close()
	}
	k.held = nil
	os.Remove(k.layout.base)
	return errors.Join(failed...)
}

// Holder returns the pid of the project's supervisor; 0 if none runs.
func (l Layout) Holder() int {
	for _, lock := range l.locks {
		if lock.what == socketLock {
			continue // its holder may supervise another project
		}
		if pid := holder(lock.path); pid != 0 {
			return pid
		}
	}
	return 0
}

func holder(path string) int {
	f, err := safefile.Peek(path)
	if err != nil {
		return 0
	}
	defer f.Close()
	// To test a lock takes it for a moment, and a starting supervisor has to wait. So it
	// is tested only while the pid in the file lives.
	pid, _ := readLock(f)
	if pid == 0 || errors.Is(unix.Access(filepath.Join("/proc", strconv.Itoa(pid)), unix.F_OK), unix.ENOENT) {
		return 0
	}
	if flock(f, unix.LOCK_SH) == nil {
		return 0
	}
	return pid
}
