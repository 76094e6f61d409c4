package rundir

import (
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"nix2gpu/safefile"
)

// maxLog is the size, in bytes, at which the supervisor's own log starts afresh. One file
// before it is kept.
const maxLog = 4 << 20

// A Log is the supervisor's own log. If it can't be written, lines are lost and counted,
// and the supervisor goes on: services matter more.
type Log struct {
	path string

	mu   sync.Mutex
	file *os.File // nil if not open
	size int64    // of the file, in bytes
	torn bool     // the last line in the file is incomplete
	lost int      // lines lost since err
	err  error    // why the last write failed

	closed bool
}

// OpenLog opens the supervisor's own log. It fails if there is something else, such as a
// FIFO or a link; a full disk only degrades it.
func (l Layout) OpenLog() (*Log, error) {
	g := &Log{path: l.Log}
	if g.err = g.open(); g.err == nil && g.size > maxLog {
		g.err = g.begin()
	}
	var refused *safefile.Error
	if errors.As(g.err, &refused) {
		return nil, folderError(l.Log, "the supervisor's log", stateHint, g.err)
	}
	return g, nil
}

func (g *Log) open() (err error) {
	if g.file, err = safefile.Append(g.path, 0o600); err != nil {
		return err
	}
	if info, err := g.file.Stat(); err == nil {
		g.size = info.Size()
	}
	return nil
}

// begin begins a new file, and keeps the one before it. Where that can't be, the log goes
// on in the file that there is.
func (g *Log) begin() error {
	if err := os.Rename(g.path, g.path+".1"); err != nil {
		g.size = 0 // it is tried again after as much
		return nil
	}
	g.file.Close()
	g.file = nil
	return g.open()
}

// Write appends a line. It never fails; see [Log.Check].
func (g *Log) Write(line []byte) (int, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.heal(); g.err == nil && g.size > maxLog {
		g.err = g.begin()
	}
	if g.err == nil {
		g.err = g.write(line)
	}
	if g.err != nil {
		g.lost++
	}
	return len(line), nil
}

// Check returns why lines are being lost; nil if they are written, or are again.
func (g *Log) Check() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.heal()
	return g.err
}

// heal tries to write again after a failure, and writes how many lines are missing.
func (g *Log) heal() {
	if g.err == nil || g.closed {
		return
	}
	if g.file == nil {
		if g.err = g.open(); g.err != nil {
			return
		}
	}
	if g.lost > 0 || g.torn {
		mark := fmt.Sprintf("time=%s level=WARN msg=\"lines of this log were lost\" count=%d\n", time.Now().Format(time.RFC3339), g.lost)
		if g.torn {
			mark = "\n" + mark
		}
		if g.err = g.write([]byte(mark)); g.err != nil {
			return
		}
	}
	g.err, g.lost = nil, 0
}

func (g *Log) write(text []byte) error {
	n, err := g.file.Write(text)
	g.size += int64(n)
	if n > 0 {
		g.torn = n < len(text)
	}
	return err
}

// Close closes the log. Later lines are lost.
func (g *Log) Close() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.err, g.closed = os.ErrClosed, true
	if g.file == nil {
		return nil
	}
	return g.file.Close()
}
