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

// copied holds the files of copyToRoot: the user's, and generated ones.
type copied struct {
	nodes  []*node
	digest string // of all of it
}

// copies collects the files of copyToRoot. The content of a folder goes to the root, an
// executable file to /usr/local/bin, and any other file to the root. Packages are
// among the image's packages already.
func (b *builder) copies() (*copied, error) {
	c := &collector{b: b, made: map[string]*node{}, sum: sha256.New(), kept: keptOf(b.project, b.spec.Root, b.spec.Plain)}
	for _, t := range b.project.Container.CopyToRoot {
		if err := c.text(t); err != nil {
			return nil, &OptionError{"copyToRoot", fmt.Errorf("copyToRoot: %w", err)}
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
		if from, err = filepath.EvalSymlinks(from); err != nil { // a walk follows no link
			return err
		}
		return c.folder(from, t[0].Without)
	case info.Mode()&0o111 != 0:
		return c.path(from, "usr/local/bin/"+filepath.Base(from), info)
	}
	return c.path(from, filepath.Base(from), info)
}

// folder adds what is in a folder, apart from the paths below it that are in without.
func (c *collector) folder(from string, without []string) error {
	return filepath.WalkDir(from, func(file string, d fs.DirEntry, err error) error {
		if err != nil || file == from {
			return err
		}
		sub, err := filepath.Rel(from, file)
		if err != nil {
			return err
		}
		if slices.Contains(without, filepath.ToSlash(sub)) {
			if d.IsDir() {
				return filepath.SkipDir
			}
			return nil
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		return c.path(file, deb.MergeUsr(filepath.ToSlash(sub)), info)
	})
}

// path adds a file, folder or link. It ignores times, and of modes it keeps only what a
// clone of a repository has, so that the same content gives the same image.
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
			return nil // links are copied as they are
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
		return fmt.Errorf("%s is not a file, folder or link\nhint: leave it out", from)
	}
	return c.add(n)
}

