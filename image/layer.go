package image

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/md5"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"path"
	"slices"
	"strings"
	"time"

	"nix2gpu/debian/deb"
	"nix2gpu/packages"
	"nix2gpu/project"
	"nix2gpu/wheel"
)

// A node is a path of the image that we make ourselves.
type node struct {
	Name     string // in the form of deb.Entry: "usr/bin/x"
	Kind     deb.Kind
	Mode     int64
	UID, GID int
	Link     string
	Content  []byte
	// Open opens a file of Size bytes. It is used instead of Content.
	Open func() (io.ReadCloser, error)
	Size int64
	Time time.Time // default: ownTime
}

// ownTime is the time of files that we make: with the present time, every build would
// give another image.
func ownTime() time.Time { return time.Date(1980, 1, 1, 0, 0, 0, 0, time.UTC) }

// A fact is what later steps need to know of a path of a package.
type fact struct {
	Path    string   `json:"p"`
	Kind    deb.Kind `json:"k"`
	Mode    int64    `json:"m"`
	Link    string   `json:"l,omitempty"`
	Lib     *library `json:"lib,omitempty"`
	Needs   *needs   `json:"needs,omitempty"` // set if the layer's writer looks for it
	MD5     string   `json:"md5,omitempty"`   // for a conffile
	Hash    string   `json:"h,omitempty"`     // for a file of a wheel
	Package int      `json:"-"`               // index in System.packages
}

// packageFacts is what later steps need to know of a package.
type packageFacts struct {
	Name         string            `json:"name"`
	SHA256       string            `json:"sha256"`
	Stanza       string            `json:"stanza,omitempty"`  // for a Debian package
	Archive      string            `json:"archive,omitempty"` // for a vendor's archive: its folder
	Conffiles    []string          `json:"conffiles,omitempty"`
	Alternatives []deb.Alternative `json:"alternatives,omitempty"`
	Facts        []fact            `json:"facts"`
	Texts        map[string]string `json:"texts,omitempty"` // files that fix-ups read, by path
	// For a wheel: a file that is a library of CUDA, what is odd about the wheel, and its
	// licence.
	CUDA    string        `json:"cuda,omitempty"`
	Clashes []string      `json:"clashes,omitempty"`
	License wheel.License `json:"license,omitzero"`
}

// layerFacts is what later steps need to know of the packages of a layer. It is kept
// beside the layer in the cache, so that nothing has to be unpacked again.
type layerFacts struct {
	Packages []*packageFacts `json:"packages"`
}

// wanted reports whether fix-ups read a file of that name.
func wanted(name string) bool {
	switch name {
	case "usr/share/base-passwd/passwd.master", "usr/share/base-passwd/group.master", "etc/ld.so.conf",
		"usr/share/base-files/nsswitch.conf", "etc/nsswitch.conf", "etc/bash.bashrc", "etc/profile":
		return true
	}
	dir := path.Dir(name)
	return dir == "etc/ld.so.conf.d" || strings.HasPrefix(name, "usr/share/ca-certificates/") && strings.HasSuffix(name, ".crt")
}

// maxText bounds a file that fix-ups read, in bytes.
const maxText = 1 << 20

// A layerWriter writes the archive of a layer. Each path comes after its folder, and
// only once: engines reject a layer that has a path twice.
type layerWriter struct {
	tar    *tar.Writer
	seen   map[string]string // the package of each path, or ""
	kinds  map[string]deb.Kind
	newest int64
	clamp  *time.Time
	facts  *layerFacts
	scan   elfScanner
	keeps  func(pkg, name string) bool // reports whether the image has a path of a package
	deep   bool                        // find out what files need, for the variant Minimal

	copies map[string]bool   // programs of the package whose MD5 sum another one has
	twins  map[string]string // those that were written: their path by their content
}

func newLayerWriter(t *tar.Writer) *layerWriter {
	return &layerWriter{tar: t, seen: map[string]string{}, kinds: map[string]deb.Kind{}}
}

// A clashError says that two packages have the same path.
type clashError struct {
	path, first, second string
	replaced            bool // the second one replaces files of the first, by its Replaces
}

func (e *clashError) Error() string {
	return fmt.Sprintf("packages %q and %q both have %q", e.first, e.second, "/"+e.path)
}

