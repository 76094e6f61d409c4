package container

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"nix2gpu/safefile"
)

// A stamp records which steps were done in this life of the container. While it is
// open it is locked, so that no two boots do them at the same time. A nil stamp
// records nothing.
type stamp struct {
	file *os.File
	done []string
}

// stampFolder is a folder that only we can write to. /run may outlive a stop of the
// container, so the file in it names the life that it is about.
func (m *Machine) stampFolder() string {
	if m.UID == 0 {
		return m.path("/run/nix2gpu-boot")
	}
	return m.path("/tmp/nix2gpu-" + strconv.Itoa(m.UID) + "-boot")
}

// openStamp opens the stamp, after waiting for another boot to end.
func (m *Machine) openStamp(ctx context.Context) (*stamp, error) {
	dir := m.stampFolder()
	if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
		return nil, err
	}
	if err := safefile.MakeFolder(dir, 0o700); err != nil {
		return nil, err
	}
	f, err := safefile.OpenFile(filepath.Join(dir, "steps"), os.O_RDWR|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return nil, err
	}
	if err := safefile.Flock(ctx, f, unix.LOCK_EX); err != nil {
		f.Close()
		return nil, err
	}
	s := &stamp{file: f}
	data, err := io.ReadAll(io.LimitReader(f, 64<<10))
	if err != nil {
		f.Close()
		return nil, err
	}
	life := m.life()
	lines := strings.Fields(string(data))
	if len(lines) > 0 && lines[0] == life {
		s.done = lines[1:]
		return s, nil
	}
	if err = f.Truncate(0); err == nil {
		_, err = f.WriteString(life + "\n")
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return s, nil
}

func (s *stamp) has(name string) bool { return s != nil && slices.Contains(s.done, name) }

func (s *stamp) add(name string) error {
	if s == nil || s.has(name) {
		return nil
	}
	s.done = append(s.done, name)
	_, err := s.file.WriteString(name + "\n")
	return err
}

func (s *stamp) close() {
	if s != nil {
		s.file.Close() // this releases the lock
	}
}

// life identifies this run of the container, by the start of its first process and the
// kernel's boot: the pid of that process is always 1.
func (m *Machine) life() string {
	boot, _ := os.ReadFile(m.path("/proc/sys/kernel/random/boot_id"))
	return fmt.Sprintf("%s/%s", strings.TrimSpace(string(boot)), m.began(1))
}

// began returns when a process was started, in ticks since the kernel's boot; "" if
// there is no such process.
func (m *Machine) began(pid int) string {
	stat, _ := os.ReadFile(m.path("/proc/" + strconv.Itoa(pid) + "/stat"))
	if i := strings.LastIndexByte(string(stat), ')'); i >= 0 { // the name may hold any character, even ")"
		if f := strings.Fields(string(stat)[i+1:]); len(f) > 19 {
			return f[19]
		}
	}
	return ""
}
