package process

import (
	"context"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// AwaitEnd returns once a process, which began at start and need not be a child of ours,
// has ended; or once ctx has.
func AwaitEnd(ctx context.Context, pid int, start uint64) {
	lives := func() bool {
		info, err := Inspect(pid)
		return err == nil && info.Start == start && info.State != 'Z'
	}
	fd, err := unix.PidfdOpen(pid, unix.PIDFD_NONBLOCK)
	if err == nil {
		f := os.NewFile(uintptr(fd), "pidfd")
		defer f.Close()
		// The number may have become another process's before it was opened.
		if !lives() || awaitReadable(ctx, f) == nil {
			return
		}
	}
	for lives() { // the kernel has no such descriptors, or cannot wait for them
		select {
		case <-ctx.Done():
			return
		case <-time.After(time.Second / 4):
		}
	}
}

// awaitReadable returns once f can be read, without reading it, or ctx ends.
func awaitReadable(ctx context.Context, f *os.File) error {
	conn, err := f.SyscallConn()
	if err != nil {
		return err
	}
	defer context.AfterFunc(ctx, func() { _ = f.SetReadDeadline(time.Unix(1, 0)) })()
	var failed error
	err = conn.Read(func(fd uintptr) bool {
		polled := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
		n, err := unix.Poll(polled, 0)
		if err != nil && err != unix.EINTR {
			failed = err
		}
		return n > 0 || failed != nil
	})
	if ctx.Err() != nil {
		return nil
	}
	if err != nil {
		return err
	}
	return failed
}
