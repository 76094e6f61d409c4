package image

import (
	"cmp"
	"fmt"
	"maps"
	"path"
	"slices"
	"sort"
	"strings"

	"nix2gpu/debian"
	"nix2gpu/debian/deb"
	"nix2gpu/packages"
	"nix2gpu/project"
)

// A system is the root file system that the packages make, and what the image needs of
// it.
type system struct {
	arch     string
	tree     *tree
	packages []*packageFacts // sorted by name
	unchosen []*packageFacts // packages without any file in the image, whose texts still count
	variant  Variant
	recipes  []packages.Recipe
	users    map[string]project.User
	user     string // user of custom services and shells; "" and "root" need no account
	workdir  string
	base     *Base // what all of it is put on; nil: nothing
}

// text returns the content of a file that fix-ups read, and whether there is one.
func (s *system) text(name string) (string, bool) {
	for _, p := range slices.Concat(s.packages, s.unchosen) {
		if text, ok := p.Texts[name]; ok {
			return text, true
		}
	}
	return "", false
}

// texts returns the contents of all files whose names want accepts, ordered by name.
func (s *system) texts(want func(name string) bool) (out []string) {
	all := map[string]string{}
	for _, p := range slices.Concat(s.packages, s.unchosen) {
		for name, text := range p.Texts {
			if want(name) {
				all[name] = text
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(all)) {
		out = append(out, all[name])
	}
	return out
}

// A fixup does one thing that packages leave to their scripts or to an administrator.
// It is pure: its nodes depend on the system alone.
type fixup struct {
	name string
	do   func(*system) ([]*node, error)
}

// fixups returns all fix-ups in their order: each sees what those before it have made.
func fixups() []fixup {
	return []fixup{
		{"folders", folders},
		{"usr merge", usrMerge},
		{"accounts", accounts},
		{"certificates", certificates},
		{"alternatives", alternatives},
		{"programs", programs},
		{"name services", nameServices},
		{"os-release", osRelease},
		{"shell", shell},
		{"cuda", cuda},
		{"loader", loader},
		{"dpkg status", dpkgStatus},
	}
}

// fix applies all fix-ups. Of two nodes with the same path, the later one stays.
func fix(s *system) ([]*node, error) {
	made := map[string]*node{}
	all := fixups()
	if s.base != nil {
		all = onBase()
	}
	for _, f := range all {
		nodes, err := f.do(s)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", f.name, err)
		}
		for _, n := range nodes {
			made[n.Name] = n
			s.tree.put(fact{Path: n.Name, Kind: n.Kind, Mode: n.Mode, Link: n.Link, Package: -1})
		}
	}
	out := make([]*node, 0, len(made))
	for _, name := range slices.Sorted(maps.Keys(made)) {
		out = append(out, made[name])
	}
	return out, nil
}

func dir(name string, mode int64) *node { return &node{Name: name, Kind: deb.Dir, Mode: mode} }

func link(name, to string) *node {
	return &node{Name: name, Kind: deb.Symlink, Mode: 0o777, Link: to}
}

func file(name, content string) *node {
	return &node{Name: name, Kind: deb.File, Mode: 0o644, Content: []byte(content)}
}

// folders makes the folders of every system, and the working directory.
func folders(s *system) ([]*node, error) {
	nodes := []*node{
		dir("tmp", 0o1777), dir("var/tmp", 0o1777), dir("root", 0o700), dir("run", 0o755), dir("run/lock", 0o1777),
		dir("dev", 0o755), dir("proc", 0o555), dir("sys", 0o555), dir("etc", 0o755), dir("home", 0o755), dir("mnt", 0o755), dir("opt", 0o755), dir("srv", 0o755),
		dir("usr/local/bin", 0o755), dir("var/log", 0o755), dir("var/lib", 0o755), dir("var/cache", 0o755), dir("var/empty", 0o755),
	}
	if !s.tree.has("var/run") {
		nodes = append(nodes, link("var/run", "/run"))
	}
	if !s.tree.has("var/lock") {
		nodes = append(nodes, link("var/lock", "/run/lock"))
	}
	work := dir(strings.TrimPrefix(s.workdir, "/"), 0o755)
	if work.Name == "" {
		return nodes, nil
	}
	for parent := path.Dir(work.Name); parent != "."; parent = path.Dir(parent) {
		if !s.tree.has(parent) {
			nodes = append(nodes, dir(parent, 0o755))
		}
	}
	if !slices.ContainsFunc(nodes, func(n *node) bool { return n.Name == work.Name }) {
		if s.user != "" && s.user != "root" {
			u, err := s.account(s.user)
			if err != nil {
				return nil, err
			}
			work.UID, work.GID = int(u.UID), int(u.GID)
		}
		nodes = append(nodes, work)
	}
	return nodes, nil
}

// usrMerge makes /bin, /lib and the like links into /usr: packages have nothing there.
func usrMerge(s *system) ([]*node, error) {
	var nodes []*node
	for _, top := range []string{"bin", "sbin", "lib"} {
		nodes = append(nodes, link(top, "usr/"+top))
		if !s.tree.has("usr/" + top) {
			nodes = append(nodes, dir("usr/"+top, 0o755))
		}
	}
	for _, top := range []string{"lib32", "lib64", "libx32"} {
		if s.tree.has("usr/" + top) {
			nodes = append(nodes, link(top, "usr/"+top))
		}
	}
	return nodes, nil
}

// firstUser is the uid of a container's user unless another is set. It is that of the
// first user of a Debian machine.
const firstUser = 1000

// account returns the user of a name.
func (s *system) account(name string) (project.User, error) {
	if u, ok := s.users[name]; ok {
		return u, nil
	}
	for _, line := range s.masters("passwd") {
		if f := strings.Split(line, ":"); f[0] == name {
			var u project.User
			if _, err := fmt.Sscan(f[2]+" "+f[3], &u.UID, &u.GID); err == nil {
				u.Home = f[5]
				return u, nil
			}
		}
	}
	if strings.ContainsAny(name, ":/,\n \t") || strings.HasPrefix(name, "-") {
		return project.User{}, fmt.Errorf("user %q must be a name or a number", name)
	}
	if name[0] >= '0' && name[0] <= '9' { // a uid needs no account
		var u project.User
		uid, gid, both := strings.Cut(name, ":")
		if !both {
			gid = uid
		}
		if _, err := fmt.Sscan(uid+" "+gid, &u.UID, &u.GID); err != nil {
			return u, fmt.Errorf("user %q must be a name or a number", name)
		}
		return u, nil
	}
	number := uint32(firstUser)
	if s.base != nil {
		number = s.base.freeUser(s.tree)
	}
	return project.User{UID: number, GID: number, Home: "/home/" + name}, nil
}

// masters returns the accounts that Debian has on every system, as lines of passwd or
// group.
func (s *system) masters(kind string) []string {
	if s.base != nil {
		lines, _ := s.base.lines(s.tree, "etc/"+kind)
		return slices.DeleteFunc(lines, func(line string) bool { return strings.Count(line, ":") < 3 })
	}
	text, ok := s.text("usr/share/base-passwd/" + kind + ".master")
	if !ok { // an image without base-passwd
		text = map[string]string{
			"passwd": "root::0:0:root:/root:/bin/sh\nnobody:*:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n",
			"group":  "root:*:0:\nnogroup:*:65534:\n",
		}[kind]
	}
	var out []string
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); strings.Count(line, ":") >= 3 {
			out = append(out, line)
		}
	}
	return out
}

