package session

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// An overlay is a folder that looks like another one, and in which a few folders and
// files can be made without that anything is changed there: what is on the way to
// them is a folder of its own, and everything else a link.
type overlay struct {
	real, own string
	made      map[string]bool // below own, and not links: relative paths
	left      []string        // of these, the folders that others make
	names     [][2]string     // what else stands for what, in texts
}

// newOverlay makes an overlay of the folder real in own, where the relative paths of
// folders and files may then be made.
func newOverlay(real, own string, folders, files []string) (*overlay, error) {
	o := &overlay{real: real, own: own, made: map[string]bool{}, left: folders}
	for _, path := range append(slices.Clone(folders), files...) {
		for at := filepath.Clean(path); at != "." && at != "/" && !strings.HasPrefix(at, ".."); at = filepath.Dir(at) {
			o.made[at] = true
		}
	}
	return o, o.fill(".")
}

// fill makes the folder at, and what leads on from it.
func (o *overlay) fill(at string) error {
	if err := os.MkdirAll(filepath.Join(o.own, at), 0o755); err != nil {
		return err
	}
	if err := os.Chmod(filepath.Join(o.own, at), 0o755); err != nil { // whatever the umask is
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

// leadsOn reports whether another path that is made lies below path.
func (o *overlay) leadsOn(path string) bool {
	for other := range o.made {
		if filepath.Dir(other) == path {
			return true
		}
	}
	return false
}

// link makes what the real folder has visible in that of ours, as far as it is not
// there and will not be made.
func (o *overlay) link(at string) {
	entries, err := os.ReadDir(filepath.Join(o.real, at))
	if err != nil {
		return // it is not there, or closed to us: then there is nothing to be seen
	}
	for _, e := range entries {
		if rel := filepath.Join(at, e.Name()); !o.made[rel] {
			// One that exists was made by the process's own preparations.
			_ = os.Symlink(filepath.Join(o.real, rel), filepath.Join(o.own, rel))
		}
	}
}

// complete links what is in the real folders beside what others have made in ours.
func (o *overlay) complete() {
	for path := range o.made {
		if info, err := os.Lstat(filepath.Join(o.own, path)); err == nil && info.IsDir() {
			o.link(path)
		}
	}
}

// back turns what names a path of the overlay into what names the real one.
func (o *overlay) back(text string) string {
	for _, n := range o.names {
		text = strings.ReplaceAll(text, n[0], n[1])
	}
	return strings.ReplaceAll(text, o.own, o.real)
}