// header writes the header of an entry, after those of folders above it that the layer
// lacks.
func (w *layerWriter) header(owner string, n *node) error {
	if base := path.Base(n.Name); strings.HasPrefix(base, ".wh.") {
		return fmt.Errorf("%q: engines take a name that begins with \".wh.\" for the removal of a file\nhint: give the file another name", n.Name)
	}
	if err := w.parents(path.Dir(n.Name)); err != nil {
		return err
	}
	w.seen[n.Name], w.kinds[n.Name] = owner, n.Kind
	at := n.Time
	if at.IsZero() {
		at = ownTime()
	}
	if w.clamp != nil && at.After(*w.clamp) {
		at = *w.clamp
	}
	w.newest = max(w.newest, at.Unix())
	h := &tar.Header{Name: n.Name, Mode: n.Mode, Uid: n.UID, Gid: n.GID, ModTime: at, Linkname: n.Link}
	switch n.Kind {
	case deb.Dir:
		h.Typeflag, h.Name = tar.TypeDir, n.Name+"/"
	case deb.Symlink:
		h.Typeflag = tar.TypeSymlink
	case deb.Hardlink:
		h.Typeflag = tar.TypeLink
	default:
		h.Typeflag, h.Size = tar.TypeReg, n.Size
	}
	return w.tar.WriteHeader(h)
}

func (w *layerWriter) parents(dir string) error {
	if dir == "." || w.kinds[dir] == deb.Dir {
		return nil
	}
	if kind, ok := w.kinds[dir]; ok {
		return fmt.Errorf("%q is a folder and something else (%c)\nhint: two packages do not go together: leave out one of them", dir, kind)
	}
	mode := int64(0o755)
	switch dir { // modes of base-files, which a later layer must not change
	case "tmp", "var/tmp":
		mode = 0o1777
	case "root":
		mode = 0o700
	}
	return w.header("", &node{Name: dir, Kind: deb.Dir, Mode: mode})
}

// add writes one of our own paths.
func (w *layerWriter) add(n *node) error {
	if _, ok := w.kinds[n.Name]; ok {
		if n.Kind == deb.Dir && w.kinds[n.Name] == deb.Dir {
			return nil
		}
		return fmt.Errorf("%q appears twice", n.Name)
	}
	if n.Open == nil {
		n.Size = int64(len(n.Content))
	}
	if err := w.header("", n); err != nil {
		return err
	}
	switch {
	case n.Kind != deb.File:
		return nil
	case n.Open == nil:
		_, err := w.tar.Write(n.Content)
		return err
	}
	r, err := n.Open()
	if err != nil {
		return err
	}
	defer r.Close()
	if got, err := io.Copy(w.tar, r); err != nil {
		return fmt.Errorf("%q: %w", n.Name, err)
	} else if got != n.Size {
		return fmt.Errorf("%q changed while it was being read\nhint: run it again when nobody writes to it", n.Name)
	}
	return nil
}

// addNodes writes nodes in the order of their names.
func (w *layerWriter) addNodes(nodes []*node) error {
	slices.SortStableFunc(nodes, func(a, b *node) int { return strings.Compare(a.Name, b.Name) })
	for _, n := range nodes {
		if err := w.add(n); err != nil {
			return err
		}
	}
	return nil
}

// addPackage writes the paths of a package. The digest of its file must be the one in p.
func (w *layerWriter) addPackage(ctx context.Context, p Package, reserve func(int64) func()) (err error) {
	in, err := p.Open(ctx)
	if err != nil {
		return fmt.Errorf("package %q: %w", p.Name, err)
	}
	defer in.Close()
	sum := &summer{Hash: sha256.New()}
	r, err := deb.NewReader(io.TeeReader(stoppable{ctx, in}, sum), deb.Options{Name: p.Name, Reserve: reserve})
	if err != nil {
		return cmpErr(ctx, err)
	}
	defer r.Close()
	control := r.Control()
	out := &packageFacts{Name: p.Name, SHA256: p.SHA256, Stanza: control.Stanza, Conffiles: control.Conffiles, Alternatives: control.Alternatives, Texts: map[string]string{}}
	if name := control.Field("Package"); name != p.Name {
		return fmt.Errorf("package %q: its file is that of %q", p.Name, name)
	}
	list, sums := []string{"/."}, ""
	w.copies, w.twins = copiesIn(control.MD5), map[string]string{}
	for {
		e, err := r.Next()
		if err == io.EOF {
			break
		} else if err != nil {
			return cmpErr(ctx, err)
		}
		if !w.keeps(p.Name, e.Name) {
			continue
		}
		list = append(list, "/"+e.Name)
		if sum := control.MD5[e.Name]; sum != "" {
			sums += sum + "  " + e.Name + "\n"
		}
		if err := w.addEntry(p, r, e, out); err != nil {
			if clash, ok := errors.AsType[*clashError](err); ok {
				return clash
			}
			if known, ok := errors.AsType[*deb.Error](err); ok {
				return cmpErr(ctx, known)
			}
			return fmt.Errorf("package %q: %w", p.Name, err)
		}
	}
	if sum.digest() != p.SHA256 {
		return fmt.Errorf("package %q: its file has the digest %s, and not %s as it should\nhint: run it again: it is downloaded anew", p.Name, sum.digest(), p.SHA256)
	}
	w.facts.Packages = append(w.facts.Packages, out)
	info := "var/lib/dpkg/info/" + listName(p, control)
	if err := w.add(file(info+".list", strings.Join(list, "\n")+"\n")); err != nil {
		return err
	}
	return w.add(file(info+".md5sums", sums))
}