// accounts writes passwd, group and shadow: Debian's own accounts, then the servers',
// whose uids are fixed so that another image can read the same volume, then the
// container's user. All passwords are locked; root can log in with a key.
func accounts(s *system) ([]*node, error) {
	var passwd, group, shadow strings.Builder
	taken, groups := map[string]bool{}, map[string]bool{}
	hasShell := func(p string) string {
		if p != "/usr/sbin/nologin" && !s.tree.has(p) {
			return "/bin/sh"
		}
		return p
	}
	user := func(name string, uid, gid, gecos, home, shell string) {
		taken[name] = true
		fmt.Fprintf(&passwd, "%s:x:%s:%s:%s:%s:%s\n", name, uid, gid, gecos, home, shell)
		fmt.Fprintf(&shadow, "%s:*:19000:0:99999:7:::\n", name)
	}
	for _, line := range s.masters("passwd") {
		f := strings.Split(line, ":")
		if len(f) != 7 {
			return nil, fmt.Errorf("line %q of passwd.master does not have 7 fields", line)
		}
		if f[0] == "root" {
			f[6] = hasShell("/bin/bash")
		}
		user(f[0], f[2], f[3], f[4], f[5], f[6])
	}
	for _, line := range s.masters("group") {
		f := strings.Split(line, ":")
		groups[f[0]] = true
		fmt.Fprintf(&group, "%s:x:%s:\n", f[0], f[2])
	}
	add := func(name string, u project.User, shell string) {
		if taken[name] {
			return
		}
		user(name, fmt.Sprint(u.UID), fmt.Sprint(u.GID), "", cmp.Or(u.Home, "/nonexistent"), shell)
		if u.GID != 65534 && !groups[name] {
			groups[name] = true
			fmt.Fprintf(&group, "%s:x:%d:\n", name, u.GID)
		}
	}
	all := maps.Clone(s.users)
	if all == nil {
		all = map[string]project.User{}
	}
	names := slices.SortedFunc(maps.Keys(all), func(a, b string) int {
		return cmp.Or(cmp.Compare(all[a].UID, all[b].UID), strings.Compare(a, b))
	})
	for _, name := range names {
		add(name, all[name], "/usr/sbin/nologin")
	}
	var nodes []*node
	if s.user != "" && s.user != "root" && (s.user[0] < '0' || s.user[0] > '9') && !taken[s.user] {
		u, err := s.account(s.user)
		if err != nil {
			return nil, err
		}
		add(s.user, u, hasShell("/bin/bash"))
		home := dir(strings.TrimPrefix(u.Home, "/"), 0o755)
		home.UID, home.GID = int(u.UID), int(u.GID)
		nodes = append(nodes, home)
	}
	secret := file("etc/shadow", shadow.String())
	secret.Mode, secret.GID = 0o640, 42
	return append(nodes, file("etc/passwd", passwd.String()), file("etc/group", group.String()), secret), nil
}

