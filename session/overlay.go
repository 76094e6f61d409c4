package session

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// An overlay is a folder that looks like another one, and in which some folders and
// files can be made without changing that one. The folders on the way to those are
// real; everything else is a link to the original.
type overlay struct {
	real, own string
	made      map[string]bool // relative paths of what is not a link
	left      []string        // those of made that others create
	names     [][2]string     // further replacements for back: what is found, and the real path
}

// newOverlay makes an overlay of the folder real in own. The relative paths folders
// and files are left free there, to be created.
func newOverlay(real, own string, folders, files []string) (*overlay, error) {
	o := &overlay{real: real, own: own, made: map[string]bool{}, left: folders}
	for _, path := range append(slices.Clone(folders), files...) {
		for at := filepath.Clean(path); at != "." && at != "/" && !strings.HasPrefix(at, ".."); at = filepath.Dir(at) {
			o.made[at] = true
		}
	}
	return o, o.fill(".")
}

// fill makes the folder at, and those below it that lead to a free path.
func (o *overlay) fill(at string) error {
	if err := os.MkdirAll(filepath.Join(o.own, at), 0o755); err != nil {
		return err
	}
	if err := os.Chmod(filepath.Join(o.own, at), 0o755); err != nil { // MkdirAll obeys the umask
		return err
	}
	o.link(at)
	for path := range o.made {
		if filepath.Dir(path) == at && o.leadsOn(path) && !slices.Contains(o.left, path) {
			if err := o.fill(path); err != nil {
				return err
			}
		}
	}
	return nil
}

// leadsOn reports whether a free path lies below path.
func (o *overlay) leadsOn(path string) bool {
	for other := range o.made {
		if filepath.Dir(other) == path {
			return true
		}
	}
	return false
}

// link links the entries of the real folder at into ours, but for those that exist
// there or are to be created.
func (o *overlay) link(at string) {
	entries, err := os.ReadDir(filepath.Join(o.real, at))
	if err != nil {
		return // the folder is missing or closed to us: nothing to link
	}
	for _, e := range entries {
		if rel := filepath.Join(at, e.Name()); !o.made[rel] {
			// An existing entry was made by the preparations of the process.
			_ = os.Symlink(filepath.Join(o.real, rel), filepath.Join(o.own, rel))
		}
	}
}

// complete links what the real folders hold into the folders that others have created
// in ours meanwhile.
func (o *overlay) complete() {
	for path := range o.made {
		if info, err := os.Lstat(filepath.Join(o.own, path)); err == nil && info.IsDir() {
			o.link(path)
		}
	}
}

// back replaces paths of the overlay in text by the real ones.
func (o *overlay) back(text string) string {
	for _, n := range o.names {
		text = strings.ReplaceAll(text, n[0], n[1])
	}
	return strings.ReplaceAll(text, o.own, o.real)
}
