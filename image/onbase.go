package image

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"nix2gpu/debian"
	"nix2gpu/debian/deb"
	"nix2gpu/project"
)

// This file is about images with a base: what the base has stays, and what packages and
// fix-ups add is merged into it.

// onBase returns the fix-ups of an image with a base. The scripts of the base's packages
// have run, so only what is missing is made.
func onBase() []fixup {
	return []fixup{
		{"folders", baseFolders},
		{"accounts", baseAccounts},
		{"certificates", baseCertificates},
		{"alternatives", alternatives},
		{"programs", programs},
		{"name services", nameServices},
		{"shell", shell},
		{"cuda", cuda},
		{"loader", baseLoader},
		{"dpkg status", baseDpkg},
	}
}

// baseFolders makes the folders that the base lacks, and always the working directory,
// because of its owner.
func baseFolders(s *system) ([]*node, error) {
	nodes, err := folders(s)
	work := strings.TrimPrefix(s.workdir, "/")
	return slices.DeleteFunc(nodes, func(n *node) bool {
		_, there := s.tree.facts[n.Name]
		return (there || s.tree.has(n.Name)) && (n.Name != work || n.UID == 0)
	}), err
}

// lines returns the lines of a file of the base such as /etc/passwd, and their fields by
// name.
func (b *Base) lines(t *tree, name string) (lines []string, fields map[string][]string) {
	fields = map[string][]string{}
	for line := range strings.Lines(b.text(t, name)) {
		line = strings.TrimRight(line, "\n")
		f := strings.Split(line, ":")
		if lines = append(lines, line); len(f) > 1 {
			fields[f[0]] = f
		}
	}
	return lines, fields
}

// baseAccounts adds our accounts to the base's. A name that the base has keeps its id,
// since files of the base have it.
func baseAccounts(s *system) ([]*node, error) {
	passwd, users := s.base.lines(s.tree, "etc/passwd")
	group, groups := s.base.lines(s.tree, "etc/group")
	shadow, secrets := s.base.lines(s.tree, "etc/shadow")
	add := func(name string, u project.User, shell string) error {
		if users[name] != nil {
			return nil
		}
		for other, f := range users {
			if len(f) > 2 && f[2] == fmt.Sprint(u.UID) {
				return fmt.Errorf("the base gives the number %d of user %q to %q\nhint: set the service's user to one that the base has", u.UID, name, other)
			}
		}
		users[name] = []string{name, "x", fmt.Sprint(u.UID)}
		passwd = append(passwd, fmt.Sprintf("%s:x:%d:%d::%s:%s", name, u.UID, u.GID, cmp.Or(u.Home, "/nonexistent"), shell))
		if u.GID != 65534 && groups[name] == nil {
			groups[name] = []string{name}
			group = append(group, fmt.Sprintf("%s:x:%d:", name, u.GID))
		}
		return nil
	}
	for _, name := range slices.SortedFunc(maps.Keys(s.users), func(a, b string) int {
		return cmp.Or(cmp.Compare(s.users[a].UID, s.users[b].UID), strings.Compare(a, b))
	}) {
		if err := add(name, s.users[name], "/usr/sbin/nologin"); err != nil {
			return nil, err
		}
	}
	var nodes []*node
	if s.user != "" && s.user != "root" && (s.user[0] < '0' || s.user[0] > '9') && users[s.user] == nil {
		u, err := s.account(s.user)
		if err != nil {
			return nil, err
		}
		if err := add(s.user, u, "/bin/bash"); err != nil {
			return nil, err
		}
		home := dir(strings.TrimPrefix(u.Home, "/"), 0o755)
		home.UID, home.GID = int(u.UID), int(u.GID)
		nodes = append(nodes, home)
	}
	// All passwords are locked, as in every image: in a base, root's may be empty.
	for i, line := range shadow {
		if f := strings.Split(line, ":"); len(f) == 9 && !strings.HasPrefix(f[1], "!") {
			f[1] = "*"
			shadow[i] = strings.Join(f, ":")
		}
	}
	for _, line := range passwd {
		if name, _, _ := strings.Cut(line, ":"); secrets[name] == nil && name != "" {
			shadow = append(shadow, name+":*:19000:0:99999:7:::")
		}
	}
	text := func(lines []string) string { return strings.Join(lines, "\n") + "\n" }
	secret := file("etc/shadow", text(shadow))
	secret.Mode, secret.GID = 0o640, 42
	return append(nodes, file("etc/passwd", text(passwd)), file("etc/group", text(group)), secret), nil
}

// freeUser returns the first uid, from [firstUser] on, that the base does not use.
func (b *Base) freeUser(t *tree) uint32 {
	taken := map[string]bool{}
	for _, name := range []string{"etc/passwd", "etc/group"} {
		_, fields := b.lines(t, name)
		for _, f := range fields {
			if len(f) > 2 {
				taken[f[2]] = true
			}
		}
	}
	n := uint32(firstUser)
	for taken[fmt.Sprint(n)] {
		n++
	}
	return n
}

// baseCertificates makes the paths where programs look for certificates if the base has
// a bundle, or else all that certificates makes.
func baseCertificates(s *system) ([]*node, error) {
	if !s.tree.has("etc/ssl/certs/ca-certificates.crt") {
		return certificates(s)
	}
	if s.tree.has("etc/ssl/certs/ca-bundle.crt") {
		return nil, nil
	}
	return []*node{link("etc/ssl/certs/ca-bundle.crt", "ca-certificates.crt")}, nil
}

