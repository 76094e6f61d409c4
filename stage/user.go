package stage

import (
	"fmt"
	"os"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"

	"nix2gpu/project"
)

// An account is who a process runs as.
type account struct {
	name, home string
	uid, gid   uint32
	groups     []uint32
	entry      *user.User // of who we are, whose groups are rarely wanted; nil: it has none
	other      bool       // not who we are
	passes     bool       // may search and read folders as root may
}

// userOf returns the account of a process. A server's own user can't enter a project
// below /root, where people who work as root keep theirs. There, and only there, it
// keeps the one right of root that it needs: to search folders. Started by hand, the
// server would run as root altogether, or not at all. A custom service only has
// another user if the definition says so, and then gets no such right.
func (s *Stage) userOf(p *project.Project, proc *project.Process) (*account, error) {
	if proc.Elevated && !s.root { // the kernel lets nobody else signal what sudo has started
		return nil, &Error{Kind: NotRoot, Msg: fmt.Sprintf("it needs root: sudo could start it for user %d, who then could not stop it", os.Geteuid()),
			Hint: "run nix2gpu as root, or leave out is_elevated"}
	}
	a, err := s.user(p, proc.User)
	if err != nil || !a.other || !s.search {
		return a, err
	}
	if svc := p.Services[proc.Service]; svc == nil || svc.Type == "" || svc.Type == "custom" {
		return a, nil
	}
	for _, place := range append([]string{s.at.Root, s.at.State, s.at.Self}, s.beside...) {
		if filepath.IsAbs(place) && a.closed(place+"/x") != "" {
			a.passes = true
		}
	}
	return a, nil
}

// capsOf returns the capabilities that a process keeps as another user: to pass
// through closed folders, and to listen on ports that only root may open, so that
// no part of a web server has to run as root.
func capsOf(p *project.Project, proc *project.Process, a *account) []string {
	var caps []string
	if svc := p.Services[proc.Service]; svc != nil && proc.Role == project.Main && a.uid != 0 {
		low := func(port project.Port) bool { return port.Port > 0 && port.Port < 1024 }
		if slices.ContainsFunc(svc.Ports, low) && mayPassOn(unix.CAP_NET_BIND_SERVICE) {
			caps = append(caps, "net_bind_service")
		}
	}
	if a.passes {
		caps = append(caps, "dac_read_search")
	}
	return caps
}

// mayPassOn reports whether we have a capability. In a container, root lacks many.
func mayPassOn(capability int) bool {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	if unix.Capget(&header, &data[0]) != nil {
		return false
	}
	return data[capability/32].Permitted&(1<<(capability%32)) != 0
}

// user finds an account by name or number. If the machine has none of that name, the
// ids are those that the project declares. Only root can become another user: for
// anybody else, all processes run as they do.
func (s *Stage) user(p *project.Project, name string) (*account, error) {
	self := &account{uid: uint32(os.Geteuid()), gid: uint32(os.Getegid())}
	if name == "" || !s.root {
		return self, nil
	}
	u, err := user.Lookup(name)
	if err != nil {
		uid, notNumber := strconv.ParseUint(name, 10, 32)
		if notNumber != nil {
			return s.declared(p, name)
		}
		if u, err = user.LookupId(name); err != nil { // a number needs no entry in /etc/passwd
			return &account{name: name, home: "/", uid: uint32(uid), gid: uint32(uid), other: uint32(uid) != self.uid}, nil
		}
	}
	uid, _ := strconv.ParseUint(u.Uid, 10, 32)
	gid, _ := strconv.ParseUint(u.Gid, 10, 32)
	a := &account{name: u.Username, home: u.HomeDir, uid: uint32(uid), gid: uint32(gid)}
	if a.other = a.uid != self.uid; a.other {
		a.groups = groupsOf(u)
	} else {
		a.entry = u
	}
	return a, nil
}

// memberOf returns the groups of an account.
func (a *account) memberOf() []uint32 {
	if a.entry != nil {
		return groupsOf(a.entry)
	}
	return slices.Clone(a.groups)
}

func groupsOf(u *user.User) (groups []uint32) {
	ids, _ := u.GroupIds() // without them the primary group remains
	for _, id := range ids {
		if n, err := strconv.ParseUint(id, 10, 32); err == nil {
			groups = append(groups, uint32(n))
		}
	}
	return groups
}

