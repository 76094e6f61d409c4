package repo

import (
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// An Archive is one suite of a repository, with the keys that may sign it.
type Archive struct {
	Name       string   // the value for [debian.Locked.Archive]
	URL        string   // its root, without a slash at the end
	Mirrors    []string // other roots, for when URL does not answer or is out of date
	Suite      string   // below dists; with a slash at its end, a folder of the root itself
	Components []string
	Keys       Keyring
	Arches     []string // architectures that it has packages for; empty: any
	Expires    bool     // whether Valid-Until is enforced
	From       string   // where it was configured: "/etc/apt/sources.list:3", or ""
	KeyCure    string   // the cure when another key has signed it; "" for the usual one
}

// roots returns all roots of the archive, in the order in which they are tried.
func (a Archive) roots() []string { return append([]string{a.URL}, a.Mirrors...) }

// serves reports whether an archive may have packages for an architecture.
func (a Archive) serves(arch string) bool {
	return len(a.Arches) == 0 || arch == "all" || slices.Contains(a.Arches, arch)
}

// The names of Debian's own archives.
const (
	Main     = "debian"
	Security = "debian-security"
)

// DefaultSuite is the release that the table in package packages is made for.
const DefaultSuite = "bookworm"

// Debian's own server, for a machine without apt sources.
const debianURL = "http://deb.debian.org/debian"

// A Place says where Debian's archives are, and which keys may sign them.
type Place struct {
	Suite   string    // default: [DefaultSuite]
	Mirror  string    // root of the main archive; the security archive is beside it
	Keyring []byte    // keys to use instead of Debian's
	Trusted []byte    // keys of a distribution other than Debian, whose keys we don't have
	Sources []Source  // the machine's apt sources
	Root    string    // folder that paths in Sources are below; default: "/"
	Others  []Archive // archives other than Debian's
}

// Archives lists the release, its updates and its security updates, then the others.
// They are on the mirror if one is given, or else where the machine's sources say, or
// else on Debian's own servers.
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

// fromSources takes URLs and keys from the machine's entry for the suite of a. Further
// URLs of it, and other entries with the same keys, become mirrors: signatures decide
// what a file is, so it does not matter where it comes from.
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

// signedBy returns the keys that a Signed-By field means: it holds keys, the path of a
// file of keys, or fingerprints of Debian's keys.
func (p Place) signedBy(value string) (Keyring, error) {
	if strings.Contains(value, "-----BEGIN PGP") {
		var lines []string
		for line := range strings.Lines(value) {
			if line = strings.TrimSpace(line); line == "." {
				line = "" // deb822 writes an empty line as "."
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

// checkURL returns the root of an archive without slashes at its end. The error says why
// text is no such URL.
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
