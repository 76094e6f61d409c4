package wheel

import (
	"cmp"
	"fmt"
	"slices"
	"sort"
	"strings"
)

// A File is a file that an index has for a project.
type File struct {
	Name           string // of the file
	SHA256         string // "" if the index does not tell
	Size           int64  // bytes; -1 if the index does not tell
	RequiresPython string
	Yanked         bool // withdrawn, except for those who pin the version
	URL            string
}

// A ChoiceError says why none of an index's files can be used. Hint is its cure, or "".
type ChoiceError struct {
	Msg, Hint string
}

func (e *ChoiceError) Error() string { return e.Msg }

// A Chosen is the wheel that was chosen for a requirement.
type Chosen struct {
	File
	Filename
}

// Choose chooses the wheel that pip would: of the newest version that meets the
// conditions, the one whose tag is the best for the target, and one with a digest of the
// requirement's before others. Without digests, any will do. pre allows versions before a
// release. The error is a [*ChoiceError].
func Choose(t Target, r *Requirement, digests []string, pre bool, files []File) (*Chosen, error) {
	rank := map[string]int{}
	for i, tag := range t.Tags() {
		rank[tag] = i
	}
	type candidate struct {
		Chosen
		rank   int
		wanted bool
	}
	var all []candidate
	var seen refusals
	for _, f := range files {
		seen.files++
		name, err := ParseFilename(f.Name)
		if err != nil {
			if v, ok := sdistVersion(r.Name, f.Name); ok && r.Specs.Has(v) {
				seen.sdist = f.Name
			}
			continue
		}
		if name.Name != r.Name {
			continue
		}
		seen.versions = append(seen.versions, name.Version)
		if !r.Specs.Has(name.Version) {
			continue
		}
		if !pythonFits(t, f.RequiresPython) {
			seen.python = f.RequiresPython
			continue
		}
		best := -1
		for _, tag := range name.Tags {
			if n, ok := rank[tag]; ok && (best < 0 || n < best) {
				best = n
			}
		}
		if best < 0 {
			seen.other = append(seen.other, f.Name)
			continue
		}
		if f.Yanked && !r.Specs.Pinned() {
			seen.yanked = f.Name
			continue
		}
		wanted := slices.Contains(digests, f.SHA256)
		if len(digests) > 0 && !wanted && f.SHA256 != "" {
			seen.digest = append(seen.digest, f)
			continue
		}
		all = append(all, candidate{Chosen{f, *name}, best, wanted})
	}
	if !pre && !r.Specs.wantsPrerelease() {
		final := slices.DeleteFunc(slices.Clone(all), func(c candidate) bool { return c.Version.IsPrerelease() })
		if len(final) > 0 { // without any release, pre-releases will do
			all = final
		}
	}
	if len(all) == 0 {
		return nil, seen.explain(t, r)
	}
	best := slices.MinFunc(all, func(a, b candidate) int {
		return cmp.Or(
			falseLast(a.wanted, b.wanted),
			falseLast(!a.Yanked, !b.Yanked),
			b.Version.Compare(a.Version),
			cmp.Compare(a.rank, b.rank),
			compareBuilds(&b.Filename, &a.Filename),
			strings.Compare(a.File.Name, b.File.Name),
		)
	})
	return &best.Chosen, nil
}

// falseLast orders true before false.
func falseLast(a, b bool) int {
	switch {
	case a == b:
		return 0
	case a:
		return -1
	}
	return 1
}

// compareBuilds orders builds by number, then by the rest. Numbers have any length, so
// they are compared as text without leading zeros.
func compareBuilds(a, b *Filename) int {
	na, ra := a.buildNumber()
	nb, rb := b.buildNumber()
	return cmp.Or(cmp.Compare(len(na), len(nb)), strings.Compare(na, nb), strings.Compare(ra, rb))
}

// pythonFits reports whether a file's Requires-Python allows the target's Python.
func pythonFits(t Target, condition string) bool {
	specs, err := ParseSpecifiers(condition)
	if err != nil {
		return true // pip ignores what it can't parse
	}
	v, err := ParseVersion(t.Python)
	return err != nil || specs.Has(v)
}

