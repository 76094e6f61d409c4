package filewatch

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/fsnotify/fsnotify"
	"golang.org/x/sys/unix"
)

// Options says what is watched.
type Options struct {
	Paths      []Tree
	All        bool // what nobody edits counts, too
	MaxFolders int
	Debounce   time.Duration
	Ignore     func(path string) bool // of files and folders that never count; nil: none
}

// A Tree is a folder, with all that is below, or a file. Patterns, as package glob has them,
// are about the path below it if they have a slash, and else about the name.
type Tree struct {
	Path             string   // absolute
	Include, Exclude []string // what alone counts, if anything is said; and what does not
}

// A Watcher is a set of watched folders. Make it with [New].
type Watcher struct {
	opts    Options
	notify  *fsnotify.Watcher
	filters []filter
	folders map[string]bool
}

// New begins to watch: what changes after it has returned is seen. Run must follow, or
// Close.
func New(opts Options) (*Watcher, error) {
	notify, err := fsnotify.NewWatcher()
	if err != nil {
		return nil, fmt.Errorf("the kernel must allow one more watch: %w%s", err, cure(err))
	}
	w := &Watcher{opts: opts, notify: notify, folders: map[string]bool{}}
	if opts.Ignore == nil {
		w.opts.Ignore = func(string) bool { return false }
	}
	for _, p := range opts.Paths {
		info, err := os.Stat(p.Path)
		if err != nil {
			return nil, errors.Join(err, notify.Close())
		}
		f := filter{Tree: p, all: opts.All, ignore: w.opts.Ignore}
		if !info.IsDir() { // editors put another file in its place, so that its folder is watched
			f.Path, f.Include, f.Exclude, f.all = filepath.Dir(p.Path), []string{"./" + escaped(filepath.Base(p.Path))}, nil, true
			err = w.add(f.Path)
		} else {
			f.Path, err = filepath.EvalSymlinks(p.Path)
			if err == nil {
				_, err = w.enter(&f, f.Path)
			}
		}
		if err != nil {
			return nil, errors.Join(err, notify.Close())
		}
		w.filters = append(w.filters, f)
	}
	return w, nil
}

// escaped is a pattern for a name alone.
func escaped(name string) string {
	var out []byte
	for i := range len(name) {
		switch name[i] {
		case '*', '?', '[', ']', '\\', '{', '}', ',':
			out = append(out, '\\')
		}
		out = append(out, name[i])
	}
	return string(out)
}

// Close ends the watch.
func (w *Watcher) Close() error { return w.notify.Close() }

// Run calls changed with the first file that has changed of a burst, once nothing has changed
// for the time of Debounce, until ctx ends. The error says why nothing more is seen.
func (w *Watcher) Run(ctx context.Context, changed func(path string)) error {
	defer w.Close()
	first := ""
	quiet := time.NewTimer(0)
	if !quiet.Stop() {
		<-quiet.C
	}
	saw := func(path string) {
		if first == "" {
			first = path
		}
		quiet.Reset(w.opts.Debounce)
	}
	for {
		select {
		case ev, ok := <-w.notify.Events:
			if !ok {
				return nil
			}
			path, err := w.take(ev)
			if err != nil {
				return err
			}
			if path != "" {
				saw(path)
			}
		case err, ok := <-w.notify.Errors:
			switch {
			case !ok:
				return nil
			case errors.Is(err, fsnotify.ErrEventOverflow): // what has changed is not known
				for _, f := range w.filters {
					if _, err := w.enter(&f, f.Path); err != nil {
						return err
					}
				}
				saw(w.filters[0].Path)
			default:
				return err
			}
		case <-quiet.C:
			changed(first)
			first = ""
		case <-ctx.Done():
			return nil
		}
	}
}

// take returns the file that an event is about, if it counts.
func (w *Watcher) take(ev fsnotify.Event) (path string, err error) {
	if ev.Op&(fsnotify.Remove|fsnotify.Rename) != 0 && w.folders[ev.Name] {
		if slices.ContainsFunc(w.filters, func(f filter) bool { return f.Path == ev.Name }) {
			return "", fmt.Errorf("%s must be there to be watched; it was removed or renamed", ev.Name)
		}
		w.leave(ev.Name)
	}
	if ev.Op == fsnotify.Chmod {
		return "", nil // it is as it was
	}
	for i := range w.filters {
		f := &w.filters[i]
		rel, in := below(f.Path, ev.Name)
		if !in || rel == "." {
			continue
		}
		if info, err := os.Lstat(ev.Name); err == nil && info.IsDir() {
			if ev.Op&fsnotify.Create != 0 {
				if found, err := w.enter(f, ev.Name); err != nil {
					return "", err
				} else if path == "" {
					path = found // it came with files, of which no event tells
				}
			}
			continue
		}
		if path == "" && f.counts(ev.Name, rel) {
			path = ev.Name
		}
	}
	return path, nil
}

// enter watches a folder and those below it. It returns a file that counts there, if there
// is one.
func (w *Watcher) enter(f *filter, folder string) (found string, err error) {
	err = filepath.WalkDir(folder, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil && path != f.Path:
			return nil // it is gone again, or nobody may look into it
		case err != nil:
			return err
		}
		rel, _ := below(f.Path, path)
		switch {
		case !d.IsDir():
			if found == "" && f.counts(path, rel) {
				found = path
			}
			return nil
		case !f.enters(path, rel):
			return fs.SkipDir
		}
		if err := w.add(path); err != nil && (path == f.Path || !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, fs.ErrPermission)) {
			return err
		}
		return nil
	})
	return found, err
}

// leave forgets a folder that has another name now, or none. Those below it are watched
// by what they were called.
func (w *Watcher) leave(folder string) {
	for each := range w.folders {
		if each == folder || strings.HasPrefix(each, folder+"/") {
			_ = w.notify.Remove(each) // it may have ended by itself
			delete(w.folders, each)
		}
	}
}

// add watches one folder.
func (w *Watcher) add(folder string) error {
	if w.folders[folder] {
		return nil
	}
	if len(w.folders) >= w.opts.MaxFolders {
		return fmt.Errorf("there are more than %d folders below %s; exclude what nobody edits, or set max_entries", w.opts.MaxFolders, w.opts.Paths[0].Path)
	}
	if err := w.notify.Add(folder); err != nil {
		return fmt.Errorf("the kernel must allow to watch %s: %w%s", folder, err, cure(err))
	}
	w.folders[folder] = true
	return nil
}

// cure says what to do about an error of the kernel.
func cure(err error) string {
	switch {
	case errors.Is(err, unix.ENOSPC):
		return "; raise the kernel's limit: sysctl fs.inotify.max_user_watches=1000000"
	case errors.Is(err, unix.EMFILE):
		return "; raise the kernel's limit: sysctl fs.inotify.max_user_instances=1024"
	}
	return ""
}
