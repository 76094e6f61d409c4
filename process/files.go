package process

import (
	"fmt"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// FileLimit returns how many descriptors we may have. The Go runtime raises the soft
// limit to the hard one before main, but gives children the original one.
func FileLimit() int {
	var limit unix.Rlimit
	if unix.Getrlimit(unix.RLIMIT_NOFILE, &limit) != nil || limit.Cur > 1<<30 {
		return 1 << 30
	}
	return int(limit.Cur)
}

// FileReserve returns how many of limit descriptors services never get: control socket,
// logs, probes and forks must still work when descriptors run short.
func FileReserve(limit int) int { return min(192, limit/4) }

// Files shares our descriptors out among services. Those that wait for some get them in
// the order in which they have asked, as others give theirs back.
type Files struct {
	patience time.Duration

	mu      sync.Mutex
	limit   int // all descriptors, for messages
	free    int
	moved   time.Time // when some were given back last
	waiting []*fileClaim
}

type fileClaim struct {
	n    int
	have chan struct{}
}

// NewFiles returns a Files for limit descriptors, without the reserve and those that are
// open now. Take fails after none was given back for patience.
func NewFiles(limit int, patience time.Duration) *Files {
	return &Files{limit: limit, free: limit - FileReserve(limit) - openFiles(), patience: patience}
}

func openFiles() int {
	names, _ := os.ReadDir("/proc/self/fd")
	return len(names)
}

// Take claims n descriptors, and waits for them if need be. The error is ErrGone if cancel
// is closed first, and a *StartError if there are none.
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
			return nil // it was granted at the same moment
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

// withdraw withdraws a claim. It returns false if it has been granted.
func (f *Files) withdraw(claim *fileClaim) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	for i, c := range f.waiting {
		if c == claim {
			f.waiting = append(f.waiting[:i], f.waiting[i+1:]...)
			f.grant() // the next ones may want less
			return true
		}
	}
	return false
}

// Give gives back n descriptors that Take has granted.
func (f *Files) Give(n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.free += n
	f.moved = time.Now()
	f.grant()
}

// grant grants claims in their order, as far as descriptors go. Called with the lock.
func (f *Files) grant() {
	for len(f.waiting) > 0 && f.free >= f.waiting[0].n {
		f.free -= f.waiting[0].n
		close(f.waiting[0].have)
		f.waiting = f.waiting[1:]
	}
}

// FileHint returns the cure for a limit on open files that should be at least need.
func FileHint(need int) string {
	need = (need + 1023) / 1024 * 1024
	return fmt.Sprintf("raise the hard limit: \"ulimit -n %d\" as root, \"docker run --ulimit nofile=%d\", or LimitNOFILE=%d of a systemd unit", need, need, need)
}
