package image

import (
	"crypto/sha256"
	"debug/elf"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"nix2gpu/debian/deb"
	"nix2gpu/project"
)

// copied is what copyToRoot brings: files of the user's, and generated ones.
type copied struct {
	nodes  []*node
	digest string // of all of it
}

// copies collects what copyToRoot names. A folder's content lies at the root, a
// program in /usr/local/bin, another file at the root. Packages are among the
// packages of the image, at the root as all of them are.
func (b *builder) copies() (*copied, error) {
	c := &collector{b: b, made: map[string]*node{}, sum: sha256.New(), kept: keptOf(b.project, b.spec.Root, b.spec.Plain)}
	for _, t := range b.project.Container.CopyToRoot {
		if err := c.text(t); err != nil {
			return nil, fmt.Errorf("copyToRoot: %w", err)
		}
	}
	out := &copied{digest: hex.EncodeToString(c.sum.Sum(nil))}
	for _, name := range slices.Sorted(maps.Keys(c.made)) {
		out.nodes = append(out.nodes, c.made[name])
	}
	return out, nil
}

type collector struct {
	b    *builder
	made map[string]*node
	kept kept
	sum  interface {
		io.Writer
		Sum([]byte) []byte
	}
}

func (c *collector) text(t project.Text) error {
	if len(t) > 0 && t[0].Package != nil {
		return nil
	}
	if len(t) == 1 && t[0].File != nil {
		return c.generated(*t[0].File)
	}
	var from string
	for i, part := range t {
		switch {
		case i == 0 && part.Root != nil:
			from = c.b.spec.Root + *part.Root
		case part.IsLiteral():
			from += part.Literal
		default:
			return fmt.Errorf("not supported: %s is known only once the container runs", t)
		}
	}
	if !filepath.IsAbs(from) {
		return fmt.Errorf("%q must be a package or a path", from)
	}
	from = filepath.Clean(from)
	info, err := os.Stat(from)
	switch {
	case err != nil:
		return err
	case info.IsDir():
		return c.folder(from)
	case info.Mode()&0o111 != 0:
		return c.path(from, "usr/local/bin/"+filepath.Base(from), info)
	}
	return c.path(from, filepath.Base(from), info)
}

func (c *collector) folder(from string) error {
	return filepath.WalkDir(from, func(file string, d fs.DirEntry, err error) error {
		if err != nil || file == from {
			return err
		}
		sub, err := filepath.Rel(from, file)
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		return c.path(file, deb.MergeUsr(filepath.ToSlash(sub)), info)
	})
}

// path adds one file, folder or link. Of modes only what a clone of a repository
// keeps counts, and no time: the same content gives the same image.
func (c *collector) path(from, name string, info fs.FileInfo) error {
	n := &node{Name: name, Kind: deb.File, Mode: 0o644}
	if err := c.kept.refuse(from, name); err != nil {
		return err
	}
	switch {
	case info.IsDir():
		n.Kind, n.Mode = deb.Dir, 0o755
		switch name {
		case "usr/bin", "usr/sbin", "usr/lib", "usr/lib64", "tmp", "var/tmp", "root":
			return nil // as they are
		}
	case info.Mode()&fs.ModeSymlink != 0:
		to, err := os.Readlink(from)
		if err != nil {
			return err
		}
		n.Kind, n.Mode, n.Link = deb.Symlink, 0o777, to
	case info.Mode().IsRegular():
		if info.Mode()&0o111 != 0 {
			n.Mode = 0o755
		}
		n.Size = info.Size()
		n.Open = func() (io.ReadCloser, error) { return os.Open(from) }
	default:
		return fmt.Errorf("%s is no file, folder or link", from)
	}
	return c.add(n)
}

// generated adds the generated file of that name, or all that lie below it.
func (c *collector) generated(named string) error {
	found := false
	for _, name := range slices.Sorted(maps.Keys(c.b.project.Files)) {
		f := c.b.project.Files[name]
		sub, below := strings.CutPrefix(name, named+"/")
		if !below && name != named {
			continue
		}
		found = true
		if !below {
			_, sub, _ = strings.Cut(name, "-") // what stands before it tells contents apart
		}
		content, ok := inContainer(c.b.project, f.Content)
		if !ok {
			return fmt.Errorf("not supported: the generated file %q names what is known only once the container runs", sub)
		}
		n := file(deb.MergeUsr(path.Clean(sub)), content)
		if f.Mode == "0755" {
			n.Mode = 0o755
		}
		if err := c.add(n); err != nil {
			return err
		}
	}
	if !found {
		return fmt.Errorf("there is no generated file %q", named)
	}
	return nil
}