// certificates makes the bundle of all certificates, at the paths where programs look
// for it.
func certificates(s *system) ([]*node, error) {
	certs := s.texts(func(name string) bool { return strings.HasPrefix(name, "usr/share/ca-certificates/") })
	if len(certs) == 0 {
		return nil, nil
	}
	var bundle strings.Builder
	for _, c := range certs {
		bundle.WriteString(strings.TrimRight(c, "\n") + "\n")
	}
	nodes := []*node{
		file("etc/ssl/certs/ca-certificates.crt", bundle.String()),
		link("etc/ssl/certs/ca-bundle.crt", "ca-certificates.crt"),
	}
	if !s.tree.has("usr/lib/ssl/cert.pem") { // where OpenSSL looks first
		nodes = append(nodes, link("usr/lib/ssl/cert.pem", "/etc/ssl/certs/ca-certificates.crt"))
	}
	all := map[string]string{}
	for _, p := range s.packages {
		for name, text := range p.Texts {
			if strings.HasPrefix(name, "usr/share/ca-certificates/") {
				all[name] = text
			}
		}
	}
	return append(nodes, hashLinks(s, all)...), nil
}

// alternatives makes the links that packages' scripts make with update-alternatives,
// unless the path exists or the target does not.
func alternatives(s *system) ([]*node, error) {
	var all []deb.Alternative
	for _, p := range s.packages {
		all = append(all, p.Alternatives...)
	}
	order := func(a, b deb.Alternative) int {
		return cmp.Or(strings.Compare(a.Link, b.Link), cmp.Compare(b.Priority, a.Priority), strings.Compare(a.Path, b.Path))
	}
	sort.SliceStable(all, func(i, j int) bool { return order(all[i], all[j]) < 0 })
	var nodes []*node
	done := map[string]bool{}
	for _, a := range all {
		if done[a.Link] || s.tree.has(a.Link) || !s.tree.has(a.Path) {
			continue
		}
		done[a.Link] = true
		nodes = append(nodes, link(a.Link, "/"+a.Path))
	}
	return nodes, nil
}

