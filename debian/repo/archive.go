package repo

import (
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// An Archive is one suite of a repository, and whom to believe about it.
type Archive struct {
	Name       string   // as [debian.Locked.Archive] has it
	URL        string   // its root, without a slash at the end
	Mirrors    []string // roots that are asked when that one does not answer, or fell behind
	Suite      string   // below dists; one that ends in a slash is a folder of the root itself
	Components []string
	Keys       Keyring
	Arches     []string // that it has packages for; none: any
	Expires    bool     // whether Valid-Until counts
	From       string   // where it was configured: "/etc/apt/sources.list:3", or ""
	KeyCure    string   // what to do when another key has signed it; "" for the usual
}

// roots are where it is to be had, in the order in which they are asked.
func (a Archive) roots() []string { return append([]string{a.URL}, a.Mirrors...) }

// serves reports whether an archive may have packages for an architecture.
func (a Archive) serves(arch string) bool {
	return len(a.Arches) == 0 || arch == "all" || slices.Contains(a.Arches, arch)
}

// The words for where Debian's packages come from.
const (
	Main     = "debian"
	Security = "debian-security"
)

// DefaultSuite is the release that the package table is made for.
const DefaultSuite = "bookworm"

// Where Debian itself serves its archives, for a machine that has no other.
const debianURL = "http://deb.debian.org/debian"

// A Place says where Debian's archives are to be found, and whom to believe.
type Place struct {
	Suite   string    // default: [DefaultSuite]
	Mirror  string    // the root of the main archive; Debian's security is beside it
	Keyring []byte    // keys that replace Debian's
	Trusted []byte    // keys of a distribution whose own are not known here
	Sources []Source  // of the machine
	Root    string    // of the files that Sources name; default "/"
	Others  []Archive // beyond Debian
}

// Archives lists the release, its updates and its security, then the others.
// The mirror is the one that was given, else that of the machine's sources,
// else Debian's own.
func (p Place) Archives() ([]Archive, error) {
	suite := p.Suite
	if suite == "" {
		suite = DefaultSuite
	}
	if strings.ContainsAny(suite, "/ \t?#") || strings.HasPrefix(suite, ".") {
		return nil, fmt.Errorf("suite %q must be the name of a Debian release such as %q", suite, DefaultSuite)
	}
	if IsUbuntu(suite) {
		return p.ubuntu()
	}
	keys := DebianKeyring()
	if p.Keyring != nil {
		var err error
		if keys, err = NewKeyring(p.Keyring); err != nil {
			return nil, fmt.Errorf("keyring: %w", err)
		}
	}
	release := Archive{Name: Main, Suite: suite, Components: []string{"main"}, Keys: keys, Expires: true}
	updates := release
	updates.Suite += "-updates"
	security := release
	security.Name, security.Suite = Security, suite+"-security"
	all := []*Archive{&release, &updates, &security}
	if p.Mirror != "" {
		release.URL = p.Mirror
	} else {
		for _, a := range all {
			if err := p.fromSources(a); err != nil {
				return nil, err
			}
		}
	}
	if release.URL == "" {
		release.URL = debianURL
	}
	root, err := checkURL(release.URL)
	if err != nil {
		return nil, err
	}
	release.URL = root
	if updates.URL == "" {
		updates.URL, updates.Mirrors, updates.Keys, updates.Expires = release.URL, release.Mirrors, release.Keys, release.Expires
	}
	if security.URL == "" {
		security.URL, security.Keys, security.Expires = release.URL+"-security", release.Keys, release.Expires
		for _, m := range release.Mirrors {
			security.Mirrors = append(security.Mirrors, m+"-security")
		}
	}
	var out []Archive
	for _, a := range all {
		if a.URL, err = checkURL(a.URL); err != nil {
			return nil, err
		}
		out = append(out, *a)
	}
	return append(out, p.Others...), nil
}

// fromSources takes URLs and keys from the machine's entry for the suite of a. What
// further URLs it names, and other entries that believe the same keys, are mirrors:
// where files come from does not matter to what they are.
func (p Place) fromSources(a *Archive) error {
	var first *Source
	var roots []string
	var unusable error
	for i, s := range p.Sources {
		if !slices.Contains(s.Suites, a.Suite) || !slices.Contains(s.Components, "main") {
			continue
		}
		if first == nil {
			first = &p.Sources[i]
		} else if s.SignedBy != first.SignedBy || s.CheckValidUntil != first.CheckValidUntil {
			continue
		}
		for _, text := range s.URLs {
			root, err := checkURL(text)
			if err == nil && !slices.Contains(roots, root) {
				roots = append(roots, root)
			} else if err != nil && unusable == nil {
				unusable = fmt.Errorf("%s:%d: %w", s.File, s.Line, err)
			}
		}
	}
	if first == nil {
		return nil
	}
	if len(roots) == 0 {
		return unusable
	}
	a.From = fmt.Sprintf("%s:%d", first.File, first.Line)
	a.URL, a.Mirrors, a.Expires = roots[0], roots[1:], first.CheckValidUntil
	if p.Keyring == nil && first.SignedBy != "" {
		keys, err := p.signedBy(first.SignedBy)
		if err != nil {
			return fmt.Errorf("%s: Signed-By: %w", a.From, err)
		}
		a.Keys = keys
	}
	return nil
}

// signedBy reads what Signed-By means: keys in place, files, or fingerprints of
// keys that are known.
func (p Place) signedBy(value string) (Keyring, error) {
	if strings.Contains(value, "-----BEGIN PGP") {
		var lines []string
		for line := range strings.Lines(value) {
			if line = strings.TrimSpace(line); line == "." {
				line = "" // how deb822 writes an empty line
			}
			lines = append(lines, line)
		}
		return NewKeyring([]byte(strings.Join(lines, "\n") + "\n"))
	}
	words := strings.FieldsFunc(value, func(r rune) bool { return r == ',' || r == ' ' || r == '\n' || r == '\t' })
	if len(words) > 0 && !filepath.IsAbs(words[0]) {
		return DebianKeyring().Only(words...), nil
	}
	if len(words) != 1 {
		return Keyring{}, fmt.Errorf("not supported: several files, %q", words)
	}
	root := p.Root
	if root == "" {
		root = "/"
	}
	data, err := os.ReadFile(filepath.Join(root, words[0]))
	if err != nil {
		return Keyring{}, fmt.Errorf("cannot read the keys: %w", err)
	}
	keys, err := NewKeyring(data)
	if err != nil {
		return Keyring{}, fmt.Errorf("%s: %w", words[0], err)
	}
	return keys, nil
}

// checkURL wants the root of an archive.
func checkURL(text string) (string, error) {
	u, err := url.Parse(text)
	switch {
	case err != nil:
		return "", fmt.Errorf("%q is not a URL: %w", text, err)
	case u.Scheme != "http" && u.Scheme != "https":
		return "", fmt.Errorf("not supported: an archive at %q: its URL must begin with http:// or https://\nhint: name a mirror with --mirror URL", text)
	case u.Host == "" || u.RawQuery != "" || u.Fragment != "":
		return "", fmt.Errorf("%q must be the URL of a folder", text)
	}
	return strings.TrimRight(text, "/"), nil
}
