package lock

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"slices"
	"strings"

	"nix2gpu/debian"
	"nix2gpu/debian/repo"
	"nix2gpu/safefile"
)

// Name is the name of the file, which is beside the definition.
const Name = "nix2gpu.lock"

// format is the version of the file's format.
const format = 1

// A File is the content of nix2gpu.lock.
type File struct {
	Suite   string  // the release of all entries that name no other
	Indexes []Index // the state of archives that packages were last resolved with
	// Containers by name, then by architecture.
	Containers map[string]map[string]Container
	// Packages by architecture or, of another release than Suite, by both, as in
	// "noble/amd64". Sorted by name, each once.
	Packages map[string][]Package
	Archives []Archive // sorted by URL, each once
	// Wheels of containers that have python.requirements, by container, then by
	// architecture.
	Wheels map[string]map[string]Wheels
	Keys   []Key // sorted by source, each once
}

// A Key is the key that has to sign the index of an apt source.
type Key struct {
	Source       string   `json:"source"`
	Fingerprints []string `json:"fingerprints"`
	Key          string   `json:"key"` // in ASCII armour
}

// An Archive is a file that its vendor publishes, with the digest that it had when it
// was locked.
type Archive struct {
	URL    string `json:"url"`
	SHA256 string `json:"sha256"`
	Size   int64  `json:"size"`
}

// An Index names the state of an archive.
type Index struct {
	Archive   string `json:"archive"`
	Suite     string `json:"suite"`
	InRelease string `json:"inRelease"` // SHA-256 of the signed file
	Release   string `json:"release,omitempty"`
}

// A Container is what a container asks for on one architecture, and what it has.
type Container struct {
	// Wants has the package that was chosen for each wanted name, most often itself.
	Wants map[string]string `json:"wants"`
	// Packages are the names of all packages that it adds to its base, sorted.
	Packages []string `json:"packages"`
	// Archives are the URLs of its software that is not a Debian package, by attribute.
	Archives map[string]string `json:"archives,omitempty"`
	// Without are the names of recipes that have left packages out.
	Without []string `json:"without,omitempty"`
	// Base is the digest of the image that it is put on, "sha256:…". OfBase has those of
	// its wants that this image fulfils.
	Base   string   `json:"base,omitempty"`
	OfBase []string `json:"ofBase,omitempty"`
	Suite  string   `json:"suite,omitempty"` // that image's release
}

// A Package is a locked package, with what fulfilled its dependencies when it was
// resolved.
type Package struct {
	debian.Locked
	Needs    []string `json:"needs,omitempty"`
	Provides string   `json:"provides,omitempty"`
}

// wire is the encoding of a [File].
type wire struct {
	Version    int                             `json:"version"`
	Suite      string                          `json:"suite"`
	Indexes    []Index                         `json:"indexes"`
	Containers map[string]map[string]Container `json:"containers"`
	Packages   map[string][]Package            `json:"packages"`
	Archives   []Archive                       `json:"archives,omitempty"`
	Wheels     map[string]map[string]Wheels    `json:"wheels"`
	Keys       []Key                           `json:"keys,omitempty"`
}

// Decode decodes a lock file. Its digests are trusted. Names and paths are checked,
// because they become names of files.
func Decode(data []byte) (*File, error) {
	var w wire
	d := json.NewDecoder(bytes.NewReader(data))
	var version struct {
		Version int `json:"version"`
	}
	if err := json.Unmarshal(data, &version); err != nil {
		return nil, fmt.Errorf("not a lock file: %w", err)
	}
	if version.Version != format {
		return nil, fmt.Errorf("its version is %d, and this nix2gpu reads version %d", version.Version, format)
	}
	d.DisallowUnknownFields()
	if err := d.Decode(&w); err != nil {
		return nil, fmt.Errorf("not a lock file: %w", err)
	}
	if _, err := d.Token(); err != io.EOF {
		return nil, errors.New("not a lock file: there is text after its end")
	}
	f := &File{Suite: w.Suite, Indexes: w.Indexes, Containers: w.Containers, Packages: w.Packages, Archives: w.Archives, Wheels: w.Wheels, Keys: w.Keys}
	return f, f.check()
}

