package testkit

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

// A Disk is a small file system, mounted at Dir for one thread only.
type Disk struct{ Dir string }

// WithDisk runs f with a disk of size bytes, on a thread with mounts of its own: only f
// sees the disk, and no other goroutine. It skips the test if a disk can't be made.
func WithDisk(t testing.TB, size int, f func(d Disk) error) {
	t.Helper()
	dir := t.TempDir()
	var cannot error
	err := OnOwnThread(func() error {
		cannot = unix.Unshare(unix.CLONE_NEWNS)
		if cannot == nil {
			cannot = unix.Mount("none", "/", "", unix.MS_REC|unix.MS_PRIVATE, "")
		}
		if cannot == nil {
			cannot = unix.Mount("none", dir, "tmpfs", 0, fmt.Sprintf("size=%d,nr_inodes=64,mode=755", size))
		}
		if cannot != nil {
			return nil
		}
		return f(Disk{dir})
	})
	if cannot != nil {
		t.Skipf("needs mounts of its own (run as root): %v", cannot)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func (d Disk) filler() string { return filepath.Join(d.Dir, "filler") }

// Fill uses up all space and all inodes.
func (d Disk) Fill() error {
	if err := os.Mkdir(d.filler(), 0o700); err != nil {
		return err
	}
	for i, block := 0, bytes.Repeat([]byte{1}, 4096); ; i++ {
		f, err := os.Create(filepath.Join(d.filler(), fmt.Sprint(i)))
		if errors.Is(err, unix.ENOSPC) {
			return nil
		}
		for err == nil {
			_, err = f.Write(block)
		}
		f.Close()
		if !errors.Is(err, unix.ENOSPC) {
			return err
		}
	}
}

// Free frees what [Disk.Fill] has used.
func (d Disk) Free() error { return os.RemoveAll(d.filler()) }
