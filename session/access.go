package session

import (
	"io/fs"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// accessible returns why files can't be created in dir; nil when they can.
func accessible(dir string) error {
	return unix.Access(dir, unix.W_OK|unix.X_OK)
}

func ownedByUs(info fs.FileInfo) bool {
	st, ok := info.Sys().(*syscall.Stat_t)
	return ok && int(st.Uid) == os.Geteuid()
}