func (c *collector) add(n *node) error {
	if n.Kind != deb.Dir && isOfDriver(n.Name) {
		return driverError(n.Name)
	}
	if before, ok := c.made[n.Name]; ok && (before.Kind != deb.Dir || n.Kind != deb.Dir) {
		return fmt.Errorf("%q comes twice", "/"+n.Name)
	}
	c.made[n.Name] = n
	fmt.Fprintf(c.sum, "%q %c %o %q %d ", n.Name, n.Kind, n.Mode, n.Link, n.Size)
	if n.Kind != deb.File {
		return nil
	}
	var identity identityFinder
	to := io.MultiWriter(c.sum, &identity)
	if n.Open == nil {
		if _, err := to.Write(n.Content); err != nil {
			return err
		}
	} else {
		r, err := n.Open()
		if err != nil {
			return err
		}
		defer r.Close()
		if _, err := io.Copy(to, r); err != nil {
			return err
		}
	}
	if identity.found {
		return identityInside(fmt.Sprintf("%q", "/"+n.Name))
	}
	return nil
}

// check looks at the copied files beside what the image has: a folder cannot
// take the place of a file, and a program needs its loader.
func (c *copied) check(t *tree, fixed []*node, arch string) (warnings []string, err error) {
	for _, n := range fixed {
		t.put(fact{Path: n.Name, Kind: n.Kind, Mode: n.Mode, Link: n.Link})
	}
	for _, n := range c.nodes {
		before, there := t.facts[n.Name]
		if there && before.Kind == deb.Dir && n.Kind != deb.Dir {
			return nil, fmt.Errorf("copyToRoot: %q is a folder of the image", "/"+n.Name)
		}
		for dir := path.Dir(n.Name); dir != "."; dir = path.Dir(dir) {
			if f, ok := t.facts[dir]; ok && f.Kind != deb.Dir {
				return nil, fmt.Errorf("copyToRoot: %q lies below %q, which is no folder of the image", "/"+n.Name, "/"+dir)
			}
		}
	}
	for _, n := range c.nodes {
		t.put(fact{Path: n.Name, Kind: n.Kind, Mode: n.Mode, Link: n.Link})
	}
	for _, n := range c.nodes {
		if n.Kind != deb.File || n.Open == nil || n.Mode&0o111 == 0 {
			continue
		}
		text, err := missingLoader(n, t, arch)
		if err != nil {
			return nil, fmt.Errorf("copyToRoot: %q: %w", "/"+n.Name, err)
		}
		if text != "" {
			warnings = append(warnings, fmt.Sprintf("copyToRoot: %q %s", "/"+n.Name, text))
		}
	}
	return warnings, nil
}

// missingLoader says what an executable needs before it can begin, and the image
// has not: the loader of an ELF file, or the interpreter of a script.
func missingLoader(n *node, t *tree, arch string) (string, error) {
	r, err := n.Open()
	if err != nil {
		return "", err
	}
	defer r.Close()
	at, ok := r.(io.ReaderAt)
	if !ok {
		return "", errors.New("it cannot be read in parts")
	}
	var head [256]byte
	size, err := at.ReadAt(head[:], 0)
	if err != nil && err != io.EOF {
		return "", err
	}
	if line, ok := strings.CutPrefix(string(head[:size]), "#!"); ok {
		line, _, _ = strings.Cut(line, "\n")
		if words := strings.Fields(line); len(words) > 0 && !t.has(words[0]) {
			return fmt.Sprintf("is run by %q, which the image has not", words[0]), nil
		}
		return "", nil
	}
	e, err := elf.NewFile(at)
	if err != nil {
		return "", nil // of no kind that is known here
	}
	defer e.Close()
	if machine, _, err := ldFlags(arch); err != nil || e.Machine != machine {
		return fmt.Sprintf("is a program for %s, and the image is for %s", e.Machine, arch), err
	}
	for _, p := range e.Progs {
		if p.Type != elf.PT_INTERP || p.Filesz > 4096 {
			continue
		}
		name := make([]byte, p.Filesz)
		if _, err := p.ReadAt(name, 0); err != nil {
			return "", err
		}
		if loader := strings.TrimRight(string(name), "\x00"); !t.has(loader) {
			return fmt.Sprintf("needs the loader %q, which the image has not", loader), nil
		}
	}
	return "", nil
}

// mergeNodes puts the user's nodes over ours.
func mergeNodes(ours, theirs []*node) []*node {
	all := map[string]*node{}
	for _, list := range [][]*node{ours, theirs} {
		for _, n := range list {
			all[n.Name] = n
		}
	}
	out := make([]*node, 0, len(all))
	for _, name := range slices.Sorted(maps.Keys(all)) {
		out = append(out, all[name])
	}
	return out
}
