package guest

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"nix2gpu/internal/testkit"
)

// Kernel is the program that is a kernel.
const Kernel = "/usr/bin/linux.uml"

// Options says what a guest is.
type Options struct {
	// Files are put into the root by their paths; "#!" at the begin makes one
	// executable. Folders that a program may write to are file systems in
	// memory, whatever the root is: /run (without execution), /tmp and /var.
	Files map[string]string
	// Links are symbolic links, by their paths.
	Links map[string]string
	// ReadOnly: the root takes no files.
	ReadOnly bool
	// Setup is run by bash, in the root, before PID 1 becomes Init: raised or
	// lowered limits, more mounts. What it execs becomes PID 1 instead.
	Setup string
	// Init is what PID 1 becomes. The program under test is /nix2gpu.
	Init []string
	// MemoryMB is how much the guest has; default: 256.
	MemoryMB int
}

// Boot is the program under test as the only thing that runs.
func Boot() []string { return []string{"/nix2gpu", "boot"} }

// limit bounds a guest that nobody ends, in seconds; a test has its own patience.
const limit = 1200

// Start boots a guest. Its console is the output of the run, which ends when the
// guest is powered off, with 0, or its kernel panics.
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
	run := s.StartCommand("unshare", "--fork", "--pid", "--mount-proc", "--kill-child", "timeout", "--signal=KILL", fmt.Sprint(limit),
		Kernel, "rootfstype=hostfs", "rootflags=/", "ro", fmt.Sprintf("mem=%dM", o.MemoryMB), "umid=guest", "uml_dir="+dir,
		"con=null", "con0=fd:0,fd:1", "quiet", "init="+dir+"/init")
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

// Console is all that the guest has printed so far, with the line ends of a file.
func Console(run *testkit.Run) string { return strings.ReplaceAll(run.Output(), "\r\n", "\n") }

// fromHost are files of the machine that programs of its /usr look for.
var fromHost = []string{"/etc/ld.so.cache", "/etc/passwd", "/etc/group", "/etc/nsswitch.conf", "/etc/alternatives"}

// build makes the root, and what PID 1 is at first.
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

// first is PID 1 to begin with: it goes over from the machine's root, which it
// can only read, to the guest's.
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
