package cache

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// A Usage is what a folder of the cache holds.
type Usage struct {
	Folder string
	Files  int
	Bytes  int64
}

// Measure lists the folders of a cache, sorted. One that is not there is empty.
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
	slices.SortFunc(out, func(a, b Usage) int { return strings.Compare(a.Folder, b.Folder) })
	return out, err
}

// ErrInUse says that a build uses the cache.
var ErrInUse = errors.New("a build is using the cache")

// Prune removes the files of a cache that were of no use since a moment, and
// says how many and how large. Nothing is removed while somebody has the cache
// open: the error is then [ErrInUse].
func Prune(path string, unusedSince time.Time) (Usage, error) {
	var gone Usage
	f, err := os.OpenFile(filepath.Join(path, "lock"), os.O_RDWR|unix.O_NOFOLLOW, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return gone, nil // never opened: there is nothing of ours
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

// lastUse is the later of a file's times: some file systems note who reads.
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

// eachFile visits the files in the folders of a cache, not the lock beside them.
func eachFile(path string, visit func(folder, file string, info fs.FileInfo) error) error {
	return filepath.WalkDir(path, func(file string, e fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil // removed this moment
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
