package repo

import (
	"errors"
	"fmt"
	"slices"
)

// Ubuntu is the name of Ubuntu's archive. It has releases, updates and security updates.
const Ubuntu = "ubuntu"

// IsUbuntu reports whether a suite is a supported release of Ubuntu. Only those with
// long-term support are.
func IsUbuntu(suite string) bool { return slices.Contains([]string{"jammy", "noble"}, suite) }

// IsRelease reports whether an archive is the distribution's own.
func IsRelease(archive string) bool {
	return archive == Main || archive == Security || archive == Ubuntu
}

// Ubuntu's own servers, by architecture.
const (
	ubuntuURL      = "http://archive.ubuntu.com/ubuntu"
	ubuntuPortsURL = "http://ports.ubuntu.com/ubuntu-ports"
)

// ubuntu lists the archives of a release of Ubuntu. We don't have its keys: they come
// from an image, which is pinned by its digest, or from a machine that runs Ubuntu.
func (p Place) ubuntu() ([]Archive, error) {
	var keys Keyring
	var err error
	switch {
	case p.Keyring != nil:
		keys, err = NewKeyring(p.Keyring)
	case p.Trusted != nil:
		keys, err = NewKeyring(p.Trusted)
	}
	if err != nil {
		return nil, fmt.Errorf("keyring: %w", err)
	}
	var out []Archive
	for _, suite := range []string{p.Suite, p.Suite + "-updates", p.Suite + "-security"} {
		a := Archive{Name: Ubuntu, URL: p.Mirror, Suite: suite, Components: []string{"main", "universe"}, Keys: keys, Expires: true}
		if p.Mirror == "" {
			if err := p.fromSources(&a); err != nil {
				return nil, err
			}
		}
		if len(a.Keys.text) == 0 {
			return nil, errors.New("the keys that sign Ubuntu's archive are not known\nhint: name them with --keyring FILE; Ubuntu has them at /usr/share/keyrings/ubuntu-archive-keyring.gpg")
		}
		if a.URL != "" {
			if a.URL, err = checkURL(a.URL); err != nil {
				return nil, err
			}
			out = append(out, a)
			continue
		}
		ports := a
		a.URL, a.Arches = ubuntuURL, []string{"amd64"}
		ports.URL, ports.Arches = ubuntuPortsURL, []string{"arm64"}
		out = append(out, a, ports)
	}
	return append(out, p.Others...), nil
}
