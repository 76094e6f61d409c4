package logcopy

import (
	"cmp"
	"context"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/klauspost/compress/gzip"
	"golang.org/x/sys/unix"

	"nix2gpu/project"
	"nix2gpu/safefile"
)

// A Set is the files of log_location that are open now. The zero value is ready to use.
type Set struct {
	mu   sync.Mutex
	open map[string]*File // by path
	tidy sync.Mutex       // held while older files are packed or removed: one at a time

	ending sync.Mutex
	closed bool // nothing more is added to tidies
	ended  bool // what goes on is cut off
	tidies sync.WaitGroup
}

// Close waits for what goes on in the background, as long as ctx lasts, and then cuts it off:
// a file system may hang. What was not packed is left to the next Set that uses the file.
func (c *Set) Close(ctx context.Context) {
	c.ending.Lock()
	c.closed = true
	c.ending.Unlock()
	done := make(chan struct{})
	go func() {
		c.tidies.Wait()
		close(done)
	}()
	select {
	case <-done:
		return
	case <-ctx.Done():
	}
	c.ending.Lock()
	c.ended = true
	c.ending.Unlock()
	select {
	case <-done:
	case <-time.After(100 * time.Millisecond): // it hangs
	}
}

func (c *Set) isOver() bool {
	c.ending.Lock()
	defer c.ending.Unlock()
	return c.ended
}

// A File is one of them.
type File struct {
	set      *Set
	path     string
	users    int // guarded by set.mu
	rotation *project.LogRotation
	regular  bool // only then it can be put aside
	reopen   func() (*os.File, error)

	mu     sync.Mutex
	file   *os.File
	size   int64
	due    *time.Timer // for older files that will be too old
	closed bool
}

// Use returns the open file of f's path, which it closes if there is one already.
// rotation is the file's, whoever of its users has said it; what is said last holds.
// reopen opens it again after it was put aside.
func (c *Set) Use(f *os.File, rotation *project.LogRotation, reopen func() (*os.File, error)) *File {
	path := real(f.Name())
	w, others := c.use(path, f, rotation, reopen)
	if others {
		f.Close()
		w.adopt(rotation) // it may wait for a write, and others must not wait with it
	}
	return w
}

// Follow gives the files that are open the rotations that hold now, by path. One without is
// not rotated any more.
func (c *Set) Follow(rotations map[string]*project.LogRotation) {
	now := make(map[string]*project.LogRotation, len(rotations))
	for path, rotation := range rotations {
		now[real(path)] = rotation
	}
	c.mu.Lock()
	open := maps.Clone(c.open)
	c.mu.Unlock()
	for path, w := range open {
		w.adopt(now[path])
	}
}

// real is the path of a file without links.
func real(path string) string {
	if real, err := filepath.EvalSymlinks(path); err == nil {
		return real
	}
	return path
}

// use returns the File of a path, and whether it has other users.
func (c *Set) use(path string, f *os.File, rotation *project.LogRotation, reopen func() (*os.File, error)) (w *File, others bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if w := c.open[path]; w != nil {
		w.users++
		return w, true
	}
	w = &File{set: c, path: path, users: 1, rotation: rotation, reopen: reopen, file: f}
	if info, err := f.Stat(); err == nil && info.Mode().IsRegular() {
		w.size, w.regular = info.Size(), true
	} else {
		w.rotation = nil
	}
	if c.open == nil {
		c.open = map[string]*File{}
	}
	c.open[path] = w
	if w.rotation != nil { // what an earlier run has left
		w.mu.Lock()
		w.later(time.Now())
		w.mu.Unlock()
	}
	return w, false
}

// adopt makes a rotation, or none, hold for all users of the file. A project asks for one at
// most; a reload may change it.
func (w *File) adopt(rotation *project.LogRotation) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.regular || w.rotation != nil && rotation != nil && *w.rotation == *rotation {
		return
	}
	w.rotation = rotation
	w.later(time.Now())
}

// Write writes whole lines. It is only a copy: the log itself reports errors.
func (w *File) Write(lines []byte) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed { // a descendant that outlives its service prints on
		return
	}
	if w.rotation != nil && w.size > 0 && w.size+int64(len(lines)) > most(w.rotation) {
		w.rotate(time.Now())
	}
	n, _ := w.file.Write(lines)
	w.size += int64(n)
}

// most is how large a file may become.
func most(r *project.LogRotation) int64 {
	usual := 100
	if total := r.TotalMB; total > 0 {
		usual = max(1, min(usual, total/4))
	}
	return int64(cmp.Or(r.SizeMB, usual)) << 20
}

// putAside is the time in the name of a file that was put aside: in UTC, as process-compose
// has it, so that names sort by time when clocks are set back to winter.
const putAside = "2006-01-02T15-04-05.000"

// stem returns the name of an older file of a log, up to and beyond the time in it.
func stem(log string) (before, after string) {
	ext := filepath.Ext(log)
	return strings.TrimSuffix(log, ext) + "-", ext
}

// IsAside reports whether a file is one that was put aside of a log, packed, being packed
// or neither.
func IsAside(path, log string) bool {
	before, after := stem(log)
	when, ours := strings.CutPrefix(path, before)
	when, whole := strings.CutSuffix(strings.TrimSuffix(strings.TrimSuffix(when, part), packed), after)
	_, err := time.Parse(putAside, when)
	return ours && whole && err == nil
}