// generated adds the generated file of that name, or all files below it.
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
			_, sub, _ = strings.Cut(name, "-") // the part before it only identifies the content
		}
		text := f.Content
		if len(f.Link) > 0 {
			text = f.Link
		}
		content, ok := inContainer(c.b.project, text)
		if !ok {
			return fmt.Errorf("not supported: the generated file %q names what is known only once the container runs", sub)
		}
		n := file(deb.MergeUsr(path.Clean(sub)), content)
		switch {
		case f.Folder:
			n = dir(n.Name, 0o755)
		case len(f.Link) > 0:
			n = link(n.Name, content)
		case f.Mode == "0755":
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
		return fmt.Errorf("%q appears twice", "/"+n.Name)
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

// check compares the copied files with the rest of the image. It is an error if a folder
// would replace a file, or if a program can't be started in the image.
func (c *copied) check(s *system) (warnings []string, err error) {
	if warnings, err = c.fits(s); err != nil {
		return nil, &OptionError{"copyToRoot", err}
	}
	return warnings, nil
}

func (c *copied) fits(s *system) (warnings []string, err error) {
	t := s.tree
	for _, n := range c.nodes {
		before, there := t.facts[n.Name]
		if there && before.Kind == deb.Dir && n.Kind != deb.Dir {
			return nil, fmt.Errorf("copyToRoot: %q is a folder of the image\nhint: give the file another name", "/"+n.Name)
		}
		for dir := path.Dir(n.Name); dir != "."; dir = path.Dir(dir) {
			if f, ok := t.facts[dir]; ok && f.Kind != deb.Dir {
				return nil, fmt.Errorf("copyToRoot: %q lies below %q, which is not a folder of the image\nhint: give the file another place", "/"+n.Name, "/"+dir)
			}
		}
	}
	for _, n := range c.nodes {
		t.put(fact{Path: n.Name, Kind: n.Kind, Mode: n.Mode, Link: n.Link})
	}
	var wrong []error
	for _, n := range c.nodes {
		if n.Kind != deb.File || n.Open == nil || n.Mode&0o111 == 0 {
			continue
		}
		odd, lacks, err := c.begins(n, s)
		if err != nil {
			return nil, fmt.Errorf("copyToRoot: %q: %w", "/"+n.Name, err)
		}
		if odd != "" {
			warnings = append(warnings, fmt.Sprintf("copyToRoot: %q %s", "/"+n.Name, odd))
		}
		if len(lacks) > 0 {
			wrong = append(wrong, fmt.Errorf("copyToRoot: %q needs %s, which the image lacks", "/"+n.Name, strings.Join(lacks, ", ")))
		}
	}
	if len(wrong) > 0 {
		return nil, fmt.Errorf("%w\nhint: add the packages that have it to systemPackages, or link the program statically", errors.Join(wrong...))
	}
	return warnings, nil
}

// begins returns what an executable lacks in the image in order to start: the loader
// and the libraries of an ELF file. A missing interpreter of a script, or another
// architecture, is only odd: a folder may hold more than is used.
func (c *copied) begins(n *node, s *system) (odd string, lacks []string, err error) {
	r, err := n.Open()
	if err != nil {
		return "", nil, err
	}
	defer r.Close()
	at, ok := r.(io.ReaderAt)
	if !ok {
		return "", nil, errors.New("it cannot be read in parts")
	}
	var head [256]byte
	size, err := at.ReadAt(head[:], 0)
	if err != nil && err != io.EOF {
		return "", nil, err
	}
	if line, ok := strings.CutPrefix(string(head[:size]), "#!"); ok {
		line, _, _ = strings.Cut(line, "\n")
		if words := strings.Fields(line); len(words) > 0 && !s.tree.has(words[0]) {
			return fmt.Sprintf("is run by %q, which the image lacks", words[0]), nil, nil
		}
		return "", nil, nil
	}
	e, err := elf.NewFile(at)
	if err != nil {
		return "", nil, nil // neither an ELF file nor a script
	}
	defer e.Close()
	if machine, _, err := ldFlags(s.arch); err != nil || e.Machine != machine {
		return fmt.Sprintf("is a program for %s, and the image is for %s", e.Machine, s.arch), nil, err
	}
	found, err := nodeNeeds(n) // from the dynamic segment, because sections may be stripped
	if err != nil || found == nil || found.Loader == "" {
		return "", nil, err // a static program, or a library
	}
	if !s.tree.has(found.Loader) {
		return "", []string{fmt.Sprintf("the loader %q", found.Loader)}, nil // without the loader, its libraries don't matter
	}
	for _, lib := range found.Libs {
		if !c.has(s, n, lib, found.Dirs) {
			lacks = append(lacks, fmt.Sprintf("the library %q", lib))
		}
	}
	return "", lacks, nil
}

// has reports whether a program will find a library: in the folders that it names, in
// the loader's, or among the user's own files, to which LD_LIBRARY_PATH may lead.
// Libraries of NVIDIA's driver come from the host.
func (c *copied) has(s *system, n *node, lib string, first []string) bool {
	if isOfDriver(lib) || slices.ContainsFunc(c.nodes, func(other *node) bool { return path.Base(other.Name) == path.Base(lib) }) {
		return true
	}
	if strings.Contains(lib, "/") {
		return s.tree.has(lib)
	}
	conf := s.texts(func(name string) bool { return path.Dir(name) == "etc/ld.so.conf.d" })
	for _, dir := range slices.Concat(first, ldFolders(append(conf, cudaConf(s)), s.arch)) {
		dir = strings.NewReplacer("${ORIGIN}", path.Dir("/"+n.Name), "$ORIGIN", path.Dir("/"+n.Name)).Replace(dir)
		if s.tree.has(path.Join(dir, lib)) {
			return true
		}
	}
	return false
}

// mergeNodes merges nodes. The user's replace ours.
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
