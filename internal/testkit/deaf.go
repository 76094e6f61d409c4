package testkit

import (
	"encoding/binary"
	"fmt"
	"os"
	"testing"

	"golang.org/x/sys/unix"
)

// DeafDisk mounts a file system in dir whose server never answers: who opens a file waits
// in the kernel, and no signal ends that. asked is closed once somebody waits; free ends
// the wait.
func DeafDisk(t testing.TB, dir string) (asked chan struct{}, free func()) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("only root mounts a file system")
	}
	fd, err := unix.Open("/dev/fuse", unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Skipf("this machine has no FUSE: %v", err)
	}
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mount("deaf", dir, "fuse", 0, fmt.Sprintf("fd=%d,rootmode=40000,user_id=0,group_id=0", fd)); err != nil {
		t.Fatal(err)
	}
	asked = make(chan struct{})
	go func() {
		request := make([]byte, 1<<17)
		if _, err := unix.Read(fd, request); err != nil {
			return // it was unmounted
		}
		// The first request is INIT. The answer: a header, then what we speak.
		answer := make([]byte, 16+64)
		binary.NativeEndian.PutUint32(answer, uint32(len(answer)))
		copy(answer[8:16], request[8:16]) // the number of the request
		binary.NativeEndian.PutUint32(answer[16:], 7)
		binary.NativeEndian.PutUint32(answer[20:], 31)
		binary.NativeEndian.PutUint32(answer[36:], 4096) // the largest write
		if _, err := unix.Write(fd, answer); err != nil {
			return
		}
		if _, err := unix.Read(fd, request); err == nil { // to be answered by nobody
			close(asked)
		}
	}()
	var done bool
	free = func() {
		if !done {
			done = true
			_ = unix.Unmount(dir, unix.MNT_FORCE|unix.MNT_DETACH) // which also ends what waits
			_ = unix.Close(fd)
		}
	}
	t.Cleanup(free)
	return asked, free
}
