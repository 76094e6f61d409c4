package supervisor

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"nix2gpu/process"
	"nix2gpu/project"
	"nix2gpu/safefile"
	"nix2gpu/servicelog"
	"nix2gpu/stage"
)

// A LogFileError says why the copy of its log that a process asks for can't be written.
type LogFileError struct {
	Path string
	Why  string
	Hint string
}

func (e *LogFileError) Error() string {
	return fmt.Sprintf("cannot write the log to %q: %s", e.Path, e.Why)
}

// noLogFile reports whether no copy is written to a path, because stdout has the lines
// anyway. Definitions for images also name the stdout of PID 1, which we are there.
func noLogFile(path string) bool {
	own := []string{"/dev/stdout", "/dev/stderr", "/dev/null", "/dev/fd/1", "/dev/fd/2", "/proc/self/fd/1", "/proc/self/fd/2"}
	return slices.Contains(own, path) || process.IsInit() && (path == "/proc/1/fd/1" || path == "/proc/1/fd/2")
}

// LogLimits returns the limits of the log of a process.
func LogLimits(l project.Log) servicelog.Limits {
	limits := servicelog.Limits{MaxSize: l.MaxSize, MaxTotal: l.MaxTotal, MaxAge: time.Duration(l.MaxAge), Pack: l.Compress == nil || *l.Compress}
	if l.MaxFiles != nil {
		if limits.Keep = *l.MaxFiles; limits.Keep == 0 {
			limits.Keep = -1
		}
	}
	return limits
}

// CheckLogFile returns a [*LogFileError] if the copy of its log that a process asks for
// can't be written. It makes no file.
func CheckLogFile(st *stage.Stage, p *project.Project, q *project.Process) error {
	f, err := openLogFile(st, p, q, 0)
	if f != nil {
		f.Close()
	}
	if errors.Is(err, fs.ErrNotExist) {
		return nil // it can be made
	}
	return err
}

// openLogFile opens the copy of its log that a process asks for, with additional flags. It
// returns nil if the process asks for none. It follows a link only if nobody else can
// have made it.
func openLogFile(st *stage.Stage, p *project.Project, q *project.Process, flags int) (*os.File, error) {
	if q.Log.File.IsEmpty() {
		return nil, nil
	}
	path, err := st.Resolve(p, q.Log.File)
	if err != nil || noLogFile(path) {
		return nil, err
	}
	if flags&os.O_CREATE != 0 {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return nil, logFileError(path, err)
		}
	}
	f, err := safefile.OpenLinked(path, os.O_WRONLY|os.O_APPEND|flags, 0o644)
	if err != nil && (flags&os.O_CREATE != 0 || !errors.Is(err, fs.ErrNotExist)) {
		return nil, logFileError(path, err)
	}
	return f, err
}

func logFileError(path string, err error) error {
	e := &LogFileError{Path: path, Hint: "set log_location to a file that can be written to"}
	var refused *safefile.Error
	var failed *fs.PathError
	switch {
	case errors.As(err, &refused):
		if e.Why = refused.Why; !refused.InUse {
			e.Hint = refused.Hint
		}
	case errors.As(err, &failed):
		e.Why = failed.Err.Error()
	default:
		e.Why = err.Error()
	}
	return e
}
