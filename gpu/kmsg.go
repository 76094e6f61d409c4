package gpu

import (
	"bytes"
	"errors"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Kmsg is the kernel's log.
const Kmsg = "/dev/kmsg"

// KmsgHint is the cure for a container that can't read [Kmsg].
const KmsgHint = "run with --device /dev/kmsg --cap-add SYSLOG"

// Uptime returns the time on the clock of the kernel's log: since the machine's boot.
func Uptime() time.Duration {
	var now unix.Timespec
	if unix.ClockGettime(unix.CLOCK_MONOTONIC, &now) != nil {
		return 0
	}
	return time.Duration(now.Nano())
}

// Xids reads the driver's errors in the kernel's log from a time on its clock (see
// [Uptime]) up to now. It does not wait for more.
func Xids(file string, since time.Duration) ([]Xid, error) {
	fd, err := unix.Open(file, unix.O_RDONLY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	defer unix.Close(fd)
	var text bytes.Buffer
	buf := make([]byte, 16<<10) // each read returns one record, and none is longer
	for text.Len() < maxLog {
		n, err := unix.Read(fd, buf)
		switch {
		case errors.Is(err, unix.EINTR), errors.Is(err, unix.EPIPE): // EPIPE: a record was overwritten; the next read gets the one after it
			continue
		case errors.Is(err, unix.EAGAIN), err == nil && n == 0:
			return parseXids(text.String(), since), nil
		case err != nil:
			return nil, err
		}
		if bytes.Contains(buf[:n], []byte("NVRM: Xid")) {
			text.Write(buf[:n])
		}
	}
	return parseXids(text.String(), since), nil
}

// maxLog bounds what is read, in bytes. The kernel keeps less.
const maxLog = 16 << 20

func parseXids(text string, since time.Duration) (found []Xid) {
	for line := range strings.Lines(text) {
		if x, ok := ParseXid(line); ok && x.At >= since {
			found = append(found, x)
		}
	}
	return found
}
