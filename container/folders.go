package container

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"

	"nix2gpu/project"
)

// folders makes the folders that programs expect. What can't be made, because the
// place is read-only or somebody else's, is left: the program that needs it will
// report it.
func folders(_ context.Context, m *Machine) error {
	type folder struct {
		path string
		mode fs.FileMode
	}
	want := []folder{
		{"/run", 0o755}, {"/tmp", 0o777 | fs.ModeSticky}, {"/var/tmp", 0o777 | fs.ModeSticky},
		{"/var/log", 0o755}, {"/run/lock", 0o777 | fs.ModeSticky}, {m.workingDir(), 0o755},
	}
	if m.UID == 0 {
		runtime := "/run/user/" + strconv.Itoa(m.UID)
		want = append(want, folder{"/run/sshd", 0o755}, folder{"/run/user", 0o755}, folder{runtime, 0o700}, folder{"/root", 0o700})
		if m.getenv("XDG_RUNTIME_DIR") == "" {
			m.setenv("XDG_RUNTIME_DIR", runtime)
		}
	}
	if m.getenv("HOME") == "" {
		m.setenv("HOME", map[bool]string{true: "/root", false: "/tmp"}[m.UID == 0])
	}
	var failed []error
	for _, f := range want {
		path := m.path(f.path)
		if info, err := os.Stat(path); err == nil {
			if !info.IsDir() {
				failed = append(failed, fmt.Errorf("%s is not a folder", f.path))
			}
			continue
		}
		err := os.MkdirAll(path, f.mode.Perm())
		if err == nil {
			err = os.Chmod(path, f.mode) // MkdirAll obeys the umask
		}
		switch {
		case readOnly(err) || closed(err):
			m.Log.Info("cannot be made here", "folder", f.path, "err", err)
		case err != nil:
			failed = append(failed, err)
		}
	}
	m.lookAtWorkingDir()
	return errors.Join(failed...)
}

// lookAtWorkingDir reports what is wrong with a volume at the working directory,
// before services fail because of it one by one.
func (m *Machine) lookAtWorkingDir() {
	dir := m.workingDir()
	var st unix.Stat_t
	if err := unix.Stat(m.path(dir), &st); err != nil {
		m.Tell(fmt.Sprintf("%s cannot be used: %v", dir, err), "set workingDir to a folder that exists")
		return
	}
	switch err := unix.Access(m.path(dir), unix.W_OK|unix.X_OK); err {
	case nil:
	case unix.EROFS:
		m.Log.Info("the working directory is read-only", "folder", dir)
		if m.keepsData() {
			m.Tell(dir+" is read-only: services cannot keep their data there", "mount it without :ro, or set dataDir to a folder that can be written to")
		}
	default:
		m.Tell(fmt.Sprintf("%s belongs to uid %d, and this container runs as uid %d: it cannot write there", dir, st.Uid, m.UID),
			fmt.Sprintf("chown %d the folder on the host, or leave out --user", m.UID))
	}
	if m.UID == 0 && st.Mode&0o001 == 0 && m.hasOtherUsers() {
		m.Tell(fmt.Sprintf("%s is closed to the users that services run as (mode %04o, uid %d)", dir, st.Mode&0o7777, st.Uid),
			"chmod o+x the folder on the host, or set dataDir to another")
	}
}

// keepsData reports whether a service has a folder below the working directory.
func (m *Machine) keepsData() bool {
	if m.Project == nil {
		return false
	}
	for _, proc := range m.Project.Processes {
		for _, d := range proc.Dirs {
			if len(d.Path) > 0 && d.Path[0].Root != nil {
				return true
			}
		}
	}
	return false
}

// hasOtherUsers reports whether a service runs as another user than root.
func (m *Machine) hasOtherUsers() bool {
	if m.Project == nil {
		return false
	}
	for _, proc := range m.Project.Processes {
		if proc.User != "" && proc.User != "root" && proc.User != "0" && usesRoot(proc) {
			return true
		}
	}
	return false
}

// usesRoot reports whether a process works below the working directory.
func usesRoot(proc *project.Process) (found bool) {
	proc.EachText(func(_ project.Owner, t *project.Text) {
		for _, part := range *t {
			found = found || part.Root != nil
		}
	})
	return found
}

// tun looks for the device without which tailscale is only a proxy.
func tun(_ context.Context, m *Machine) error {
	info, err := os.Stat(m.path("/dev/net/tun"))
	there := err == nil && info.Mode()&fs.ModeCharDevice != 0
	if f, err := os.OpenFile(m.path("/dev/net/tun"), os.O_RDWR, 0); err == nil {
		f.Close()
	} else if errors.Is(err, syscall.EPERM) || errors.Is(err, fs.ErrPermission) || errors.Is(err, syscall.ENODEV) {
		there = false
	}
	m.Log.Info("looked for /dev/net/tun", "there", there)
	if !there && m.Project != nil && m.Project.Container.Tailscale != nil {
		m.Log.Warn("without /dev/net/tun tailscale is reachable from the tailnet, and other services reach it by a proxy only",
			"hint", "run with --device /dev/net/tun --cap-add NET_ADMIN")
	}
	return nil
}
