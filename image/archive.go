package image

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"path"
	"slices"
	"strings"

	"nix2gpu/debian/deb"
	"nix2gpu/packages"
)

// archivesDir has a folder for each package that is not a Debian package, but a file
// that a vendor publishes.
const archivesDir = "opt/nix2gpu/archives"

// archiveKey is what the layer of an archive depends on beside the archive's file.
func archiveKey(p Package) string {
	return fmt.Sprintf("archive %s strip %d program %s", p.Name, p.Archive.Strip, p.Archive.Main())
}

// addArchive writes the paths of an archive below its folder. The reader that p.Open
// returns verifies the digest, so an error at its end is one of the archive.
func (w *layerWriter) addArchive(ctx context.Context, p Package, reserve func(int64) func()) error {
	in, err := p.Open(ctx)
	if err != nil {
		return archiveError(p.Archive, "archive %q: %w", p.Name, err)
	}
	defer in.Close()
	at, ok := in.(io.ReaderAt)
	if !ok {
		return archiveError(p.Archive, "archive %q: its file cannot be read in parts", p.Name)
	}
	r, err := deb.NewArchive(stoppableAt{ctx, at}, p.Size, deb.ArchiveOptions{
		Options: deb.Options{Name: p.Name, Reserve: reserve}, Strip: p.Archive.Strip, Program: p.Archive.Main(),
	})
	if err != nil {
		return archiveErr(ctx, p.Archive, err)
	}
	defer r.Close()
	root := path.Join(archivesDir, p.Name)
	out := &packageFacts{Name: p.Name, SHA256: p.SHA256, Archive: root}
	for {
		e, err := r.Next()
		if err == io.EOF {
			break
		} else if err != nil {
			return archiveErr(ctx, p.Archive, err)
		}
		n := &node{Name: path.Join(root, e.Name), Kind: e.Kind, Mode: e.Mode, Link: e.Link, Size: e.Size, Time: e.ModTime}
		if e.Kind == deb.Hardlink {
			n.Link = path.Join(root, e.Link)
		}
		if kind, ok := w.kinds[n.Name]; ok {
			if kind == deb.Dir && e.Kind == deb.Dir {
				continue // the folder was added for a file in it
			}
			return archiveError(p.Archive, "archive %q: %q appears twice", p.Name, e.Name)
		}
		if err := w.header(p.Name, n); err != nil {
			return archiveError(p.Archive, "archive %q: %w", p.Name, err)
		}
		var found *needs
		if e.Kind == deb.File {
			to := io.Writer(w.tar)
			if w.deep {
				w.scan.reset()
				to = io.MultiWriter(w.tar, &w.scan)
			}
			if got, err := io.Copy(to, r); err != nil {
				return archiveErr(ctx, p.Archive, err)
			} else if got != e.Size {
				return archiveError(p.Archive, "archive %q: %q is shorter than it says", p.Name, e.Name)
			}
		}
		if e.Kind == deb.File && w.deep {
			found = w.needs(n.Mode)
		}
		out.Facts = append(out.Facts, fact{Path: n.Name, Kind: n.Kind, Mode: n.Mode, Link: n.Link, Needs: found})
	}
	if len(out.Facts) == 0 {
		return archiveError(p.Archive, "archive %q: nothing is left of it without %d folders at the front of its names\nhint: archives.%s.strip says how many", p.Name, p.Archive.Strip, p.Name)
	}
	w.facts.Packages = append(w.facts.Packages, out)
	return nil
}

// archiveErr adds to an error of an archive its position in the definition and the
// cure.
func archiveErr(ctx context.Context, a *packages.Archive, err error) error {
	var wrong *deb.Error
	if ctx.Err() != nil || !errors.As(err, &wrong) {
		return cmpErr(ctx, err)
	}
	if errors.Is(err, deb.ErrAboveStrip) {
		return archiveError(a, "%w\nhint: archives.%s.strip = 0 keeps names as they are", err, a.Attr)
	}
	return archiveError(a, "%w", err)
}

func archiveError(a *packages.Archive, format string, args ...any) error {
	return fmt.Errorf("%s%w", place(a.Pos), fmt.Errorf(format, args...))
}

// stoppableAt is a reader that fails once its context has ended.
type stoppableAt struct {
	ctx context.Context
	r   io.ReaderAt
}

func (s stoppableAt) ReadAt(p []byte, off int64) (int, error) {
	if s.ctx.Err() != nil {
		return 0, context.Cause(s.ctx)
	}
	return s.r.ReadAt(p, off)
}

// archiveLinks returns the links in the folder of an archive's attribute: to what is at
// the top of the archive, and to its programs.
func archiveLinks(t *tree, root string, a *packages.Archive) (map[string]string, error) {
	links := map[string]string{}
	for top := range t.children[root] {
		if top != "bin" {
			links[top] = "/" + path.Join(root, top)
		}
	}
	add := func(name, file string) {
		if name != "" {
			links["bin/"+name] = "/" + file
		}
	}
	folder := func(dir string) (found bool) {
		dir, _ = t.resolve(dir)
		for base := range t.children[dir] {
			if file := path.Join(dir, base); t.isProgram(file) {
				add(base, file)
				found = true
			}
		}
		return found
	}
	if len(a.Bin) == 0 {
		if !folder(path.Join(root, "bin")) && !folder(root) {
			return nil, archiveError(a, "archive %q has no program in its folder bin or at its top\nhint: archives.%s.bin says where they are: it has %s", a.Attr, a.Attr, t.some(root))
		}
		return links, nil
	}
	for _, b := range a.Bin {
		// A bare name may be in bin; an archive that is a single program is.
		file := path.Join(root, b.Path)
		for _, other := range []string{path.Join(root, "bin", b.Path), path.Join(root, "bin", b.Name)} {
			if !t.has(file) && t.isProgram(other) {
				file = other
			}
		}
		real, ok := t.resolve(file)
		switch {
		case !ok:
			return nil, archiveError(a, "archive %q has no %q\nhint: archives.%s.bin names paths below its top: it has %s", a.Attr, b.Path, a.Attr, t.some(root))
		case t.facts[real].Kind == deb.Dir:
			if !folder(file) {
				return nil, archiveError(a, "archive %q has no program in %q\nhint: archives.%s.bin says where they are", a.Attr, b.Path, a.Attr)
			}
		case !t.isProgram(file):
			return nil, archiveError(a, "archive %q: %q cannot be executed\nhint: archives.%s.bin must name programs", a.Attr, b.Path, a.Attr)
		case b.Name != "":
			add(b.Name, file)
		default:
			add(path.Base(file), file)
		}
	}
	return links, nil
}

// isProgram reports whether a name leads to an executable file.
func (t *tree) isProgram(name string) bool {
	at, ok := t.resolve(name)
	f := t.facts[at]
	return ok && (f.Kind == deb.File || f.Kind == deb.Hardlink) && f.Mode&0o111 != 0
}

// some returns the names of a few entries of a folder, for a message.
func (t *tree) some(dir string) string {
	names := slices.Sorted(maps.Keys(t.children[dir]))
	if len(names) > 8 {
		names = append(names[:8], "…")
	}
	return strings.Join(names, ", ")
}