// programs makes names that people type and that Debian leaves to a script or to another
// package.
func programs(s *system) ([]*node, error) {
	var nodes []*node
	for _, p := range []struct {
		name string
		from []string
	}{
		{"sh", []string{"dash", "bash"}},
		{"awk", []string{"gawk", "mawk", "busybox"}},
		{"python", []string{"python3"}},
	} {
		if s.tree.has("usr/bin/" + p.name) {
			continue
		}
		for _, from := range p.from {
			if s.tree.has("usr/bin/" + from) {
				nodes = append(nodes, link("usr/bin/"+p.name, from))
				break
			}
		}
	}
	return nodes, nil
}

// nameServices configures how names of hosts and users are looked up.
func nameServices(s *system) ([]*node, error) {
	if s.tree.has("etc/nsswitch.conf") {
		return nil, nil
	}
	return []*node{file("etc/nsswitch.conf", `passwd:         files
group:          files
shadow:         files
gshadow:        files

hosts:          files dns
networks:       files

protocols:      files
services:       files
ethers:         files
rpc:            files
`)}, nil
}

// osRelease makes sure that scanners can tell the release.
func osRelease(s *system) ([]*node, error) {
	var nodes []*node
	if s.tree.has("usr/lib/os-release") && !s.tree.has("etc/os-release") {
		nodes = append(nodes, link("etc/os-release", "../usr/lib/os-release"))
	}
	return nodes, nil
}

// shell replaces Debian's startup files of shells, which would set a prompt whatever PS1
// is, and reset PATH.
func shell(s *system) ([]*node, error) {
	if !s.tree.has("usr/bin/bash") {
		return nil, nil
	}
	return []*node{
		file("etc/bash.bashrc", "shopt -s checkwinsize\n"),
		file("etc/profile", `# Of every login shell.
if [ -d /etc/profile.d ]; then
  for i in /etc/profile.d/*.sh; do
    [ -r "$i" ] && . "$i"
  done
  unset i
fi
if [ -n "${BASH_VERSION-}" ] && [ -n "${PS1-}" ] && [ -f /etc/bash.bashrc ]; then
  . /etc/bash.bashrc
fi
`),
		dir("etc/profile.d", 0o755),
	}, nil
}

// loader writes the dynamic loader's cache, as ldconfig does, and its configuration, to
// whose folder NVIDIA's runtime adds.
func loader(s *system) ([]*node, error) {
	machine, flags, err := ldFlags(s.arch)
	if err != nil {
		return nil, err
	}
	nodes := []*node{dir("etc/ld.so.conf.d", 0o755)}
	if !s.tree.has("etc/ld.so.conf") {
		nodes = append(nodes, file("etc/ld.so.conf", "include /etc/ld.so.conf.d/*.conf\n"))
	}
	conf := s.texts(func(name string) bool { return path.Dir(name) == "etc/ld.so.conf.d" })
	conf = append(conf, cudaConf(s))
	var entries []ldEntry
	seen := map[string]bool{}
	for _, folder := range ldFolders(conf, s.arch) {
		at, ok := s.tree.resolve(folder)
		if !ok || seen[at] {
			continue
		}
		seen[at] = true
		var found []ldCandidate
		for base := range s.tree.children[at] {
			if !isLibraryName(base) {
				continue
			}
			real, ok := s.tree.resolve(path.Join(at, base))
			if !ok {
				continue
			}
			f := s.tree.facts[path.Join(at, base)]
			found = append(found, ldCandidate{base, f.Kind == deb.Symlink, s.tree.facts[real].Lib})
		}
		more, links := ldFolder(folder, found, machine, flags)
		entries = append(entries, more...)
		for name, to := range links {
			nodes = append(nodes, link(path.Join(at, name), to))
		}
	}
	return append(nodes, file("etc/ld.so.cache", string(ldCache(entries)))), nil
}