// IsSourceOf reports whether a file is a source archive of a project.
func IsSourceOf(project, file string) bool {
	_, ok := sdistVersion(project, file)
	return ok
}

// sdistVersion returns the version of a source archive.
func sdistVersion(project, file string) (Version, bool) {
	for _, end := range []string{".tar.gz", ".zip", ".tar.bz2", ".tgz", ".tar.xz"} {
		base, ok := strings.CutSuffix(file, end)
		if !ok {
			continue
		}
		// The name itself may have dashes: the version follows the one that leaves
		// the project's name.
		for i := strings.IndexByte(base, '-'); i >= 0 && i < len(base); {
			if Normalize(base[:i]) == project {
				v, err := ParseVersion(base[i+1:])
				return v, err == nil
			}
			next := strings.IndexByte(base[i+1:], '-')
			if next < 0 {
				break
			}
			i += next + 1
		}
	}
	return Version{}, false
}

// refusals collects files that were not chosen, for the error.
type refusals struct {
	files                 int
	versions              []Version
	sdist, python, yanked string
	other                 []string // wheels for other machines
	digest                []File   // wheels with a digest that the requirement does not have
}

// explain returns the error for the reason that helps most: first those of files that
// were nearly chosen.
func (s *refusals) explain(t Target, r *Requirement) error {
	target := fmt.Sprintf("Python %s on linux/%s with glibc %s", t.Short(), t.Arch, t.Glibc)
	switch {
	case len(s.digest) > 0:
		f := s.digest[0]
		return &ChoiceError{
			fmt.Sprintf("the wheel of %q for %s has none of the hashes: %s is sha256:%s", r, target, f.Name, f.SHA256),
			"was it published again, or is its hash missing in the file? pip-compile --generate-hashes writes those of all wheels",
		}
	case len(s.other) > 0:
		slices.Sort(s.other)
		return &ChoiceError{
			fmt.Sprintf("%q has no wheel for %s: there is %s", r, target, some(s.other)),
			"take a version that has one, or build the wheel yourself (pip wheel), into a folder that --find-links names",
		}
	case s.python != "":
		return &ChoiceError{fmt.Sprintf("%q needs Python %s, and the image has %s", r, s.python, t.Python), "take a version for this Python, or --suite with another"}
	case s.sdist != "":
		return &ChoiceError{
			fmt.Sprintf("%q has no wheel, only sources: %s", r, s.sdist),
			"an image is made without running anything: build the wheel yourself (pip wheel), into a folder that --find-links names",
		}
	case s.yanked != "":
		return &ChoiceError{fmt.Sprintf("%q has only versions that were taken back, as %s", r, s.yanked), "pin one with == to take it all the same"}
	case s.files == 0:
		return &ChoiceError{fmt.Sprintf("the index has no project %q", r.Name), "is the name right? --index-url or --extra-index-url names another index"}
	}
	sort.SliceStable(s.versions, func(i, j int) bool {
		a, b := s.versions[i], s.versions[j]
		return b.Compare(a) < 0
	})
	s.versions = slices.CompactFunc(s.versions, func(a, b Version) bool { return a.Compare(b) == 0 })
	var names []string
	for _, v := range s.versions {
		names = append(names, v.String())
	}
	if len(names) == 0 {
		return &ChoiceError{fmt.Sprintf("the index has no wheel of %q", r.Name), "an image is made without running anything: build the wheel yourself (pip wheel), into a folder that --find-links names"}
	}
	return &ChoiceError{fmt.Sprintf("there is no %q: the index has wheels of %s", r, some(names)), ""}
}

// some formats the first of many names.
func some(names []string) string {
	const most = 5
	if len(names) > most {
		return fmt.Sprintf("%s and %d more", strings.Join(names[:most], ", "), len(names)-most)
	}
	return strings.Join(names, ", ")
}
