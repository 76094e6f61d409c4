package cache

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// A Usage is the content of a folder of the cache, in numbers.
type Usage struct {
	Folder string
	Files  int
	Bytes  int64
}

// Measure lists the folders of a cache, sorted. A missing cache is empty.
func Measure(path string) ([]Usage, error) {
	found := map[string]*Usage{}
	err := eachFile(path, func(folder, _ string, info fs.FileInfo) error {
		u := found[folder]
		if u == nil {
			u = &Usage{Folder: folder}
			found[folder] = u
		}
		u.Files++
		u.Bytes += info.Size()
		return nil
	})
	var out []Usage
	for _, u := range found {
		out = append(out, *u)
	}
	sort.SliceStable(out, func(i, j int) bool {
		a, b := out[i], out[j]
		return strings.Compare(a.Folder, b.Folder) < 0
	})
	return out, err
}

// ErrInUse says that another program has the cache open.
var ErrInUse = errors.New("a build is using the cache")

// Prune removes the files of a cache that were last used before unusedSince, and returns
// their number and size. While somebody has the cache open, it removes nothing and
// returns [ErrInUse].
func Prune(path string, unusedSince time.Time) (Usage, error) {
	var gone Usage
	f, err := os.OpenFile(filepath.Join(path, "lock"), os.O_RDWR|unix.O_NOFOLLOW, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return gone, nil // no lock file: it was never opened, and nothing in it is ours
	}
	if err != nil {
		return gone, explain(path, err)
	}
	defer f.Close()
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); errors.Is(err, unix.EWOULDBLOCK) {
		return gone, ErrInUse
	} else if err != nil {
		return gone, explain(path, err)
	}
	err = eachFile(path, func(_, file string, info fs.FileInfo) error {
		if !lastUse(info).Before(unusedSince) {
			return nil
		}
		if err := os.Remove(file); err != nil {
			return explain(path, err)
		}
		gone.Files++
		gone.Bytes += info.Size()
		return nil
	})
	return gone, err
}

// lastUse returns the later of a file's times of access and change. Not all file systems
// record accesses.
func lastUse(info fs.FileInfo) time.Time {
	used := info.ModTime()
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		used = later(used, time.Unix(st.Atim.Unix()))
	}
	return used
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

// eachFile visits the files in the folders of a cache, but not its lock.
func eachFile(path string, visit func(folder, file string, info fs.FileInfo) error) error {
	return filepath.WalkDir(path, func(file string, e fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil // somebody has just removed it
		}
		if err != nil {
			return explain(path, err)
		}
		rel, err := filepath.Rel(path, file)
		if err != nil {
			return err
		}
		folder, _, inside := strings.Cut(rel, string(filepath.Separator))
		if e.IsDir() || !inside {
			return nil
		}
		info, err := e.Info()
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil {
			return explain(path, err)
		}
		return visit(folder, file, info)
	})
}
