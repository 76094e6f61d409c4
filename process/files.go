package process

import (
	"fmt"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// FileLimit is how many descriptors we may have. The Go runtime has raised the
// soft limit to the hard one before main began, and gives its children the
// one that it found.
func FileLimit() int {
	var limit unix.Rlimit
	if unix.Getrlimit(unix.RLIMIT_NOFILE, &limit) != nil || limit.Cur > 1<<30 {
		return 1 << 30
	}
	return int(limit.Cur)
}

// FileReserve is how many of limit descriptors services never get: control,
// logs, probes and the forks themselves need them most when they are short.
func FileReserve(limit int) int { return min(192, limit/4) }

// Files shares our descriptors out among services, first come, first served:
// those that wait for some get them as others give theirs back.
type Files struct {
	patience time.Duration

	mu      sync.Mutex
	limit   int // of all, for messages
	free    int
	moved   time.Time // when some were last given back
	waiting []*fileClaim
}

type fileClaim struct {
	n    int
	have chan struct{}
}

// NewFiles shares out limit descriptors, less the reserve and what is open
// already. A claim fails once none was given back for patience.
func NewFiles(limit int, patience time.Duration) *Files {
	return &Files{limit: limit, free: limit - FileReserve(limit) - openFiles(), patience: patience}
}

func openFiles() int {
	names, _ := os.ReadDir("/proc/self/fd")
	return len(names)
}

// Take claims n descriptors and waits for them. The error is ErrGone when
// cancel comes first, and a *StartError when there are none to be had.
func (f *Files) Take(n int, cancel <-chan struct{}) error {
	f.mu.Lock()
	if len(f.waiting) == 0 && f.free >= n {
		f.free -= n
		f.mu.Unlock()
		return nil
	}
	claim := &fileClaim{n, make(chan struct{})}
	f.waiting = append(f.waiting, claim)
	f.mu.Unlock()

	since, wait := time.Now(), f.patience
	for {
		timer := time.NewTimer(wait)
		select {
		case <-claim.have:
			timer.Stop()
			return nil
		case <-cancel:
			timer.Stop()
			if f.withdraw(claim) {
				return ErrGone
			}
			return nil // it came just now
		case <-timer.C:
		}
		f.mu.Lock()
		if f.moved.After(since) {
			since = f.moved
		}
		limit := f.limit
		f.mu.Unlock()
		if wait = f.patience - time.Since(since); wait > 0 {
			continue
		}
		if f.withdraw(claim) {
			return &StartError{
				Reason: Exhausted, Errno: unix.EMFILE, Detail: fmt.Sprintf("too many open files: %d are allowed here, and the services have them", limit),
				Hint: FileHint(2 * limit),
			}
		}
		return nil
	}
}

// withdraw takes a claim back; false when it has been granted.
func (f *Files) withdraw(claim *fileClaim) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	for i, c := range f.waiting {
		if c == claim {
			f.waiting = append(f.waiting[:i], f.waiting[i+1:]...)
			f.grant() // those behind may want less
			return true
		}
	}
	return false
}

// Give gives n descriptors back that Take has claimed.
func (f *Files) Give(n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.free += n
	f.moved = time.Now()
	f.grant()
}

// grant serves the first who wait. Called with the lock.
func (f *Files) grant() {
	for len(f.waiting) > 0 && f.free >= f.waiting[0].n {
		f.free -= f.waiting[0].n
		close(f.waiting[0].have)
		f.waiting = f.waiting[1:]
	}
}

// FileHint is the cure for a limit on open files that should be need at least.
func FileHint(need int) string {
	need = (need + 1023) / 1024 * 1024
	return fmt.Sprintf("raise the hard limit: \"ulimit -n %d\" as root, \"docker run --ulimit nofile=%d\", or LimitNOFILE=%d of a systemd unit", need, need, need)
}