// listName returns the name that dpkg gives the list of a package's files.
func listName(p Package, c *deb.Control) string {
	if c.Field("Multi-Arch") == "same" {
		return p.Name + ":" + c.Field("Architecture")
	}
	return p.Name
}

// cmpErr returns the cause of the context's end instead of an error that it has caused.
func cmpErr(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

type stoppable struct {
	ctx context.Context
	r   io.Reader
}

func (s stoppable) Read(p []byte) (int, error) {
	if s.ctx.Err() != nil {
		return 0, context.Cause(s.ctx)
	}
	return s.r.Read(p)
}

// addEntry writes a path of a package.
func (w *layerWriter) addEntry(p Package, r io.Reader, e *deb.Entry, out *packageFacts) error {
	if e.Kind != deb.Dir && isOfDriver(e.Name) {
		return driverError(e.Name)
	}
	if kind, ok := w.kinds[e.Name]; ok {
		if kind == deb.Dir && e.Kind == deb.Dir {
			out.Facts = append(out.Facts, fact{Path: e.Name, Kind: e.Kind, Mode: e.Mode})
			return nil
		}
		first := w.seen[e.Name]
		for _, before := range w.facts.Packages {
			if before.Name == first && replaces(before.Stanza, p.Name) {
				return nil // the first package keeps it
			}
		}
		return &clashError{e.Name, first, p.Name, replaces(out.Stanza, first)}
	}
	if e.Kind == deb.Hardlink && w.kinds[e.Link] != deb.File && w.kinds[e.Link] != deb.Hardlink {
		return fmt.Errorf("%q is a hard link to %q, which this variant leaves out\nhint: variant = \"full\" has it", e.Name, e.Link)
	}
	n := &node{Name: e.Name, Kind: e.Kind, Mode: e.Mode, Link: e.Link, Size: e.Size, Time: e.ModTime}
	n.UID, n.GID = owner(e.UID, e.Owner, false), owner(e.GID, e.Group, true)
	if w.copies[e.Name] && e.Kind == deb.File && e.Size <= maxTwin {
		var err error
		if r, err = w.twin(r, n); err != nil {
			return err
		}
	}
	if err := w.header(p.Name, n); err != nil {
		return err
	}
	f := fact{Path: n.Name, Kind: n.Kind, Mode: n.Mode, Link: n.Link}
	if n.Kind == deb.File {
		if err := w.content(r, e, &f, out); err != nil {
			return err
		}
	}
	out.Facts = append(out.Facts, f)
	return nil
}

// maxTwin bounds, in bytes, a program that is held in memory to be compared.
const maxTwin = 16 << 20

// copiesIn returns the programs whose MD5 sum another one has. The sum only says which
// files to compare: contents decide.
func copiesIn(sums map[string]string) map[string]bool {
	program := func(name string) bool { return path.Dir(name) == "usr/bin" || path.Dir(name) == "usr/sbin" }
	times := map[string]int{}
	for name, sum := range sums {
		if program(name) {
			times[sum]++
		}
	}
	out := map[string]bool{}
	for name, sum := range sums {
		if program(name) && times[sum] > 1 {
			out[name] = true
		}
	}
	return out
}

// twin makes n a hard link if the same program was written under another name already:
// redis-tools has one of 2 MB twice. It returns a reader of the content.
func (w *layerWriter) twin(r io.Reader, n *node) (io.Reader, error) {
	data, err := io.ReadAll(r)
	if err != nil {
		return nil, err
	}
	what := fmt.Sprintf("%x %o %d:%d", sha256.Sum256(data), n.Mode, n.UID, n.GID)
	if first, ok := w.twins[what]; ok {
		n.Kind, n.Link, n.Size = deb.Hardlink, first, 0
	} else {
		w.twins[what] = n.Name
	}
	return bytes.NewReader(data), nil
}

// content writes the content of a file, and extracts facts from it.
func (w *layerWriter) content(r io.Reader, e *deb.Entry, f *fact, out *packageFacts) error {
	to := []io.Writer{w.tar}
	lib := isLibraryName(path.Base(e.Name))
	if lib || w.deep {
		w.scan.reset()
		to = append(to, &w.scan)
	}
	var text strings.Builder
	if wanted(e.Name) && e.Size <= maxText {
		to = append(to, &text)
	}
	conf := md5.New()
	isConf := slices.Contains(out.Conffiles, e.Name)
	if isConf {
		to = append(to, conf)
	}
	if _, err := io.Copy(io.MultiWriter(to...), r); err != nil {
		return err
	}
	if lib {
		f.Lib = w.scan.library()
	}
	if w.deep {
		f.Needs = w.needs(e.Mode)
	}
	if text.Len() > 0 {
		out.Texts[e.Name] = text.String()
	}
	if isConf {
		f.MD5 = hex.EncodeToString(conf.Sum(nil))
	}
	return nil
}

// needs returns what the file that was just scanned needs.
func (w *layerWriter) needs(mode int64) *needs {
	if n := w.scan.needs(); n != nil {
		return n
	}
	if mode&0o111 == 0 {
		return nil
	}
	h := w.scan.head.Bytes()
	if loader := interpreter(h[:min(len(h), 256)]); loader != "" {
		return &needs{Loader: loader}
	}
	return nil
}

// owner returns the uid or gid of a package's file. Ids below 100 are the same on every
// Debian system; others are looked up by name among our fixed ids.
func owner(id int, name string, group bool) int {
	if id < 100 || id == 65534 {
		return id
	}
	u, ok := project.SystemUsers()[name]
	switch {
	case !ok:
		return 0
	case group:
		return int(u.GID)
	}
	return int(u.UID)
}

// makePackages makes the layer of a group. If two packages have the same path, the one
// that replaces the other keeps it, and so is written first.
func (b *builder) makePackages(ctx context.Context, g *group, key string) (*record, error) {
	list := slices.Clone(g.packages)
	for tries := 0; ; tries++ {
		r, err := b.cache.make(key, b.spec.Compression, func(w *layerWriter) error {
			w.clamp, w.facts, w.keeps = b.spec.Epoch, &layerFacts{}, b.keeps
			for _, p := range list {
				add := w.addPackage
				if p.Archive != nil {
					add = w.addArchive
				}
				if err := add(ctx, p, b.memory.take); err != nil {
					return err
				}
			}
			return nil
		})
		clash, ok := errors.AsType[*clashError](err)
		if !ok || !clash.replaced || tries > len(list) {
			return r, err
		}
		at := func(name string) int {
			return slices.IndexFunc(list, func(p Package) bool { return p.Name == name })
		}
		second := list[at(clash.second)]
		list = slices.Delete(list, at(clash.second), at(clash.second)+1)
		list = slices.Insert(list, at(clash.first), second)
	}
}

// keeps reports whether the image has a path of a package.
func (b *builder) keeps(name, file string) bool {
	if b.chosen != nil {
		return b.chosen.keeps(name, file)
	}
	return b.spec.Variant.keeps(file) && !b.dropped(name, file)
}

// dropped reports whether a recipe leaves out a path of a package.
func (b *builder) dropped(name, file string) bool {
	return slices.ContainsFunc(b.spec.Recipes, func(r packages.Recipe) bool { return r.Drops(name, file) })
}

// replaces reports whether a package's Replaces names another one.
func replaces(stanza, other string) bool {
	control := deb.Control{Stanza: stanza}
	for word := range strings.SplitSeq(control.Field("Replaces"), ",") {
		name, _, _ := strings.Cut(strings.TrimSpace(word), " ")
		if name, _, _ = strings.Cut(name, ":"); name == other {
			return true
		}
	}
	return false
}

// groupKey returns the key of a group's layer.
func (b *builder) groupKey(g *group) string {
	var inputs []string
	for _, p := range g.packages {
		inputs = append(inputs, b.packageKey(p)...)
		if b.chosen != nil {
			inputs = append(inputs, strings.Join(b.chosen.Paths[p.Name], "\x00"))
		}
	}
	return key("packages", b.spec.Variant, b.spec.Compression, b.epochKey(), inputs)
}

// packageKey returns what the paths of a package depend on, beside the variant.
func (b *builder) packageKey(p Package) []string {
	inputs := []string{p.SHA256}
	if p.Archive != nil {
		inputs = append(inputs, archiveKey(p))
	}
	for _, r := range b.spec.Recipes {
		if r.For(p.Name) {
			inputs = append(inputs, r.Name)
		}
	}
	return inputs
}