// declared returns the account of that name that the project declares. Nobody else
// may have its number here: they could do to the service what they like.
func (s *Stage) declared(p *project.Project, name string) (*account, error) {
	missing := func(why string) *Error {
		return &Error{Kind: BadUser, Msg: fmt.Sprintf("there is no user %q on this machine%s", name, why),
			Hint: "useradd --system " + name + ", or set the service's user"}
	}
	u, ok := p.Users[name]
	if !ok {
		return nil, missing("")
	}
	if other, err := user.LookupId(strconv.Itoa(int(u.UID))); err == nil {
		return nil, missing(fmt.Sprintf(", and its number %d is that of %q", u.UID, other.Username))
	}
	return &account{name: name, home: u.Home, uid: u.UID, gid: u.GID, other: u.UID != uint32(os.Geteuid())}, nil
}

// may reports whether the permission bits of a file give the account all rights in
// want, as in rwx: 4, 2 and 1.
func (a *account) may(info os.FileInfo, want os.FileMode) bool {
	if a.uid == 0 {
		return want&1 == 0 || info.IsDir() || info.Mode()&0o111 != 0
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return true
	}
	if a.passes && info.IsDir() && want&2 == 0 {
		return true
	}
	mode := info.Mode().Perm()
	switch {
	case st.Uid == a.uid:
		mode >>= 6
	case st.Gid == a.gid || a.inGroup(st.Gid):
		mode >>= 3
	}
	return mode&want == want
}

func (a *account) inGroup(gid uint32) bool {
	for _, g := range a.groups {
		if g == gid {
			return true
		}
	}
	return false
}

func (a *account) String() string {
	if a.name != "" {
		return a.name
	}
	return strconv.Itoa(int(a.uid))
}

// confined reports whether there may be folders that the account can't enter.
func (a *account) confined() bool { return a.other && a.uid != 0 && !a.passes }

// closed returns the first folder on the way to path that the account can't enter; ""
// if there is none.
func (a *account) closed(path string) string {
	if !a.confined() {
		return ""
	}
	for i, c := range path {
		if c != filepath.Separator || i == 0 {
			continue
		}
		if info, err := os.Stat(path[:i]); err == nil && !a.may(info, 1) {
			return path[:i]
		}
	}
	return ""
}

// closedError is the error for a usual trap: the service's own user can't reach a
// project below /root.
func closedError(what, path, folder string, user *account) *Error {
	return &Error{Kind: BadFolder,
		Msg:  fmt.Sprintf("%s %q cannot be reached by user %q: folder %q is closed to it", what, path, user, folder),
		Hint: fmt.Sprintf("chmod o+x %s, or keep the data elsewhere with dataDir, or set the service's user", folder)}
}

// enterable lets other users pass through our two folders, in which their sockets and
// configuration lie, but not list them.
func (s *Stage) enterable(user *account) error {
	if !user.other {
		return nil
	}
	for _, dir := range []string{s.at.Run, s.at.State} {
		if dir == "" {
			continue
		}
		if err := os.MkdirAll(dir, 0o711); err != nil {
			return fileError(BadFolder, "cannot make folder", dir, err)
		}
		info, err := os.Stat(dir)
		if err != nil {
			return fileError(BadFolder, "cannot use folder", dir, err)
		}
		if info.Mode().Perm()&0o011 != 0o011 {
			if err := os.Chmod(dir, info.Mode().Perm()|0o011); err != nil {
				return fileError(BadFolder, "cannot open folder", dir, err)
			}
		}
	}
	return nil
}

// groupIDs are the numbers of groups, which are given by name or number.
func groupIDs(names []string) (ids []uint32, err error) {
	for _, name := range names {
		id := name
		if g, err := user.LookupGroup(name); err == nil {
			id = g.Gid
		}
		n, err := strconv.ParseUint(id, 10, 32)
		if err != nil {
			return nil, &Error{Kind: BadGroup, Msg: fmt.Sprintf("there is no group %q on this machine", name),
				Hint: "groupadd --system " + name + ", or correct supplementaryGroups"}
		}
		ids = append(ids, uint32(n))
	}
	return ids, nil
}
