package inspect

import (
	"cmp"
	"maps"
	"slices"
	"sort"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"nix2gpu/debian"
	"nix2gpu/wheel"
)

// A Difference lists what image B has other than image A.
type Difference struct {
	A Side `json:"a"`
	B Side `json:"b"`

	Packages []PackageChange `json:"packages"`
	SameP    int             `json:"samePackages"`
	// Wheels are compared if both images have an SBOM; nil otherwise.
	Wheels *WheelChanges `json:"wheels,omitempty"`
	Config []Change      `json:"config"`
	Layers []LayerChange `json:"layers"` // layers that only one image has, from the bottom
	Shared Shared        `json:"shared"`
	// Pull is how many bytes have to be pulled for B if A is there.
	Pull int64 `json:"pull"`

	Files     []FileChange `json:"files,omitempty"`
	FilesRead bool         `json:"filesRead"`
}

// A Side names one of the images.
type Side struct {
	Name     string `json:"name"`
	Digest   string `json:"digest"`
	Platform string `json:"platform"`
	Size     int64  `json:"size"`
}

// Shared counts the layers that both images have.
type Shared struct {
	Layers int   `json:"layers"`
	Size   int64 `json:"size"`
}

// The kinds of changes. Only packages are upgraded and downgraded.
const (
	Added      = "added"
	Removed    = "removed"
	Changed    = "changed"
	Upgraded   = "upgraded"
	Downgraded = "downgraded"
)

// A PackageChange is a package that differs. A version is "" if the image does not have
// the package.
type PackageChange struct {
	What string `json:"what"`
	Name string `json:"name"`
	Arch string `json:"arch,omitempty"` // "" for wheels
	Old  string `json:"old,omitempty"`
	New  string `json:"new,omitempty"`
}

// WheelChanges lists packages of Python that differ.
type WheelChanges struct {
	Changed []PackageChange `json:"changed"`
	Same    int             `json:"same"`
}

// A Change is a part of the configuration that differs.
type Change struct {
	What string `json:"what"`
	Name string `json:"name"` // "env PATH", "entrypoint"
	Old  string `json:"old,omitempty"`
	New  string `json:"new,omitempty"`
}

// A LayerChange is a layer that only one of the images has.
type LayerChange struct {
	What string `json:"what"`
	Layer
}

// A FileChange is a file that differs.
type FileChange struct {
	What string `json:"what"`
	Path string `json:"path"`
	Old  *File  `json:"old,omitempty"`
	New  *File  `json:"new,omitempty"`
}

// Same reports whether both are the same image.
func (d *Difference) Same() bool { return d.A.Digest == d.B.Digest }

// Diff compares two images.
func Diff(a, b *Image) *Difference {
	d := &Difference{
		A: Side{a.Name, a.Digest, a.Platform, a.Size}, B: Side{b.Name, b.Digest, b.Platform, b.Size},
		Config: []Change{}, Layers: []LayerChange{},
	}
	d.Packages, d.SameP = packages(a.Packages, b.Packages)
	if a.Wheels != nil && b.Wheels != nil {
		d.Wheels = &WheelChanges{}
		d.Wheels.Changed, d.Wheels.Same = wheels(a.Wheels, b.Wheels)
	}
	d.config(settings(a), settings(b))
	d.layers(a, b)
	if a.Files != nil && b.Files != nil {
		d.FilesRead = true
		d.files(a.Files, b.Files)
	}
	return d
}

func packages(a, b []Package) ([]PackageChange, int) {
	versions := func(all []Package) map[named]string {
		m := map[named]string{}
		for _, p := range all {
			m[named{p.Name, p.Arch}] = p.Version
		}
		return m
	}
	return changes(versions(a), versions(b), debian.Compare)
}

func wheels(a, b []Wheel) ([]PackageChange, int) {
	versions := func(all []Wheel) map[named]string {
		m := map[named]string{}
		for _, w := range all {
			m[named{w.Name, ""}] = w.Version
		}
		return m
	}
	return changes(versions(a), versions(b), compareWheels)
}

// compareWheels compares versions of Python's packages. What is no valid version sorts
// as older.
func compareWheels(a, b string) int {
	x, _ := wheel.ParseVersion(a)
	y, _ := wheel.ParseVersion(b)
	return x.Compare(y)
}

// A named identifies a package: one of two architectures is two packages.
type named struct{ name, arch string }