// baseLoader adds the libraries of our packages to the loader's cache of the base.
func baseLoader(s *system) ([]*node, error) {
	nodes, err := loader(s)
	if err != nil {
		return nil, err
	}
	old, err := readLdCache(s.base.text(s.tree, baseCache))
	if err != nil {
		return nil, fmt.Errorf("/%s of the base: %w", baseCache, err)
	}
	for _, n := range nodes {
		if n.Name != baseCache {
			continue
		}
		added, err := readLdCache(string(n.Content))
		if err != nil {
			return nil, err
		}
		all := slices.DeleteFunc(old, func(e ldEntry) bool { return !s.tree.has(e.path) })
		for _, e := range added {
			if !slices.ContainsFunc(all, func(have ldEntry) bool { return have.name == e.name && have.path == e.path }) {
				all = append(all, e)
			}
		}
		n.Content = ldCache(all)
	}
	return nodes, nil
}

// readLdCache parses a cache in the format of ldCache, which is ldconfig's since glibc
// 2.32. What follows the names is not used.
func readLdCache(text string) ([]ldEntry, error) {
	const headSize, entrySize = 48, 24
	if text == "" {
		return nil, nil
	}
	data := []byte(text)
	if at := bytes.Index(data, []byte("glibc-ld.so.cache1.1")); at > 0 {
		data = data[at:] // the new format follows the old one
	}
	if len(data) < headSize || !bytes.HasPrefix(data, []byte("glibc-ld.so.cache1.1")) {
		return nil, fmt.Errorf("its format is not known")
	}
	le := binary.LittleEndian
	count := le.Uint32(data[20:])
	if uint64(headSize)+uint64(count)*entrySize > uint64(len(data)) {
		return nil, fmt.Errorf("it is truncated")
	}
	word := func(at uint32) (string, error) {
		if uint64(at) >= uint64(len(data)) {
			return "", fmt.Errorf("a name lies beyond its end")
		}
		name, _, ok := bytes.Cut(data[at:], []byte{0})
		if !ok {
			return "", fmt.Errorf("a name has no end")
		}
		return string(name), nil
	}
	var out []ldEntry
	for i := range count {
		e := data[headSize+i*entrySize:]
		name, err := word(le.Uint32(e[4:]))
		if err != nil {
			return nil, err
		}
		place, err := word(le.Uint32(e[8:]))
		if err != nil {
			return nil, err
		}
		if le.Uint64(e[16:]) != 0 {
			continue // for certain processors only: the loader finds it without the cache
		}
		out = append(out, ldEntry{name, place, int32(le.Uint32(e))})
	}
	return out, nil
}

// baseDpkg adds our packages to the base's database of installed packages. A package that
// the base has in another version replaces that entry.
func baseDpkg(s *system) ([]*node, error) {
	nodes, err := dpkgStatus(s)
	if err != nil {
		return nil, err
	}
	ours := map[string]bool{}
	for _, p := range s.packages {
		ours[p.Name] = true
	}
	var kept strings.Builder
	for stanza := range debian.Stanzas(s.base.Texts[baseStatus]) {
		if !ours[stanza.Get("Package")] {
			kept.WriteString(strings.Trim(string(stanza), "\n") + "\n\n")
		}
	}
	out := nodes[:0]
	for _, n := range nodes {
		if n.Name == baseStatus {
			n.Content = append([]byte(kept.String()), n.Content...)
		} else if s.tree.has(n.Name) {
			continue
		}
		out = append(out, n)
	}
	return out, nil
}

// checkBase fails if a package's folder would replace a link of the base, or anything
// else a folder: that would hide what the base has there.
func (s *system) checkBase(p *packageFacts, base *tree) error {
	for _, f := range p.Facts {
		before, there := base.facts[f.Path]
		if there && before.Kind == deb.Dir && f.Kind != deb.Dir && len(base.children[f.Path]) > 0 && !strings.HasPrefix(f.Path, "usr/share/doc/") {
			return fmt.Errorf("not supported: %q is a folder of the base, and something else in package %q", "/"+f.Path, p.Name)
		}
		for at := f.Path; at != "."; at = path.Dir(at) {
			if before, ok := base.facts[at]; ok && before.Kind == deb.Symlink && (at != f.Path || f.Kind == deb.Dir) {
				return fmt.Errorf("not supported: %q is a link of the base, and a folder in package %q", "/"+at, p.Name)
			}
		}
	}
	return nil
}

// joinConfig merges the configuration of an image with its base's. Ours takes
// precedence; PATH has the folders of both.
func joinConfig(ours *v1.Config, base v1.Config) {
	names := map[string]int{}
	for i, line := range ours.Env {
		name, _, _ := strings.Cut(line, "=")
		names[name] = i
	}
	for _, line := range base.Env {
		name, value, _ := strings.Cut(line, "=")
		i, ok := names[name]
		switch {
		case !ok:
			ours.Env = append(ours.Env, line)
		case name == "PATH":
			dirs := strings.Split(strings.TrimPrefix(ours.Env[i], "PATH="), ":")
			for _, d := range strings.Split(value, ":") {
				if d != "" && !slices.Contains(dirs, d) {
					dirs = append(dirs, d)
				}
			}
			ours.Env[i] = "PATH=" + strings.Join(dirs, ":")
		}
	}
	slices.Sort(ours.Env)
	for port := range base.ExposedPorts {
		if ours.ExposedPorts == nil {
			ours.ExposedPorts = map[string]struct{}{}
		}
		ours.ExposedPorts[port] = struct{}{}
	}
	for name, value := range base.Labels {
		if _, ok := ours.Labels[name]; !ok {
			ours.Labels[name] = value
		}
	}
	ours.Volumes = base.Volumes
}
