package safefile

import (
	"fmt"
	"path/filepath"
	"slices"

	"golang.org/x/sys/unix"
)

// Writers returns, as an [*Error], who else may change a file that says what we are to
// run: by its mode, by that of its folder, or, where we are root, as the owner of either. Owners
// are users who may own it beside us and root. It returns nil for a file that nobody
// else may change, and for one that is not there or not regular.
func Writers(path string, owners ...int) error {
	if err := writers(path, unix.Geteuid(), owners); err != nil {
		return err
	}
	return nil
}

// nobodyKnown is the owner of what belongs to a user whom our namespace does not know.
const nobodyKnown = 65534

func writers(path string, us int, owners []int) *Error {
	var st unix.Stat_t
	if unix.Stat(path, &st) != nil || st.Mode&unix.S_IFMT != unix.S_IFREG {
		return nil
	}
	known := func(uid uint32) bool { return uid == 0 || int(uid) == us || slices.Contains(owners, int(uid)) }
	if us == 0 && !known(st.Uid) && st.Uid != nobodyKnown {
		return foreign(path, st.Uid)
	}
	if e := writable(path, &st, us); e != nil {
		return e
	}
	dirs := []string{filepath.Dir(path)}
	if real, err := filepath.EvalSymlinks(path); err == nil && filepath.Dir(real) != dirs[0] {
		dirs = append(dirs, filepath.Dir(real))
	}
	for _, dir := range dirs {
		var in unix.Stat_t
		if unix.Stat(dir, &in) != nil {
			continue
		}
		if us == 0 && !known(in.Uid) && in.Uid != nobodyKnown {
			return foreign(dir, in.Uid)
		}
		// In a sticky folder only its owner and that of a file may rename or remove it.
		if in.Mode&unix.S_ISVTX != 0 && known(st.Uid) {
			continue
		}
		if e := writable(dir, &in, us); e != nil {
			return e
		}
	}
	return nil
}

func foreign(path string, uid uint32) *Error {
	return &Error{Path: path, Why: "it belongs to " + user(uid), Hint: "chown it to whom it should belong to"}
}

// writable says that others may write to a file or a folder. Only root minds a group: users
// share folders with groups of theirs, and many have a group that is theirs alone.
func writable(path string, st *unix.Stat_t, us int) *Error {
	mode := st.Mode & 0o7777
	switch {
	case mode&0o002 != 0:
		return &Error{Path: path, Why: fmt.Sprintf("every user may write to it (mode %04o)", mode), Hint: "chmod o-w " + path}
	case us == 0 && mode&0o020 != 0 && st.Gid != 0 && st.Gid != st.Uid && st.Gid != nobodyKnown:
		return &Error{Path: path, Why: fmt.Sprintf("its group, %d, may write to it (mode %04o)", st.Gid, mode), Hint: "chmod g-w " + path}
	}
	return nil
}
