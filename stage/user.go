package stage

import (
	"fmt"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// An account is who a process runs as.
type account struct {
	name, home string
	uid, gid   uint32
	groups     []uint32
	other      bool // not who we are
}

// user finds the account that a process asks for. Several names with "|"
// between them are choices, the first that exists is taken: Debian has
// "www-data" where others have "nginx". Only root can become another user; for
// anyone else every process runs as they are themselves.
func (s *Stage) user(names string) (*account, error) {
	self := &account{uid: uint32(os.Geteuid()), gid: uint32(os.Getegid())}
	if names == "" || !s.root {
		return self, nil
	}
	var u *user.User
	for _, name := range strings.Split(names, "|") {
		var err error
		if u, err = user.Lookup(name); err == nil {
			break
		}
		uid, isNumber := strconv.ParseUint(name, 10, 32)
		if isNumber != nil {
			continue
		}
		if u, err = user.LookupId(name); err == nil {
			break
		}
		// A number needs no entry in /etc/passwd.
		return &account{name: name, home: "/", uid: uint32(uid), gid: uint32(uid), other: uint32(uid) != self.uid}, nil
	}
	if u == nil {
		first, _, _ := strings.Cut(names, "|")
		return nil, &Error{Kind: BadUser, Msg: fmt.Sprintf("there is no user %q on this machine", first),
			Hint: "useradd --system " + first + ", or set the service's user"}
	}
	uid, _ := strconv.ParseUint(u.Uid, 10, 32)
	gid, _ := strconv.ParseUint(u.Gid, 10, 32)
	a := &account{name: u.Username, home: u.HomeDir, uid: uint32(uid), gid: uint32(gid)}
	a.other = a.uid != self.uid
	ids, _ := u.GroupIds() // without them the primary group remains
	for _, id := range ids {
		if n, err := strconv.ParseUint(id, 10, 32); err == nil {
			a.groups = append(a.groups, uint32(n))
		}
	}
	return a, nil
}

// may reports whether the account has all of the rights rwx in want (4, 2, 1)
// on a file, as the permission bits say.
func (a *account) may(info os.FileInfo, want os.FileMode) bool {
	if a.uid == 0 {
		return want&1 == 0 || info.IsDir() || info.Mode()&0o111 != 0
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
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

// closed returns the first folder on the way to path that the account cannot
// enter, or "".
func (a *account) closed(path string) string {
	if !a.other || a.uid == 0 {
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

// closedError is the trap of a project below /root: the service's own user
// cannot get there.
func closedError(what, path, folder string, user *account) *Error {
	return &Error{Kind: BadFolder,
		Msg:  fmt.Sprintf("%s %q cannot be reached by user %q: folder %q is closed to it", what, path, user, folder),
		Hint: fmt.Sprintf("chmod o+x %s, or keep the data elsewhere with dataDir, or set the service's user", folder)}
}

// enterable opens our own two folders for other users to pass through, not to
// read: their sockets and configuration lie there.
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
