package guest

import (
	"encoding/binary"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"nix2gpu/internal/testkit"
)

// Kernel is the user-mode-linux kernel, an ordinary program.
const Kernel = "/usr/bin/linux.uml"

// Options describes a guest.
type Options struct {
	// Files are put into the root, by path. One that begins with "#!" is executable.
	// /run (mounted noexec), /tmp and /var are always writable file systems in memory.
	Files map[string]string
	// Links are symbolic links, by their paths.
	Links map[string]string
	// ReadOnly makes the root read-only.
	ReadOnly bool
	// Setup is a script that bash runs in the root before PID 1 becomes Init, to change
	// limits or mount more. If it execs a program, that becomes PID 1 instead.
	Setup string
	// Init is what PID 1 becomes. The program under test is /nix2gpu.
	Init []string
	// MemoryMB is the guest's memory in MiB; default: 256.
	MemoryMB int
	// DiskMB is the size of the disk /dev/ubda in MiB, which is one partition, /dev/ubda1,
	// without a file system; 0: none.
	DiskMB int64
}

// Boot returns the Init that runs only the program under test.
func Boot() []string { return []string{"/nix2gpu", "boot"} }

// limit ends a guest that was left running, in seconds. Tests have patience of their
// own.
const limit = 1200

// Start boots a guest. Its console is the output of the run. The run ends with 0 when the
// guest powers off, and with another code when its kernel panics.
func Start(t testing.TB, o Options) *testkit.Run {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs a process namespace of its own (run as root)")
	}
	for _, program := range []string{Kernel, "unshare"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Skipf("needs Debian's user-mode-linux (scripts/deps all): %v", err)
		}
	}
	dir := t.TempDir()
	if err := o.build(dir, testkit.Binary(t)); err != nil {
		t.Fatal(err)
	}
	if o.MemoryMB == 0 {
		o.MemoryMB = 256
	}
	n := testkit.NewNet(t)
	s := &testkit.Stack{T: t, Net: n, Dir: dir, Bin: Kernel, Client: n.Client(), Env: []string{"HOME=" + dir, "TMPDIR=" + dir}}
	// A process namespace: the kernel's many processes go with its first one.
	argv := []string{"--fork", "--pid", "--mount-proc", "--kill-child", "timeout", "--signal=KILL", fmt.Sprint(limit),
		Kernel, "rootfstype=hostfs", "rootflags=/", "ro", fmt.Sprintf("mem=%dM", o.MemoryMB), "umid=guest", "uml_dir=" + dir,
		"con=null", "con0=fd:0,fd:1", "quiet", "init=" + dir + "/init"}
	if o.DiskMB > 0 {
		disk := filepath.Join(dir, "disk")
		if err := writeDisk(disk, o.DiskMB<<20); err != nil {
			t.Fatal(err)
		}
		argv = append(argv, "ubd0="+disk)
	}
	run := s.StartCommand("unshare", argv...)
	t.Cleanup(func() {
		if run.Running() {
			run.Signal(syscall.SIGKILL)
			run.Wait()
		}
		if t.Failed() {
			t.Logf("--- console of the guest:\n%s", Console(run))
		}
	})
	return run
}

// Console returns all that the guest has printed so far, with "\n" for line ends.
func Console(run *testkit.Run) string { return strings.ReplaceAll(run.Output(), "\r\n", "\n") }

// writeDisk makes a disk of so many bytes, with the partition table of a PC.
func writeDisk(path string, size int64) error {
	const sector, first = 512, 2048
	var table [sector]byte
	entry := table[446:]
	entry[4] = 0x83 // Linux
	binary.LittleEndian.PutUint32(entry[8:], first)
	binary.LittleEndian.PutUint32(entry[12:], uint32(size/sector-first))
	table[510], table[511] = 0x55, 0xaa
	if err := os.WriteFile(path, table[:], 0o600); err != nil {
		return err
	}
	return os.Truncate(path, size)
}

// fromHost are files of the machine that programs in /usr need.
var fromHost = []string{"/etc/ld.so.cache", "/etc/passwd", "/etc/group", "/etc/nsswitch.conf", "/etc/alternatives"}

// build makes the root and the first PID 1.
func (o *Options) build(dir, binary string) error {
	root := filepath.Join(dir, "root")
	for _, d := range []string{"dev", "etc", "mnt", "opt", "proc", "root", "run", "sys", "tmp", "usr", "var", "workspace"} {
		if err := os.MkdirAll(filepath.Join(root, d), 0o755); err != nil {
			return err
		}
	}
	for _, d := range []string{"bin", "sbin", "lib", "lib64"} {
		if err := os.Symlink("usr/"+d, filepath.Join(root, d)); err != nil {
			return err
		}
	}
	copies := append([]string{"-a", "--parents"}, fromHost...)
	for _, args := range [][]string{append(copies, root), {binary, filepath.Join(root, "nix2gpu")}} {
		if out, err := exec.Command("cp", args...).CombinedOutput(); err != nil {
			return fmt.Errorf("cp: %v\n%s", err, out)
		}
	}
	put := func(path, text string) error {
		mode := os.FileMode(0o644)
		if strings.HasPrefix(text, "#!") {
			mode = 0o755
		}
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		return os.WriteFile(path, []byte(text), mode)
	}
	for name, text := range o.Files {
		if err := put(filepath.Join(root, name), text); err != nil {
			return err
		}
	}
	for name, to := range o.Links {
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		if err := os.Symlink(to, path); err != nil {
			return err
		}
	}
	if err := put(filepath.Join(dir, "init"), o.first(root)); err != nil {
		return err
	}
	return put(filepath.Join(root, "setup"), "#!/bin/bash\n"+o.Setup+"\n"+`exec "$@"`+"\n")
}

// first returns the script of the first PID 1. It changes from the machine's root, which
// it has read-only, to the guest's.
func (o *Options) first(root string) string {
	mode := "rw"
	if o.ReadOnly {
		mode = "ro"
	}
	var argv strings.Builder
	for _, arg := range o.Init {
		fmt.Fprintf(&argv, " '%s'", strings.ReplaceAll(arg, "'", `'\''`))
	}
	return `#!/bin/bash
set -e
export PATH=/usr/sbin:/usr/bin HOME=/root TERM=dumb LANG=C.UTF-8 NIX2GPU_CONTAINER=1
new=/mnt
mount -t hostfs -o ` + root + ` none $new
mount -t hostfs -o /usr none $new/usr
mount -o remount,bind,ro $new/usr
mount -t proc proc $new/proc
mount -t sysfs sysfs $new/sys
mount -t devtmpfs dev $new/dev
mkdir -p $new/dev/pts $new/dev/shm
mount -t devpts devpts $new/dev/pts
mount -t tmpfs -o mode=1777 shm $new/dev/shm
mount -t cgroup2 cgroup $new/sys/fs/cgroup
mount -t tmpfs -o mode=755,noexec,nosuid,nodev run $new/run
mount -t tmpfs -o mode=1777 tmp $new/tmp
mount -t tmpfs -o mode=755 var $new/var
mkdir $new/var/lib $new/var/log $new/var/tmp
chmod 1777 $new/var/tmp
ip link set lo up
cd $new
pivot_root . mnt
mount -o remount,bind,` + mode + ` /
exec chroot . /bin/bash -c 'umount -l /mnt 2>/dev/null; exec /bin/bash "$@"' bash /setup` + argv.String() + `
`
}