// rotate puts the file aside. If that fails, it grows.
func (w *File) rotate(now time.Time) {
	stem, ext := stem(w.path)
	now = now.UTC()
	aside := stem + now.Format(putAside) + ext
	for n := 1; ; n++ { // two in one millisecond
		if _, err := os.Lstat(aside); err != nil {
			break
		}
		aside = stem + now.Add(time.Duration(n)*time.Millisecond).Format(putAside) + ext
	}
	if os.Rename(w.path, aside) != nil {
		return
	}
	f, err := w.reopen()
	if err != nil {
		_ = os.Rename(aside, w.path)
		return
	}
	w.file.Close()
	w.file, w.size = f, 0
	w.later(now)
}

// later tidies up soon, if the file is rotated, and nobody waits for it: it may outlive the
// use of the file. The caller holds the lock.
func (w *File) later(now time.Time) {
	if w.due != nil {
		w.due.Stop()
	}
	if w.rotation == nil {
		return
	}
	w.set.ending.Lock()
	defer w.set.ending.Unlock()
	if w.closed || w.set.closed {
		return
	}
	rotation := w.rotation
	w.set.tidies.Go(func() {
		w.set.tidy.Lock()
		next := w.tidy(rotation, now)
		w.set.tidy.Unlock()
		w.mu.Lock()
		defer w.mu.Unlock()
		if next.IsZero() || w.closed || w.rotation != rotation {
			return
		}
		if w.due != nil {
			w.due.Stop()
		}
		w.due = time.AfterFunc(max(time.Second, time.Until(next)), func() {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.later(time.Now())
		})
	})
}

const (
	packed = ".gz"
	part   = ".part" // the end of the name while it is being packed
)

// tidy packs older files, and removes those that are too old or too many. It returns when
// the next one is too old; zero: none will be.
func (w *File) tidy(r *project.LogRotation, now time.Time) (next time.Time) {
	var older []string
	for _, path := range w.older() {
		if w.set.isOver() {
			return next
		}
		plain, isPacked := strings.CutSuffix(path, packed)
		switch {
		case strings.HasSuffix(path, part): // of a run that was killed
			os.Remove(path)
			continue
		case isPacked:
			os.Remove(plain) // the same
		case r.Compress:
			if w.set.pack(path) {
				path += packed
			}
		}
		older = append(older, path)
	}
	if w.set.isOver() { // not by the sizes of what was not packed
		return next
	}
	total := int64(0)
	limit := int64(r.TotalMB)<<20 - most(r)
	for i, path := range older { // the latest first
		info, err := os.Lstat(path)
		if err != nil {
			continue
		}
		total += info.Size()
		gone := r.Files > 0 && i >= r.Files || r.TotalMB > 0 && total > limit
		if days := r.Days; days > 0 && !gone {
			end := info.ModTime().Add(time.Duration(days) * 24 * time.Hour)
			if gone = !end.After(now); !gone && (next.IsZero() || end.Before(next)) {
				next = end
			}
		}
		if gone {
			os.Remove(path)
		}
	}
	return next
}

// older lists the files that were put aside, the latest first, of one time the packed one.
func (w *File) older() (paths []string) {
	dir := filepath.Dir(w.path)
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil
	}
	for _, e := range entries {
		if path := filepath.Join(dir, e.Name()); IsAside(path, w.path) {
			paths = append(paths, path)
		}
	}
	slices.Sort(paths)
	slices.Reverse(paths)
	return slices.DeleteFunc(paths, func(path string) bool {
		return !strings.HasSuffix(path, part) && slices.Contains(paths, path+packed)
	})
}

// untilOver reads a file until the Set has ended.
type untilOver struct {
	io.Reader
	set *Set
}

func (r untilOver) Read(b []byte) (int, error) {
	if r.set.isOver() {
		return 0, os.ErrClosed
	}
	return r.Reader.Read(b)
}

// pack compresses a file, for those who could read it, and reports whether it has. Until all
// is written, the result has another name. A service may have put a link in its place.
func (c *Set) pack(path string) bool {
	in, err := safefile.OpenFile(path, os.O_RDONLY, 0)
	if err != nil {
		return false
	}
	defer in.Close()
	info, err := in.Stat()
	if err != nil {
		return false
	}
	out, err := safefile.OpenFile(path+part, os.O_WRONLY|os.O_CREATE|os.O_EXCL, info.Mode().Perm())
	if err != nil {
		return false
	}
	z := gzip.NewWriter(out)
	_, err = io.Copy(z, untilOver{in, c})
	age := unix.NsecToTimeval(info.ModTime().UnixNano()) // stays: files go by it
	for _, step := range []func() error{
		z.Close,
		func() error { return unix.Futimes(int(out.Fd()), []unix.Timeval{age, age}) }, // not by its name, which may be a link's by now
		out.Sync,
		func() error { return os.Rename(path+part, path+packed) },
	} {
		if err == nil {
			err = step()
		}
	}
	if err = cmp.Or(err, out.Close()); err != nil {
		os.Remove(path + part)
		return false
	}
	os.Remove(path)
	return true
}

// Close closes the file when its last user is done. It waits for nobody's packing: a service
// that starts again would.
func (w *File) Close() {
	w.set.mu.Lock()
	w.users--
	last := w.users == 0
	if last {
		delete(w.set.open, w.path)
	}
	w.set.mu.Unlock()
	if !last {
		return
	}
	w.mu.Lock()
	w.closed = true
	if w.due != nil {
		w.due.Stop()
	}
	w.file.Close()
	w.mu.Unlock()
}