// check verifies what Encode guarantees: every package that is referred to is there,
// once.
func (f *File) check() error {
	if f.Suite == "" {
		return errors.New("it names no suite")
	}
	for at, list := range f.Packages {
		suite, arch := splitListKey(at)
		if err := debian.CheckName(arch); err != nil {
			return fmt.Errorf("architecture %w", err)
		}
		if suite == f.Suite || suite == "" && at != arch {
			return fmt.Errorf("packages of %q: it must be an architecture, or another release and an architecture", at)
		}
		have := map[string]bool{}
		for _, p := range list {
			have[p.Name] = true
		}
		last := ""
		for _, p := range list {
			bad := func(err error) error { return fmt.Errorf("package %q of %s: %w", p.Name, at, err) }
			if err := debian.CheckName(p.Name); err != nil {
				return bad(err)
			}
			if p.Name <= last {
				return bad(fmt.Errorf("it must come after %q: the list is sorted, each name once", last))
			}
			last = p.Name
			if err := debian.CheckVersion(p.Version); err != nil {
				return bad(err)
			}
			if err := debian.CheckPath(p.Path); err != nil {
				return bad(err)
			}
			if p.Arch != arch && p.Arch != "all" {
				return bad(fmt.Errorf("it is for %q", p.Arch))
			}
			if !isDigest(p.SHA256) || p.Size < 0 || p.Archive == "" {
				return bad(errors.New("it needs archive, size and SHA-256"))
			}
			for _, need := range p.Needs {
				if !have[need] {
					return bad(fmt.Errorf("it needs %q, which is missing", need))
				}
			}
		}
	}
	for i, k := range f.Keys {
		if i > 0 && k.Source <= f.Keys[i-1].Source {
			return fmt.Errorf("the key of %q must come after that of %q: the list is sorted, each source once", k.Source, f.Keys[i-1].Source)
		}
		ring, err := repo.NewKeyring([]byte(k.Key))
		if err != nil {
			return fmt.Errorf("the key of %q: %w", k.Source, err)
		}
		if prints, err := ring.Fingerprints(); err != nil || !slices.Equal(prints, k.Fingerprints) {
			return fmt.Errorf("the key of %q is %s, and not %s", k.Source, strings.Join(prints, ", "), strings.Join(k.Fingerprints, ", "))
		}
	}
	for i, a := range f.Archives {
		if !isDigest(a.SHA256) || a.Size < 0 {
			return fmt.Errorf("archive %q needs size and SHA-256", a.URL)
		}
		if i > 0 && a.URL <= f.Archives[i-1].URL {
			return fmt.Errorf("archive %q must come after %q: the list is sorted, each URL once", a.URL, f.Archives[i-1].URL)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(f.Containers)) {
		for arch, c := range f.Containers[name] {
			for attr, url := range c.Archives {
				if f.archive(url) == nil {
					return fmt.Errorf("container %q has %q from %q, which is missing", name, attr, url)
				}
			}
			for _, p := range c.Packages {
				if at := f.of(name, arch); f.find(at, p) == nil {
					return fmt.Errorf("container %q has package %q, which is missing for %s", name, p, at)
				}
			}
			for want, p := range c.Wants {
				if !slices.Contains(c.Packages, p) {
					return fmt.Errorf("container %q wants %q, and has no %q for %s", name, want, p, arch)
				}
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(f.Wheels)) {
		for _, arch := range slices.Sorted(maps.Keys(f.Wheels[name])) {
			if err := f.Wheels[name][arch].check(arch); err != nil {
				return fmt.Errorf("container %q: %w", name, err)
			}
		}
	}
	return nil
}

func isDigest(s string) bool {
	for i := range len(s) {
		if c := s[i]; (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return len(s) == 64
}

// find returns the package of that name in a list; nil if there is none.
func (f *File) find(at, name string) *Package {
	list := f.Packages[at]
	i, ok := slices.BinarySearchFunc(list, name, func(p Package, name string) int {
		return cmpStrings(p.Name, name)
	})
	if !ok {
		return nil
	}
	return &list[i]
}

// key returns the key of a source; nil if there is none.
func (f *File) key(source string) *Key {
	if f == nil {
		return nil
	}
	i := slices.IndexFunc(f.Keys, func(k Key) bool { return k.Source == source })
	if i < 0 {
		return nil
	}
	return &f.Keys[i]
}

// archive returns the archive of a URL; nil if there is none.
func (f *File) archive(url string) *Archive {
	i, ok := slices.BinarySearchFunc(f.Archives, url, func(a Archive, url string) int { return cmpStrings(a.URL, url) })
	if !ok {
		return nil
	}
	return &f.Archives[i]
}

// A listWriter writes a list or an object of JSON, one item in each line.
type listWriter func(indent, open, shut string, n int, item func(i int))

// Encode encodes the file, with one line for each package, so that a new version is a
// change of one line.
func (f *File) Encode() []byte {
	var b bytes.Buffer
	line := func(v any) []byte {
		var one bytes.Buffer
		e := json.NewEncoder(&one)
		e.SetEscapeHTML(false) // < and > of relations stay readable
		if err := e.Encode(v); err != nil {
			panic(err) // plain values can't fail
		}
		return bytes.TrimSpace(one.Bytes())
	}
	list := func(indent, open, shut string, n int, item func(i int)) {
		b.WriteString(open)
		for i := range n {
			if i > 0 {
				b.WriteByte(',')
			}
			b.WriteString("\n" + indent + "  ")
			item(i)
		}
		if n > 0 {
			b.WriteString("\n" + indent)
		}
		b.WriteString(shut)
	}
	fmt.Fprintf(&b, "{\n  \"version\": %d,\n  \"suite\": %s,\n  \"indexes\": ", format, line(f.Suite))
	list("  ", "[", "]", len(f.Indexes), func(i int) { b.Write(line(f.Indexes[i])) })
	b.WriteString(",\n  \"containers\": ")
	names := slices.Sorted(maps.Keys(f.Containers))
	list("  ", "{", "}", len(names), func(i int) {
		fmt.Fprintf(&b, "%s: ", line(names[i]))
		arches := slices.Sorted(maps.Keys(f.Containers[names[i]]))
		list("    ", "{", "}", len(arches), func(j int) {
			fmt.Fprintf(&b, "%s: %s", line(arches[j]), line(f.Containers[names[i]][arches[j]]))
		})
	})
	b.WriteString(",\n  \"packages\": ")
	arches := slices.Sorted(maps.Keys(f.Packages))
	list("  ", "{", "}", len(arches), func(i int) {
		fmt.Fprintf(&b, "%s: ", line(arches[i]))
		packages := f.Packages[arches[i]]
		list("    ", "[", "]", len(packages), func(j int) { b.Write(line(packages[j])) })
	})
	if len(f.Archives) > 0 {
		b.WriteString(",\n  \"archives\": ")
		list("  ", "[", "]", len(f.Archives), func(i int) { b.Write(line(f.Archives[i])) })
	}
	if len(f.Keys) > 0 {
		b.WriteString(",\n  \"keys\": ")
		list("  ", "[", "]", len(f.Keys), func(i int) { b.Write(line(f.Keys[i])) })
	}
	f.encodeWheels(list, func(format string, args ...any) { fmt.Fprintf(&b, format, args...) }, line)
	b.WriteString("\n}\n")
	return b.Bytes()
}

// largest bounds what is read, in bytes. A thousand packages take half a megabyte.
const largest = 64 << 20

// Read reads the lock at a path. It returns nil if there is none.
func Read(path string) (*File, error) {
	data, err := safefile.ReadFile(path, largest)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("cannot read the lock: %w", err)
	}
	f, err := Decode(data)
	if err != nil {
		return nil, fmt.Errorf("%s: %w\nhint: take it back from version control, or remove it: it is then made again", path, err)
	}
	return f, nil
}
