package deb

import (
	"archive/tar"
	"errors"
	"fmt"
	"path"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// paths checks the entries of one archive against those that came before.
type paths struct {
	max   int // entries
	seen  map[string]Kind
	links int64 // bytes of all names and links, which are kept in memory
	// foreign is set for an archive that is not a Debian package. It is unpacked into a
	// folder of its own, where names stay as they are, but for strip leading folders.
	foreign bool
	strip   int
}

// maxNames bounds the names of all entries together, in bytes.
const maxNames = 256 << 20

// entry checks an entry. It returns nil for one that is to be ignored.
func (d *paths) entry(h *tar.Header) (*Entry, error) {
	e := &Entry{
		Mode: h.Mode & 0o7777, ModTime: time.Unix(max(h.ModTime.Unix(), 0), 0).UTC(),
		UID: h.Uid, GID: h.Gid, Owner: h.Uname, Group: h.Gname,
	}
	name, err := cleanName(h.Name)
	if err != nil {
		return nil, err
	}
	if d.foreign {
		if name, err = d.stripped(name, h.Typeflag == tar.TypeDir); name == "" {
			return nil, err
		}
		e.Name = name
	} else {
		e.Name = MergeUsr(name)
	}
	d.links += int64(len(name) + len(h.Linkname))
	if len(d.seen) >= d.max || d.links > maxNames {
		return nil, errors.New("it has more paths than any package needs")
	}
	switch h.Typeflag {
	case tar.TypeDir:
		e.Kind = Dir
		if e.Name == "." {
			return nil, nil
		}
	case tar.TypeReg:
		e.Kind, e.Size = File, h.Size
		if h.PAXRecords["GNU.sparse.major"] != "" || h.PAXRecords["GNU.sparse.map"] != "" {
			return nil, errors.New("it is a sparse file")
		}
		if e.Mode&0o6000 != 0 && (d.foreign || !keepsSetuid(e.Name)) {
			e.Mode &^= 0o6000
		}
	case tar.TypeSymlink:
		e.Kind, e.Mode = Symlink, 0o777
		if d.foreign {
			e.Link, err = innerLink(name, h.Linkname)
		} else {
			e.Link, err = mergeLink(name, h.Linkname)
		}
		if err != nil {
			return nil, err
		}
		if target := path.Join(path.Dir(e.Name), e.Link); target == e.Name || e.Link == "/"+e.Name {
			return nil, nil // it leads to itself once merged, as does "bin" to "usr/bin"
		}
	case tar.TypeLink:
		e.Kind = Hardlink
		target, err := cleanName(h.Linkname)
		if err != nil {
			return nil, fmt.Errorf("it is a link to %q: %v", h.Linkname, err)
		}
		if e.Link = MergeUsr(target); d.foreign {
			if e.Link, err = d.stripped(target, false); err != nil {
				return nil, fmt.Errorf("it is a link to %q: %v", h.Linkname, err)
			}
		}
		if kind := d.seen[e.Link]; kind != File && kind != Hardlink {
			return nil, fmt.Errorf("it is a hard link to %q, which is not an earlier file", e.Link)
		}
		if e.Link == e.Name {
			return nil, errors.New("it is a link to itself")
		}
	case tar.TypeChar, tar.TypeBlock:
		return nil, errors.New("it is a device")
	case tar.TypeFifo:
		return nil, errors.New("it is a pipe")
	default:
		return nil, fmt.Errorf("it is of a kind %q that no package needs", h.Typeflag)
	}
	if e.Name == "." {
		return nil, errors.New("it is the root, and not a folder")
	}
	return d.place(e)
}

// ErrAboveStrip says that strip would remove the whole name of a file.
var ErrAboveStrip = errors.New("it lies above what strip takes away")

// stripped returns a name without its first strip folders; "" for those folders
// themselves.
func (d *paths) stripped(name string, isDir bool) (string, error) {
	rest := name
	for range d.strip {
		_, below, ok := strings.Cut(rest, "/")
		if !ok && isDir {
			return "", nil
		}
		if !ok {
			return "", ErrAboveStrip
		}
		rest = below
	}
	if rest == "." {
		return "", nil
	}
	return rest, nil
}

// place makes sure that no two entries have the same name.
func (d *paths) place(e *Entry) (*Entry, error) {
	for dir := path.Dir(e.Name); dir != "."; dir = path.Dir(dir) {
		if kind, ok := d.seen[dir]; ok {
			if kind != Dir {
				return nil, fmt.Errorf("it lies below %q, which is not a folder", dir)
			}
			break // the folders above dir were checked for it
		}
	}
	if before, ok := d.seen[e.Name]; ok {
		if before == Dir && e.Kind == Dir {
			return nil, nil
		}
		return nil, errors.New("it appears twice")
	}
	d.seen[e.Name] = e.Kind
	return e, nil
}

// keepsSetuid reports whether a program keeps its setuid bit: only those for which it is
// the purpose, and which people expect to work in a container.
func keepsSetuid(name string) bool {
	switch name {
	case "usr/bin/su", "usr/bin/sudo", "usr/bin/newuidmap", "usr/bin/newgidmap":
		return true
	}
	return false
}

// cleanName returns a name without a leading "./" and trailing slashes. The error says
// why it is no valid name of an entry.
func cleanName(name string) (string, error) {
	switch {
	case name == "":
		return "", errors.New("it has no name")
	case len(name) > 4096:
		return "", errors.New("its name is too long")
	case strings.HasPrefix(name, "/"):
		return "", errors.New("its name is absolute")
	case !utf8.ValidString(name):
		return "", errors.New("its name is not UTF-8")
	case strings.ContainsFunc(name, unicode.IsControl):
		return "", errors.New("its name has control characters")
	}
	for part := range strings.SplitSeq(name, "/") {
		if part == ".." {
			return "", errors.New("its name leads out of the package")
		}
		if len(part) > 255 {
			return "", errors.New("its name is too long")
		}
	}
	return path.Clean(name), nil
}

// MergeUsr returns where a name is on a system on which bin, sbin and lib are links into
// usr.
func MergeUsr(name string) string {
	switch top, _, _ := strings.Cut(name, "/"); top {
	case "bin", "sbin", "lib", "lib32", "lib64", "libx32", "libo32":
		return "usr/" + name
	}
	return name
}

// innerLink checks the text of a symbolic link that must not leave its archive.
func innerLink(name, link string) (string, error) {
	switch {
	case link == "":
		return "", errors.New("it is a link to nothing")
	case len(link) > 4095 || strings.ContainsFunc(link, unicode.IsControl) || !utf8.ValidString(link):
		return "", fmt.Errorf("it is a link to %.100q, which is not a path", link)
	case strings.HasPrefix(link, "/") || leadsOut(path.Dir(name)+"/"+link):
		return "", fmt.Errorf("it is a link to %q, which leads out of the archive", link)
	}
	return link, nil
}

// mergeLink returns the text of a symbolic link at name once [MergeUsr] has moved the
// link and its target.
func mergeLink(name, link string) (string, error) {
	switch {
	case link == "":
		return "", errors.New("it is a link to nothing")
	case len(link) > 4095 || strings.ContainsFunc(link, unicode.IsControl) || !utf8.ValidString(link):
		return "", fmt.Errorf("it is a link to %.100q, which is not a path", link)
	case strings.HasPrefix(link, "/"):
		if leadsOut(link[1:]) {
			return "", fmt.Errorf("it is a link to %q, which leads out of the root", link)
		}
		clean := path.Clean(link)
		if merged := MergeUsr(clean[1:]); merged != clean[1:] {
			return "/" + merged, nil
		}
		return link, nil
	}
	dir := path.Dir(name)
	if leadsOut(dir + "/" + link) {
		return "", fmt.Errorf("it is a link to %q, which leads out of the root", link)
	}
	target := MergeUsr(path.Join(dir, link))
	from := path.Dir(MergeUsr(name))
	if path.Join(from, link) == target {
		return link, nil
	}
	return relative(from, target), nil
}

// leadsOut reports whether a path climbs above its start, even if it comes back.
func leadsOut(p string) bool {
	depth := 0
	for part := range strings.SplitSeq(p, "/") {
		switch part {
		case "", ".":
		case "..":
			if depth--; depth < 0 {
				return true
			}
		default:
			depth++
		}
	}
	return false
}

// relative returns the relative path from a folder to a target. Both must be clean, and
// relative to the root.
func relative(dir, target string) string {
	from, to := strings.Split(dir, "/"), strings.Split(target, "/")
	if dir == "." {
		from = nil
	}
	for len(from) > 0 && len(to) > 1 && from[0] == to[0] {
		from, to = from[1:], to[1:]
	}
	return strings.Repeat("../", len(from)) + strings.Join(to, "/")
}
