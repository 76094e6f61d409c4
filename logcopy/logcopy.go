package logcopy

import (
	"cmp"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/klauspost/compress/gzip"

	"nix2gpu/project"
	"nix2gpu/safefile"
)

// A Set is the files of log_location that are open now. The zero value is ready to use. Several processes may write
// to one.
type Set struct {
	mu   sync.Mutex
	open map[string]*File // by path
}

// A File is one of them.
type File struct {
	set      *Set
	path     string
	users    int // guarded by set.mu
	rotation *project.LogRotation
	reopen   func() (*os.File, error)

	mu      sync.Mutex
	file    *os.File
	size    int64
	packing sync.WaitGroup
}

// Use returns the open file of f's path, which it closes if there is one already.
// reopen opens it again after it was put aside.
func (c *Set) Use(f *os.File, rotation *project.LogRotation, reopen func() (*os.File, error)) *File {
	path := f.Name()
	if real, err := filepath.EvalSymlinks(path); err == nil {
		path = real
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if w := c.open[path]; w != nil {
		f.Close()
		w.users++
		return w
	}
	w := &File{set: c, path: path, users: 1, rotation: rotation, reopen: reopen, file: f}
	if info, err := f.Stat(); err == nil && info.Mode().IsRegular() {
		w.size = info.Size()
	} else {
		w.rotation = nil
	}
	if c.open == nil {
		c.open = map[string]*File{}
	}
	c.open[path] = w
	return w
}

// Write writes whole lines. It is only a copy: the log itself reports errors.
func (w *File) Write(lines []byte) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if r := w.rotation; r != nil && w.size > 0 && w.size+int64(len(lines)) > int64(cmp.Or(r.SizeMB, 100))<<20 {
		w.rotate(time.Now())
	}
	n, _ := w.file.Write(lines)
	w.size += int64(n)
}

// putAside is the time in the name of a file that was put aside.
const putAside = "2006-01-02T15-04-05.000"

// rotate puts the file aside. If that fails, it grows.
func (w *File) rotate(now time.Time) {
	ext := filepath.Ext(w.path)
	stem := strings.TrimSuffix(w.path, ext) + "-"
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
	w.packing.Go(func() {
		if w.rotation.Compress {
			pack(aside)
		}
		w.prune(stem, ext, now)
	})
}

// pack compresses a file, for those who could read it. Until all is written, the result
// has another name. A service may have put a link in its place.
func pack(path string) {
	in, err := safefile.OpenFile(path, os.O_RDONLY, 0)
	if err != nil {
		return
	}
	defer in.Close()
	info, err := in.Stat()
	if err != nil {
		return
	}
	out, err := safefile.OpenFile(path+".part", os.O_WRONLY|os.O_CREATE|os.O_EXCL, info.Mode().Perm())
	if err != nil {
		return
	}
	z := gzip.NewWriter(out)
	_, err = io.Copy(z, in)
	if err = cmp.Or(err, z.Close(), out.Close()); err == nil {
		err = os.Rename(path+".part", path+".gz")
	}
	if err != nil {
		os.Remove(path + ".part")
		return
	}
	os.Remove(path)
}

// prune removes what was put aside too long ago, and all but the last.
func (w *File) prune(stem, ext string, now time.Time) {
	entries, err := os.ReadDir(filepath.Dir(stem))
	if err != nil {
		return
	}
	var names []string
	for _, e := range entries {
		when, ok := strings.CutPrefix(e.Name(), filepath.Base(stem))
		when = strings.TrimSuffix(strings.TrimSuffix(when, ".gz"), ext)
		if _, err := time.Parse(putAside, when); ok && err == nil {
			names = append(names, e.Name())
		}
	}
	slices.Sort(names)
	slices.Reverse(names) // the latest first
	for i, name := range names {
		old := false
		if days := w.rotation.Days; days > 0 {
			info, err := os.Lstat(filepath.Join(filepath.Dir(stem), name))
			old = err == nil && now.Sub(info.ModTime()) > time.Duration(days)*24*time.Hour
		}
		if keep := w.rotation.Files; old || keep > 0 && i >= keep {
			os.Remove(filepath.Join(filepath.Dir(stem), name))
		}
	}
}

// Close closes the file when its last user is done.
func (w *File) Close() {
	w.set.mu.Lock()
	defer w.set.mu.Unlock()
	if w.users--; w.users > 0 {
		return
	}
	delete(w.set.open, w.path)
	w.packing.Wait()
	w.file.Close()
}
