package lock

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"sort"
	"strings"
)

// A Change is a difference between two locks. It is about a package or, without Arch,
// about an archive, whose Name is its URL, or a key. Of these, digests and fingerprints
// take the place of versions.
type Change struct {
	Arch, Name string // "amd64", or "noble/amd64" of another release than the lock's
	From, To   string // versions; From is "" for a new package, To for one that is gone
}

func (c Change) String() string {
	if c.Arch == "" {
		switch {
		case c.From == "":
			return fmt.Sprintf("+ %s %s", c.Name, c.To)
		case c.To == "":
			return fmt.Sprintf("- %s %s", c.Name, c.From)
		}
		return fmt.Sprintf("~ %s %s -> %s", c.Name, c.From, c.To)
	}
	switch {
	case c.From == "":
		return fmt.Sprintf("+ %s %s (%s)", c.Name, c.To, c.Arch)
	case c.To == "":
		return fmt.Sprintf("- %s %s (%s)", c.Name, c.From, c.Arch)
	case c.From == c.To:
		return fmt.Sprintf("~ %s %s, rebuilt (%s)", c.Name, c.To, c.Arch)
	}
	return fmt.Sprintf("~ %s %s -> %s (%s)", c.Name, c.From, c.To, c.Arch)
}

// changes compares the packages of two files, sorted by name.
func changes(old, now *File) []Change {
	var out []Change
	for _, at := range slices.Sorted(maps.Keys(now.Packages)) {
		before := old.before(now, at)
		for _, p := range now.Packages[at] {
			if old.find(before, p.Name) == nil {
				out = append(out, Change{at, p.Name, "", p.Version})
			}
		}
	}
	compared := map[string]string{} // new list key by old one
	for at := range now.Packages {
		compared[old.before(now, at)] = at
	}
	for _, before := range slices.Sorted(maps.Keys(old.Packages)) {
		at, ok := compared[before]
		if !ok {
			at = before
		}
		for _, p := range old.Packages[before] {
			switch q := now.find(at, p.Name); {
			case q == nil || !ok:
				out = append(out, Change{at, p.Name, p.Version, ""})
			case q.SHA256 != p.SHA256:
				out = append(out, Change{at, p.Name, p.Version, q.Version})
			}
		}
	}
	out = append(out, others(old.others(), now.others())...)
	sort.SliceStable(out, func(i, j int) bool {
		a, b := out[i], out[j]
		return cmp.Or(cmpStrings(a.Name, b.Name), cmpStrings(a.Arch, b.Arch)) < 0
	})
	return out
}

// before returns the list key of the old file f that became the key at of the new file:
// the one of the same release or, for containers without a base, of whatever release
// they had.
func (f *File) before(now *File, at string) string {
	suite, arch := splitListKey(at)
	if suite == "" {
		suite = now.Suite
	}
	if was := f.Release(); was != "" && suite == now.Release() {
		suite = was
	}
	return f.listKey(suite, arch)
}

// others returns what the file has beside packages, by the name that a [Change] has.
func (f *File) others() map[string]string {
	out := map[string]string{}
	for _, a := range f.Archives {
		out[a.URL] = "sha256:" + a.SHA256
	}
	for _, k := range f.Keys {
		out["key of "+k.Source] = strings.Join(k.Fingerprints, ", ")
	}
	return out
}

func others(old, now map[string]string) (out []Change) {
	for name, value := range old {
		if now[name] != value {
			out = append(out, Change{Name: name, From: value, To: now[name]})
		}
	}
	for name, value := range now {
		if _, ok := old[name]; !ok {
			out = append(out, Change{Name: name, To: value})
		}
	}
	return out
}

func cmpStrings(a, b string) int { return strings.Compare(a, b) }

// summary formats the first of all changes for an error.
func summary(all []Change) string {
	const most = 10
	var b strings.Builder
	for i, c := range all {
		if i == most {
			fmt.Fprintf(&b, "\n  and %d more", len(all)-most)
			break
		}
		b.WriteString("\n  " + c.String())
	}
	return b.String()
}