// changes compares two lists of versions. It returns what differs, and how many are the
// same.
func changes(a, b map[named]string, compare func(a, b string) int) (out []PackageChange, same int) {
	out = []PackageChange{}
	for _, k := range union(a, b, func(x, y named) int { return cmp.Or(cmp.Compare(x.name, y.name), cmp.Compare(x.arch, y.arch)) }) {
		c := PackageChange{Name: k.name, Arch: k.arch, Old: a[k], New: b[k]}
		switch {
		case c.Old == c.New:
			same++
			continue
		case c.Old == "":
			c.What = Added
		case c.New == "":
			c.What = Removed
		case compare(c.Old, c.New) < 0:
			c.What = Upgraded
		default:
			c.What = Downgraded
		}
		out = append(out, c)
	}
	return out, same
}

// union returns the keys of two maps, sorted.
func union[K comparable, V, W any](a map[K]V, b map[K]W, compare func(x, y K) int) []K {
	all := slices.Collect(maps.Keys(a))
	for k := range b {
		if _, ok := a[k]; !ok {
			all = append(all, k)
		}
	}
	sort.SliceStable(all, func(i, j int) bool { return compare(all[i], all[j]) < 0 })
	return all
}

func (d *Difference) config(a, b map[string]string) {
	for _, k := range union(a, b, strings.Compare) {
		old, had := a[k]
		now, has := b[k]
		switch {
		case !had:
			d.Config = append(d.Config, Change{What: Added, Name: k, New: now})
		case !has:
			d.Config = append(d.Config, Change{What: Removed, Name: k, Old: old})
		case old != now:
			d.Config = append(d.Config, Change{Changed, k, old, now})
		}
	}
}

// settings splits an image's configuration into parts that can be compared.
func settings(img *Image) map[string]string {
	c, out := img.Config, map[string]string{}
	set := func(name, value string) {
		if value != "" {
			out[name] = value
		}
	}
	for _, e := range c.Env {
		name, value, _ := strings.Cut(e, "=")
		out["env "+name] = value
	}
	for name, value := range c.Labels {
		out["label "+name] = value
	}
	for name, value := range img.Notes {
		out["annotation "+name] = value
	}
	for port := range c.ExposedPorts {
		out["port "+port] = ""
	}
	for v := range c.Volumes {
		out["volume "+v] = ""
	}
	set("entrypoint", words(c.Entrypoint))
	set("cmd", words(c.Cmd))
	set("user", c.User)
	set("working dir", c.WorkingDir)
	set("stop signal", c.StopSignal)
	set("health check", health(c.Healthcheck))
	set("platform", img.Platform)
	return out
}

func health(h *v1.HealthConfig) string {
	if h == nil {
		return ""
	}
	parts := []string{words(h.Test)}
	if h.Interval > 0 {
		parts = append(parts, "every "+h.Interval.String())
	}
	if h.Timeout > 0 {
		parts = append(parts, "timeout "+h.Timeout.String())
	}
	if h.StartPeriod > 0 {
		parts = append(parts, "start period "+h.StartPeriod.String())
	}
	return strings.Join(parts, ", ")
}

// words formats a command with a shell's quoting.
func words(args []string) string {
	var out []string
	for _, a := range args {
		if a == "" || strings.ContainsAny(a, " \t\n\"'\\$`") {
			a = "'" + strings.ReplaceAll(a, "'", `'\''`) + "'"
		}
		out = append(out, a)
	}
	return strings.Join(out, " ")
}

func (d *Difference) layers(a, b *Image) {
	in := func(all []Layer) map[string]bool {
		m := map[string]bool{}
		for _, l := range all {
			m[l.Digest] = true
		}
		return m
	}
	ofA, ofB := in(a.Layers), in(b.Layers)
	counted := map[string]bool{}
	for _, l := range a.Layers {
		if !ofB[l.Digest] {
			d.Layers = append(d.Layers, LayerChange{Removed, l})
		} else if !counted[l.Digest] {
			counted[l.Digest] = true
			d.Shared.Layers++
			d.Shared.Size += l.Size
		}
	}
	if a.Digest != b.Digest {
		d.Pull = b.Size // the config differs too
	}
	for _, l := range b.Layers {
		if !ofA[l.Digest] {
			d.Layers = append(d.Layers, LayerChange{Added, l})
		} else if a.Digest != b.Digest {
			d.Pull -= l.Size
		}
	}
}

func (d *Difference) files(a, b map[string]File) {
	for _, p := range union(a, b, strings.Compare) {
		old, had := a[p]
		now, has := b[p]
		switch {
		case !had:
			d.Files = append(d.Files, FileChange{Added, p, nil, &now})
		case !has:
			d.Files = append(d.Files, FileChange{Removed, p, &old, nil})
		case old != now:
			d.Files = append(d.Files, FileChange{Changed, p, &old, &now})
		}
	}
}