// spared returns the stanza of a package without dependencies that a recipe has cut,
// because apt would call the system broken. A field that can't be parsed stays.
func (s *system) spared(p *packageFacts) string {
	recipes := slices.DeleteFunc(slices.Clone(s.recipes), func(r packages.Recipe) bool { return !r.For(p.Name) })
	if len(recipes) == 0 {
		return p.Stanza
	}
	cut := func(r debian.Relation) bool {
		return slices.ContainsFunc(recipes, func(recipe packages.Recipe) bool { return recipe.Cuts(p.Name, r.Name) }) &&
			!slices.ContainsFunc(s.packages, func(p *packageFacts) bool { return p.Name == r.Name })
	}
	var out strings.Builder
	for text := strings.ReplaceAll(p.Stanza, "\n ", "\x00"); text != ""; { // one field in each line
		var line string
		line, text, _ = strings.Cut(text, "\n")
		field, value, _ := strings.Cut(line, ":")
		groups, err := debian.ParseRelations(strings.TrimSpace(strings.ReplaceAll(value, "\x00", " ")))
		if field != "Depends" && field != "Pre-Depends" || err != nil {
			out.WriteString(strings.ReplaceAll(line, "\x00", "\n ") + "\n")
			continue
		}
		var kept []string
		for _, group := range groups {
			if slices.ContainsFunc(group, func(r debian.Relation) bool { return !cut(r) }) {
				kept = append(kept, group.String())
			}
		}
		if len(kept) > 0 {
			out.WriteString(field + ": " + strings.Join(kept, ", ") + "\n")
		}
	}
	return out.String()
}

// listed returns the stanza of a package for dpkg's list. The long description is
// documentation and half of the list, so only a full image has it.
func (s *system) listed(p *packageFacts) string {
	stanza := s.spared(p)
	if s.variant == Full {
		return stanza
	}
	var out strings.Builder
	described := false
	for line := range strings.Lines(stanza) {
		if described && (line[0] == ' ' || line[0] == '\t') {
			continue
		}
		described = strings.HasPrefix(line, "Description:")
		out.WriteString(line)
	}
	return out.String()
}

// dpkgStatus writes the database of installed packages, for scanners and for apt.
func dpkgStatus(s *system) ([]*node, error) {
	var b strings.Builder
	for _, p := range s.packages {
		if p.Archive != "" {
			continue // archives and wheels are not dpkg's
		}
		sums := map[string]string{}
		for _, f := range p.Facts {
			if f.MD5 != "" {
				sums[f.Path] = f.MD5
			}
		}
		status := false
		for line := range strings.Lines(s.listed(p)) {
			b.WriteString(line)
			if !status && strings.HasPrefix(line, "Package:") {
				b.WriteString("Status: install ok installed\n")
				status = true
			}
		}
		if !status {
			return nil, fmt.Errorf("package %q: its control file does not begin with its name", p.Name)
		}
		if len(sums) > 0 {
			b.WriteString("Conffiles:\n")
			for _, name := range slices.Sorted(maps.Keys(sums)) {
				fmt.Fprintf(&b, " /%s %s\n", name, sums[name])
			}
		}
		b.WriteString("\n")
	}
	return []*node{
		dir("var/lib/dpkg/updates", 0o755),
		dir("var/lib/dpkg/triggers", 0o755),
		dir("var/lib/apt/lists/partial", 0o755),
		dir("var/cache/apt/archives/partial", 0o755),
		file("var/lib/dpkg/info/format", "1\n"),
		file("var/lib/dpkg/available", ""),
		file("var/lib/dpkg/status", b.String()),
	}, nil
}
