package container

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"nix2gpu/safefile"
)

// bootMark lies beside the stamp. Its lines are the life of the container, the
// boot that wrote it, and whether a supervisor is to be expected of that.
const bootMark = "boot"

// What the last line of a mark says.
const (
	servicesToCome = "services"
	noServices     = "command"
)

// MarkBoot tells others in this container, who ask [IsBooting], whether our
// process is on its way to the services. What can't be remembered is not told.
func MarkBoot(uid int, services bool) error {
	m := &Machine{UID: uid}
	dir := m.stampFolder()
	if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
		return err
	}
	if err := safefile.MakeFolder(dir, 0o700); err != nil {
		return err
	}
	what := noServices
	if services {
		what = servicesToCome
	}
	f, err := safefile.Rewrite(filepath.Join(dir, bootMark), fmt.Appendf(nil, "%s\n%d %s\n%s\n", m.life(), os.Getpid(), m.began(os.Getpid()), what), 0o600)
	if err != nil {
		return err
	}
	return f.Close()
}

// IsBooting reports whether a boot is on its way to the services. While none has
// a control socket, that is the difference between "not yet" and "no more".
func IsBooting(uid int) bool { return (&Machine{UID: uid}).isBooting() }

func (m *Machine) isBooting() bool {
	dir := m.stampFolder()
	data, err := safefile.ReadFile(filepath.Join(dir, bootMark), 1<<10)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return false
	}
	lines := strings.Split(string(data), "\n")
	if len(lines) < 3 || lines[0] != m.life() {
		return m.hasBegunToBoot(dir)
	}
	var pid int
	var began string
	if _, err := fmt.Sscan(lines[1], &pid, &began); err != nil || m.began(pid) != began {
		return false
	}
	return lines[2] == servicesToCome
}

// hasBegunToBoot reports whether the first process of the container is a boot,
// or an init that starts one, that has not got as far as to leave its mark.
func (m *Machine) hasBegunToBoot(dir string) bool {
	if unix.Access(filepath.Dir(dir), unix.W_OK) != nil {
		return false // it can't leave one
	}
	line, err := os.ReadFile(m.path("/proc/1/cmdline"))
	return err == nil && bytes.Contains(line, []byte("nix2gpu\x00boot\x00"))
}
