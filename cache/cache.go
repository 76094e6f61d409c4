package cache

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"nix2gpu/safefile"
)

// Locate returns the folder of the cache: $XDG_CACHE_HOME/nix2gpu, or else
// ~/.cache/nix2gpu.
func Locate(getenv func(string) string) (string, error) {
	if dir := getenv("XDG_CACHE_HOME"); filepath.IsAbs(dir) {
		return filepath.Join(dir, "nix2gpu"), nil
	}
	home := getenv("HOME")
	if !filepath.IsAbs(home) {
		return "", errors.New("cannot tell where the cache is: neither XDG_CACHE_HOME nor HOME is a folder\nhint: export XDG_CACHE_HOME=/some/folder")
	}
	return filepath.Join(home, ".cache", "nix2gpu"), nil
}

// A Dir is an open cache. Several goroutines may use it.
type Dir struct {
	path string
	lock *os.File // nil if it can't be locked; then nobody can prune it either
}

// Open makes the folder and takes a shared lock on it, so that it is not pruned. A
// folder that exists and is read-only can be opened too.
func Open(ctx context.Context, path string) (*Dir, error) {
	if err := os.MkdirAll(path, 0o700); err != nil {
		return nil, explain(path, err)
	}
	d := &Dir{path: path}
	f, err := os.OpenFile(filepath.Join(path, "lock"), os.O_RDWR|os.O_CREATE|unix.O_NOFOLLOW, 0o600)
	if readOnly(err) {
		f, err = os.OpenFile(filepath.Join(path, "lock"), os.O_RDONLY|unix.O_NOFOLLOW, 0)
		if errors.Is(err, fs.ErrNotExist) {
			return d, nil
		}
	}
	if err != nil {
		return nil, explain(path, err)
	}
	if err := safefile.Flock(ctx, f, unix.LOCK_SH); err != nil {
		f.Close()
		return nil, fmt.Errorf("cannot lock the cache %s: %w", path, err)
	}
	d.lock = f
	return d, nil
}

// Close releases the lock.
func (d *Dir) Close() error {
	if d.lock == nil {
		return nil
	}
	return d.lock.Close()
}

// Path returns the path of a file in a folder of the cache.
func (d *Dir) Path(folder, name string) string { return filepath.Join(d.path, folder, name) }

// Write writes a file. It appears complete or not at all.
func (d *Dir) Write(folder, name string, data []byte) error {
	place := d.Path(folder, name)
	if err := os.MkdirAll(filepath.Dir(place), 0o700); err != nil {
		return explain(d.path, err)
	}
	f, err := safefile.Create(filepath.Dir(place))
	if err != nil {
		return explain(d.path, err)
	}
	defer f.Close()
	_, err = f.Write(data)
	if err == nil {
		err = f.Sync()
	}
	if err == nil {
		err = f.Publish(place, 0o600)
	}
	return explain(d.path, err)
}

// Used sets the time of a file, by which [Prune] decides what to keep.
func (d *Dir) Used(folder, name string, now time.Time) {
	// A read-only cache is never pruned.
	_ = os.Chtimes(d.Path(folder, name), now, now)
}

// Explain adds the cure to an error of writing to the cache.
func (d *Dir) Explain(err error) error { return explain(d.path, err) }

func explain(path string, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT):
		return fmt.Errorf("cannot write to the cache %s: %w\nhint: nix2gpu cache prune, or put it elsewhere with XDG_CACHE_HOME", path, err)
	case readOnly(err):
		return fmt.Errorf("cannot write to the cache %s: %w\nhint: put it elsewhere with XDG_CACHE_HOME", path, err)
	}
	return fmt.Errorf("cannot use the cache %s: %w", path, err)
}

func readOnly(err error) bool {
	return errors.Is(err, unix.EROFS) || errors.Is(err, fs.ErrPermission)
}
