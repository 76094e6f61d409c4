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

// bootMark is the name of a file beside the stamp. Its lines are the life of the
// container, the pid and start of the boot that wrote it, and whether that boot is
// going to start services.
const bootMark = "boot"

// The values of the last line of a mark.
const (
	servicesToCome = "services"
	noServices     = "command"
)

// MarkBoot records, for [IsBooting] in other processes of this container, whether our
// process is going to start services. The error says why it can't be recorded; boot
// goes on without.
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

// IsBooting reports whether a boot is going to start services. As long as there is no
// control socket, it tells "not yet" from "no longer".
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

// hasBegunToBoot reports whether the first process of the container is a boot, or an
// init that starts one, that has not written its mark yet.
func (m *Machine) hasBegunToBoot(dir string) bool {
	if unix.Access(filepath.Dir(dir), unix.W_OK) != nil {
		return false // this boot will never write a mark
	}
	line, err := os.ReadFile(m.path("/proc/1/cmdline"))
	return err == nil && bytes.Contains(line, []byte("nix2gpu\x00boot\x00"))
}
